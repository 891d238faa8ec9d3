// Named values: texts that policies name as {{displayName}}.
internal import JSONDocuments
package import ResourceStore

extension Kind {
    static let namedValueProperties: [Property] = [
        .required("displayName", .text(1...256)),
        .optional("value", .text(1...4096)),
        .optional("tags", .list(.text(0...256), atMost: 32), absent: .value([])),
        .optional("secret", .boolean, absent: .value(false)),
        .optional("keyVault", .any),
    ]

    /// A named value. Its text is sealed where it is secret.
    package static let namedValue: Kind = {
        var kind = Kind("namedValues", noun: "Property", id: IDRule(lengthMax: 256), properties: namedValueProperties)
        kind.filters = [FilterField("tags", .all), FilterField("displayName"), FilterField("name")]
        kind.selections["isKeyVaultRefreshFailed"] = KeyVaults.failedToRefresh
        kind.putIsLongRunning = true
        kind.patchIsLongRunning = true
        kind.secretsAction = "listValue"
        kind.prepare = prepareNamedValue
        kind.remove = { removal in
            let name = removal.resource.properties["displayName"]?.text ?? removal.resource.name
            try removal.refuseWhileUsed { users in
                "The Named Value '\(name)' is used by the following entities:\r\n\(users)"
            }
        }
        return kind
    }()

    private static func prepareNamedValue(_ draft: inout Draft) throws {
        if let vault = draft.properties["keyVault"], !vault.isNull {
            throw Refusal(.notImplemented, "Named values from a key vault are not built yet.")
        }
        draft.properties["keyVault"] = nil
        let name = draft.text("displayName") ?? ""
        if !name.utf8.allSatisfy({
            ($0 | 0x20 >= 0x61 && $0 | 0x20 <= 0x7A) || ($0 >= 0x30 && $0 <= 0x39) || "-._".utf8.contains($0)
        }) {
            draft.refuse(
                "properties.displayName", "'properties.displayName' may have letters, digits, '-', '.' and '_' only.")
        }
        let isSecret = draft.properties["secret"]?.boolean == true
        let wasSecret = draft.former?.properties["secret"]?.boolean == true
        // One that stays secret keeps its value; one that is made plain is given it by who asks: to write a named value
        // is not to read it.
        let given = draft.text("value")
        let kept =
            given == nil && wasSecret && isSecret
            ? try draft.context.secret(draft.id, "value", draft.reader) : nil
        guard let value = given ?? kept else {
            return draft.refuse("properties.value", "'properties.value' is required.")
        }
        if value.unicodeScalars.allSatisfy(\.properties.isWhitespace) {
            draft.refuse("properties.value", "'properties.value' must not be blank.")
        }
        if isSecret {
            draft.properties["value"] = nil
            draft.secrets["value"] = .string(value)
        } else {
            draft.properties["value"] = .string(value)
            if wasSecret { draft.secrets["value"] = .null }
        }
        try draft.claim(
            "namedValues.displayName", name.lowercased(),
            otherwise: FieldProblem("name", "Property with the same name already exist."))
        guard draft.problems.isEmpty else { return }
        try Policies.checkUsers(of: &draft, displayName: name, value: value)
    }
}

/// Values as policies see them.
package enum NamedValues {
    /// The text of a named value, opened where it is secret.
    package static func value(
        of resource: StoredResource, _ reader: StoreReader, _ context: ResourceContext
    ) throws -> String? {
        resource.properties["secret"]?.boolean == true
            ? try context.secret(resource.id, "value", reader) : resource.properties["value"]?.text
    }
}

/// Secrets that come from a key vault; none does yet.
enum KeyVaults {
    /// Of `isKeyVaultRefreshFailed=true`: nothing has come from a key vault, so nothing of it has failed.
    static let failedToRefresh: Selection = { value, _, _ in value.lowercased() == "true" ? [] : nil }
}
