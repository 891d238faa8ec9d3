import ApiImport
import Foundation
import JSONDocuments
import Testing

/// An export is a description from which the same API imports again.
@Suite struct ApiExporterTests {
    private func source(_ api: ImportedApi) -> ExportSource {
        ExportSource(
            displayName: api.displayName, description: api.description, version: api.version ?? "1",
            termsOfServiceUrl: api.termsOfServiceUrl, contact: api.contact, license: api.license,
            serverUrl: api.serviceUrl,
            operations: api.operations.map { .init(name: $0.name, tags: $0.tags, properties: $0.properties) },
            schemas: api.schema.map { [$0] } ?? [])
    }

    /// What must be the same: not the names of schemas that stand in one place, nor what one format cannot say.
    private func shape(_ api: ImportedApi, isSwagger: Bool) -> [String] {
        api.operations.map { operation in
            func parameters(_ list: JSONValue?) -> [String] {
                (list?.items ?? []).map { parameter in
                    let type = parameter["type"]?.text ?? ""
                    let loose = isSwagger && (type == "object" || type == "file") ? "string" : type
                    let values = isSwagger && type == "object" ? [] : parameter["values"]?.items ?? []
                    return "\(parameter["name"]?.text ?? "") \(loose) \(parameter["required"] == true) \(values)"
                }
            }
            let properties = operation.properties
            let responses = (properties["responses"]?.items ?? []).map { response in
                let types = (response["representations"]?.items ?? []).compactMap { $0["contentType"]?.text }
                // Swagger 2 has one schema and one list of types for all responses of an operation.
                return "\(response["statusCode"]?.integer ?? 0) \(response["description"]?.text ?? "") "
                    + "\(isSwagger ? [] : types) \(parameters(response["headers"]))"
            }
            let bodies = (properties[path: "request.representations"]?.items ?? []).compactMap {
                $0["contentType"]?.text
            }
            return "\(operation.name) \(operation.displayName) \(operation.method) \(operation.urlTemplate) "
                + "\(properties["description"]?.text ?? "") \(parameters(properties["templateParameters"])) "
                + "\(parameters(properties[path: "request.queryParameters"])) "
                + "\(parameters(properties[path: "request.headers"])) \(isSwagger ? [] : bodies) \(responses) "
                + "\(operation.tags)"
        }
    }

    private func check(_ api: ImportedApi, _ label: String) throws {
        for isSwagger in [false, true] {
            let document = isSwagger ? ApiExporter.swagger(source(api)) : ApiExporter.openAPI(source(api))
            do throws(ImportFailure) {
                let again = try ApiImporter.importDescription(document.encoded())
                #expect(again.format == (isSwagger ? .swagger2 : .openAPI30))
                #expect(again.displayName == api.displayName && again.serviceUrl == api.serviceUrl, "\(label)")
                let before = shape(api, isSwagger: isSwagger)
                let after = shape(again, isSwagger: isSwagger)
                #expect(before.count == after.count, "\(label)")
                for (left, right) in zip(before, after) where left != right {
                    let same = left.commonPrefix(with: right).count
                    let parts = [left, right].map { $0.dropFirst(max(0, same - 40)).prefix(160) }
                    Issue.record("\(label), swagger \(isSwagger), \(left.prefix(40)):\n\(parts[0])\n\(parts[1])")
                    break
                }
            } catch {
                Issue.record("\(label), swagger \(isSwagger): \(error.problems[0])")
            }
        }
    }

    @Test(.enabled(if: Corpus.isThere, "\(Corpus.absent)"))
    func realDescriptionsComeBackTheSame() throws {
        for kind in ["openapi", "openapi-own"] {
            for file in try Corpus.files(kind) {
                let bytes = try Corpus.bytes(kind, file)
                // The largest take long in a debug build and hold nothing that the others do not.
                guard bytes.count < 400_000, let api = try? ApiImporter.importDescription(bytes) else { continue }
                try check(api, file)
            }
        }
    }

    @Test func M08_keeps_formats_lengths_and_the_meaning_of_arrays() throws {
        let text = """
            {"openapi":"3.0.1","info":{"title":"Templates","version":"1"},
             "paths":{"/templates/by-text/{text}":{"get":{"operationId":"by-text",
              "parameters":[{"name":"text","in":"path","required":true,"schema":{"type":"string"}}],
              "responses":{"200":{"description":"ok","content":{"application/json":{"schema":
               {"type":"array","items":{"$ref":"#/components/schemas/TemplateDto"}}}}}}}}},
             "components":{"schemas":{"TemplateDto":{"type":"object","properties":
              {"id":{"type":"integer","format":"int64"},"text":{"type":"string","maxLength":40}}}}}}
            """
        let document = ApiExporter.openAPI(source(try ApiImporter.importDescription(text)))
        let response = document["paths"]?["/templates/by-text/{text}"]?["get"]?["responses"]?["200"]
        #expect(
            response?["content"]?["application/json"]?["schema"]
                == ["type": "array", "items": ["$ref": "#/components/schemas/TemplateDto"]])
        let properties = document[path: "components.schemas.TemplateDto.properties"]
        #expect(properties?["id"]?["format"] == "int64" && properties?["text"]?["maxLength"] == 40)
    }

    @Test func apisMadeByHandAreExported() throws {
        let operation: JSONValue = [
            "displayName": "Get", "method": "GET", "urlTemplate": "/a/{id}/{*rest}?q={q}&kind=x",
            "templateParameters": [
                ["name": "id", "type": "string", "required": true], ["name": "rest", "type": "string"],
                ["name": "q", "type": "integer", "required": true, "defaultValue": "5", "values": ["5", "6"]],
            ], "responses": [],
        ]
        let made = ExportSource(
            displayName: "Made", operations: [.init(name: "get-it", properties: operation)], schemas: [])
        let again = try ApiImporter.importDescription(ApiExporter.openAPI(made).encoded())
        #expect(again.operations.map(\.name) == ["get-it"])
        #expect(again.operations[0].urlTemplate == "/a/{id}/{*rest}?kind=x&q={q}")
        let parameter = again.operations[0].properties["templateParameters"]?.items?.last
        #expect(parameter?["values"] == ["5", "6"] && parameter?["defaultValue"] == "5")
    }
}
