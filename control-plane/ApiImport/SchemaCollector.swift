internal import JSONDocuments

// The schemas of a description as one document: those with names, and those that stand in the middle of parameters and
// representations, each once, under a made-up name.

struct SchemaCollector {
    private static let inlineMark = "x-apim-inline"
    private static let nameLengthMax = 200

    private let references: References
    private let isSwagger: Bool
    private let schemaID: String
    private var schemas: JSONObject
    /// Names of inline schemas by the pointer to where they stand.
    private var names: [String: String] = [:]
    /// How often a made-up name was wanted.
    private var wanted: [String: Int] = [:]
    /// Schemas that have a name, but are not yet in the document.
    private var waiting: [(name: String, schema: JSONValue, isInline: Bool)] = []

    init(root: JSONObject, format: DescriptionFormat, schemaID: String) {
        references = References(root: root)
        isSwagger = format.isSwagger
        self.schemaID = schemaID
        schemas = JSONObject()
        let section = isSwagger ? JSONPointer(["definitions"]) : JSONPointer(["components", "schemas"])
        for (name, schema) in section.value(in: root)?.members ?? JSONObject() {
            schemas[name] = schema
            waiting.append((name, schema, false))
        }
        work()
    }

    /// The schema resource; nil when there are none.
    var schema: ImportedSchema? {
        guard !schemas.isEmpty else { return nil }
        let document: JSONValue =
            isSwagger
            ? ["definitions": .object(schemas)] : ["components": ["schemas": .object(schemas)]]
        return ImportedSchema(
            id: schemaID,
            contentType: isSwagger ? ImportedSchema.definitionsType : ImportedSchema.componentsType,
            document: document)
    }

    /// `schemaId` and `typeName` of a schema, put into `contract`. One that is no reference to a named schema gets the
    /// name that is suggested; the same place gets the same name each time.
    mutating func name(
        _ schema: JSONValue, at pointer: JSONPointer, suggested: String, into contract: inout JSONObject
    ) {
        guard let members = schema.members, !members.isEmpty else { return }
        contract["schemaId"] = .string(schemaID)
        if let reference = members["$ref"]?.text, let name = directName(reference) {
            contract["typeName"] = .string(name)
            return
        }
        let name = self.name(of: pointer, schema, suggested: suggested)
        contract["typeName"] = .string(name)
        work()
    }

    /// The name in a reference to a named schema; nil for references to elsewhere.
    private func directName(_ reference: String) -> String? {
        let prefix = isSwagger ? "#/definitions/" : "#/components/schemas/"
        guard reference.hasPrefix(prefix) else { return nil }
        let rest = reference.dropFirst(prefix.count)
        guard !rest.contains("/"), let pointer = JSONPointer("/" + References.percentDecoded(rest)) else { return nil }
        return pointer.names.first
    }

    private mutating func name(of pointer: JSONPointer, _ schema: JSONValue, suggested: String) -> String {
        if let known = names[pointer.text] { return known }
        let base = String(suggested.prefix(Self.nameLengthMax))
        var number = wanted[base, default: 0]
        var name = number == 0 ? base : "\(base)-\(number)"
        while schemas[name] != nil {
            number += 1
            name = "\(base)-\(number)"
        }
        wanted[base] = number + 1
        names[pointer.text] = name
        schemas[name] = .emptyObject
        waiting.append((name, schema, true))
        return name
    }

    /// Puts waiting schemas into the document. A list and no recursion: schemas may lead to each other without end.
    private mutating func work() {
        while let next = waiting.popLast() {
            var schema = rewritten(next.schema) ?? next.schema
            if next.isInline, case .object(var members) = schema {
                members[Self.inlineMark] = true
                schema = .object(members)
            }
            schemas[next.name] = schema
        }
    }

    /// The schema with references to elsewhere in the description turned into references to schemas of the document; nil
    /// when it has none, as nearly all.
    private mutating func rewritten(_ value: JSONValue) -> JSONValue? {
        switch value {
        case .array(let items):
            var changed: [JSONValue]?
            for (index, item) in items.enumerated() {
                guard let new = rewritten(item) else { continue }
                if changed == nil { changed = items }
                changed?[index] = new
            }
            return changed.map(JSONValue.array)
        case .object(let members):
            var changed: JSONObject?
            for (name, member) in members {
                let new =
                    if name == "$ref", let reference = member.text {
                        rewritten(reference: reference).map(JSONValue.string)
                    } else {
                        rewritten(member)
                    }
                guard let new else { continue }
                if changed == nil { changed = members }
                changed?[name] = new
            }
            return changed.map(JSONValue.object)
        default: return nil
        }
    }

    private mutating func rewritten(reference: String) -> String? {
        let prefix = isSwagger ? "#/definitions/" : "#/components/schemas/"
        guard reference.hasPrefix("#/"), !reference.hasPrefix(prefix),
            let target = JSONPointer(References.percentDecoded(reference.dropFirst())),
            let schema = target.value(in: references.root), schema.members != nil
        else { return nil }
        let suggested = Self.cleaned(target.names.suffix(3).joined(separator: "-"))
        let name = self.name(of: target, schema, suggested: suggested.isEmpty ? "Schema" : suggested)
        return prefix + JSONPointer.escaped(name)
    }

    /// Letters that the name of a component may have.
    static func cleaned(_ text: String) -> String {
        String(
            decoding: text.utf8.filter { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
                default: false
                }
            }, as: UTF8.self)
    }
}
