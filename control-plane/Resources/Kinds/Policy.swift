// Policy documents at the four scopes, and what depends on them.
internal import JSONDocuments
package import PolicyLanguage
package import ResourceStore

extension Kind {
    private static let policyProperties: [Property] = [
        .optional("format", .oneOf(["xml", "rawxml", "xml-link", "rawxml-link"]), absent: .value("xml")),
        .required("value", .text(1...600_000)),
    ]

    package static let globalPolicy = policy("policies", .global)
    package static let apiPolicy = policy("apis/policies", .api)
    package static let operationPolicy = policy("apis/operations/policies", .operation)
    package static let productPolicy = policy("products/policies", .product)

    private static func policy(_ name: String, _ level: PolicyLevel) -> Kind {
        var kind = Kind(name, noun: "PoliciesConfiguration", id: IDRule(lengthMax: 80), properties: policyProperties)
        kind.allowsPatch = false
        kind.prepare = { draft in
            guard draft.id.name.lowercased() == "policy" else {
                return draft.refuse("id", "A policy's name is always 'policy'.")
            }
            try Policies.check(&draft, level: level)
        }
        kind.show = { shown in
            // The text comes back as typed in both formats (contract-details.md 2).
            if let format = shown.viewing.policyFormat { shown.properties["format"] = .string(format) }
        }
        return kind
    }

    /// A fragment: policies that documents include by name.
    package static let policyFragment: Kind = {
        var kind = Kind(
            "policyFragments", noun: "PolicyFragment", id: IDRule(lengthMax: 80, characters: .fragment),
            properties: [
                .required("value", .text(1...600_000)),
                .optional("description", .text(0...1000), absent: .null),
                .optional("format", .oneOf(["xml", "rawxml"]), absent: .value("xml")),
            ])
        kind.filters = ["name", "description", "value"].map { FilterField($0) }
        kind.allowsPatch = false
        kind.putIsLongRunning = true
        kind.prepare = { draft in try Policies.checkFragment(&draft) }
        kind.remove = { removal in
            let name = removal.resource.name
            try removal.refuseWhileUsed { users in
                "The Policy Fragment '\(name)' is used by the following entities:\r\n\(users)"
            }
        }
        kind.show = { shown in
            if let format = shown.viewing.policyFormat { shown.properties["format"] = .string(format) }
        }
        return kind
    }()
}

/// Checking policy texts against the store.
package enum Policies {
    /// The level of a policy kind's documents; nil for other kinds.
    package static func level(of kind: String) -> PolicyLevel? {
        switch kind {
        case "policies": .global
        case "apis/policies": .api
        case "apis/operations/policies": .operation
        case "products/policies": .product
        default: nil
        }
    }

    static func format(_ text: String?) -> PolicyFormat { text?.hasPrefix("rawxml") == true ? .rawxml : .xml }

    static func check(_ draft: inout Draft, level: PolicyLevel) throws {
        try refuseLinks(draft)
        let text = draft.text("value") ?? ""
        let references = try references(for: [text], draft.reader, draft.context)
        switch PolicyChecker.check(
            document: text, format: format(draft.text("format")), level: level, references: references)
        {
        case .success(let document): draft.references += try targets(of: document.uses, draft.reader)
        case .failure(let problems): draft.problems += problems.all.map { FieldProblem($0.target, $0.message) }
        }
    }

    private static func refuseLinks(_ draft: Draft) throws {
        if draft.text("format")?.hasSuffix("-link") == true {
            throw Refusal(
                .notImplemented, "Policies by link are not built yet; send the text with format xml or rawxml.")
        }
    }

    static func checkFragment(_ draft: inout Draft) throws {
        let text = draft.text("value") ?? ""
        let references = try references(for: [text], draft.reader, draft.context)
        switch PolicyChecker.check(fragment: text, format: format(draft.text("format")), references: references) {
        case .success(let uses): draft.references += try targets(of: uses, draft.reader)
        case .failure(let problems):
            if let fault = problems.all.first(where: { $0.target == PolicyProblem.representation }) {
                throw Refusal.state("The policy fragment is not a valid XML: \(fault.message)")
            }
            draft.problems += problems.all.map { FieldProblem($0.target, $0.message) }
        }
        guard draft.problems.isEmpty, !draft.isNew else { return }
        let fragment = PolicyReferences.Fragment(text: text, format: format(draft.text("format")))
        try checkUsers(of: draft.id, draft.reader, draft.context, target: "value") { references in
            let former = references.fragment
            let name = draft.id.name.lowercased()
            references.fragment = { $0.lowercased() == name ? fragment : former($0) }
        }
    }

    /// A named value's new text must leave the documents that name it as good as they are, and a new name is theirs at
    /// once: all of them are written in the same transaction (must-hold G60).
    static func checkUsers(of draft: inout Draft, displayName: String, value: String) throws {
        guard let former = draft.former else { return }
        let formerName = former.properties["displayName"]?.text ?? ""
        // One that can't be opened any more is another one.
        let formerValue = (try? NamedValues.value(of: former, draft.reader, draft.context)) ?? nil
        if formerName == displayName, formerValue == value { return }
        let renaming =
            formerName == displayName
            ? nil : try NamedValueRenaming(of: former.id, from: formerName, to: displayName, draft.reader)
        try checkUsers(
            of: draft.id, draft.reader, draft.context,
            target: renaming == nil ? "properties.value" : "properties.displayName", texts: renaming?.texts ?? [:]
        ) { references in
            let (formerValue, formerFragment) = (references.namedValue, references.fragment)
            references.namedValue = { $0 == displayName ? value : formerValue($0) }
            guard let fragments = renaming?.fragments, !fragments.isEmpty else { return }
            references.fragment = { fragments[$0.lowercased()] ?? formerFragment($0) }
        }
        if let renaming {
            let context = draft.context
            draft.afterwards.append { writer in try renaming.write(in: writer, context) }
        }
    }

    private static func checkUsers(
        of id: ResourceID, _ reader: StoreReader, _ context: ResourceContext, target: String,
        texts: [ResourceID: String] = [:], changing change: (inout PolicyReferences) -> Void
    ) throws {
        for user in try documents(dependingOn: id, reader) {
            guard let level = level(of: user.kind), let text = texts[user.id] ?? user.properties["value"]?.text else {
                continue
            }
            var references = try references(for: [text], reader, context)
            change(&references)
            let result = PolicyChecker.check(
                document: text, format: format(user.properties["format"]?.text), level: level, references: references)
            if case .failure(let problems) = result {
                throw Refusal.fields(
                    problems.all.map {
                        FieldProblem(target, "'\(user.id.path)' would no longer be valid: \($0.message)")
                    })
            }
        }
    }

    /// Documents that refer to the resource, themselves or by a fragment.
    package static func documents(dependingOn id: ResourceID, _ reader: StoreReader) throws -> [StoredResource] {
        var found: [StoredResource] = []
        var seen: Set<ResourceID> = [id]
        var open = [id]
        while let next = open.popLast() {
            for user in try reader.referrers(of: next) where seen.insert(user).inserted {
                guard let resource = try reader.get(user) else { continue }
                if resource.kind == "policyFragments" { open.append(user) } else { found.append(resource) }
            }
        }
        return found
    }

    /// What a stored document refers to.
    static func references(of policy: StoredResource, _ reader: StoreReader) throws -> [ResourceID] {
        // The document was checked with these very references, so its own row knows them no more than its text does.
        let text = policy.properties["value"]?.text ?? ""
        let result = PolicyChecker.check(
            document: text, format: format(policy.properties["format"]?.text),
            level: level(of: policy.kind) ?? .operation,
            references: try references(for: [text], reader, nil))
        guard case .success(let document) = result else { return [] }
        return try targets(of: document.uses, reader)
    }

    private static func targets(of uses: PolicyUses, _ reader: StoreReader) throws -> [ResourceID] {
        try uses.namedValues.compactMap { try reader.holder(of: $0.lowercased(), in: "namedValues.displayName") }
            + uses.fragments.map { ResourceID(path: "/policyFragments/\($0)") }
            + uses.backends.map { ResourceID(path: "/backends/\($0)") }
            + uses.certificates.map { ResourceID(path: "/certificates/\($0)") }
    }

    /// What the texts may refer to. Only what they name is read: a service may have thousands of named values.
    static func references(
        for texts: [String], _ reader: StoreReader, _ context: ResourceContext?
    ) throws -> PolicyReferences {
        var fragments: [String: PolicyReferences.Fragment] = [:]
        var all = texts
        if texts.contains(where: { $0.contains("include-fragment") }) {
            for row in try reader.list(ListQuery(kind: "policyFragments")) {
                let text = row.properties["value"]?.text ?? ""
                fragments[row.name.lowercased()] = .init(text: text, format: format(row.properties["format"]?.text))
                all.append(text)
            }
        }
        var values: [String: String] = [:]
        for name in Set(all.flatMap(NamedValueReferences.names)) {
            guard let id = try reader.holder(of: name.lowercased(), in: "namedValues.displayName"),
                let row = try reader.get(id), row.properties["displayName"]?.text == name
            else { continue }
            // A text that can't be opened is that named value's fault alone (must-hold G57).
            values[name] = (try? context.flatMap { try NamedValues.value(of: row, reader, $0) }) ?? "x"
        }
        let names = { (kind: String) in Set(try reader.list(ListQuery(kind: kind)).map { $0.name.lowercased() }) }
        let backends = all.contains { $0.contains("backend-id") } ? try names("backends") : []
        let certificates = all.contains { $0.contains("certificate") } ? try names("certificates") : []
        let held = values
        let stored = fragments
        return PolicyReferences(
            namedValue: { held[$0] },
            fragment: { ResourceID.isNormalised($0) ? stored[$0.lowercased()] : nil },
            backendExists: { ResourceID.isNormalised($0) && backends.contains($0.lowercased()) },
            certificateExists: { ResourceID.isNormalised($0) && certificates.contains($0.lowercased()) })
    }
}
