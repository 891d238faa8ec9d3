// `{{name}}` in texts: which named values a text names, and what it says when one of them is renamed.
internal import JSONDocuments
internal import PolicyLanguage
internal import ResourceStore

/// `{{name}}` in a text.
package enum NamedValueReferences {
    package static func names(in text: String) -> [String] {
        guard text.contains("{{") else { return [] }
        var names: [String] = []
        var rest = Substring(text)
        while let open = rest.range(of: "{{") {
            rest = rest[open.upperBound...]
            guard let close = rest.range(of: "}}") else { break }
            let name = rest[..<close.lowerBound]
            if name.contains("{{") { continue }
            names.append(name.trimmed)
            rest = rest[close.upperBound...]
        }
        return names
    }

    /// The text with one name in the place of another. In any case, for credentials of backends are not particular.
    static func renamed(_ old: String, to new: String, in text: String) -> String {
        var result = ""
        var rest = Substring(text)
        while let open = rest.range(of: "{{") {
            result += rest[..<open.upperBound]
            rest = rest[open.upperBound...]
            guard let close = rest.range(of: "}}") else { break }
            let name = rest[..<close.lowerBound]
            if name.contains("{{") { continue }
            result += (name.trimmed.lowercased() == old.lowercased() ? new : String(name)) + "}}"
            rest = rest[close.upperBound...]
        }
        return result + rest
    }
}

/// A named value's new name in everything that names it: policy documents, fragments, credentials of backends.
struct NamedValueRenaming: Sendable {
    private static let credentials = [
        "credentials.query", "credentials.header", "credentials.authorization.parameter",
    ]

    /// Texts of documents and fragments as they will be.
    private(set) var texts: [ResourceID: String] = [:]
    /// Of those the fragments, by name in lower case.
    private(set) var fragments: [String: PolicyReferences.Fragment] = [:]
    private var users: [StoredResource] = []
    private let old: String
    private let new: String

    init(of id: ResourceID, from old: String, to new: String, _ reader: StoreReader) throws {
        self.old = old
        self.new = new
        for user in try reader.referrers(of: id) {
            guard let resource = try reader.get(user) else { continue }
            users.append(resource)
            guard resource.kind != "backends", let text = resource.properties["value"]?.text else { continue }
            let renamed = NamedValueReferences.renamed(old, to: new, in: text)
            texts[resource.id] = renamed
            if resource.kind == "policyFragments" {
                fragments[resource.name.lowercased()] = PolicyReferences.Fragment(
                    text: renamed, format: Policies.format(resource.properties["format"]?.text))
            }
        }
    }

    func write(in writer: StoreWriter, _ context: ResourceContext) throws {
        for user in users {
            var properties = user.properties
            if let text = texts[user.id] { properties["value"] = .string(text) }
            if user.kind == "backends" {
                for field in Self.credentials {
                    guard let text = try context.secret(user.id, field, writer.reader) else { continue }
                    let renamed = NamedValueReferences.renamed(old, to: new, in: text)
                    try writer.setSecret(user.id, field, try context.seal(user.id, field, renamed))
                }
            }
            try writer.put(user.id, kind: user.kind, properties: properties, touching: user.kind == "backends")
        }
    }
}

extension Substring {
    /// The first place of a short text.
    fileprivate func range(of text: String) -> Range<Index>? {
        firstRange(of: text)
    }

    fileprivate var trimmed: String {
        var part = self
        while part.first?.isWhitespace == true { part = part.dropFirst() }
        while part.last?.isWhitespace == true { part = part.dropLast() }
        return String(part)
    }
}
