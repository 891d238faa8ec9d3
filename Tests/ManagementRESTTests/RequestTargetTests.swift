// How paths and queries are read, and which paths lead nowhere.
import Foundation
import JSONDocuments
import ResourceStore
import Testing
import WebClient

@testable import ManagementREST

@Suite struct RequestTargetTests {
    @Test(arguments: [
        ("/a/b", ["a", "b"]), ("/a/b/", ["a", "b"]), ("/a%20b", ["a b"]), ("/%C3%A9", ["é"]), ("/", []), ("//a", ["a"]),
        ("/a+b", ["a+b"]),
    ])
    func pathsAreDecodedOnce(path: String, segments: [String]) {
        #expect(RequestTarget(path: path, query: nil).segments == segments)
    }

    @Test(arguments: [
        "/apis/a/%2e%2e/b", "/apis/a%2Foperations", "/apis/a%252Fb", "/apis/a/./x", "/apis/..", "/apis/a\\b",
        "/apis/a%5Cb", "/apis/%00", "/apis/a%zz", "/apis/a%4", "/apis/a%", "/apis/%ED%A0%80", "/apis/%FF",
        "/apis/%E2%84%AA", "/apis/e%CC%81",
    ])
    func G14_and_G15_what_two_readers_would_read_in_two_ways_is_no_path(path: String) {
        #expect(RequestTarget(path: path, query: nil).segments == nil)
    }

    @Test(arguments: [
        ("a=1&b=2", ["a=1", "b=2"]), ("a", ["a="]), ("a=1=2", ["a=1=2"]), ("%24top=5", ["$top=5"]),
        ("a+b=c+d", ["a b=c d"]),
        ("&&", []), ("=x", ["=x"]), ("a=%zz", ["a="]), ("%zz=a", []),
    ])
    func queriesAreDecodedOnce(query: String, pairs: [String]) {
        #expect(RequestTarget(path: "/", query: query).query.map { "\($0.name)=\($0.value)" } == pairs)
    }

    @Test func whatIsEncodedIsReadBack() {
        for text in ["", "a b+c", "é/ü?&=#%", "\u{0}\u{7F}", "😀"] {
            #expect(RequestTarget.decode(RequestTarget.encode(text), plusIsBlank: true) == text)
        }
    }

    @Test func G14_one_shape_of_path_is_served() async throws {
        try await LiveManagement.run { live in
            try await live.put("/apis/a", ["displayName": "a", "path": "a"])
            let nobody = try await live.caller("nobody", [])
            for path in ["/apis/a%2Foperations", "/apis/a%252Fb", "/apis/%00", "/apis/a%zz", "/apis/a%5Cb"] {
                let answer = try await live.send("GET", path)
                #expect(answer.status == 400 && answer.code == "ValidationError" && answer.targets == ["id"], "\(path)")
                #expect(try await live.send("GET", path, by: nobody).status == 403, "\(path)")
            }
            #expect(try await live.send("GET", "/apis/a/").status == 200)
            #expect(try await live.send("GET", "/apis//a").status == 404)
            #expect(try await live.send("GET", "/APIS/A").json["name"] == "a")
        }
    }

    @Test func G31_and_G32_ids_are_texts_and_nothing_else() async throws {
        try await LiveManagement.run { live in
            func put(_ name: String, _ path: String) async throws -> TestAnswer {
                try await live.send(
                    "PUT", "/apis/\(RequestTarget.encode(name))",
                    ["properties": ["displayName": .string(name), "path": .string(path)]])
            }
            let long = String(repeating: "a", count: 257)
            for name in [long, "a\u{202E}b", "a\u{200B}", "a ", " a", "a*", "a:b"] {
                let answer = try await put(name, "x")
                #expect(answer.status == 400 && answer.targets == ["id"], "\(name): \(answer.text)")
            }
            for (index, name) in ["a_b", "axb", "'; DROP TABLE resource;--", String(repeating: "😀", count: 80)]
                .enumerated()
            {
                let answer = try await put(name, "p\(index)")
                #expect(answer.status == 201 && answer.json["name"]?.text == name, "\(answer.text)")
            }
            for text in ["%25", "_"] {
                let answer = try await live.send("GET", "/apis?$filter=contains(name,'\(text)')")
                #expect(answer.names == (text == "_" ? ["a_b"] : []))
            }
            let star = [WebField("If-Match", "*")]
            #expect(try await live.send("DELETE", "/apis/a_b", fields: star).status == 202)
            #expect(try await live.send("GET", "/apis").names.contains("axb"))
        }
    }

    @Test(arguments: [
        "", "x-ms", String(repeating: "a", count: 129), String(repeating: "a", count: 5120), "a b", "a\tb", "a\u{7F}",
        "é",
    ])
    func G46_a_correlation_id_is_plain_or_ours(given: String) async throws {
        try await LiveManagement.run { live in
            let fields =
                given.isEmpty ? [] : [WebField("x-ms-correlation-request-id", given)]
            guard let answer = try? await live.send("GET", "/apis", fields: fields) else { return }
            let found = answer.head["x-ms-correlation-request-id"] ?? ""
            if given == "x-ms" { #expect(found == given) } else { #expect(found == answer.head["x-ms-request-id"]) }
            #expect(answer.head["Cache-Control"] == "no-store")
        }
    }

    @Test func G46_links_come_from_the_configured_url() async throws {
        try await LiveManagement.run { live in
            for number in 0..<3 { try await live.put("/groups/g\(number)", ["displayName": .string("g\(number)")]) }
            let evil = [
                WebField("Host", "evil.example"), WebField("X-Forwarded-Host", "evil"),
                WebField("Forwarded", "host=evil"), WebField("X-Forwarded-For", "10.0.0.9"),
                WebField("X-Original-URL", "/x"),
            ]
            let list = try await live.send("GET", "/groups?$top=2", fields: evil)
            let link = list.json["nextLink"]?.text ?? ""
            #expect(link.hasPrefix(LiveManagement.publicURL + LiveManagement.serviceID + "/groups?"))
            let api = try await live.send(
                "PUT", "/apis/a", ["properties": ["displayName": "a", "path": "a"]], fields: evil)
            for name in ["Location", "Azure-AsyncOperation"] {
                #expect(api.head[name]?.hasPrefix(LiveManagement.publicURL + "/") == true, "\(name)")
            }
            #expect(try await live.audit().first?.actor.address == "127.0.0.1")
        }
    }
}
