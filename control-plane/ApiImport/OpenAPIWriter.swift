internal import JSONDocuments

// Operations as OpenAPI 3 has them.

struct OpenAPIWriter {
    let schemas: ExportSchemas

    func operation(_ operation: ExportSource.Operation, _ template: ExportTemplate) -> JSONObject {
        var result = ApiExporter.head(operation)
        let parameters = ApiExporter.parameters(operation, template).map { location, contract in
            parameter(contract, in: location)
        }
        if !parameters.isEmpty { result["parameters"] = .array(parameters) }
        if let body = body(operation.properties["request"]) { result["requestBody"] = body }
        var responses = JSONObject()
        for response in operation.properties["responses"]?.items ?? [] {
            guard let status = response["statusCode"]?.integer else { continue }
            responses[String(status)] = self.response(response)
        }
        result["responses"] = .object(responses)
        return result
    }

    private func parameter(_ contract: JSONValue, in location: String) -> JSONValue {
        var parameter = JSONObject()
        parameter["name"] = contract["name"] ?? ""
        parameter["in"] = .string(location)
        describe(contract, &parameter)
        if location == "path" || contract["required"]?.boolean == true { parameter["required"] = true }
        return .object(parameter)
    }

    /// Description, schema and examples of a parameter or header.
    private func describe(_ contract: JSONValue, _ result: inout JSONObject) {
        let description = ApiExporter.split(contract["description"]?.text)
        let schema = schemas.schema(contract["typeName"]?.text)
        if let text = schema == nil || description.format != nil ? description.text : contract["description"]?.text {
            result["description"] = .string(text)
        }
        result["schema"] = schema ?? .object(ApiExporter.plainSchema(contract))
        if let examples = contract["examples"] { result["examples"] = examples }
    }

    private func body(_ request: JSONValue?) -> JSONValue? {
        let representations = request?["representations"]?.items ?? []
        let description = request?["description"]?.text
        guard !representations.isEmpty || description != nil else { return nil }
        var body = JSONObject()
        if let description { body["description"] = .string(description) }
        body["content"] = .object(content(representations))
        return .object(body)
    }

    private func response(_ contract: JSONValue) -> JSONValue {
        var response = JSONObject()
        response["description"] = contract["description"] ?? ""
        let content = content(contract["representations"]?.items ?? [])
        if !content.isEmpty { response["content"] = .object(content) }
        if let headers = ApiExporter.headers(contract, describe) { response["headers"] = headers }
        return .object(response)
    }

    private func content(_ representations: [JSONValue]) -> JSONObject {
        var content = JSONObject()
        for representation in representations {
            guard let type = representation["contentType"]?.text else { continue }
            var media = JSONObject()
            if let schema = schemas.schema(representation["typeName"]?.text) {
                media["schema"] = schema
            } else if let form = representation["formParameters"]?.items {
                media["schema"] = formSchema(form)
            }
            if let examples = representation["examples"] { media["examples"] = examples }
            content[type] = .object(media)
        }
        return content
    }

    private func formSchema(_ parameters: [JSONValue]) -> JSONValue {
        var properties = JSONObject()
        var required: [JSONValue] = []
        for parameter in parameters {
            guard let name = parameter["name"]?.text else { continue }
            var schema = schemas.schema(parameter["typeName"]?.text)?.members ?? ApiExporter.plainSchema(parameter)
            // Files of Swagger 2 are binary texts of OpenAPI 3.
            if schema["type"]?.text == "file" {
                schema["type"] = "string"
                schema["format"] = "binary"
            }
            if let text = ApiExporter.split(parameter["description"]?.text).text {
                schema["description"] = .string(text)
            }
            properties[name] = .object(schema)
            if parameter["required"]?.boolean == true { required.append(.string(name)) }
        }
        var schema = JSONObject()
        schema["type"] = "object"
        schema["properties"] = .object(properties)
        if !required.isEmpty { schema["required"] = .array(required) }
        return .object(schema)
    }
}
