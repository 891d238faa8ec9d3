internal import JSONDocuments

// Parameters of an operation: those of its path and its own, as the management API has them.

/// A parameter of a description, resolved.
struct DescribedParameter {
    let name: String
    /// `path`, `query`, `header`, `cookie`; in Swagger 2 `body` and `formData` too.
    let location: String
    let members: JSONObject
    let pointer: JSONPointer

    var isRequired: Bool { members["required"]?.boolean ?? false }
}

/// Parameters in the places where an operation's resource has them.
struct ParameterContracts {
    var urlTemplate: String
    var template: [JSONValue] = []
    var query: [JSONValue] = []
    var headers: [JSONValue] = []
}

extension OperationReader {
    /// Those of the path and the operation; one of the operation replaces its namesake.
    func parameters(_ site: Site) throws(ImportFailure) -> [DescribedParameter] {
        var found: [DescribedParameter] = []
        let lists = [
            (site.item["parameters"], site.itemPointer.appending("parameters")),
            (site.operation["parameters"], site.pointer.appending("parameters")),
        ]
        for (list, pointer) in lists {
            guard let list, !list.isNull else { continue }
            guard let items = list.items else {
                throw ImportFailure(at: pointer.text, "'parameters' must be an array, found \(Scalars.kind(list)).")
            }
            for (index, item) in items.enumerated() {
                let place = pointer.appending(index)
                let resolved = try references.resolve(item, at: place)
                guard let members = resolved.value.members, let name = members["name"].flatMap(Scalars.text),
                    let location = members["in"]?.text
                else {
                    throw ImportFailure(at: place.text, "A parameter must be an object with 'name' and 'in'.")
                }
                let parameter = DescribedParameter(
                    name: name, location: location, members: members, pointer: resolved.pointer)
                if let same = found.firstIndex(where: { $0.name == name && $0.location == location }) {
                    found[same] = parameter
                } else {
                    found.append(parameter)
                }
            }
        }
        return found
    }

    mutating func contracts(
        _ parameters: [DescribedParameter], _ site: Site
    ) throws(ImportFailure) -> ParameterContracts {
        var contracts = ParameterContracts(urlTemplate: site.template.text)
        var missing: [String] = []
        let inQuery = Set(site.template.queryNames)
        for name in site.template.parameters {
            let declared =
                parameters.first { $0.name == name && $0.location == "path" }
                ?? parameters.first { $0.location == "query" && $0.name == name && inQuery.contains(name) }
                ?? parameters.first { $0.name == "*\(name)" && $0.location == "path" }
            if let declared {
                contracts.template.append(contract(of: declared, site, name: name, isRequired: true))
            } else if site.template.wildcards.contains(name) {
                contracts.template.append(["name": .string(name), "type": "string", "required": true, "values": []])
            } else if site.template.isInQuery(name) {
                // The real service drops what a path's key says of the query and no parameter declares (fact 72).
                contracts.urlTemplate = PathTemplate.dropping(name, from: contracts.urlTemplate)
            } else {
                missing.append(name)
            }
        }
        if !missing.isEmpty {
            let id = site.operation["operationId"].flatMap(Scalars.text).map { " ('\($0)')" } ?? ""
            let names = missing.map { "'\($0)'" }.joined(separator: ", ")
            throw ImportFailure(
                at: site.pointer.text,
                "The operation \(site.method.uppercased()) \(site.template.text)\(id) has no parameter \(names) declared as "
                    + "'in: path'.")
        }
        var separator = contracts.urlTemplate.contains("?") ? "&" : "?"
        for parameter in parameters where parameter.location == "query" {
            if inQuery.contains(parameter.name) { continue }
            let isPartOfTemplate =
                parameter.isRequired && options.requiredQueryParameters == .template
                && Self.fitsTemplate(parameter.name) && !site.template.parameters.contains(parameter.name)
            let longer = "\(contracts.urlTemplate)\(separator)\(parameter.name)={\(parameter.name)}"
            if isPartOfTemplate, longer.utf16.count <= Self.templateMax {
                contracts.urlTemplate = longer
                separator = "&"
                contracts.template.append(contract(of: parameter, site, isRequired: true))
            } else {
                contracts.query.append(contract(of: parameter, site, isRequired: parameter.isRequired))
            }
        }
        for parameter in parameters where parameter.location == "header" && !isIgnoredHeader(parameter.name) {
            contracts.headers.append(contract(of: parameter, site, isRequired: parameter.isRequired))
        }
        return contracts
    }

    /// Whether a name can stand in a template as `name={name}`.
    private static func fitsTemplate(_ name: String) -> Bool {
        !name.isEmpty
            && name.unicodeScalars.allSatisfy { scalar in
                scalar.value > 0x20 && scalar.value != 0x7F && !"{}&=#?/*\\%+".unicodeScalars.contains(scalar)
            }
    }

    /// OpenAPI 3: definitions of these headers have no meaning.
    private func isIgnoredHeader(_ name: String) -> Bool {
        !format.isSwagger && ["accept", "content-type", "authorization"].contains(name.lowercased())
    }

    // MARK: Contracts

    private mutating func contract(
        of parameter: DescribedParameter, _ site: Site, name: String? = nil, isRequired: Bool
    ) -> JSONValue {
        var (schema, pointer) = schema(of: parameter)
        if format.isSwagger { (schema, pointer) = (Self.swaggerSchema(parameter.members), parameter.pointer) }
        return contract(
            name: name ?? parameter.name, members: parameter.members, schema: schema, schemaPointer: pointer,
            isRequired: isRequired, suggested: "\(site.schemaPrefix)Request")
    }

    /// The schema of a parameter or a header of OpenAPI 3: its own, or that of its only content.
    private func schema(of parameter: DescribedParameter) -> (JSONValue, JSONPointer) {
        Self.schema(in: parameter.members, at: parameter.pointer)
    }

    static func schema(in members: JSONObject, at pointer: JSONPointer) -> (JSONValue, JSONPointer) {
        if let schema = members["schema"] { return (schema, pointer.appending("schema")) }
        if let content = members["content"]?.members, let first = content.first(where: { _ in true }),
            let schema = first.value["schema"]
        {
            return (schema, pointer.appending("content").appending(first.name).appending("schema"))
        }
        return (.emptyObject, pointer)
    }

    /// What a parameter of Swagger 2 says about its values.
    static func swaggerSchema(_ members: JSONObject) -> JSONValue {
        let about: Set<String> = ["name", "in", "required", "description", "allowEmptyValue", "schema"]
        var schema = JSONObject()
        for (name, value) in members where !about.contains(name) && !name.hasPrefix("x-") { schema[name] = value }
        return .object(schema)
    }

    /// A parameter or header as the management API has it.
    mutating func contract(
        name: String, members: JSONObject, schema: JSONValue, schemaPointer: JSONPointer, isRequired: Bool,
        suggested: String
    ) -> JSONValue {
        let resolved = (try? references.resolve(schema, at: schemaPointer))?.value.members ?? JSONObject()
        var contract = JSONObject()
        contract["name"] = .string(name)
        let written = members["description"].flatMap(Scalars.text)
        if let description = Self.description(written, format: resolved["format"]?.text) {
            contract["description"] = .string(description)
        }
        contract["type"] = .string(Self.type(resolved))
        if isRequired { contract["required"] = true }
        if let value = (resolved["default"] ?? members["default"]).flatMap(Scalars.text) {
            contract["defaultValue"] = .string(value)
        }
        contract["values"] = .array(
            (resolved["enum"]?.items ?? []).compactMap { Scalars.text($0).map(JSONValue.string) })
        let isWorthKeeping = !format.isSwagger || resolved.count > 1
        if isWorthKeeping { schemas.name(schema, at: schemaPointer, suggested: suggested, into: &contract) }
        if let examples = examples(members) { contract["examples"] = examples }
        return .object(contract)
    }

    /// `type`, of which 3.1 may name several.
    static func type(_ schema: JSONObject) -> String {
        if let type = schema["type"]?.text { return type }
        let several = (schema["type"]?.items ?? []).compactMap(\.text)
        return several.first { $0 != "null" } ?? several.first ?? "string"
    }

    /// The reference puts the format in front.
    static func description(_ text: String?, format: String?) -> String? {
        guard let format, !format.isEmpty else { return text }
        let long = ["date": "date (as full-date in RFC3339)", "date-time": "date-time (as date-time in RFC3339)"]
        let prefix = "Format - \(long[format] ?? format)."
        return text.map { "\(prefix) \($0)" } ?? prefix
    }
}
