internal import JSONDocuments

// Requests and responses of an operation, as the management API has them.

extension OperationReader {
    private static let formTypes = ["application/x-www-form-urlencoded", "multipart/form-data"]

    /// The request; nil when there is nothing to say about it.
    mutating func request(
        _ site: Site, _ parameters: [DescribedParameter], _ contracts: ParameterContracts
    ) throws(ImportFailure) -> JSONValue? {
        var description: String?
        var representations: [JSONValue] = []
        // A body of GET, HEAD or OPTIONS has no meaning and is dropped, as the reference does.
        if !["get", "head", "options"].contains(site.method) {
            if format.isSwagger {
                (description, representations) = swaggerBody(site, parameters)
            } else if let body = site.operation["requestBody"] {
                let resolved = try references.resolve(body, at: site.pointer.appending("requestBody"))
                description = resolved.value["description"].flatMap(Scalars.text)
                representations = try content(resolved, suggested: site.schemaPrefix, suffix: "Request")
            }
        }
        if contracts.query.isEmpty, contracts.headers.isEmpty, representations.isEmpty, description == nil {
            return nil
        }
        var request = JSONObject()
        if let description { request["description"] = .string(description) }
        request["queryParameters"] = .array(contracts.query)
        request["headers"] = .array(contracts.headers)
        request["representations"] = .array(representations)
        return .object(request)
    }

    mutating func responses(_ site: Site) throws(ImportFailure) -> [JSONValue] {
        guard let value = site.operation["responses"], !value.isNull else { return [] }
        let pointer = site.pointer.appending("responses")
        guard let members = value.members else {
            throw ImportFailure(at: pointer.text, "'responses' must be an object, found \(Scalars.kind(value)).")
        }
        let explicit = Set(members.names.compactMap { Int($0) })
        var taken = explicit
        var found: [JSONValue] = []
        for (key, response) in members where !key.hasPrefix("x-") {
            let place = pointer.appending(key)
            guard let codes = statusCodes(key) else {
                throw ImportFailure(
                    at: place.text,
                    "'\(key)' is no status: expected 100 to 599, a range such as 4XX, or 'default'.")
            }
            let resolved = try references.resolve(response, at: place)
            for code in codes {
                // `default` and ranges stand for what is not listed.
                guard key == String(code) || taken.insert(code).inserted else { continue }
                found.append(try self.response(resolved, status: code, site))
            }
        }
        return found
    }

    private func statusCodes(_ key: String) -> [Int]? {
        if key == "default" { return format.isSwagger ? [500] : [400, 500] }
        if let code = Int(key), (100...599).contains(code), key.count == 3 { return [code] }
        if key.count == 3, key.uppercased().hasSuffix("XX"), let first = key.first?.wholeNumberValue,
            (1...5).contains(first)
        {
            return [first * 100]
        }
        return nil
    }

    private mutating func response(_ resolved: Resolved, status: Int, _ site: Site) throws(ImportFailure) -> JSONValue {
        guard let members = resolved.value.members else {
            throw ImportFailure(
                at: resolved.pointer.text, "A response must be an object, found \(Scalars.kind(resolved.value)).")
        }
        let suggested = "\(site.schemaPrefix)\(status)"
        var response = JSONObject()
        response["statusCode"] = .int(Int64(status))
        response["description"] = .string(members["description"].flatMap(Scalars.text) ?? "")
        let representations =
            format.isSwagger
            ? swaggerContent(members, resolved.pointer, suggested: suggested, site)
            : try content(resolved, suggested: suggested, suffix: "Response")
        response["representations"] = .array(representations)
        var headers: [JSONValue] = []
        for (name, header) in members["headers"]?.members ?? JSONObject() {
            let place = resolved.pointer.appending("headers").appending(name)
            let target = try references.resolve(header, at: place)
            guard let header = target.value.members else { continue }
            let (schema, pointer) =
                format.isSwagger
                ? (Self.swaggerSchema(header), target.pointer) : Self.schema(in: header, at: target.pointer)
            headers.append(
                contract(
                    name: name, members: header, schema: schema, schemaPointer: pointer, isRequired: false,
                    suggested: "\(suggested)\(SchemaCollector.cleaned(name))ResponseHeader"))
        }
        response["headers"] = .array(headers)
        return .object(response)
    }

    // MARK: Representations

    /// `content` of OpenAPI 3.
    private mutating func content(
        _ body: Resolved, suggested: String, suffix: String
    ) throws(ImportFailure) -> [JSONValue] {
        guard let content = body.value["content"], !content.isNull else { return [] }
        let pointer = body.pointer.appending("content")
        guard let members = content.members else {
            throw ImportFailure(at: pointer.text, "'content' must be an object, found \(Scalars.kind(content)).")
        }
        var found: [JSONValue] = []
        for (type, media) in members {
            let place = pointer.appending(type)
            let resolved = try references.resolve(media, at: place)
            var representation = JSONObject()
            representation["contentType"] = .string(type)
            if let examples = examples(resolved.value.members ?? JSONObject()) { representation["examples"] = examples }
            if let schema = resolved.value["schema"] {
                let schemaPlace = resolved.pointer.appending("schema")
                schemas.name(
                    schema, at: schemaPlace, suggested: suggested + Self.capitalised(type) + suffix,
                    into: &representation)
                if Self.formTypes.contains(type) {
                    representation["formParameters"] = .array(formParameters(schema, at: schemaPlace))
                }
            }
            found.append(.object(representation))
        }
        return found
    }

    /// `application/json` → `ApplicationJson`.
    private static func capitalised(_ type: String) -> String {
        type.prefix { $0 != ";" }.split { !$0.isLetter && !$0.isNumber }
            .map { $0.prefix(1).uppercased() + SchemaCollector.cleaned(String($0.dropFirst())) }.joined()
    }

    private func formParameters(_ schema: JSONValue, at pointer: JSONPointer) -> [JSONValue] {
        guard let resolved = try? references.resolve(schema, at: pointer) else { return [] }
        let required = Set((resolved.value["required"]?.items ?? []).compactMap(\.text))
        var found: [JSONValue] = []
        for (name, property) in resolved.value["properties"]?.members ?? JSONObject() {
            let place = resolved.pointer.appending("properties").appending(name)
            let members = (try? references.resolve(property, at: place))?.value.members ?? JSONObject()
            var contract = JSONObject()
            contract["name"] = .string(name)
            if let text = Self.description(
                members["description"].flatMap(Scalars.text), format: members["format"]?.text)
            {
                contract["description"] = .string(text)
            }
            contract["type"] = .string(Self.type(members))
            if required.contains(name) { contract["required"] = true }
            contract["values"] = []
            found.append(.object(contract))
        }
        return found
    }

    // MARK: Swagger 2

    private func types(_ name: String, _ site: Site) -> [String] {
        let list = (site.operation[name] ?? root[name])?.items?.compactMap(\.text) ?? []
        return list.isEmpty ? ["application/json"] : list
    }

    private mutating func swaggerBody(
        _ site: Site, _ parameters: [DescribedParameter]
    ) -> (String?, [JSONValue]) {
        if let body = parameters.first(where: { $0.location == "body" }) {
            let description = body.members["description"].flatMap(Scalars.text)
            var found: [JSONValue] = []
            for type in types("consumes", site) {
                var representation = JSONObject()
                representation["contentType"] = .string(type)
                if let schema = body.members["schema"] {
                    schemas.name(
                        schema, at: body.pointer.appending("schema"), suggested: "\(site.schemaPrefix)Request",
                        into: &representation)
                }
                found.append(.object(representation))
            }
            return (description, found)
        }
        let form = parameters.filter { $0.location == "formData" }
        guard !form.isEmpty else { return (nil, []) }
        let hasFile = form.contains { $0.members["type"]?.text == "file" }
        let listed = types("consumes", site).filter { Self.formTypes.contains($0) }
        let chosen = listed.isEmpty ? [hasFile ? Self.formTypes[1] : Self.formTypes[0]] : listed
        let fields = form.map { parameter in
            contract(
                name: parameter.name, members: parameter.members, schema: Self.swaggerSchema(parameter.members),
                schemaPointer: parameter.pointer, isRequired: parameter.isRequired,
                suggested: "\(site.schemaPrefix)Request")
        }
        return (nil, chosen.map { ["contentType": .string($0), "formParameters": .array(fields)] })
    }

    private mutating func swaggerContent(
        _ response: JSONObject, _ pointer: JSONPointer, suggested: String, _ site: Site
    ) -> [JSONValue] {
        let schema = response["schema"]
        let given = response["examples"]?.members ?? JSONObject()
        var types = schema == nil ? [] : self.types("produces", site)
        for name in given.names where !types.contains(name) && name.contains("/") { types.append(name) }
        return types.map { type in
            var representation = JSONObject()
            representation["contentType"] = .string(type)
            if let example = given[type], afford(example) {
                representation["examples"] = ["default": ["value": example]]
            }
            if let schema, schema["type"]?.text != "file" {
                schemas.name(
                    schema, at: pointer.appending("schema"),
                    suggested: "\(suggested)\(Self.capitalised(type))Response", into: &representation)
            }
            return .object(representation)
        }
    }

    // MARK: Examples

    /// `example` or `examples` of OpenAPI 3 in the shape of the management API.
    mutating func examples(_ members: JSONObject) -> JSONValue? {
        if format.isSwagger { return nil }
        if let example = members["example"] {
            return afford(example) ? ["default": ["value": example]] : nil
        }
        var found = JSONObject()
        for (name, example) in members["examples"]?.members ?? JSONObject() {
            guard let resolved = try? references.resolve(example, at: JSONPointer([])),
                let value = resolved.value.members,
                afford(resolved.value)
            else { continue }
            var kept = JSONObject()
            for field in ["summary", "description", "value", "externalValue"] {
                if let part = value[field] { kept[field] = part }
            }
            found[name] = .object(kept)
        }
        return found.isEmpty ? nil : .object(found)
    }

    /// Whether there is room for an example; takes it.
    private mutating func afford(_ example: JSONValue) -> Bool {
        let size = example.encoded().count
        guard size <= exampleBudget else { return false }
        exampleBudget -= size
        return true
    }
}
