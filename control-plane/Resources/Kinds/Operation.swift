// Operations of an API: method, URL template and what is sent and answered.
internal import JSONDocuments
internal import ResourceStore

extension Kind {
    private static let representations = Property.optional(
        "representations",
        .list(
            .object([
                .required("contentType", .text(1...1000)), .optional("examples", .any),
                .optional("schemaId", .text(0...256)),
                .optional("typeName", .text(0...1000)), .optional("generatedSample", .text(0...1_000_000)),
                .optional("sample", .text(0...1_000_000)), .optional("formParameters", parameters),
            ]), atMost: 200), absent: .value([]))

    private static let parameters = Shape.list(
        .object([
            .required("name", .text(1...1000)), .optional("description", .text(0...100_000)),
            .required("type", .text(1...200)),
            .optional("required", .boolean), .optional("defaultValue", .text(0...10_000)),
            .optional("values", .list(.text(0...10_000), atMost: 10_000), absent: .value([])),
            .optional("schemaId", .text(0...256)), .optional("typeName", .text(0...1000)), .optional("examples", .any),
        ]), atMost: 1000)

    static let operationProperties: [Property] = [
        .required("displayName", .text(1...300)),
        .required("method", .text(1...100)),
        .required("urlTemplate", .text(1...1000)),
        .optional("templateParameters", parameters, absent: .value([])),
        .optional("description", .text(0...1000), absent: .null),
        .optional(
            "request",
            .object([
                .optional("description", .text(0...100_000)),
                .optional("queryParameters", parameters, absent: .value([])),
                .optional("headers", parameters, absent: .value([])), representations,
            ]), absent: .value(["queryParameters": [], "headers": [], "representations": []])),
        .optional(
            "responses",
            .list(
                .object([
                    .required("statusCode", .integer(0...2_147_483_647)),
                    .optional("description", .text(0...100_000), absent: .null),
                    representations, .optional("headers", parameters, absent: .value([])),
                ]), atMost: 200), absent: .value([])),
        .readOnly("policies", absent: .null),
    ]

    /// An operation of an API.
    package static let operation: Kind = {
        var kind = Kind(
            "apis/operations", noun: "Operation", id: IDRule(lengthMax: 80), properties: operationProperties)
        kind.filters = ["name", "displayName", "method", "description", "urlTemplate"].map { FilterField($0) }
        kind.selections["tags"] = Tags.selecting("apis/operations/tags")
        kind.prepare = { draft in try Operations.check(&draft) }
        return kind
    }()
}

/// The rules of operations, for a PUT of one and for an import of many.
enum Operations {
    static func check(_ draft: inout Draft) throws {
        let method = draft.text("method") ?? ""
        let template = draft.text("urlTemplate") ?? ""
        draft.problems += problems(method: method, template: template)
        draft.properties["templateParameters"] = requiredParameters(draft.properties["templateParameters"])
        if let problem = mismatch(
            template: template, parameters: draft.properties["templateParameters"], name: draft.id.name)
        {
            draft.problems.append(problem)
        }
        try draft.claim(
            uniqueness(of: draft.id.parent), key(method: method, template: template),
            otherwise: FieldProblem(
                "properties.urlTemplate",
                "Operation with the same method and URL template already exists: '\(try draft.reader.holder(of: key(method: method, template: template), in: uniqueness(of: draft.id.parent))?.name ?? "")'."
            ))
    }

    /// Methods are tokens (RFC 9110 section 5.6.2) as they are; TRACE and CONNECT can't be (must-hold A5).
    static func problems(method: String, template: String) -> [FieldProblem] {
        var problems: [FieldProblem] = []
        let isToken = method.utf8.allSatisfy { byte in
            (byte >= 0x30 && byte <= 0x39) || (byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7A)
                || "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
        if !isToken || ["TRACE", "CONNECT"].contains(method.uppercased()) {
            problems.append(
                FieldProblem(
                    "properties.method", "'properties.method' must be an HTTP method other than TRACE and CONNECT."))
        }
        let path = template.prefix(while: { $0 != "?" })
        if template.contains(where: { $0 == "#" || $0 == "\\" || $0.isNewline })
            || template.unicodeScalars.contains(where: { $0.value < 0x20 })
        {
            problems.append(
                FieldProblem(
                    "properties.urlTemplate", "'properties.urlTemplate' must not contain #, \\ or control characters."))
        }
        if path.split(separator: "/").contains(where: { $0 == "." || $0 == ".." }) {
            problems.append(
                FieldProblem(
                    "properties.urlTemplate", "'properties.urlTemplate' must not have the segments '.' or '..'."))
        }
        if names(in: template) == nil {
            problems.append(
                FieldProblem(
                    "properties.urlTemplate",
                    "'properties.urlTemplate' has braces that do not match or names that are empty or stand twice."))
        }
        return problems
    }

    /// Parameters in braces; nil where the braces make no sense. `{*rest}` is `rest`.
    static func names(in template: String) -> [String]? {
        var names: [String] = []
        var name: String?
        for character in template {
            switch (character, name) {
            case ("{", nil): name = ""
            case ("{", .some): return nil
            case ("}", nil): return nil
            case ("}", .some(let found)):
                let plain = found.hasPrefix("*") ? String(found.dropFirst()) : found
                guard !plain.isEmpty, !names.contains(where: { $0.lowercased() == plain.lowercased() }) else {
                    return nil
                }
                names.append(plain)
                name = nil
            case (_, .some(let found)): name = found + String(character)
            default: break
            }
        }
        return name == nil ? names : nil
    }

    /// Path parameters are required (fact 35).
    static func requiredParameters(_ parameters: JSONValue?) -> JSONValue {
        .array(
            (parameters?.items ?? []).map { parameter in
                var parameter = parameter
                parameter["required"] = true
                return parameter
            })
    }

    static func mismatch(template: String, parameters: JSONValue?, name: String) -> FieldProblem? {
        guard let used = names(in: template) else { return nil }
        let defined = (parameters?.items ?? []).compactMap { $0["name"]?.text?.lowercased() }
        guard Set(used.map { $0.lowercased() }) == Set(defined), defined.count == used.count else {
            return FieldProblem(
                "",
                "All template parameters used in the UriTemplate must be defined in the Operation '\(name)', and vice-versa."
            )
        }
        return nil
    }

    static func uniqueness(of api: ResourceID) -> String { "operations:\(api.key)" }

    /// The same for templates that no call can tell apart: names of parameters do not count, nor does case.
    static func key(method: String, template: String) -> String {
        var key = ""
        var isInside = false
        for character in template.lowercased() {
            if character == "{" { isInside = true }
            if !isInside { key.append(character) }
            if character == "}" {
                isInside = false
                key += "{}"
            }
        }
        while key.hasSuffix("/") { key.removeLast() }
        return "\(method) \(key)"
    }

    /// The document's schemas, in the place of those of the import before.
    private static func replaceSchema(_ schema: JSONValue?, of api: ResourceID, _ writer: StoreWriter) throws {
        for old in try writer.reader.list(ListQuery(kind: "apis/schemas", parent: api))
        where old.name != schema?["id"]?.text {
            try writer.delete(old.id)
        }
        guard let schema, let name = schema["id"]?.text else { return }
        try writer.put(
            api.appending("schemas", name), kind: "apis/schemas",
            properties: ["contentType": schema["contentType"] ?? .null, "document": schema["document"] ?? .null])
    }

    /// Puts the operations of an imported document in the place of those there are: by name; what the document does not
    /// have goes (resources.md 6).
    static func replace(_ imported: JSONValue, in draft: inout Draft) throws {
        let api = draft.id
        let context = draft.context
        let operations = imported["operations"]?.items ?? []
        draft.afterwards.append { writer in
            let names = Set(operations.compactMap { $0["name"]?.text?.lowercased() })
            var freed: [String: StoredResource] = [:]
            for old in try writer.reader.list(ListQuery(kind: "apis/operations", parent: api)) {
                if !names.contains(old.name.lowercased()) {
                    freed[
                        key(
                            method: old.properties["method"]?.text ?? "",
                            template: old.properties["urlTemplate"]?.text ?? "")] =
                        try writer.reader.get(old.id.appending("policies", "policy"))
                    try writer.delete(old.id)
                } else {
                    // Two operations may change places: what they hold is given back when they are written.
                    try writer.setHeldValues(old.id, [])
                }
            }
            try replaceSchema(imported["schema"], of: api, writer)
            for operation in operations {
                guard let name = operation["name"]?.text else { continue }
                let id = api.appending("operations", name)
                var request = WriteRequest(
                    id: id, body: ["properties": operation["properties"] ?? .emptyObject], condition: .none)
                request.attachments = [:]
                let result: WriteResult
                do {
                    result = try ResourceOperations.put(.operation, request, in: writer, context: context)
                } catch let refusal as Refusal {
                    throw Refusal.fields(
                        (refusal.problems ?? [FieldProblem("id", refusal.message)]).map {
                            FieldProblem("representation", "Operation '\(name)': \($0.message)")
                        })
                }
                let held = key(
                    method: result.resource.properties["method"]?.text ?? "",
                    template: result.resource.properties["urlTemplate"]?.text ?? "")
                try writer.setHeldValues(result.resource.id, [(uniqueness(of: api), held)])
                if result.isNew, let policy = freed[held] {
                    let copy = result.resource.id.appending("policies", "policy")
                    try writer.put(copy, kind: policy.kind, properties: policy.properties)
                    try writer.setReferences(copy, try Policies.references(of: policy, writer.reader))
                }
            }
        }
    }
}
