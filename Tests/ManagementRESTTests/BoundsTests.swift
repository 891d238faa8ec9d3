// What one caller may cost: bodies, requests in flight, filters, walks, rows of the audit; on real connections.
import AccessControl
import Foundation
import JSONDocuments
import ResourceStore
import Synchronization
import Testing
import WebClient

@testable import ManagementREST

/// Holds those who pass until it opens.
private final class Gate: Sendable {
    private struct State {
        var isOpen = false
        var held: [CheckedContinuation<Void, Never>] = []
        var awaited: (count: Int, waiter: CheckedContinuation<Void, Never>)?
    }

    private let state = Mutex(State())

    func pass() async {
        await withCheckedContinuation { continuation in
            let freed = state.withLock { state -> [CheckedContinuation<Void, Never>] in
                if state.isOpen { return [continuation] }
                state.held.append(continuation)
                guard let awaited = state.awaited, state.held.count >= awaited.count else { return [] }
                state.awaited = nil
                return [awaited.waiter]
            }
            for one in freed { one.resume() }
        }
    }

    /// Returns when so many are held.
    func waits(for count: Int) async {
        await withCheckedContinuation { continuation in
            let isThere = state.withLock { state in
                if state.held.count >= count { return true }
                state.awaited = (count, continuation)
                return false
            }
            if isThere { continuation.resume() }
        }
    }

    func open() {
        let held = state.withLock { state in
            state.isOpen = true
            defer { state.held = [] }
            return state.held
        }
        for one in held { one.resume() }
    }
}

@Suite struct BoundsTests {
    private static func head(_ live: LiveManagement, _ method: String, _ path: String, _ fields: String) -> String {
        "\(method) \(LiveManagement.serviceID)\(path)?api-version=2024-05-01 HTTP/1.1\r\nHost: x\r\n"
            + "Authorization: Bearer \(live.owner.token)\r\nContent-Type: application/json\r\n\(fields)\r\n"
    }

    private static func status(_ answer: String) -> Int {
        Int(answer.split(separator: " ").dropFirst().first ?? "") ?? 0
    }

    @Test(arguments: [
        ("/apis/a/%2e%2e/b", 400), ("/apis/a/../b", 400), ("/apis/a/./x", 400), ("/apis/a%2Foperations", 400),
        ("/apis/a%252Fb", 400), ("/apis/a\\b", 400), ("/apis/%00", 400), ("/apis/a%zz", 400), ("/apis//a", 404),
        ("/apis/a/", 200), ("/apis/a", 200),
    ])
    func G14_the_target_is_read_once_on_a_real_connection(path: String, status: Int) async throws {
        try await LiveManagement.run { live in
            try await live.put("/apis/a", ["displayName": "a", "path": "a"])
            let nobody = try await live.caller("nobody", [])
            for origin in ["", "http://evil.example:99"] {
                for (who, wanted) in [(live.owner, status), (nobody, 403)] {
                    let answer = await RawConnection.exchange(
                        live.port,
                        "GET \(origin)\(LiveManagement.serviceID)\(path)?api-version=2024-05-01 HTTP/1.1\r\nHost: x\r\n"
                            + "Authorization: Bearer \(who.token)\r\nConnection: close\r\n\r\n")
                    #expect(Self.status(answer) == wanted, "\(origin)\(path): \(answer)")
                    #expect(!answer.contains("evil"))
                }
            }
        }
    }

    @Test func G41_a_body_is_refused_by_its_head_and_at_its_first_byte_too_many() async throws {
        try await LiveManagement.run { live in
            // Said in the head: refused before a byte of it comes.
            for (path, length) in [("/groups/g", 4 << 20 + 1), ("/apis/a", 16 << 20 + 1), ("/groups/g", 1 << 40)] {
                let answer = await RawConnection.exchange(
                    live.port, Self.head(live, "PUT", path, "Content-Length: \(length)\r\n"))
                #expect(Self.status(answer) == 413 && answer.contains("RequestTooLarge"), "\(path): \(answer)")
                #expect(answer.lowercased().contains("connection: close"))
            }
            // Chunks without an end: refused at 4 MiB and a byte, and the connection ends.
            let piece = Array("10000\r\n".utf8) + [UInt8](repeating: 0x20, count: 0x10000) + Array("\r\n".utf8)
            let start = Array(Self.head(live, "PUT", "/groups/g", "Transfer-Encoding: chunked\r\n").utf8)
            let endless = await RawConnection.exchange(
                live.port, [start] + Array(repeating: piece, count: 65))
            #expect(Self.status(endless) == 413, "\(endless)")
            let exact = await RawConnection.exchange(
                live.port,
                [start, Array("1d\r\n{\"properties\":{\"displayName\":\r\n3\r\n\"g\"\r\n2\r\n}}\r\n".utf8)]
                    + Array(repeating: piece, count: 63)
                    + [Array("0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".utf8)])
            #expect(Self.status(exact) == 201, "\(exact)")
            let made = try await live.send("GET", "/groups/g").status
            #expect(made == 200)
        }
    }

    @Test func G41_who_may_not_write_sends_no_large_body() async throws {
        try await LiveManagement.run { live in
            let piece = Array("10000\r\n".utf8) + [UInt8](repeating: 0x20, count: 0x10000) + Array("\r\n".utf8)
            let start = Array(
                "PUT \(LiveManagement.serviceID)/groups/g HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                    .utf8)
            // It never ends, and yet the exchange does.
            let answer = await RawConnection.exchange(live.port, [start] + Array(repeating: piece, count: 4))
            #expect(Self.status(answer) == 401 && answer.lowercased().contains("connection: close"), "\(answer)")
        }
    }

    @Test func G47_a_body_that_does_not_come_ends_its_request() async throws {
        try await LiveManagement.run(pace: BodyPace(window: .milliseconds(200), bytes: 1024)) { live in
            let starved = Self.head(live, "PUT", "/groups/g", "Content-Length: 4000\r\n") + "{"
            let answer = await RawConnection.exchange(live.port, starved)
            #expect(Self.status(answer) == 408 && answer.contains("RequestTimeout"), "\(answer)")
            let token = await RawConnection.exchange(
                live.port,
                "POST /\(LiveManagement.tenantID)/oauth2/v2.0/token HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n"
                    + "Content-Type: application/x-www-form-urlencoded\r\n\r\ngrant")
            #expect(Self.status(token) == 408, "\(token)")
            let after = try await live.send("PUT", "/groups/g", ["properties": ["displayName": "g"]]).status
            #expect(after == 201)
        }
    }

    @Test func G47_one_caller_has_64_requests_at_once_and_those_that_wait_count() async throws {
        try await LiveManagement.run { live in
            let second = try await live.caller("second", [(BuiltInRoles.owner, "/")])
            let gate = Gate()
            live.cluster.gate.withLock { $0 = { await gate.pass() } }
            try await withThrowingTaskGroup(of: Int.self) { group in
                for number in 0..<64 {
                    group.addTask {
                        try await live.send(
                            "PUT", "/groups/g\(number)", ["properties": ["displayName": .string("g\(number)")]],
                            fields: [WebField("Prefer", "wait=30")]
                        ).status
                    }
                }
                await gate.waits(for: 64)
                let beyond = try await live.send("GET", "/apis")
                #expect(beyond.status == 429 && beyond.code == "TooManyRequests" && beyond.head["Retry-After"] == "1")
                #expect(try await live.send("GET", "/apis", by: second).status == 200)
                gate.open()
                for try await status in group { #expect(status == 201) }
            }
            #expect(try await live.send("GET", "/apis").status == 200)
        }
    }

    @Test func G40_and_G47_a_costly_filter_over_many_rows_holds_no_writer() async throws {
        try await LiveManagement.run { live in
            _ = try await live.store.write(by: .controller) { writer in
                for number in 0..<10_000 {
                    try writer.put(
                        ResourceID(path: "/groups/row-\(number)"), kind: "groups",
                        properties: ["displayName": .string("row \(number) \(String(repeating: "ab", count: 40))")])
                }
            }
            let filter = RequestTarget.encode("contains(displayName,'\(String(repeating: "ab", count: 1900))')")
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        let answer = try await live.send("GET", "/groups?$filter=\(filter)")
                        #expect(answer.status == 200 && answer.json["value"] == [] && answer.json["count"] == 0)
                    }
                }
                for number in 0..<20 {
                    group.addTask { try await live.put("/products/p\(number)", ["displayName": .string("p\(number)")]) }
                }
                try await group.waitForAll()
            }
            let long = RequestTarget.encode("contains(displayName,'\(String(repeating: "a", count: 5000))')")
            #expect(try await live.send("GET", "/groups?$filter=\(long)").code == "InvalidQueryParameter")
        }
    }

    @Test(arguments: [
        "/gatehouse/snapshots", "/gatehouse/principals", "/products/p/subscriptions", "/subscriptions",
        "/users/1/groups",
        "/apis/a/products",
    ])
    func G38_every_list_is_walked_once_in_its_own_order(path: String) async throws {
        try await LiveManagement.run { live in
            try await live.put("/apis/a", ["displayName": "a", "path": "a"])
            try await live.put("/products/p", ["displayName": "p"])
            for number in 0..<11 {
                try await live.put("/gatehouse/principals/p\(number)", ["displayName": "p"])
                try await live.put("/subscriptions/s\(number)", ["displayName": "s", "scope": "/products/p"])
                try await live.put("/products/p\(number)", ["displayName": .string("p\(number)")])
                #expect(try await live.send("PUT", "/products/p\(number)/apis/a").status == 201)
            }
            let whole = try await live.send("GET", "\(path)?$top=1000")
            #expect(whole.status == 200 && Set(whole.names).count == whole.names.count && !whole.names.isEmpty)
            for top in [1, 2, 5] {
                var walked: [String] = []
                var next: String? = LiveManagement.serviceID + path + "?api-version=2024-05-01&$top=\(top)"
                while let link = next, walked.count < 100 {
                    let page = try await live.root("GET", link, by: live.owner)
                    #expect(page.json["count"] == whole.json["count"])
                    walked += page.names
                    next = page.json["nextLink"]?.text.map { String($0.dropFirst(LiveManagement.publicURL.count)) }
                }
                #expect(walked == whole.names, "$top=\(top)")
            }
        }
    }

    @Test func G64_actions_that_a_caller_makes_up_are_one_and_long_names_are_cut() async throws {
        try await LiveManagement.run { live in
            let nobody = try await live.caller("nobody", [])
            let long = String(repeating: "x", count: 3000)
            for number in 0..<30 {
                #expect(try await live.send("GET", "/made-up-\(number)/\(long)", by: nobody).status == 403)
                #expect(try await live.root("GET", "/made-up-\(number)", by: nobody).status == 403)
            }
            await live.management.refusals.flush()
            let rows = try await live.audit().filter { $0.outcome == "Forbidden" }
            #expect(rows.count == 11 && rows.reduce(0) { $0 + $1.count } == 60)
            #expect(rows.allSatisfy { $0.action == "unknown" && $0.resource.count <= 1000 })
        }
    }

    @Test func G64_bad_requests_are_no_rows_and_pairs_are_bounded() async throws {
        try await LiveManagement.run { live in
            let before = try await live.audit().count
            for _ in 0..<50 {
                #expect(try await live.send("PUT", "/groups/g", ["properties": [:]]).status == 400)
            }
            #expect(try await live.audit().count == before)
            let refusals = RefusalAudit(store: live.store)
            for number in 0..<1200 {
                let actor = Actor(principal: "p\(number)", application: "", address: "", request: "")
                await refusals.forbidden(actor, action: "Microsoft.ApiManagement/service/apis/read", resource: "/x")
            }
            await refusals.flush()
            let rows = try await live.store.read { try $0.audit(before: nil, limit: 5000) }
                .filter { $0.outcome == "Forbidden" }
            #expect(rows.count == 1001 && rows.reduce(0) { $0 + $1.count } == 1200)
            #expect(rows.filter { $0.actor.address == "others" }.map(\.count) == [200])
        }
    }
}
