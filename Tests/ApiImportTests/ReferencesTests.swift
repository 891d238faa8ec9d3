import ApiImport
import JSONDocuments
import Testing

/// References stay inside the document and end.
@Suite struct ReferencesTests {
    private func taken(_ components: String, schema: String = "{$ref: '#/components/schemas/A'}") throws -> ImportedApi
    {
        try ApiImporter.importDescription(
            """
            openapi: 3.1.0
            info: {title: T}
            paths: {/a: {get: {responses: {200: {description: x, content: {a/b: {schema: \(schema)}}}}}}}
            components: \(components)
            """)
    }

    private func typeName(_ api: ImportedApi) -> String? {
        let response = api.operations.first?.properties["responses"]?.items?.first
        return response?["representations"]?.items?.first?["typeName"]?.text
    }

    @Test func G51_cycles_of_schemas_are_kept_as_written() throws {
        let api = try taken(
            "{schemas: {A: {properties: {b: {$ref: '#/components/schemas/B'}}}, B: {properties: {a: {$ref: "
                + "'#/components/schemas/A'}, self: {$ref: '#/components/schemas/B'}}}}}")
        let schemas = api.schema?.document[path: "components.schemas"]
        #expect(typeName(api) == "A")
        #expect(schemas?["B"]?[path: "properties.self"] == ["$ref": "#/components/schemas/B"])
        #expect(schemas?.members?.count == 2)
    }

    @Test func G51_a_reference_to_itself_alone_is_refused() {
        #expect(throws: ImportFailure.self) { try taken("{schemas: {A: {$ref: '#/components/schemas/A'}}}") }
        #expect(throws: ImportFailure.self) {
            try taken("{schemas: {A: {$ref: '#/components/schemas/B'}, B: {$ref: '#/components/schemas/A'}}}")
        }
    }

    @Test func G51_a_long_chain_is_followed() throws {
        let links = (0..<1_000).map { "A\($0): {$ref: '#/components/schemas/A\($0 + 1)'}" }.joined(separator: ", ")
        let api = try taken(
            "{schemas: {\(links), A1000: {type: string}}}", schema: "{$ref: '#/components/schemas/A0'}")
        #expect(typeName(api) == "A0")
    }

    @Test func G51_schemas_elsewhere_in_the_document_come_along_once() throws {
        let api = try taken(
            "{responses: {R: {description: x, content: {a/b: {schema: {type: object, properties: {next: {$ref: "
                + "'#/components/responses/R/content/a~1b/schema'}}}}}}}}",
            schema: "{$ref: '#/components/responses/R/content/a~1b/schema'}")
        let schemas = try #require(api.schema?.document[path: "components.schemas"]?.members)
        #expect(schemas.count <= 2)
        for (_, schema) in schemas {
            let text = schema.encodedText()
            #expect(!text.contains("#/components/responses"), "\(text)")
        }
    }

    @Test func G51_what_is_stored_does_not_grow_with_the_references() throws {
        let big = String(repeating: "x", count: 20_000)
        let paths = (0..<200).map { "/p\($0): {get: {responses: {200: {$ref: '#/components/responses/R'}}}}" }
        let text =
            "openapi: 3.0.1\ninfo: {title: T}\npaths: {\(paths.joined(separator: ", "))}\ncomponents: {responses: {R: "
            + "{description: x, content: {a/b: {example: \(big), schema: {type: string, pattern: \(big)}}}}}}"
        let api = try ApiImporter.importDescription(text)
        let operations = api.operations.reduce(0) { $0 + $1.properties.encoded().count }
        let schemas = api.schema?.document.encoded().count ?? 0
        #expect(operations + schemas < text.utf8.count * 3)
        #expect(
            Set(
                api.operations.compactMap {
                    $0.properties["responses"]?.items?.first?["representations"]?.items?.first?[
                        "typeName"]?.text
                }
            ).count == 1)
    }

    @Test(arguments: [
        "http://169.254.169.254/x", "file:///etc/passwd", "./other.yaml", "//host/x", "#/../..", "other.yaml#/a",
        "FILE:/x",
    ])
    func G52_no_reference_leaves_the_document(reference: String) throws {
        do {
            _ = try taken("{schemas: {A: {properties: {x: {$ref: '\(reference)'}}}}}")
            Issue.record("\(reference) is taken")
        } catch let failure as ImportFailure {
            #expect(failure.problems[0].message.contains(reference))
            #expect(failure.problems[0].place == "/components/schemas/A/properties/x")
        }
    }

    @Test func G52_addresses_that_are_text_stay_text() throws {
        let api = try taken(
            "{schemas: {A: {$id: 'https://host/x', $schema: 'https://host/s', externalDocs: {url: 'https://host/d'}, "
                + "example: {$ref: 'http://host/y'}, properties: {$ref: {type: string}, b: {$ref: '#/$defs/c'}}, "
                + "$defs: {c: {type: string}}}}}")
        #expect(api.schema?.document[path: "components.schemas.A.$id"] == "https://host/x")
    }
}
