// The audit: a row for each change, bounded rows for refusals, and how it is read.
import AccessControl
import Foundation
import JSONDocuments
import ResourceStore
import Testing
import WebClient

@testable import ManagementREST

@Suite struct AuditTests {
    @Test func G62_each_change_has_one_row_that_names_its_author() async throws {
        try await LiveManagement.run { live in
            let before = live.store.revision
            let rows = try await live.audit().count
            try await live.put("/groups/g", ["displayName": "g"])
            try await live.put("/groups/g", ["displayName": "g"])
            try await live.put("/products/p", ["displayName": "p"])
            try await live.put("/subscriptions/s", ["displayName": "s", "scope": "/products/p"])
            let deleted = try await live.send(
                "DELETE", "/products/p?deleteSubscriptions=true", fields: [.init("If-Match", "*")])
            #expect(deleted.status == 200)
            #expect(try await live.send("PUT", "/groups/g", ["properties": [:]]).status == 400)
            let audit = try await live.audit()
            #expect(audit.count == rows + 4 && live.store.revision == before + 4)
            let mine = audit.prefix(4)
            #expect(mine.map(\.revision) == [4, 3, 2, 1].map { before + $0 })
            for row in mine {
                #expect(row.actor.principal == live.owner.objectID && row.actor.application == live.owner.clientID)
                #expect(row.actor.address == "127.0.0.1" && row.actor.request.count == 36 && row.outcome == "Succeeded")
            }
            #expect(mine.last?.action == "Microsoft.ApiManagement/service/groups/write")
            #expect(mine.last?.resource == LiveManagement.serviceID + "/groups/g")
            #expect(try AuditLog.firstBroken(in: live.store) == nil)
        }
    }

    @Test func G64_refusals_of_one_principal_and_action_are_ten_rows_and_a_count() async throws {
        try await LiveManagement.run { live in
            let nobody = try await live.caller("nobody", [])
            for _ in 0..<25 { #expect(try await live.send("GET", "/apis", by: nobody).status == 403) }
            #expect(try await live.send("GET", "/groups", by: nobody).status == 403)
            func rows() async throws -> [AuditRow] {
                try await live.audit().filter { $0.actor.principal == nobody.objectID }
            }
            #expect(try await rows().count == 11)
            await live.management.refusals.flush()
            let all = try await rows()
            #expect(all.count == 12 && all.reduce(0) { $0 + $1.count } == 26)
            #expect(all.allSatisfy { $0.outcome == "Forbidden" && $0.revision == nil })
            // The next minute begins anew.
            #expect(try await live.send("GET", "/apis", by: nobody).status == 403)
            #expect(try await rows().count == 13)
        }
    }

    @Test func G64_unauthenticated_tries_are_a_row_a_network() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let store = try ResourceStore(path: folder.appending(path: "store.db").path())
        let refusals = RefusalAudit(store: store)
        for number in 0..<50 { refusals.unauthenticated(address: "2001:db8:0:1::\(String(number, radix: 16))") }
        for number in 0..<50 { refusals.unauthenticated(address: "2001:db8::1:0:0:\(number)") }
        refusals.unauthenticated(address: "192.0.2.1")
        refusals.unauthenticated(address: "192.0.2.1")
        refusals.unauthenticated(address: "192.0.2.2")
        await refusals.flush()
        let rows = try await store.read { try $0.audit(before: nil, limit: 100) }
        let counts = Dictionary(rows.map { ($0.actor.address, $0.count) }) { $0 + $1 }
        #expect(
            counts == ["2001:db8:0:1::/64": 50, "2001:db8:0:0::/64": 50, "192.0.2.1": 2, "192.0.2.2": 1])
        for number in 0..<3000 { refusals.unauthenticated(address: "10.0.\(number / 256).\(number % 256)") }
        await refusals.flush()
        let more = try await store.read { try $0.audit(before: nil, limit: 5000) }.dropLast(rows.count)
        #expect(more.count == 1001 && more.reduce(0) { $0 + $1.count } == 3000)
        #expect(more.filter { $0.actor.address == "others" }.map(\.count) == [2000])
    }

    @Test func theAuditIsReadPageByPageAndFiltered() async throws {
        try await LiveManagement.run { live in
            for number in 0..<7 { try await live.put("/groups/g\(number)", ["displayName": .string("g\(number)")]) }
            var names: [String] = []
            var path: String? = LiveManagement.serviceID + "/gatehouse/audit?api-version=2024-05-01&$top=3"
            while let next = path {
                let answer = try await live.root("GET", next, by: live.owner)
                names += answer.names
                path = answer.json["nextLink"]?.text.map { String($0.dropFirst(LiveManagement.publicURL.count)) }
            }
            #expect(names == Array((1...7).reversed()).map(String.init))
            let filter = "resource eq '\(LiveManagement.serviceID)/groups/g3' and outcome eq 'Succeeded'"
            let one = try await live.send("GET", "/gatehouse/audit?$filter=\(RequestTarget.encode(filter))")
            let properties = one.json["value"]?.items?.first?["properties"]
            #expect(one.names == ["4"] && properties?["principalId"]?.text == live.owner.objectID)
            #expect(properties?["count"] == 1 && properties?["revision"] != .null)
            let time = "time ge datetime'2999-01-01T00:00:00'"
            let none = try await live.send("GET", "/gatehouse/audit?$filter=\(RequestTarget.encode(time))")
            #expect(none.names == [])
            for query in ["$filter=count%20eq%201", "$skiptoken=YWJj", "$top=0"] {
                #expect(try await live.send("GET", "/gatehouse/audit?\(query)").status == 400, "\(query)")
            }
            for method in ["PUT", "DELETE", "PATCH", "POST"] {
                let answer = try await live.send(method, "/gatehouse/audit/1", method == "DELETE" ? nil : [:])
                #expect([404, 405].contains(answer.status), "\(method)")
            }
        }
    }
}
