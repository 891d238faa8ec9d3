import ApiImport
import JSONDocuments
import Testing

@Suite struct SchemaSampleTests {
    private let document: JSONValue = [
        "components": [
            "schemas": [
                "Pet": [
                    "type": "object",
                    "properties": [
                        "id": ["type": "integer"], "name": ["type": "string"],
                        "born": ["type": "string", "format": "date"],
                        "friends": ["type": "array", "items": ["$ref": "#/components/schemas/Pet"]],
                    ],
                ],
                "Loop": ["$ref": "#/components/schemas/Loop"],
            ]
        ]
    ]

    private func sample(_ schema: JSONValue) -> String? {
        SchemaSample.sample(forSchema: schema, in: document)?.encodedText()
    }

    @Test func valuesAreMadeByTheRules() {
        #expect(sample(["example": ["a": 1], "default": 2]) == "{\"a\":1}")
        #expect(sample(["default": 2, "enum": [3]]) == "2")
        #expect(sample(["enum": [3, 4], "type": "string"]) == "3")
        #expect(sample(["type": "string"]) == "\"string\"")
        #expect(sample(["type": "string", "format": "date-time"]) == "\"2024-01-01T00:00:00Z\"")
        #expect(sample(["type": "string", "format": "uuid"]) == "\"00000000-0000-0000-0000-000000000000\"")
        #expect(sample(["type": "string", "format": "email"]) == "\"user@example.com\"")
        #expect(sample(["type": "integer", "minimum": 5]) == "5")
        #expect(sample(["type": "number"]) == "0")
        #expect(sample(["type": ["null", "boolean"]]) == "true")
        #expect(sample(["oneOf": [["type": "boolean"], ["type": "string"]]]) == "true")
        #expect(
            sample(["allOf": [["properties": ["a": ["type": "integer"]]], ["properties": ["b": ["type": "boolean"]]]]])
                == "{\"a\":0,\"b\":true}")
        #expect(sample(["$ref": "#/components/schemas/Loop"]) == nil)
        #expect(sample(["$ref": "#/nowhere"]) == nil)
    }

    @Test func recursionEndsAtFiveLevelsAndWidthAtABound() throws {
        let pet = try #require(sample(["$ref": "#/components/schemas/Pet"]))
        #expect(pet.hasPrefix("{\"id\":0,\"name\":\"string\",\"born\":\"2024-01-01\",\"friends\":[{"))
        #expect(pet.count < 1_000)
        var wide = JSONObject()
        for index in 0..<500 { wide["p\(index)"] = ["$ref": "#/components/schemas/Wide"] }
        let schemas: JSONValue = ["components": ["schemas": ["Wide": ["properties": .object(wide)]]]]
        let text = SchemaSample.text(
            forSchema: ["$ref": "#/components/schemas/Wide"], in: schemas, contentType: "application/json")
        #expect((text?.utf8.count ?? 0) < 200_000)
    }

    @Test func aRepresentationNamesItsType() {
        let text = SchemaSample.text(forType: "Pet", in: document, contentType: "application/json")
        #expect(text?.hasPrefix("{\n  \"id\": 0,\n") ?? false)
        #expect(SchemaSample.text(forType: "Dog", in: document, contentType: "application/json") == nil)
        let xml = SchemaSample.text(forType: "Pet", in: document, contentType: "application/xml")
        #expect(xml?.hasPrefix("<Pet>\n  <id>0</id>\n") ?? false)
        let definitions: JSONValue = ["definitions": ["A": ["type": "boolean"]]]
        #expect(SchemaSample.text(forType: "A", in: definitions, contentType: "application/json") == "true")
    }

    @Test func textIsJSONOrXML() {
        let schema: JSONValue = ["properties": ["a b": ["type": "integer"], "c": ["enum": ["<&"]]]]
        #expect(
            SchemaSample.text(forSchema: schema, in: [:], contentType: "application/json")
                == "{\n  \"a b\": 0,\n  \"c\": \"<&\"\n}")
        #expect(
            SchemaSample.text(forSchema: schema, in: [:], contentType: "text/xml; charset=utf-8", name: "pet")
                == "<pet>\n  <a_b>0</a_b>\n  <c>&lt;&amp;</c>\n</pet>\n")
    }
}
