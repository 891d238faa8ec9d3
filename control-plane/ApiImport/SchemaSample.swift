package import JSONDocuments

// Samples made from schemas (policies.md 3.2), for mock-response and for people.

package enum SchemaSample {
    /// Levels of schemas inside each other that a sample shows.
    private static let depthMax = 5
    /// Values that a sample may have: wide schemas of wide schemas would grow without end.
    private static let valuesMax = 2_000

    /// A sample of `schema`. References lead into `document`, the document of a schema resource.
    package static func sample(forSchema schema: JSONValue, in document: JSONValue) -> JSONValue? {
        var maker = Maker(root: document.members ?? JSONObject())
        return maker.sample(schema, depth: 0)
    }

    /// The sample as text for a content type: XML where that says XML, else JSON; nil when there is none. `name` is the
    /// root element of XML.
    package static func text(
        forSchema schema: JSONValue, in document: JSONValue, contentType: String, name: String = "root"
    ) -> String? {
        guard let sample = sample(forSchema: schema, in: document) else { return nil }
        let essence = contentType.prefix { $0 != ";" }.lowercased()
        if essence.hasSuffix("/xml") || essence.hasSuffix("+xml") {
            var text = ""
            SampleText.xml(sample, name: name, indent: 0, into: &text)
            return text
        }
        return text(of: sample)
    }

    /// The sample of a representation that names its type: `document` is that of the schema resource `schemaId`, `typeName`
    /// the schema in it. nil when there is no such type.
    package static func text(forType typeName: String, in document: JSONValue, contentType: String) -> String? {
        let schemas = document[path: "components.schemas"] ?? document["definitions"]
        guard let schema = schemas?[typeName] else { return nil }
        return text(forSchema: schema, in: document, contentType: contentType, name: typeName)
    }

    /// A value as JSON on several lines, two blanks a level.
    package static func text(of value: JSONValue) -> String {
        var text = ""
        SampleText.json(value, indent: 0, into: &text)
        return text
    }

    private struct Maker {
        let root: JSONObject
        private var left = SchemaSample.valuesMax

        init(root: JSONObject) { self.root = root }

        mutating func sample(_ schema: JSONValue, depth: Int) -> JSONValue? {
            guard depth <= SchemaSample.depthMax, left > 0 else { return nil }
            left -= 1
            guard let resolved = try? References(root: root).resolve(schema, at: JSONPointer([])),
                let members = resolved.value.members
            else { return nil }
            if let example = members["example"] ?? members["examples"]?.items?.first { return example }
            if let value = members["default"] { return value }
            if let value = members["const"] { return value }
            if let first = members["enum"]?.items?.first { return first }
            if let parts = members["allOf"]?.items { return merged(parts, members, depth: depth) }
            if let first = (members["oneOf"] ?? members["anyOf"])?.items?.first {
                return sample(first, depth: depth + 1)
            }
            return byType(members, depth: depth)
        }

        private mutating func byType(_ schema: JSONObject, depth: Int) -> JSONValue? {
            switch type(schema) {
            case "object": return object(schema, depth: depth)
            case "array":
                guard let items = schema["items"] ?? schema["prefixItems"]?.items?.first else { return [] }
                return .array(sample(items, depth: depth + 1).map { [$0] } ?? [])
            case "integer", "number": return schema["minimum"] ?? 0
            case "boolean": return true
            case "null": return .null
            default: return .string(Self.text(schema["format"]?.text))
            }
        }

        private func type(_ schema: JSONObject) -> String {
            if schema["type"] != nil { return OperationReader.type(schema) }
            if schema["properties"] != nil || schema["additionalProperties"]?.members != nil { return "object" }
            return schema["items"] != nil ? "array" : "string"
        }

        private mutating func object(_ schema: JSONObject, depth: Int) -> JSONValue {
            var result = JSONObject()
            for (name, property) in schema["properties"]?.members ?? JSONObject() {
                if left <= 0 { break }
                if let value = sample(property, depth: depth + 1) { result[name] = value }
            }
            return .object(result)
        }

        /// `allOf`: the members of all its parts, and the schema's own.
        private mutating func merged(_ parts: [JSONValue], _ schema: JSONObject, depth: Int) -> JSONValue? {
            var result = JSONObject()
            var other: JSONValue?
            for part in parts {
                guard let value = sample(part, depth: depth + 1) else { continue }
                if let members = value.members {
                    for (name, member) in members { result[name] = member }
                } else {
                    other = other ?? value
                }
            }
            for (name, member) in object(schema, depth: depth).members ?? JSONObject() { result[name] = member }
            return result.isEmpty ? other ?? .emptyObject : .object(result)
        }

        private static func text(_ format: String?) -> String {
            switch format {
            case "date": "2024-01-01"
            case "date-time": "2024-01-01T00:00:00Z"
            case "uuid": "00000000-0000-0000-0000-000000000000"
            case "email": "user@example.com"
            default: "string"
            }
        }
    }
}

/// Values as text on several lines. Their depth is bounded: by that of samples, or by that of the document they are from.
private enum SampleText {
    static func json(_ value: JSONValue, indent: Int, into text: inout String) {
        let inner = String(repeating: "  ", count: indent + 1)
        switch value {
        case .array(let items) where !items.isEmpty:
            text += "["
            for (index, item) in items.enumerated() {
                text += index > 0 ? ",\n\(inner)" : "\n\(inner)"
                json(item, indent: indent + 1, into: &text)
            }
            text += "\n\(inner.dropLast(2))]"
        case .object(let members) where !members.isEmpty:
            text += "{"
            for (index, member) in members.enumerated() {
                text += index > 0 ? ",\n\(inner)" : "\n\(inner)"
                text += "\(JSONValue.string(member.name).encodedText()): "
                json(member.value, indent: indent + 1, into: &text)
            }
            text += "\n\(inner.dropLast(2))}"
        default: text += value.encodedText()
        }
    }

    static func xml(_ value: JSONValue, name: String, indent: Int, into text: inout String) {
        let blanks = String(repeating: "  ", count: indent)
        let element = elementName(name)
        switch value {
        case .array(let items):
            for item in items { xml(item, name: name, indent: indent, into: &text) }
        case .object(let members):
            text += "\(blanks)<\(element)>\n"
            for (name, member) in members { xml(member, name: name, indent: indent + 1, into: &text) }
            text += "\(blanks)</\(element)>\n"
        default:
            let content = Scalars.text(value) ?? ""
            text += "\(blanks)<\(element)>\(escaped(content))</\(element)>\n"
        }
    }

    /// A name of XML: what one may not have becomes an underscore.
    private static func elementName(_ name: String) -> String {
        var result = String(name.map { $0.isASCII && ($0.isLetter || $0.isNumber || "_-.".contains($0)) ? $0 : "_" })
        if let first = result.first, first.isLetter || first == "_" { return result }
        result = "_" + result
        return result
    }

    private static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
    }
}
