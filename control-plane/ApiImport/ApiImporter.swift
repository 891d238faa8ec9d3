internal import JSONDocuments

// The one way in: bytes of a description come in; an API, or what is wrong with the description, go out.

package enum ApiImporter {
    /// Reads a description of OpenAPI 3.0, 3.1 or Swagger 2.0, JSON or YAML. Throws all faults that were met, each with
    /// its place and what would be right. Nothing is fetched and no file is read.
    package static func importDescription(
        _ bytes: [UInt8], as expected: ExpectedDescription = .any, options: ImportOptions = ImportOptions()
    ) throws(ImportFailure) -> ImportedApi {
        let root = try DescriptionReader.read(bytes)
        let format = try DescriptionFormat(of: root)
        try expected.check(format)
        var check = ReferenceCheck(root)
        try checkShape(root, format)
        check.run()
        if let problem = check.combined { throw ImportFailure([problem]) }
        let info = root["info"]?.members ?? JSONObject()
        let displayName = try title(info, options)
        var reader = OperationReader(root: root, format: format, options: options)
        let operations = try reader.operations()
        let servers = ServiceAddress(root, format)
        return ImportedApi(
            format: format, displayName: displayName, description: info["description"].flatMap(Scalars.text),
            version: info["version"].flatMap(Scalars.text),
            termsOfServiceUrl: info["termsOfService"].flatMap(Scalars.text),
            contact: picked(["name", "url", "email"], from: info["contact"]),
            license: picked(["name", "url"], from: info["license"]), serviceUrl: servers.serviceUrl,
            protocols: servers.protocols, operations: operations, schema: reader.schemas.schema,
            tags: tags(root), warnings: reader.warnings)
    }

    package static func importDescription(
        _ text: String, as expected: ExpectedDescription = .any, options: ImportOptions = ImportOptions()
    ) throws(ImportFailure) -> ImportedApi {
        try importDescription(Array(text.utf8), as: expected, options: options)
    }

    private static func checkShape(_ root: JSONObject, _ format: DescriptionFormat) throws(ImportFailure) {
        for name in ["info", "paths", "webhooks", "components", "definitions", "x-ms-paths"] {
            if let value = root[name], value.members == nil, !value.isNull {
                throw ImportFailure(at: "/\(name)", "'\(name)' must be an object, found \(Scalars.kind(value)).")
            }
        }
        let hasPaths = root["paths"]?.members != nil
        if format == .openAPI31 {
            let names = ["paths", "webhooks", "components"]
            guard names.contains(where: { root[$0]?.members != nil }) else {
                throw ImportFailure("One of 'paths', 'webhooks' and 'components' is required in OpenAPI 3.1.")
            }
        } else if !hasPaths {
            let version = format == .swagger2 ? "Swagger 2.0" : "OpenAPI 3.0"
            throw ImportFailure(at: "/paths", "'paths' is required in \(version), an object from paths to operations.")
        }
    }

    private static func title(_ info: JSONObject, _ options: ImportOptions) throws(ImportFailure) -> String {
        let title = info["title"].flatMap(Scalars.text) ?? ""
        let trimmed = title.drop { $0.isWhitespace }
        if !trimmed.isEmpty { return Scalars.cut(title, to: 300) }
        if let name = options.displayName, !name.isEmpty { return name }
        throw ImportFailure(
            at: "/info/title",
            "'info.title' is required: it becomes the display name, 1 to 300 characters, unless the request has one.")
    }

    /// Members that are text; nil when there are none.
    private static func picked(_ names: [String], from value: JSONValue?) -> JSONValue? {
        guard let members = value?.members else { return nil }
        var result = JSONObject()
        for name in names {
            if let text = members[name].flatMap(Scalars.text) { result[name] = .string(text) }
        }
        return result.isEmpty ? nil : .object(result)
    }

    private static func tags(_ root: JSONObject) -> [(name: String, description: String?)] {
        (root["tags"]?.items ?? []).compactMap { tag in
            guard let name = tag["name"].flatMap(Scalars.text) else { return nil }
            return (name, tag["description"].flatMap(Scalars.text))
        }
    }
}
