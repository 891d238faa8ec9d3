// Long-running operations: who may read them, for how long, and what they say of the rollout.
import AccessControl
import Cryptography
import Foundation
import JSONDocuments
import ResourceStore
import Synchronization
import Testing
import WebClient

@testable import ManagementREST

@Suite struct OperationResultTests {
    private static let ticket = OperationResults.Ticket(
        revision: 7, created: 1_000_000, resource: "/namedValues/a|b", kind: "namedValues")

    @Test func G48_an_id_is_ours_and_of_this_day_or_it_is_none() {
        let results = OperationResults(key: SecureRandom.bytes(32))
        let id = results.id(of: Self.ticket)
        #expect(results.ticket(of: id, now: 1_000_000) == Self.ticket)
        #expect(results.ticket(of: id, now: 1_000_000 + 24 * 3600) == Self.ticket)
        #expect(results.ticket(of: id, now: 1_000_001 + 24 * 3600) == nil)
        #expect(results.id(of: Self.ticket) != id, "no two are alike")
        #expect(OperationResults(key: SecureRandom.bytes(32)).ticket(of: id, now: 1_000_000) == nil)
        for index in id.indices {
            var forged = id
            forged.replaceSubrange(index...index, with: id[index] == "A" ? "B" : "A")
            // The last letter of base64 may hold bits that say nothing.
            if let found = results.ticket(of: forged, now: 1_000_000) { #expect(found == Self.ticket) }
        }
        for text in ["", "x", "....", String(repeating: "A", count: 5000), "é"] {
            #expect(results.ticket(of: text, now: 1_000_000) == nil)
        }
    }

    @Test func anOperationSaysHowFarTheClusterIs() async throws {
        try await LiveManagement.run { live in
            let made = try await live.put("/namedValues/n", ["displayName": "n", "value": "v"])
            let link = try #require(made.head["Azure-AsyncOperation"])
            #expect(made.head["Retry-After"] == "1")
            #expect(made.head["Location"]?.contains("/namedValues/n?") == true)
            let path = String(link.dropFirst(LiveManagement.publicURL.count))
            func state(_ state: RolloutState) async throws -> JSONValue {
                live.cluster.state.withLock { $0 = state }
                let answer = try await live.root("GET", path, by: live.owner)
                #expect(answer.status == 200)
                return answer.json
            }
            let done = try await state(RolloutState(applied: ["a", "b"], pending: [], refused: [:]))
            #expect(done["status"] == "Succeeded" && done[path: "properties.rollout.applied"] == ["a", "b"])
            let waiting = try await state(RolloutState(applied: ["a"], pending: ["b"], refused: [:]))
            #expect(waiting["status"] == "InProgress" && waiting["properties"] == nil)
            let failed = try await state(RolloutState(applied: [], pending: ["b"], refused: ["a": "Unknown"]))
            #expect(failed["status"] == "Failed" && failed[path: "error.code"] == "NodeRefused")
            #expect(failed[path: "error.message"]?.text?.contains("Unknown") == true)
        }
    }

    @Test func G48_an_operation_is_for_who_may_read_the_resource() async throws {
        try await LiveManagement.run { live in
            let made = try await live.put("/namedValues/n", ["displayName": "n", "value": "v"])
            let link = try #require(made.head["Azure-AsyncOperation"])
            let path = String(link.dropFirst(LiveManagement.publicURL.count))
            let id = try #require(path.split(separator: "?").first?.split(separator: "/").last)
            let reader = try await live.caller(
                "reader", [(BuiltInRoles.reader, LiveManagement.serviceID + "/namedValues/n")])
            let other = try await live.caller("other", [(BuiltInRoles.reader, LiveManagement.serviceID + "/apis")])
            #expect(try await live.root("GET", path, by: reader).status == 200)
            #expect(try await live.root("GET", path, by: other).status == 403)
            #expect(try await live.root("GET", path, by: nil).status == 401)
            #expect(try await live.send("GET", "/tenant/operationResults/\(id)", by: reader).status == 200)
            #expect(try await live.send("GET", "/operationResults/\(id)", version: "2022-08-01").status == 200)
            #expect(try await live.send("GET", "/operationResults/\(id.dropLast(4))AAAA").status == 404)
            #expect(try await live.send("GET", "/operationResults/nonsense").status == 404)
            #expect(try await live.send("GET", "/operationResults/nonsense", by: other).status == 403)
        }
    }

    @Test func deletionsPollFromTheVersionOnThatDoes() async throws {
        try await LiveManagement.run { live in
            for (version, status) in [("2023-09-01-preview", 200), ("2024-05-01", 202)] {
                try await live.put("/apis/a", ["displayName": "a", "path": "a"])
                let gone = try await live.send(
                    "DELETE", "/apis/a", version: version, fields: [.init("If-Match", "*")])
                #expect(gone.status == status && gone.bytes.isEmpty)
                #expect((gone.head["Azure-AsyncOperation"] != nil) == (status == 202))
                #expect(gone.head["Location"] == nil)
            }
        }
    }

    @Test func G47_a_callers_requests_in_flight_are_bounded() {
        let limits = RequestLimits()
        for _ in 0..<64 { #expect(limits.begin("a")) }
        #expect(!limits.begin("a") && limits.begin("b"))
        limits.end("a")
        #expect(limits.begin("a"))
        for caller in 0..<7 { for _ in 0..<64 { _ = limits.begin("c\(caller)") } }
        #expect(!limits.begin("z"), "512 in all")
    }
}
