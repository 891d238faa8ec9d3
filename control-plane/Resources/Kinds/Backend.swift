// Backends: addresses with credentials and TLS settings that policies choose by name.
internal import JSONDocuments
internal import ResourceStore

extension Kind {
    private static let values = Shape.map(.list(.text(0...10_000), atMost: 100), atMost: 100)

    static let backendProperties: [Property] = [
        .optional("title", .text(1...300), absent: .null),
        .optional("description", .text(1...2000), absent: .null),
        .optional("resourceId", .text(1...2000)),
        .optional("url", .text(1...2000)),
        .optional("protocol", .oneOf(["http", "soap"])),
        .optional(
            "credentials",
            .object([
                .secret("query", values), .secret("header", values),
                .optional("certificateIds", .list(.text(1...2000), atMost: 32)),
                .optional("certificate", .list(.text(1...100), atMost: 32)),
                .optional(
                    "authorization",
                    .object([.required("scheme", .text(1...100)), .secret("parameter", .text(1...300))])),
            ])),
        .optional(
            "proxy",
            .object([
                .required("url", .text(1...2000)), .optional("username", .text(0...1000)),
                .secret("password", .text(0...1000)),
            ])),
        .optional(
            "tls",
            .object([
                .optional("validateCertificateChain", .boolean, absent: .value(true)),
                .optional("validateCertificateName", .boolean, absent: .value(true)),
            ])),
        .optional("type", .oneOf(["Single", "Pool"])),
        .optional("circuitBreaker", .any),
        .optional("pool", .any),
        .optional("properties", .any),
    ]

    /// A backend.
    package static let backend: Kind = {
        var kind = Kind("backends", noun: "Backend", id: IDRule(lengthMax: 80), properties: backendProperties)
        kind.filters = ["name", "title", "url"].map { FilterField($0) }
        kind.prepare = prepareBackend
        kind.remove = { removal in
            let name = removal.resource.name
            try removal.refuseWhileUsed { users in "Backend '\(name)' is used by the following entities:\r\n\(users)" }
        }
        kind.show = { shown in
            // Header and query values are for those who may write the backend (must-hold G22); others see which are set.
            guard var credentials = shown.properties["credentials"] else { return }
            for field in ["query", "header"] {
                guard let text = try shown.secret("credentials.\(field)"), let value = try? JSONReader.read(text) else {
                    continue
                }
                credentials[field] = shown.viewing.mayWrite ? value : Backends.masked(value)
            }
            shown.properties["credentials"] = credentials
        }
        return kind
    }()

    private static func prepareBackend(_ draft: inout Draft) throws {
        if draft.text("type") == "Pool" || draft.properties["pool"] != nil { try checkPool(&draft) }
        guard draft.problems.isEmpty else { return }
        for (name, what) in [
            ("pool", "Pools"), ("circuitBreaker", "Circuit breakers"), ("properties", "Service Fabric backends"),
            ("proxy", "Proxies"),
        ] {
            if name == "proxy" { continue }
            guard let value = draft.properties[name], !value.isNull, value != .emptyObject else {
                draft.properties[name] = nil
                continue
            }
            throw Refusal(.notImplemented, "\(what) of backends are not built yet.")
        }
        if draft.text("type") == "Pool" { throw Refusal(.notImplemented, "Pools of backends are not built yet.") }
        draft.properties["type"] = nil
        for name in ["url", "protocol"] where draft.properties[name] == nil {
            draft.refuse("properties.\(name)", "'properties.\(name)' is required.")
        }
        if let url = draft.text("url"), !AbsoluteURL.isHTTP(url) {
            draft.refuse("properties.url", "'properties.url' must be an absolute http or https URL.")
        }
        try checkCertificates(&draft)
        // Secrets are kept as texts: maps as their JSON.
        for field in ["credentials.query", "credentials.header"] {
            guard let value = draft.secrets[field], !value.isNull else { continue }
            let unmasked = try Backends.unmasked(value, field, &draft)
            draft.secrets[field] = .string(unmasked.encodedText(sorted: true))
        }
        try claimNamedValues(&draft)
    }

    /// A pool is not built yet; a member that is not there is told first.
    private static func checkPool(_ draft: inout Draft) throws {
        for (index, member) in (draft.properties["pool"]?["services"]?.items ?? []).enumerated() {
            let place = "properties.pool.services[\(index)].id"
            guard let text = member["id"]?.text, let id = draft.context.reference(text),
                try draft.reader.get(id)?.kind == "backends"
            else {
                draft.refuse(place, "'\(place)' names a backend that does not exist.")
                continue
            }
        }
    }

    private static func checkCertificates(_ draft: inout Draft) throws {
        let ids = draft.properties["credentials"]?["certificateIds"]?.items ?? []
        var found: [JSONValue] = []
        for text in ids.compactMap(\.text) {
            guard let id = draft.context.reference(text.contains("/") ? text : "/certificates/\(text)"),
                let certificate = try draft.reader.get(id), certificate.kind == "certificates"
            else {
                let name = text.split(separator: "/").last.map(String.init) ?? text
                draft.refuse("credentials", "Certificate with id '\(name)' not found.")
                continue
            }
            draft.references.append(certificate.id)
            found.append(.string(certificate.id.path))
        }
        if !ids.isEmpty { draft.properties["credentials"]?["certificateIds"] = .array(found) }
        if draft.properties["credentials"]?["certificate"]?.items?.isEmpty == false {
            throw Refusal(
                .notImplemented,
                "Certificates of backends by thumbprint are not built yet; name them in certificateIds.")
        }
    }

    /// Credentials may name `{{named values}}`: they must be there, and stay there.
    private static func claimNamedValues(_ draft: inout Draft) throws {
        for field in ["credentials.query", "credentials.header", "credentials.authorization.parameter"] {
            // What the body does not give is kept, and so is what it names.
            let kept = draft.isNew ? nil : try draft.context.secret(draft.id, field, draft.reader)
            let value = draft.secrets[field].map(\.text) ?? kept
            for name in NamedValueReferences.names(in: value ?? "") {
                guard let holder = try draft.reader.holder(of: name.lowercased(), in: "namedValues.displayName") else {
                    draft.refuse("credentials", "Cannot find a property '\(name)'")
                    continue
                }
                draft.references.append(holder)
            }
        }
    }
}

enum Backends {
    static let mask: JSONValue = "***"

    /// Which headers or query parameters are set, without their values; what is no more than a named value's name is
    /// shown (must-hold G22).
    static func masked(_ values: JSONValue) -> JSONValue {
        var masked = JSONObject()
        for (name, list) in values.members ?? JSONObject() {
            masked[name] = .array((list.items ?? []).map { isName($0.text ?? "") ? $0 : mask })
        }
        return .object(masked)
    }

    private static func isName(_ text: String) -> Bool {
        text.hasPrefix("{{") && text.hasSuffix("}}") && text.count > 4
            && !text.dropFirst(2).dropLast(2).contains(where: { "{}".contains($0) })
    }

    /// Values as given, with what is stored in the place of masks. Refuses a mask with nothing behind it.
    static func unmasked(_ values: JSONValue, _ field: String, _ draft: inout Draft) throws -> JSONValue {
        let text = draft.isNew ? nil : try draft.context.secret(draft.id, field, draft.reader)
        let stored = text.flatMap { try? JSONReader.read($0) }
        var result = JSONObject()
        for (name, list) in values.members ?? JSONObject() {
            let kept = stored?[name]?.items ?? []
            var items: [JSONValue] = []
            for (index, item) in (list.items ?? []).enumerated() {
                guard item == mask else {
                    items.append(item)
                    continue
                }
                guard kept.indices.contains(index) else {
                    let place = "properties.\(field).\(name)"
                    draft.refuse(place, "'\(place)' is a mask of a value that is not stored.")
                    continue
                }
                items.append(kept[index])
            }
            result[name] = .array(items)
        }
        return .object(result)
    }
}
