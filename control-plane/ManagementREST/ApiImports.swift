// Reading a description before the transaction: inline, or by link through the guard.
internal import ApiImport
internal import JSONDocuments
internal import Logging
internal import Resources

enum ApiImports {
    private struct Format {
        var expected: ExpectedDescription
        var isLink: Bool
    }

    /// Formats that are read.
    private static let formats: [String: Format] = [
        "openapi": Format(expected: .openAPI, isLink: false), "openapi+json": Format(expected: .openAPI, isLink: false),
        "openapi-link": Format(expected: .openAPI, isLink: true),
        "openapi+json-link": Format(expected: .openAPI, isLink: true),
        "swagger-json": Format(expected: .swagger, isLink: false),
        "swagger-link-json": Format(expected: .swagger, isLink: true),
        "swagger-link": Format(expected: .swagger, isLink: true),
    ]

    /// Formats that the reference knows and this version does not read.
    private static let notBuilt: Set<String> = [
        "wadl-xml", "wadl-link-json", "wsdl", "wsdl-link", "graphql-link", "odata", "odata-link", "grpc", "grpc-link",
    ]

    /// What a PUT's `format` and `value` hold: an attachment `imported`, or none.
    static func read(_ body: JSONValue, _ call: RouteCall) async throws -> [String: JSONValue] {
        let properties = body["properties"]
        guard let given = properties?["format"], !given.isNull else { return [:] }
        guard let name = given.text?.lowercased() else {
            throw Refusal.field("properties.format", "'properties.format' must be a text.")
        }
        if notBuilt.contains(name) { throw Refusal(.notImplemented, "Import of '\(name)' is not built yet.") }
        guard let format = formats[name] else {
            throw Refusal.field(
                "properties.format",
                "'properties.format' must be one of \((formats.keys.sorted() + notBuilt.sorted()).joined(separator: ", "))."
            )
        }
        guard let value = properties?["value"]?.text, !value.isEmpty else {
            throw Refusal.field("properties.value", "'properties.value' is required with 'properties.format'.")
        }
        let bytes = format.isLink ? try await fetch(value, call) : Array(value.utf8)
        var options = ImportOptions(displayName: properties?["displayName"]?.text)
        if properties?["translateRequiredQueryParameters"]?.text?.lowercased() == "query" {
            options.requiredQueryParameters = .query
        }
        do {
            return [
                "imported": attachment(try ApiImporter.importDescription(bytes, as: format.expected, options: options))
            ]
        } catch {
            throw Refusal.fields(
                error.problems.map { problem in
                    let isOfSize = problem.message.contains("alias")
                    return FieldProblem(isOfSize ? "properties.value" : "representation", problem.description)
                })
        }
    }

    private static func attachment(_ api: ImportedApi) -> JSONValue {
        [
            "displayName": .string(api.displayName), "description": .optional(api.description),
            "serviceUrl": .optional(api.serviceUrl), "license": api.license ?? .null, "contact": api.contact ?? .null,
            "termsOfServiceUrl": .optional(api.termsOfServiceUrl),
            "protocols": .array(api.protocols.map(JSONValue.string)),
            "operations": .array(
                api.operations.map { ["name": .string($0.name), "properties": $0.properties] }),
            "schema": api.schema.map {
                ["id": .string($0.id), "contentType": .string($0.contentType), "document": $0.document]
            } ?? .null,
        ]
    }

    private static func fetch(_ url: String, _ call: RouteCall) async throws -> [UInt8] {
        do {
            return try await call.management.fetch(url, Route.importBody)
        } catch {
            call.management.logger.info("import by link failed: \(error)")
            throw Refusal.field(
                "properties.value",
                "The document can't be fetched: \((error as? any FetchFailure)?.callerMessage ?? "no answer").")
        }
    }
}

/// An error of fetching that has words for the caller.
package protocol FetchFailure: Error {
    var callerMessage: String { get }
}
