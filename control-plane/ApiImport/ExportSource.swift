package import JSONDocuments

// What an API is written from when it is exported: its resource, operations and schemas.

package struct ExportSource: Sendable {
    package struct Operation: Hashable, Sendable {
        /// Of the resource; it becomes operationId.
        package var name: String
        package var tags: [String]
        /// The resource's `properties`.
        package var properties: JSONValue

        package init(name: String, tags: [String] = [], properties: JSONValue) {
            self.name = name
            self.tags = tags
            self.properties = properties
        }
    }

    package var displayName: String
    package var description: String?
    package var version: String
    package var termsOfServiceUrl: String?
    package var contact: JSONValue?
    package var license: JSONValue?
    /// Base URL that callers or the backend have; nil leaves it out.
    package var serverUrl: String?
    package var operations: [Operation]
    package var schemas: [ImportedSchema]

    package init(
        displayName: String, description: String? = nil, version: String = "1.0", termsOfServiceUrl: String? = nil,
        contact: JSONValue? = nil, license: JSONValue? = nil, serverUrl: String? = nil, operations: [Operation],
        schemas: [ImportedSchema]
    ) {
        self.displayName = displayName
        self.description = description
        self.version = version
        self.termsOfServiceUrl = termsOfServiceUrl
        self.contact = contact
        self.license = license
        self.serverUrl = serverUrl
        self.operations = operations
        self.schemas = schemas
    }
}

/// The schemas of an API by name, as an export refers to them.
struct ExportSchemas {
    private static let inlineMark = "x-apim-inline"

    private let byName: JSONObject
    private let section: String

    /// `section` is `#/components/schemas/` or `#/definitions/`.
    init(_ schemas: [ImportedSchema], section: String) {
        self.section = section
        var all = JSONObject()
        for schema in schemas {
            let named = schema.document[path: "components.schemas"] ?? schema.document["definitions"]
            for (name, value) in named?.members ?? JSONObject() where all[name] == nil {
                all[name] = Self.moved(value, to: section)
            }
        }
        byName = all
    }

    /// What stands for a type: itself where it was made for one place, else a reference; nil for an unknown name.
    func schema(_ typeName: String?) -> JSONValue? {
        guard let typeName, let schema = byName[typeName] else { return nil }
        guard schema[Self.inlineMark]?.boolean == true else {
            return ["$ref": .string(section + JSONPointer.escaped(typeName))]
        }
        return Self.unmarked(schema)
    }

    /// What a type comes to where no reference may stand, as in parameters of Swagger 2.
    func flat(_ typeName: String?) -> JSONObject {
        var name = typeName
        for _ in 0..<100 {
            guard let current = name, let schema = byName[current] else { return JSONObject() }
            guard let reference = schema["$ref"]?.text, reference.hasPrefix(section),
                let pointer = JSONPointer("/" + reference.dropFirst(section.count)), pointer.names.count == 1
            else { return Self.unmarked(schema).members ?? JSONObject() }
            name = pointer.names.first
        }
        return JSONObject()
    }

    /// Schemas that have names of their own, and those of the others that these refer to.
    var named: JSONObject {
        var kept = JSONObject()
        var waiting: [String] = []
        for (name, schema) in byName {
            if schema[Self.inlineMark]?.boolean == true {
                // It is written where it is used; what it refers to must be there all the same.
                waiting += referred(in: schema)
            } else {
                kept[name] = schema
                waiting += referred(in: schema)
            }
        }
        while let name = waiting.popLast() {
            guard kept[name] == nil, let schema = byName[name] else { continue }
            kept[name] = Self.unmarked(schema)
            waiting += referred(in: schema)
        }
        return kept
    }

    private func referred(in value: JSONValue) -> [String] {
        switch value {
        case .array(let items): return items.flatMap { referred(in: $0) }
        case .object(let members):
            return members.flatMap { member -> [String] in
                guard member.name == "$ref", let text = member.value.text else { return referred(in: member.value) }
                guard text.hasPrefix(section) else { return [] }
                return JSONPointer("/" + References.percentDecoded(text.dropFirst(section.count)))?.names.first
                    .map { [$0] } ?? []
            }
        default: return []
        }
    }

    private static func unmarked(_ schema: JSONValue) -> JSONValue {
        guard case .object(var members) = schema else { return schema }
        members[inlineMark] = nil
        return .object(members)
    }

    /// The schema with its references moved to the section of the export.
    private static func moved(_ value: JSONValue, to section: String) -> JSONValue {
        switch value {
        case .array(let items): return .array(items.map { moved($0, to: section) })
        case .object(let members):
            var changed = JSONObject()
            for (name, member) in members {
                guard name == "$ref", let text = member.text else {
                    changed[name] = moved(member, to: section)
                    continue
                }
                var reference = text
                for other in ["#/components/schemas/", "#/definitions/"] where text.hasPrefix(other) {
                    reference = section + text.dropFirst(other.count)
                }
                changed[name] = .string(reference)
            }
            return .object(changed)
        default: return value
        }
    }
}

/// The template of an operation, taken apart for an export.
struct ExportTemplate {
    /// The key of `paths`: the path, and what of its query is literal.
    let path: String
    /// Parameters that the key names.
    let pathNames: Set<String>
    /// Parameters of the query that are written `name={name}`.
    let queryNames: Set<String>

    init(_ urlTemplate: String) {
        let parts = urlTemplate.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        var literal: [Substring] = []
        var queryNames: Set<String> = []
        for pair in parts.count > 1 ? parts[1].split(separator: "&") : [] {
            let name = pair.prefix { $0 != "=" }
            if pair == "\(name)={\(name)}" {
                queryNames.insert(String(name))
            } else {
                literal.append(pair)
            }
        }
        let path = parts[0].isEmpty ? "/" : parts[0]
        self.path = literal.isEmpty ? path : "\(path)?\(literal.joined(separator: "&"))"
        self.queryNames = queryNames
        pathNames = Set((try? PathTemplate(self.path, at: ""))?.parameters ?? [])
    }
}
