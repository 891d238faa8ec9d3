internal import JSONDocuments

// Operations as Swagger 2 has them.

struct SwaggerWriter {
    let schemas: ExportSchemas

    private static let formTypes: Set<String> = ["application/x-www-form-urlencoded", "multipart/form-data"]

    func operation(_ operation: ExportSource.Operation, _ template: ExportTemplate) -> JSONObject {
        var result = ApiExporter.head(operation)
        let request = operation.properties["request"]
        let representations = request?["representations"]?.items ?? []
        let consumes = representations.compactMap { $0["contentType"]?.text }
        if !consumes.isEmpty { result["consumes"] = .array(consumes.map(JSONValue.string)) }
        let responses = operation.properties["responses"]?.items ?? []
        let produces = Self.unique(
            responses.flatMap { $0["representations"]?.items ?? [] }.compactMap { $0["contentType"]?.text })
        if !produces.isEmpty { result["produces"] = .array(produces.map(JSONValue.string)) }
        var parameters = ApiExporter.parameters(operation, template).map { location, contract in
            parameter(contract, in: location)
        }
        parameters += body(representations, description: request?["description"]?.text)
        if !parameters.isEmpty { result["parameters"] = .array(parameters) }
        var written = JSONObject()
        for response in responses {
            guard let status = response["statusCode"]?.integer else { continue }
            written[String(status)] = self.response(response)
        }
        result["responses"] = .object(written)
        return result
    }

    private static func unique(_ texts: [String]) -> [String] {
        var seen: Set<String> = []
        return texts.filter { seen.insert($0).inserted }
    }

    private func parameter(_ contract: JSONValue, in location: String) -> JSONValue {
        var parameter = JSONObject()
        parameter["name"] = contract["name"] ?? ""
        parameter["in"] = .string(location)
        if location == "path" || contract["required"]?.boolean == true { parameter["required"] = true }
        describe(contract, &parameter)
        return .object(parameter)
    }

    /// Description and type of a parameter or header. Swagger 2 knows no references and no `object` here.
    private func describe(_ contract: JSONValue, _ result: inout JSONObject) {
        let flat = schemas.flat(contract["typeName"]?.text)
        let description = ApiExporter.split(contract["description"]?.text)
        if let text = description.text { result["description"] = .string(text) }
        let known: Set<String> = [
            "type", "format", "items", "collectionFormat", "default", "enum", "maximum", "exclusiveMaximum", "minimum",
            "exclusiveMinimum", "maxLength", "minLength", "pattern", "maxItems", "minItems", "uniqueItems",
            "multipleOf",
        ]
        for (name, value) in flat.isEmpty ? ApiExporter.plainSchema(contract) : flat where known.contains(name) {
            result[name] = value
        }
        let type = result["type"]?.text ?? contract["type"]?.text ?? "string"
        result["type"] = .string(type == "object" ? "string" : type)
        if type == "array", result["items"] == nil { result["items"] = ["type": "string"] }
    }

    private func body(_ representations: [JSONValue], description: String?) -> [JSONValue] {
        let form = representations.first { Self.formTypes.contains($0["contentType"]?.text ?? "") }
        if let fields = form?["formParameters"]?.items, !fields.isEmpty {
            return fields.map { parameter($0, in: "formData") }
        }
        guard !representations.isEmpty else { return [] }
        var body = JSONObject()
        body["name"] = "body"
        body["in"] = "body"
        if let description { body["description"] = .string(description) }
        let typed = representations.lazy.compactMap { schemas.schema($0["typeName"]?.text) }.first
        body["schema"] = typed ?? .emptyObject
        return [.object(body)]
    }

    private func response(_ contract: JSONValue) -> JSONValue {
        var response = JSONObject()
        response["description"] = contract["description"] ?? ""
        let representations = contract["representations"]?.items ?? []
        if let schema = representations.lazy.compactMap({ schemas.schema($0["typeName"]?.text) }).first {
            response["schema"] = schema
        }
        var examples = JSONObject()
        for representation in representations {
            guard let type = representation["contentType"]?.text,
                let first = representation["examples"]?.members?.first(where: { _ in true }),
                let value = first.value["value"]
            else { continue }
            examples[type] = value
        }
        if !examples.isEmpty { response["examples"] = .object(examples) }
        if let headers = ApiExporter.headers(contract, describe) { response["headers"] = headers }
        return .object(response)
    }
}
