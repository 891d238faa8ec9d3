// ETags in conditions, preferences, and merges, over HTTP.
import Foundation
import JSONDocuments
import ResourceStore
import Testing
import WebClient

@testable import ManagementREST

@Suite struct PreconditionTests {
    private static let properties: JSONValue = ["displayName": "g", "description": "d"]

    @Test func G27_entity_tags_are_strong_and_compared_as_lists() async throws {
        try await LiveManagement.run { live in
            let first = try await live.put("/groups/g", Self.properties).etag
            let second = try await live.put("/groups/g", ["displayName": "g", "description": "e"]).etag
            #expect(first != second && second.hasPrefix("\"") && second.hasSuffix("\""))
            let table: [([String], Int, String?)] = [
                (["\(first), \(second)"], 200, nil), (["W/\(second)"], 412, "PreconditionFailed"), (["*"], 200, nil),
                ([first], 412, "PreconditionFailed"), (["v2"], 400, "ValidationError"),
                (["\"v2"], 400, "ValidationError"), ([first, second], 200, nil), ([], 400, "MissingIfMatch"),
                ([""], 400, "ValidationError"), (["\"a\" \"b\""], 400, "ValidationError"), ([",\"a\""], 400, nil),
            ]
            for (lines, status, code) in table {
                let answer = try await live.send(
                    "PATCH", "/groups/g", ["properties": [:]], fields: lines.map { WebField("If-Match", $0) })
                #expect(answer.status == status, "\(lines): \(answer.text)")
                if let code { #expect(answer.code == code, "\(lines)") }
            }
            for tag in [second, "W/\(second)", "*", "\(first),W/\(second)"] {
                let answer = try await live.send("GET", "/groups/g", fields: [WebField("If-None-Match", tag)])
                #expect(answer.status == 304 && answer.bytes.isEmpty && answer.etag == second, "\(tag)")
            }
            #expect(try await live.send("GET", "/groups/g", fields: [WebField("If-None-Match", first)]).status == 200)
            let new = [WebField("If-None-Match", "*")]
            let body: JSONValue = ["properties": Self.properties]
            #expect(try await live.send("PUT", "/groups/g", body, fields: new).status == 412)
            #expect(
                try await live.send("PUT", "/groups/g", body, fields: [WebField("If-None-Match", first)]).status == 400)
        }
    }

    @Test func G27_a_star_on_what_is_missing() async throws {
        try await LiveManagement.run { live in
            let star = [WebField("If-Match", "*")]
            let body: JSONValue = ["properties": Self.properties]
            let patched = try await live.send("PATCH", "/groups/n", body, fields: star)
            #expect(patched.status == 404)
            #expect(try await live.send("DELETE", "/groups/n", fields: star).status == 204)
            #expect(try await live.send("DELETE", "/groups/n", fields: [WebField("If-Match", "\"x\"")]).status == 204)
            let tagged = [WebField("If-Match", "\"x\"")]
            #expect(try await live.send("PUT", "/groups/n", body, fields: tagged).status == 412)
            #expect(try await live.send("PUT", "/groups/n", body, fields: star).status == 201)
            #expect(try await live.send("DELETE", "/groups/n").code == "MissingIfMatch")
            #expect(try await live.send("DELETE", "/groups/n", fields: tagged).status == 412)
            #expect(try await live.send("DELETE", "/groups/n", fields: star).status == 200)
        }
    }

    @Test func G28_of_concurrent_writers_with_one_tag_one_wins() async throws {
        try await LiveManagement.run { live in
            let tag = try await live.put("/groups/g", Self.properties).etag
            let before = live.store.revision
            func statuses(_ path: String, _ field: WebField) async throws -> [Int: Int] {
                try await withThrowingTaskGroup(of: Int.self) { group in
                    for number in 0..<64 {
                        group.addTask {
                            let body: JSONValue = [
                                "properties": ["displayName": .string(path), "description": .string("d\(number)")]
                            ]
                            return try await live.send("PUT", path, body, fields: [field]).status
                        }
                    }
                    var counts: [Int: Int] = [:]
                    for try await status in group { counts[status, default: 0] += 1 }
                    return counts
                }
            }
            #expect(try await statuses("/groups/g", WebField("If-Match", tag)) == [200: 1, 412: 63])
            #expect(try await statuses("/groups/new", WebField("If-None-Match", "*")) == [201: 1, 412: 63])
            #expect(live.store.revision == before + 2)
        }
    }

    @Test func G28_a_childs_tag_is_its_own() async throws {
        try await LiveManagement.run { live in
            try await live.put("/apis/a", ["displayName": "a", "path": "a"])
            var tags: [String] = []
            for number in 0..<64 {
                tags.append(
                    try await live.put(
                        "/apis/a/operations/o\(number)",
                        ["displayName": "o", "method": "GET", "urlTemplate": .string("/\(number)")]
                    ).etag)
            }
            let before = live.store.revision
            try await withThrowingTaskGroup(of: Int.self) { group in
                for (number, tag) in tags.enumerated() {
                    group.addTask {
                        try await live.send(
                            "PATCH", "/apis/a/operations/o\(number)", ["properties": ["description": "changed"]],
                            fields: [WebField("If-Match", tag)]
                        ).status
                    }
                }
                for try await status in group { #expect(status == 200) }
            }
            #expect(live.store.revision == before + 64)
        }
    }

    @Test func G29_a_patch_is_a_merge() async throws {
        try await LiveManagement.run { live in
            try await live.put(
                "/subscriptions/s", ["displayName": "s", "scope": "/apis", "stateComment": "c", "primaryKey": "k1"])
            try await live.put("/apis/a", ["displayName": "a", "path": "a", "protocols": ["http", "https"]])
            let star = [WebField("If-Match", "*")]
            func patch(_ path: String, _ body: JSONValue) async throws -> TestAnswer {
                try await live.send("PATCH", path, body, fields: star)
            }
            let comment = try await patch("/subscriptions/s", ["properties": ["stateComment": nil]])
            #expect(comment.status == 200 && comment.json[path: "properties.stateComment"] == .null)
            #expect(comment.json[path: "properties.displayName"] == "s")
            #expect(try await patch("/subscriptions/s", ["properties": ["displayName": nil]]).status == 400)
            let api = try await patch("/apis/a", ["properties": ["protocols": ["https"]]])
            #expect(api.status == 200 && api.json[path: "properties.protocols"] == ["https"])
            #expect(try await patch("/subscriptions/s", ["properties": nil]).status == 400)
            let key = try await patch("/subscriptions/s", ["properties": ["primaryKey": nil]])
            #expect(key.status == 400 && key.targets == ["properties.primaryKey"])
            #expect(try await patch("/subscriptions/s", []).code == "MalformedBody")
            #expect(try await patch("/apis/a", ["tags": ["a": nil]]).status == 200)
            #expect(try await patch("/apis/a", [:]).status == 200)
            let secrets = try await live.send("POST", "/subscriptions/s/listSecrets")
            #expect(secrets.json["primaryKey"] == "k1")
        }
    }

    @Test func G30_unknown_and_read_only_properties_change_nothing() async throws {
        try await LiveManagement.run { live in
            let properties: JSONValue = [
                "firstName": "f", "lastName": "l", "email": "f@l", "groups": ["administrators"],
                "registrationDate": "1999-01-01T00:00:00Z", "__proto__": ["x": 1], "x": ["y": 1], "x.y": 1,
            ]
            let body: JSONValue = ["properties": properties, "Properties": ["email": "z@z"]]
            #expect(try await live.send("PUT", "/users/u", body).status == 201)
            let shown = try await live.send("GET", "/users/u").json["properties"]
            #expect(shown?["__proto__"] == nil && shown?["x"] == nil && shown?["email"] == "f@l")
            #expect(shown?["registrationDate"]?.text?.hasPrefix("1999") == false)
            let groups = try await live.send("GET", "/users/u/groups")
            #expect(groups.names == ["developers"])
            #expect(try await live.send("GET", "/users/1/groups").names == ["administrators"])
            let strict = try await live.send("PUT", "/users/u", body, fields: [WebField("Prefer", "handling=strict")])
            #expect(strict.status == 400)
            #expect(strict.targets.contains("properties.x") && strict.targets.contains("properties.__proto__"))
            #expect(strict.targets.contains("Properties") && strict.targets.contains("properties.x.y"))
            #expect(!strict.targets.contains("properties.registrationDate"))
        }
    }

    @Test func aWriteThatChangesNothingKeepsItsTagAndTellsItsRevision() async throws {
        try await LiveManagement.run { live in
            let first = try await live.put("/groups/g", Self.properties)
            let second = try await live.put("/groups/g", Self.properties)
            #expect(first.status == 201 && second.status == 200 && first.etag == second.etag)
            #expect(first.head["Gatehouse-Revision"] == String(live.store.revision))
            #expect(second.head["Gatehouse-Revision"] == String(live.store.revision))
        }
    }

    @Test(arguments: [
        ("wait=5", 5, false), ("handling=strict, wait=30", 30, true), ("WAIT = 1", 1, false), ("wait=0", nil, false),
        ("wait=31", nil, false), ("wait=9999999999999999999999", nil, false), ("", nil, false), (",,;", nil, false),
        ("respond-async", nil, false),
    ])
    func preferencesAreRead(text: String, seconds: Int?, isStrict: Bool) {
        let preferences = Preferences(text)
        #expect(preferences.waitSeconds == seconds && preferences.isStrict == isStrict)
    }

    @Test func aWriteWaitsForTheRolloutWhereItIsAskedTo() async throws {
        try await LiveManagement.run { live in
            let answer = try await live.send(
                "PUT", "/groups/g", ["properties": Self.properties], fields: [WebField("Prefer", "wait=5")])
            #expect(answer.head["Preference-Applied"] == "wait")
            #expect(answer.head["Gatehouse-Rollout"] == "applied=1/1")
        }
    }

    @Test func noMutationOfEntityTagsTraps() {
        var state: UInt64 = 5
        func random(_ below: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % below
        }
        let letters = Array("\"W/,* \tax\u{301}é\u{0}")
        for _ in 0..<5000 {
            let text = String((0..<random(12)).map { _ in letters[random(letters.count)] })
            _ = try? EntityTags.read(text)
        }
    }
}
