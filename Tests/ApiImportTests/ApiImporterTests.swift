import ApiImport
import Foundation
import JSONDocuments
import Testing

@Suite struct ApiImporterTests {
    private func failure(_ text: String, as expected: ExpectedDescription = .any) -> ImportFailure? {
        do {
            _ = try ApiImporter.importDescription(text, as: expected)
            return nil
        } catch {
            return error
        }
    }

    private func openAPI(_ paths: String, version: String = "3.0.1", more: String = "") -> String {
        "openapi: \(version)\ninfo: {title: T, version: '1'}\npaths:\n\(paths)\n\(more)"
    }

    @Test func M01_names_line_and_column_of_an_unquoted_star() throws {
        let text = """
            openapi: 3.0.1
            info:
              title: Parcels
              version: "1"
            paths:
              /parcels:
                get:
                  operationId: list-parcels
                  parameters:
                    - name: mask
                      in: query
                      schema:
                        type: string
                        default: *
                  responses:
                    "200":
                      description: ok
            """
        let problem = try #require(self.failure(text)).problems[0]
        #expect(problem.description.hasPrefix("Parsing error(s): (Lin: 14, Col: 22"), "\(problem)")
    }

    @Test func M04_required_query_parameters_become_part_of_the_template() throws {
        let text = """
            {"openapi":"3.0.1","info":{"title":"Quotes","version":"1"},
             "paths":{"/quotes":{"get":{"operationId":"find-quotes","parameters":[
               {"name":"code","in":"query","required":true,"schema":{"type":"string"}},
               {"name":"lang","in":"query","required":false,"schema":{"type":"string","default":"en"}}],
              "responses":{"200":{"description":"ok"}}}}}}
            """
        let operation = try #require(try ApiImporter.importDescription(text).operations.first)
        #expect(operation.urlTemplate == "/quotes?code={code}")
        #expect(operation.properties["templateParameters"]?.items?.map { $0["name"] } == ["code"])
        let query = operation.properties[path: "request.queryParameters"]?.items ?? []
        #expect(query.map { $0["name"] } == ["lang"] && query.first?["defaultValue"] == "en")
        let options = ImportOptions(requiredQueryParameters: .query)
        let kept = try #require(try ApiImporter.importDescription(text, options: options).operations.first)
        #expect(kept.urlTemplate == "/quotes")
        #expect(kept.properties["templateParameters"] == [])
        #expect(kept.properties[path: "request.queryParameters"]?.items?.first?["required"] == true)
    }

    @Test func aDescriptionOfAnotherKindThanSaidIsRefused() {
        let three = "{\"openapi\":\"3.0.1\",\"info\":{\"title\":\"x\"},\"paths\":{}}"
        let two = "{\"swagger\":\"2.0\",\"info\":{\"title\":\"x\"},\"paths\":{}}"
        #expect(failure(three, as: .swagger) != nil && failure(two, as: .openAPI) != nil)
        #expect(failure(three, as: .openAPI) == nil && failure(two, as: .swagger) == nil)
    }

    @Test func whatIsSaidAboutTheApiIsRead() throws {
        let api = try ApiImporter.importDescription(
            """
            openapi: 3.1.0
            info:
              title: Pets
              version: 1.2.3
              description: About pets
              termsOfService: https://example.com/terms
              contact: {name: A, email: a@example.com, x-more: 1}
              license: {name: MIT}
            tags: [{name: cats, description: Cats}]
            servers: [{url: "http://plain.example/v1"}]
            webhooks: {}
            """)
        #expect(api.format == .openAPI31 && api.displayName == "Pets" && api.version == "1.2.3")
        #expect(api.description == "About pets" && api.termsOfServiceUrl == "https://example.com/terms")
        #expect(api.contact == ["name": "A", "email": "a@example.com"] && api.license == ["name": "MIT"])
        #expect(api.serviceUrl == "http://plain.example/v1" && api.protocols == ["https"])
        #expect(api.tags.map(\.name) == ["cats"] && api.operations.isEmpty && api.schema == nil)
    }

    @Test(arguments: [
        ("schemes: [http]\nhost: a.example\nbasePath: /v1", "http://a.example/v1", ["http"]),
        ("host: a.example:8080", "https://a.example:8080", ["https"]), ("basePath: /v1", nil, ["https"]),
        ("schemes: [http, https]\nhost: a.example\nbasePath: v1", "https://a.example/v1", ["http", "https"]),
        ("host: 'a.example/ x'", nil, ["https"]), ("host: u@a.example", nil, ["https"]),
    ])
    func theAddressOfSwagger2IsPutTogether(text: String, url: String?, protocols: [String]) throws {
        let api = try ApiImporter.importDescription("swagger: '2.0'\ninfo: {title: T}\npaths: {}\n\(text)")
        #expect(api.serviceUrl == url && api.protocols == protocols)
    }

    @Test func anOperationHasTheShapeOfTheReference() throws {
        let api = try ApiImporter.importDescription(
            openAPI(
                """
                  /pets/{petId}:
                    parameters: [{name: petId, in: path, required: true, description: The id, schema: {type: string}}]
                    put:
                      summary: Change a pet
                      operationId: changePet
                      tags: [cats]
                      parameters:
                        - {name: limit, in: query, schema: {type: integer, format: int32}, description: How many}
                        - {name: X-Trace, in: header, required: true, schema: {type: string, enum: [on, off]}}
                        - {name: Authorization, in: header, schema: {type: string}}
                        - {name: session, in: cookie, schema: {type: string}}
                      requestBody:
                        description: The pet
                        content: {application/json: {schema: {$ref: '#/components/schemas/Pet'}, example: {id: 1}}}
                      responses:
                        "200":
                          description: done
                          headers: {x-next: {schema: {type: string}, description: More}}
                          content: {application/json: {schema: {type: array, items: {$ref: '#/components/schemas/Pet'}}}}
                        4XX: {description: yours}
                        default: {description: ours}
                """, more: "components: {schemas: {Pet: {type: object, properties: {id: {type: integer}}}}}"))
        let properties = try #require(api.operations.first).properties
        let expected = try JSONReader.read(
            """
            {"displayName":"Change a pet","method":"PUT","urlTemplate":"/pets/{petId}",
             "templateParameters":[{"name":"petId","description":"The id","type":"string","required":true,"values":[],
              "schemaId":"schema","typeName":"Pets-petId-PutRequest"}],
             "description":"Change a pet",
             "request":{"description":"The pet","queryParameters":[{"name":"limit",
               "description":"Format - int32. How many","type":"integer","values":[],"schemaId":"schema",
               "typeName":"Pets-petId-PutRequest-1"}],
              "headers":[{"name":"X-Trace","type":"string","required":true,"values":["on","off"],"schemaId":"schema",
               "typeName":"Pets-petId-PutRequest-2"}],
              "representations":[{"contentType":"application/json","examples":{"default":{"value":{"id":1}}},
               "schemaId":"schema","typeName":"Pet"}]},
             "responses":[{"statusCode":200,"description":"done","representations":[{"contentType":"application/json",
               "schemaId":"schema","typeName":"Pets-petId-Put200ApplicationJsonResponse"}],
               "headers":[{"name":"x-next","description":"More","type":"string","values":[],"schemaId":"schema",
                "typeName":"Pets-petId-Put200x-nextResponseHeader"}]},
              {"statusCode":400,"description":"yours","representations":[],"headers":[]},
              {"statusCode":500,"description":"ours","representations":[],"headers":[]}]}
            """)
        #expect(properties == expected, "\(properties.encodedText())")
        let schemas = api.schema?.document[path: "components.schemas"]
        #expect(schemas?["Pets-petId-PutRequest-1"] == ["type": "integer", "format": "int32", "x-apim-inline": true])
        #expect(api.schema?.contentType == "application/vnd.oai.openapi.components+json")
    }

    @Test func Swagger2HasBodiesFormsAndTypes() throws {
        let api = try ApiImporter.importDescription(
            """
            swagger: '2.0'
            info: {title: T}
            consumes: [application/json, application/xml]
            produces: [application/json]
            paths:
              /a:
                post:
                  parameters: [{name: b, in: body, schema: {$ref: '#/definitions/A'}, description: B}]
                  responses: {default: {description: ok, schema: {$ref: '#/definitions/A'}, examples: {application/json: {x: 1}}}}
              /f:
                post:
                  parameters:
                    - {name: file, in: formData, type: file, required: true}
                    - {name: n, in: formData, type: integer, format: int64}
                  responses: {204: {description: none}}
                get:
                  parameters: [{name: b, in: body, schema: {}}]
                  responses: {200: {description: file, schema: {type: file}}}
            definitions: {A: {type: object}}
            """)
        let post = api.operations[0].properties
        #expect(
            post["request"] == [
                "description": "B", "queryParameters": [], "headers": [],
                "representations": [
                    ["contentType": "application/json", "schemaId": "schema", "typeName": "A"],
                    ["contentType": "application/xml", "schemaId": "schema", "typeName": "A"],
                ],
            ])
        #expect(post["responses"]?.items?.count == 1)
        #expect(post["responses"]?.items?.first?["statusCode"] == 500)
        let form = api.operations[1].properties[path: "request.representations"]?.items?.first
        #expect(form?["contentType"] == "multipart/form-data")
        #expect(form?["formParameters"]?.items?.map { $0["type"] } == ["file", "integer"])
        #expect(api.operations[2].properties["request"] == nil, "a body of GET is dropped")
        #expect(api.schema?.contentType == "application/vnd.ms-azure-apim.swagger.definitions+json")
    }

    @Test func everyFaultOfTheOperationsIsTold() throws {
        let found = try #require(
            failure(
                openAPI(
                    """
                      /a/{id}: {get: {responses: {}}, GET: {responses: {}}}
                      b: {get: {responses: {}}}
                      /c: {get: [], put: {parameters: {}}, post: {responses: {"700": {description: x}}}}
                      /d: {get: {parameters: [{name: x}]}}
                    """)))
        #expect(
            found.problems.map(\.place) == [
                "/paths/~1a~1{id}/get", "/paths/~1a~1{id}/GET", "/paths/b", "/paths/~1c/get",
                "/paths/~1c/put/parameters",
                "/paths/~1c/post/responses/700", "/paths/~1d/get/parameters/0",
            ])
        #expect(found.problems[1].message.hasSuffix("Methods are written in small letters."))
    }

    @Test(arguments: [
        "", "   ", "null", "1", "\"openapi\"", "{}", "{", "[1]", "openapi: [", "openapi: {a", "%YAML 1.2\n---\n",
        "openapi: 3.0.1\n---\nopenapi: 3.0.1", "openapi: 9.9\ninfo: {title: x}\npaths: {}", "swagger: 3\npaths: {}",
        "openapi: !!python/object/apply:os.system ['ls']", "openapi: 3.0.1\ninfo: !x {title: a}\npaths: {}",
        "{\"openapi\":\"3.0.1\",\"openapi\":\"3.0.2\"}", "{\"openapi\":\"3.0.1\",\"info\":[],\"paths\":{}}",
        "openapi: 3.0.1\ninfo: {title: ' '}\npaths: {}", "openapi: 3.1.0\ninfo: {title: x}",
        "openapi: 3.0.1\ninfo: {title: x}\npaths: {/a: {$ref: 5}}\nx: {? [a] : b}",
    ])
    func whatIsNoDescriptionIsRefused(text: String) {
        #expect(failure(text) != nil, "\(text)")
    }

    @Test func bytesThatAreNoUTF8AreRefusedWithTheirPlace() {
        let bytes: [UInt8] = Array("openapi: 3.0.1\ninfo: {title: ".utf8) + [0xC3, 0x28]
        #expect(throws: ImportFailure.self) { try ApiImporter.importDescription(bytes) }
        do {
            _ = try ApiImporter.importDescription(bytes)
        } catch {
            #expect(error.problems[0].place == "line 2, column 15")
        }
    }
}
