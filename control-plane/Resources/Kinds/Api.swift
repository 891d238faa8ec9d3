// APIs: path, protocols, backend, and the import of a description.
internal import JSONDocuments
internal import ResourceStore

extension Kind {
    static let apiProperties: [Property] = [
        .optional("displayName", .text(1...300)),
        .readOnly("apiRevision", absent: .value("1")),
        .optional("description", .text(0...100_000), absent: .null),
        .optional("subscriptionRequired", .boolean, absent: .value(true)),
        .optional("serviceUrl", .text(0...2000), absent: .null),
        .required("path", .text(0...400)),
        .optional("protocols", .list(.oneOf(["http", "https", "ws", "wss"]), atMost: 4), absent: .value(["https"])),
        .optional(
            "authenticationSettings",
            .object([
                .optional("oAuth2", .any, absent: .null), .optional("openid", .any, absent: .null),
                .optional("oAuth2AuthenticationSettings", .list(.any, atMost: 100)),
                .optional("openidAuthenticationSettings", .list(.any, atMost: 100)),
            ]), absent: .value(["oAuth2": nil, "openid": nil])),
        .optional(
            "subscriptionKeyParameterNames",
            .object([
                .optional("header", .text(1...256), absent: .value("Ocp-Apim-Subscription-Key")),
                .optional("query", .text(1...256), absent: .value("subscription-key")),
            ]), absent: .value(["header": "Ocp-Apim-Subscription-Key", "query": "subscription-key"])),
        .optional(
            "license",
            .object([
                .optional("name", .text(0...1000), absent: .null), .optional("url", .text(0...2000), absent: .null),
            ])),
        .optional(
            "contact",
            .object([
                .optional("name", .text(0...1000), absent: .null), .optional("url", .text(0...2000), absent: .null),
                .optional("email", .text(0...1000), absent: .null),
            ])),
        .optional("termsOfServiceUrl", .text(0...2000)),
        .optional("type", .oneOf(["http", "soap", "websocket", "graphql", "odata", "grpc"])),
        .readOnly("isCurrent", absent: .value(true)),
        .optional("apiRevisionDescription", .text(0...256)),
        .optional("apiVersion", .text(0...100)),
        .optional("apiVersionDescription", .text(0...256)),
        .optional("apiVersionSetId", .text(0...2000)),
        .optional("gatehouse", .object([.optional("forwardSubscriptionKey", .boolean)])),
        .transient("apiVersionSet", .any),
        .transient("sourceApiId", .text(0...2000)),
        .transient("apiType", .oneOf(["http", "soap", "websocket", "graphql", "odata", "grpc"])),
        .transient("format", .text(1...100)),
        .transient("value", .text(0...16_777_216)),
        .transient("wsdlSelector", .any),
        .transient("translateRequiredQueryParameters", .oneOf(["template", "query"])),
    ]

    /// An API with its operations.
    package static let api: Kind = {
        var kind = Kind("apis", noun: "Api", id: IDRule(lengthMax: 256), properties: apiProperties)
        kind.filters =
            ["name", "displayName", "description", "serviceUrl", "path"].map { FilterField($0) } + [
                FilterField("isCurrent", .equalityAndDifference)
            ]
        kind.selections["tags"] = Tags.selecting("apis/tags")
        kind.putIsLongRunning = true
        kind.deleteIsLongRunning = true
        kind.prepare = prepare
        kind.remove = { removal in try removal.deleteSubscriptions() }
        return kind
    }()

    private static func prepare(_ draft: inout Draft) throws {
        let kind = draft.transients["apiType"]?.text ?? draft.text("type") ?? "http"
        guard kind == "http" else {
            throw Refusal(.notImplemented, "APIs of type '\(kind)' are not built yet.")
        }
        draft.properties["type"] = nil
        // Such a name means a revision of the API before the semicolon (must-hold G13).
        if draft.id.name.lowercased().contains(";rev=") {
            throw Refusal(.notImplemented, "Revisions of APIs are not built yet.")
        }
        for name in ["apiVersion", "apiVersionSetId", "apiVersionSet", "sourceApiId"] {
            let given = draft.properties[name] ?? draft.transients[name]
            if let given, !given.isNull, given.text != "" {
                throw Refusal(
                    .notImplemented, "'properties.\(name)' needs version sets and revisions, which are not built yet.")
            }
            draft.properties[name] = nil
        }
        if let imported = draft.transients["imported"] { take(imported, into: &draft) }
        if draft.properties["displayName"] == nil {
            // Azure fills in the name; a document's title came before.
            draft.properties["displayName"] = .string(draft.id.name)
        }
        draft.properties["path"] = .string(path(draft.text("path") ?? ""))
        draft.properties["protocols"] = protocols(draft.properties["protocols"])
        checkServiceURL(&draft)
        checkPath(&draft)
        try checkAuthentication(&draft)
        let path = draft.text("path") ?? ""
        try draft.claim(
            "apis.path", path.lowercased(),
            otherwise: FieldProblem(
                "path",
                "Cannot create API '\(draft.id.name)' with the same Path '\(path)' as API '\(try draft.reader.holder(of: path.lowercased(), in: "apis.path")?.name ?? "")'  unless it's a part of the same version set"
            ))
        if let imported = draft.transients["imported"] { try Operations.replace(imported, in: &draft) }
    }

    /// Without slashes at either end (fact 33).
    static func path(_ text: String) -> String {
        var path = Substring(text)
        while path.hasPrefix("/") { path = path.dropFirst() }
        while path.hasSuffix("/") { path = path.dropLast() }
        return String(path)
    }

    /// `http` first (fact 34), each once.
    static func protocols(_ value: JSONValue?) -> JSONValue {
        let given = Set((value?.items ?? []).compactMap(\.text))
        let ordered = ["http", "https", "ws", "wss"].filter(given.contains)
        return .array((ordered.isEmpty ? ["https"] : ordered).map(JSONValue.string))
    }

    private static func checkServiceURL(_ draft: inout Draft) {
        guard let url = draft.text("serviceUrl") else { return }
        if url.isEmpty {
            draft.properties["serviceUrl"] = nil
        } else if !AbsoluteURL.isHTTP(url) {
            draft.refuse("properties.serviceUrl", "'properties.serviceUrl' must be an absolute http or https URL.")
        }
    }

    private static func checkPath(_ draft: inout Draft) {
        for segment in (draft.text("path") ?? "").split(separator: "/", omittingEmptySubsequences: false)
        where segment == "." || segment == ".." || segment.isEmpty && (draft.text("path") ?? "").isEmpty == false {
            draft.refuse("properties.path", "'properties.path' must not have empty segments, '.' or '..'.")
        }
        if (draft.text("path") ?? "").contains(where: { "?#\\;*".contains($0) || $0.isWhitespace }) {
            draft.refuse("properties.path", "'properties.path' must not contain blanks or any of ? # \\ ; *")
        }
    }

    /// Servers that documentation names are kinds that are not built: said so, rather than forgotten.
    private static func checkAuthentication(_ draft: inout Draft) throws {
        let settings = draft.properties["authenticationSettings"]
        for name in ["oAuth2", "openid", "oAuth2AuthenticationSettings", "openidAuthenticationSettings"] {
            guard let given = settings?[name], !given.isNull, given.items?.isEmpty != true else { continue }
            throw Refusal(
                .notImplemented,
                "'properties.authenticationSettings.\(name)' names an authorization server, a kind that is not built yet."
            )
        }
        draft.properties["authenticationSettings"] = ["oAuth2": nil, "openid": nil]
    }

    /// What an imported document says where the body says nothing.
    private static func take(_ imported: JSONValue, into draft: inout Draft) {
        // The document's title wins over the body's name, as with the real service (az-api recordings).
        draft.properties["displayName"] = imported["displayName"]
        for name in ["description", "serviceUrl", "license", "contact", "termsOfServiceUrl"] {
            if draft.properties[name] == nil, let value = imported[name], !value.isNull {
                draft.properties[name] = value
            }
        }
        // Absent protocols are filled with https by the table; a body that names them wins.
        if !draft.gave("protocols"), let protocols = imported["protocols"] { draft.properties["protocols"] = protocols }
    }
}

/// URLs that a body may name.
package enum AbsoluteURL {
    /// Whether it is an absolute http or https URL with a host, without user, query marks of templates left alone.
    package static func isHTTP(_ text: String) -> Bool {
        let lower = text.lowercased()
        guard lower.hasPrefix("http://") || lower.hasPrefix("https://") else { return false }
        let rest = lower.drop(while: { $0 != "/" }).dropFirst(2)
        let authority = rest.prefix(while: { $0 != "/" && $0 != "?" && $0 != "#" })
        guard !authority.isEmpty, !authority.contains("@") else { return false }
        return text.unicodeScalars.allSatisfy { $0.value > 0x20 && $0.value != 0x7F }
    }
}
