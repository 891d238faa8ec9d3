// Cases that people reported from the field (kind M: management and import), over HTTP.
import Foundation
import JSONDocuments
import ResourceStore
import Testing
import WebClient

@testable import ManagementREST

@Suite struct FieldCaseTests {
    private static func put(
        _ live: LiveManagement, _ path: String, _ format: String, _ document: String, _ more: JSONValue = [:]
    ) async throws -> TestAnswer {
        var properties = more
        properties["path"] = more["path"] ?? .string(String(path.dropFirst(6)))
        properties["format"] = .string(format)
        properties["value"] = .string(document)
        return try await live.send("PUT", path, ["properties": properties])
    }

    @Test func case_M01_an_unquoted_star_is_a_fault_with_its_place_and_nothing_is_saved() async throws {
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
        try await LiveManagement.run { live in
            let before = live.store.revision
            let answer = try await Self.put(live, "/apis/parcels", "openapi", text)
            #expect(answer.status == 400 && answer.code == "ValidationError" && answer.targets == ["representation"])
            let message = answer.json[path: "error.details"]?.items?.first?["message"]?.text ?? ""
            #expect(message.hasPrefix("Parsing error(s): (Lin: 14, Col: 22"), "\(message)")
            #expect(live.store.revision == before)
            #expect(try await live.send("GET", "/apis/parcels").status == 404)
            // Its kin: other letters that begin something in YAML.
            for (letter, isTaken) in [("&", false), ("%", false), ("@", false), ("`", false), ("'*'", true)] {
                let other = try await Self.put(
                    live, "/apis/p", "openapi", text.replacing("default: *", with: "default: \(letter)"))
                #expect((other.status == 201) == isTaken, "\(letter): \(other.text)")
                if !isTaken { #expect(other.targets == ["representation"], "\(letter): \(other.text)") }
            }
        }
    }

    @Test func case_M04_a_required_query_parameter_is_part_of_the_template_or_not() async throws {
        let text = """
            {"openapi":"3.0.1","info":{"title":"Quotes","version":"1"},
             "paths":{"/quotes":{"get":{"operationId":"find-quotes","parameters":[
               {"name":"code","in":"query","required":true,"schema":{"type":"string"}},
               {"name":"lang","in":"query","required":false,"schema":{"type":"string","default":"en"}}],
              "responses":{"200":{"description":"ok"}}}}}}
            """
        try await LiveManagement.run { live in
            #expect(try await Self.put(live, "/apis/q", "openapi+json", text).status == 201)
            let first = try await live.send("GET", "/apis/q/operations/find-quotes").json["properties"]
            #expect(first?["urlTemplate"] == "/quotes?code={code}")
            #expect(first?["templateParameters"]?.items?.map { $0["name"] } == ["code"])
            let query = first?[path: "request.queryParameters"]?.items ?? []
            #expect(query.map { $0["name"] } == ["lang"] && query.first?["defaultValue"] == "en")
            let kept = try await Self.put(
                live, "/apis/q", "openapi+json", text, ["translateRequiredQueryParameters": "query"])
            #expect(kept.status == 200)
            let second = try await live.send("GET", "/apis/q/operations/find-quotes").json["properties"]
            #expect(second?["urlTemplate"] == "/quotes" && second?["templateParameters"] == [])
            let code = (second?[path: "request.queryParameters"]?.items ?? []).first { $0["name"] == "code" }
            #expect(code?["required"] == true)
        }
    }

    @Test func case_M08_an_inline_array_of_a_reference_comes_back_as_one() async throws {
        let text = """
            {"openapi":"3.0.1","info":{"title":"Templates","version":"1"},
             "paths":{"/templates/by-text/{text}":{"get":{"operationId":"by-text","parameters":[{"name":"text","in":"path","required":true,"schema":{"type":"string"}}],
              "responses":{"200":{"description":"ok","content":{"application/json":{"schema":{"type":"array","items":{"$ref":"#/components/schemas/TemplateDto"}}}}}}}}},
             "components":{"schemas":{"TemplateDto":{"type":"object","properties":{"id":{"type":"integer","format":"int64"},"text":{"type":"string","maxLength":40}}}}}}
            """
        try await LiveManagement.run { live in
            #expect(try await Self.put(live, "/apis/t", "openapi+json", text).status == 201)
            let link = try await live.send("GET", "/apis/t?export=true&format=openapi%2Bjson-link")
            let path = try #require(link.json[path: "value.link"]?.text).dropFirst(LiveManagement.publicURL.count)
            let document = try await live.root("GET", String(path), by: live.owner).json
            func resolved(_ schema: JSONValue?) -> JSONValue? {
                guard let name = schema?["$ref"]?.text?.split(separator: "/").last else { return schema }
                return resolved(document[path: "components.schemas"]?[String(name)])
            }
            let get = document["paths"]?["/templates/by-text/{text}"]?["get"]
            let content = get?["responses"]?["200"]?["content"]?["application/json"]?["schema"]
            let array = resolved(content)
            #expect(array?["type"] == "array", "\(document.encodedText())")
            #expect(array?["items"]?["$ref"] == "#/components/schemas/TemplateDto")
            let item = resolved(array?["items"])
            #expect(item?[path: "properties.id.format"] == "int64" && item?[path: "properties.text.maxLength"] == 40)
        }
    }

    @Test func case_M11_and_M13_revisions_and_version_sets_say_that_they_are_not_built() async throws {
        try await LiveManagement.run { live in
            let text = "{\"openapi\":\"3.0.1\",\"info\":{\"title\":\"Orders API v2\",\"version\":\"1\"},\"paths\":{}}"
            try await live.put("/apis/a", ["displayName": "Orders", "path": "orders"])
            let before = live.store.revision
            let revision = try await Self.put(live, "/apis/a;rev=2", "openapi+json", text, ["path": "orders"])
            let named = try await live.send(
                "PUT", "/apis/a;rev=2",
                ["properties": ["path": "orders", "displayName": "Another", "apiRevision": "2"]])
            let version = try await Self.put(
                live, "/apis/e2", "openapi+json", text,
                ["path": "spec", "apiVersion": "v1", "apiVersionSetId": "/apiVersionSets/vs"])
            for answer in [revision, named, version, try await live.send("GET", "/apiVersionSets/vs")] {
                #expect(answer.status == 501 && answer.code == "NotImplemented", "\(answer.text)")
            }
            #expect(live.store.revision == before)
            #expect(try await live.send("GET", "/apis/a").json[path: "properties.displayName"] == "Orders")
        }
    }

    @Test func case_M12_the_service_url_is_the_bodys_then_the_documents() async throws {
        @Sendable func document(_ servers: String) -> String {
            "{\"openapi\":\"3.0.1\",\"info\":{\"title\":\"E\",\"version\":\"1\"},\(servers)\"paths\":{}}"
        }
        try await LiveManagement.run { live in
            try await live.put("/apis/e", ["displayName": "E", "path": "e", "serviceUrl": "https://old.example.com"])
            func url() async throws -> JSONValue? {
                try await live.send("GET", "/apis/e").json[path: "properties.serviceUrl"]
            }
            // PUT replaces.
            #expect(try await Self.put(live, "/apis/e", "openapi+json", document("")).status == 200)
            #expect(try await url() ?? .null == .null)
            let body = try await Self.put(
                live, "/apis/e", "openapi+json", document("\"servers\":[{\"url\":\"https://doc.example.com/v1\"}],"),
                ["serviceUrl": "https://new.example.com"])
            #expect(body.status == 200)
            #expect(try await url() == "https://new.example.com")
            let servers =
                "\"servers\":[{\"url\":\"http://plain.example.com\"},{\"url\":\"https://doc.example.com/v1\"}],"
            #expect(try await Self.put(live, "/apis/e", "openapi+json", document(servers)).status == 200)
            #expect(try await url() == "https://doc.example.com/v1")
            let patched = try await live.send(
                "PATCH", "/apis/e", ["properties": ["description": "x"]], fields: [WebField("If-Match", "*")])
            #expect(patched.status == 200)
            #expect(try await url() == "https://doc.example.com/v1")
        }
    }
}
