// Export of an API as a description. ARM answers with a link; ours leads to a route of the service that needs a token as
// every other does, for nothing of a service is given to who has none.
internal import ApiImport
internal import JSONDocuments
internal import Resources
internal import ResourceStore

enum ApiExport {
    private static let swagger: Set<String> = ["swagger-link", "swagger-link-json"]
    private static let openAPI: Set<String> = ["openapi-link", "openapi+json-link"]
    private static let notBuilt: Set<String> = ["wadl-link", "wadl-link-json", "wsdl-link"]

    static let routes: [Route] = {
        var route = Route(
            "ApiExport_Document", .get, "gatehouse/exports/{apiId}",
            .action("Microsoft.ApiManagement/service/apis/read")
        ) { call in try await Self.document(call) }
        // Who may read the API may read its description, and nobody else.
        route.about = { ["apis", $0[2]] }
        return [route]
    }()

    /// `GET apis/{id}?export=true&format=…`
    static func answer(_ call: RouteCall, _ api: StoredResource) async throws -> Answer {
        let format = try format(call)
        let link =
            "\(call.management.publicURL)\(call.context.serviceID)/gatehouse/exports/\(RequestTarget.encode(api.name))"
        let query = "api-version=\(call.apiVersion)&format=\(RequestTarget.encode(format))"
        // As the real service answers it, whichever of the two was asked for.
        let told = swagger.contains(format) ? "swagger-link-json" : format
        return .json(
            [
                "id": .string(call.context.armID(api.id)), "type": "Microsoft.ApiManagement/service/apis",
                "name": .string(api.name),
                "properties": ["format": .string(told), "value": ["link": .string("\(link)?\(query)")]],
                // Where clients of older versions look.
                "format": .string(told), "value": ["link": .string("\(link)?\(query)")],
            ], etag: api.etag)
    }

    private static func format(_ call: RouteCall) throws -> String {
        let format = call.option("format")?.lowercased() ?? ""
        if notBuilt.contains(format) { throw Refusal(.notImplemented, "Export as '\(format)' is not built yet.") }
        guard swagger.contains(format) || openAPI.contains(format) else {
            throw Refusal(
                .invalidQueryParameter,
                "format must be one of \((openAPI.union(swagger)).sorted().joined(separator: ", ")).")
        }
        return format
    }

    private static func document(_ call: RouteCall) async throws -> Answer {
        let format = try format(call)
        let id = ResourceID(path: "/apis/\(call.segments[2])")
        let source = try await call.store.read { reader in
            guard let api = try reader.get(id), api.kind == "apis" else { throw Refusal.notFound("Api") }
            return try Self.source(api, reader)
        }
        return .json(swagger.contains(format) ? ApiExporter.swagger(source) : ApiExporter.openAPI(source))
    }

    static func source(_ api: StoredResource, _ reader: StoreReader) throws -> ExportSource {
        let properties = api.properties
        let operations = try reader.list(ListQuery(kind: "apis/operations", parent: api.id)).map {
            ExportSource.Operation(name: $0.name, properties: $0.properties)
        }
        let schemas = try reader.list(ListQuery(kind: "apis/schemas", parent: api.id)).map {
            ImportedSchema(
                id: $0.name, contentType: $0.properties["contentType"]?.text ?? "",
                document: $0.properties["document"] ?? .emptyObject)
        }
        return ExportSource(
            displayName: properties["displayName"]?.text ?? api.name, description: properties["description"]?.text,
            termsOfServiceUrl: properties["termsOfServiceUrl"]?.text, contact: properties["contact"],
            license: properties["license"], serverUrl: properties["serviceUrl"]?.text, operations: operations,
            schemas: schemas)
    }
}
