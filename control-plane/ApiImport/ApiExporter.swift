package import JSONDocuments

// An API as a description, from which the same API imports again.

package enum ApiExporter {
    /// OpenAPI 3.
    package static func openAPI(_ source: ExportSource) -> JSONValue {
        var document = JSONObject()
        document["openapi"] = "3.0.1"
        document["info"] = info(source)
        if let url = source.serverUrl { document["servers"] = [["url": .string(url)]] }
        let schemas = ExportSchemas(source.schemas, section: "#/components/schemas/")
        document["paths"] = paths(source) { OpenAPIWriter(schemas: schemas).operation($0, $1) }
        let named = schemas.named
        if !named.isEmpty { document["components"] = ["schemas": .object(named)] }
        return .object(document)
    }

    /// Swagger 2.0.
    package static func swagger(_ source: ExportSource) -> JSONValue {
        var document = JSONObject()
        document["swagger"] = "2.0"
        document["info"] = info(source)
        if let url = source.serverUrl, let range = url.firstRange(of: "://") {
            let rest = url[range.upperBound...]
            let host = rest.prefix { $0 != "/" }
            document["host"] = .string(String(host))
            if host.count < rest.count { document["basePath"] = .string(String(rest.dropFirst(host.count))) }
            document["schemes"] = [.string(url[..<range.lowerBound].lowercased())]
        }
        let schemas = ExportSchemas(source.schemas, section: "#/definitions/")
        document["paths"] = paths(source) { SwaggerWriter(schemas: schemas).operation($0, $1) }
        let named = schemas.named
        if !named.isEmpty { document["definitions"] = .object(named) }
        return .object(document)
    }

    private static func info(_ source: ExportSource) -> JSONValue {
        var info = JSONObject()
        info["title"] = .string(source.displayName)
        if let description = source.description { info["description"] = .string(description) }
        if let terms = source.termsOfServiceUrl { info["termsOfService"] = .string(terms) }
        if let contact = source.contact { info["contact"] = contact }
        if let license = source.license { info["license"] = license }
        info["version"] = .string(source.version)
        return .object(info)
    }

    /// Operations under their paths, in their order.
    private static func paths(
        _ source: ExportSource, _ write: (ExportSource.Operation, ExportTemplate) -> JSONObject
    ) -> JSONValue {
        var paths = JSONObject()
        for operation in source.operations {
            let template = ExportTemplate(operation.properties["urlTemplate"]?.text ?? "/")
            let method = operation.properties["method"]?.text?.lowercased() ?? "get"
            var item = paths[template.path]?.members ?? JSONObject()
            // Two operations that differ in nothing but parameters of the query cannot both stand in a description.
            guard item[method] == nil else { continue }
            item[method] = .object(write(operation, template))
            paths[template.path] = .object(item)
        }
        return .object(paths)
    }

    /// What both formats say about an operation.
    static func head(_ operation: ExportSource.Operation) -> JSONObject {
        var head = JSONObject()
        if !operation.tags.isEmpty { head["tags"] = .array(operation.tags.map(JSONValue.string)) }
        if let name = operation.properties["displayName"]?.text { head["summary"] = .string(name) }
        // Without it the summary would be read as the description.
        head["description"] = .string(operation.properties["description"]?.text ?? "")
        head["operationId"] = .string(operation.name)
        return head
    }

    /// The parameters of an operation with where they are.
    static func parameters(
        _ operation: ExportSource.Operation, _ template: ExportTemplate
    ) -> [(location: String, contract: JSONValue)] {
        var found: [(String, JSONValue)] = []
        for contract in operation.properties["templateParameters"]?.items ?? [] {
            let name = contract["name"]?.text ?? ""
            let isQuery = template.queryNames.contains(name) && !template.pathNames.contains(name)
            found.append((isQuery ? "query" : "path", contract))
        }
        for contract in operation.properties[path: "request.queryParameters"]?.items ?? [] {
            found.append(("query", contract))
        }
        for contract in operation.properties[path: "request.headers"]?.items ?? [] {
            found.append(("header", contract))
        }
        return found
    }

    /// The headers of a response, each as `describe` has it; nil where there are none.
    static func headers(_ response: JSONValue, _ describe: (JSONValue, inout JSONObject) -> Void) -> JSONValue? {
        var headers = JSONObject()
        for header in response["headers"]?.items ?? [] {
            guard let name = header["name"]?.text else { continue }
            var described = JSONObject()
            describe(header, &described)
            headers[name] = .object(described)
        }
        return headers.isEmpty ? nil : .object(headers)
    }

    /// What the contract of a parameter says about its values when it names no type.
    static func plainSchema(_ contract: JSONValue) -> JSONObject {
        var schema = JSONObject()
        let type = contract["type"]?.text ?? "string"
        schema["type"] = .string(type)
        if let format = split(contract["description"]?.text).format { schema["format"] = .string(format) }
        let values = contract["values"]?.items ?? []
        if !values.isEmpty { schema["enum"] = .array(values.map { typed($0, type) }) }
        if let value = contract["defaultValue"], !value.isNull { schema["default"] = typed(value, type) }
        return schema
    }

    /// A text as the value of its type.
    private static func typed(_ value: JSONValue, _ type: String) -> JSONValue {
        guard let text = value.text, ["integer", "number", "boolean"].contains(type),
            let read = try? JSONReader.read(text)
        else { return value }
        switch read {
        case .int, .number, .bool: return read
        default: return value
        }
    }

    /// `Format - int32. How many` → `int32` and `How many`.
    static func split(_ description: String?) -> (format: String?, text: String?) {
        guard let description, description.hasPrefix("Format - "), let dot = description.firstIndex(of: ".") else {
            return (nil, description)
        }
        let written = description[..<dot].dropFirst("Format - ".count)
        let format = written.prefix { $0 != " " }
        let text = description[description.index(after: dot)...].drop { $0 == " " }
        return (String(format), text.isEmpty ? nil : String(text))
    }
}
