// What a body may be: bounds, one reading, JSON alone; and api-versions.
import Foundation
import JSONDocuments
import Testing
import WebClient

@testable import ManagementREST

@Suite struct BodyRuleTests {
    private static let path = LiveManagement.serviceID + "/groups/g?api-version=2024-05-01"

    private static func put(
        _ live: LiveManagement, _ body: [UInt8], type: String? = "application/json", fields: [WebField] = []
    ) async throws -> TestAnswer {
        try await live.root(
            "PUT", path, body, by: live.owner, fields: fields + (type.map { [WebField("Content-Type", $0)] } ?? []))
    }

    private static let good = #"{"properties":{"displayName":"g"}}"#

    @Test func G41_bodies_are_bounded() async throws {
        try await LiveManagement.run { live in
            let large = try await Self.put(live, [UInt8](repeating: 0x20, count: 4 << 20 + 1))
            #expect(large.status == 413 && large.code == "RequestTooLarge")
            let most = Array(Self.good.utf8) + [UInt8](repeating: 0x20, count: 4 << 20 - Self.good.utf8.count)
            #expect(try await Self.put(live, most).status == 201)
            for text in [
                String(repeating: "[", count: 1 << 20),
                String(repeating: "[", count: 65) + String(repeating: "]", count: 65),
            ] {
                let answer = try await Self.put(live, Array(text.utf8))
                #expect(answer.status == 400 && answer.code == "MalformedBody" && answer.message.contains("64"))
            }
            let digits = #"{"properties":{"displayName":"g","x":"# + String(repeating: "9", count: 1 << 20) + "}}"
            let numeral = try await Self.put(live, Array(digits.utf8))
            #expect(numeral.status == 400 && numeral.code == "MalformedBody")
            let deep = String(repeating: "[", count: 62) + String(repeating: "]", count: 62)
            let atLimit = try await Self.put(live, Array(#"{"properties":{"displayName":"g","x":\#(deep)}}"#.utf8))
            #expect(atLimit.status == 200)
        }
    }

    @Test func G41_a_body_has_so_many_values_at_most() async throws {
        try await LiveManagement.run { live in
            let many = "[" + String(repeating: "1,", count: 200_000) + "1]"
            let answer = try await Self.put(live, Array(#"{"properties":{"displayName":"g","x":\#(many)}}"#.utf8))
            #expect(answer.status == 400 && answer.code == "MalformedBody")
            let most = "[" + String(repeating: "1,", count: 99_995) + "1]"
            let taken = try await Self.put(live, Array(#"{"properties":{"displayName":"g","x":\#(most)}}"#.utf8))
            #expect(taken.status == 201, "the document, its members and 99,996 numbers are 100,000 values")
            let keys = (0..<1_000_000).map { "\"k\($0)\":1" }.joined(separator: ",")
            let wide = try await live.root(
                "PUT", LiveManagement.serviceID + "/apis/a?api-version=2024-05-01",
                Array(#"{"properties":{"displayName":"g","path":"g","x":{\#(keys)}}}"#.utf8), by: live.owner,
                fields: [WebField("Content-Type", "application/json")])
            #expect(wide.status == 400 && wide.code == "MalformedBody")
        }
    }

    @Test func G42_one_json_has_one_reading() async throws {
        try await LiveManagement.run { live in
            let texts = [
                #"{"properties":{"displayName":"a","displayName":"b"}}"#,
                #"{"properties":{"displayName":"a","displayN\u0061me":"b"}}"#, #"{"properties":{"displayName":NaN}}"#,
                #"{"properties":{"displayName":"a","x":01}}"#, #"{"properties":{"displayName":"a",}}"#,
                Self.good + Self.good, #"{"properties":{"displayName":"\ud800"}}"#, "", "{", "nul",
            ]
            for text in texts {
                let answer = try await Self.put(live, Array(text.utf8))
                #expect(answer.status == 400 && answer.code == "MalformedBody", "\(text)")
            }
            for bytes in [Array(#"{"properties":{"displayName":""#.utf8) + [0xFF], Array("{\0}".utf8)] {
                #expect(try await Self.put(live, bytes).code == "MalformedBody")
            }
            let wide = Self.good.utf16.flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }
            #expect(try await Self.put(live, [0xFF, 0xFE] + wide).code == "MalformedBody")
            #expect(try await Self.put(live, [0xEF, 0xBB, 0xBF] + Array(Self.good.utf8)).status == 201)
        }
    }

    @Test func G43_numbers_keep_their_value_or_are_refused() async throws {
        try await LiveManagement.run { live in
            let table: [(String, Int64?)] = [
                ("2147483648", nil), ("1.0", 1), ("1.5", nil), ("1e2", 100), ("-0", nil), ("\"5\"", nil),
                ("1e400", nil), ("1e-1", nil), ("10e-1", 1), ("2147483647", 2_147_483_647), ("1E+2", 100),
                ("0.5e1", 5), ("99999999999999999999", nil), ("1e99999999999999999999", nil),
            ]
            for (index, (text, value)) in table.enumerated() {
                let answer = try await live.root(
                    "PUT", "\(LiveManagement.serviceID)/products/p\(index)?api-version=2024-05-01",
                    Array(#"{"properties":{"displayName":"p\#(index)","subscriptionsLimit":\#(text)}}"#.utf8),
                    by: live.owner, fields: [WebField("Content-Type", "application/json")])
                #expect(answer.status == (value == nil ? 400 : 201), "\(text)")
                if let value {
                    #expect(answer.json[path: "properties.subscriptionsLimit"] == .int(value), "\(text)")
                }
            }
        }
    }

    @Test func G44_only_json_is_json() async throws {
        try await LiveManagement.run { live in
            let body = Array(Self.good.utf8)
            for type in [
                "text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", nil,
                "application/merge-patch+json", "application/jsonx",
            ] {
                let answer = try await Self.put(live, body, type: type)
                #expect(answer.status == 415 && answer.code == "UnsupportedMediaType", "\(type ?? "none")")
            }
            let packed = try await Self.put(live, body, fields: [WebField("Content-Encoding", "gzip")])
            #expect(packed.status == 415 && packed.head["Accept-Encoding"] == "identity")
            #expect(try await Self.put(live, body, type: "application/json; charset=UTF-8").status == 201)
            #expect(try await Self.put(live, body, type: "Application/JSON").status == 200)
            let patch = try await live.send(
                "PATCH", "/groups/g", ["properties": ["description": "x"]],
                fields: [WebField("Content-Type", "application/merge-patch+json"), WebField("If-Match", "*")])
            #expect(patch.status == 200)
            for text in ["[]", "\"x\"", "5", "null"] {
                #expect(try await Self.put(live, Array(text.utf8)).code == "MalformedBody", "\(text)")
            }
        }
    }

    @Test func G26_api_versions_are_a_written_list() async throws {
        try await LiveManagement.run { live in
            let long = String(repeating: "4", count: 400)
            for query in [
                "", "?api-version=", "?api-version=2024-05-01&api-version=2024-05-01",
                "?api-version=2024-05-01&API-Version=2022-08-01", "?api-version=2014-02-14", "?api-version=2021-08-02",
                "?api-version=2024-05-01-PREVIEW", "?api-version=2024-05-01%20", "?api-version=\(long)",
                "?api-version=2022-04-01",
            ] {
                let answer = try await live.send("GET", "/apis\(query)", version: nil)
                #expect(answer.status == 400, "\(query)")
                #expect(answer.message.contains("'2024-05-01'"), "\(query)")
                #expect(answer.text.utf8.count < 1000, "\(query)")
            }
            for version in ApiVersions.apiManagement {
                #expect(try await live.send("GET", "/apis", version: version).status == 200, "\(version)")
            }
            let roles = "/providers/Microsoft.Authorization/roleAssignments"
            #expect(try await live.root("GET", "\(roles)?api-version=2022-04-01", by: live.owner).status == 200)
            #expect(try await live.root("GET", "\(roles)?api-version=2024-05-01", by: live.owner).status == 400)
        }
    }

    @Test func G61_a_fault_repeats_no_secret() async throws {
        try await LiveManagement.run { live in
            let marker = "marker-7d1f"
            let long = marker + String(repeating: "x", count: 5000)
            let answers = [
                try await live.send(
                    "PUT", "/namedValues/v",
                    ["properties": ["displayName": "v", "secret": true, "value": .string(long)]]),
                try await live.send(
                    "PUT", "/subscriptions/s",
                    ["properties": ["displayName": "s", "scope": "/apis", "primaryKey": .string(long)]]),
                try await live.root(
                    "PUT", "\(LiveManagement.serviceID)/namedValues/v?api-version=2024-05-01",
                    Array(#"{"properties":{"value":"\#(marker)",}}"#.utf8), by: live.owner,
                    fields: [WebField("Content-Type", "application/json")]),
                try await live.send(
                    "PUT", "/certificates/c", ["properties": ["data": "AAAA", "password": .string(marker)]]),
            ]
            for answer in answers {
                #expect(answer.status == 400 && !answer.text.contains(marker))
            }
        }
    }
}
