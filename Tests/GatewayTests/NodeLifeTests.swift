import ArgumentParser
import ClusterProtocol
import Dispatch
import Foundation
import GatewayConfiguration
import Glibc
import PolicyRuntime
import Testing
import UsageMeter

@testable import HTTPEngine
@testable import gatehouse_gateway

// Lines of must-hold part H about one node: versions, usage keys, status pages, the log, descriptors.

@Suite struct NodeLifeTests {
    @Test func H12_aCallEndsOnTheVersionItBeganWith() throws {
        let go = DispatchSemaphore(value: 0)
        let backend = TestBackend { backend, socket in
            while let head = socket.receiveHead() {
                backend.record(head)
                go.wait()
                socket.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            }
        }
        let bench = try GatewayBench(backend) { snapshot in
            snapshot.backends = [
                BackendConfiguration(
                    name: "B1", url: snapshot.apis[1].serviceUrl ?? "", validatesCertificateChain: true,
                    validatesCertificateName: true, certificates: [])
            ]
            snapshot.secrets.backendCredentials["B1"] = .init(headers: [:], query: [:], authorization: "Bearer old")
            snapshot.secrets.namedValues["v"] = "old"
            snapshot.apis[1].policy = PolicyText(
                text: GatewayBench.policy(
                    "<set-backend-service backend-id=\"B1\" />",
                    outbound:
                        "<set-header name=\"X-Version\" exists-action=\"override\"><value>{{v}}</value></set-header>"
                ), format: .rawxml)
        }
        let client = bench.connect()
        let call = "GET /keyed/a HTTP/1.1\r\nHost: g\r\nOcp-Apim-Subscription-Key: k1\r\n\r\n"
        client.send(call)
        backend.awaitRequests(1)
        // API, product, key, backend and named value are gone while the call waits.
        var snapshot = try GatewayBench.snapshot(backend: backend.port)
        snapshot.apis.removeLast()
        snapshot.products = []
        snapshot.keys = KeyTable(leaves: [])
        var builder = PlanBuilder(state: bench.state)
        bench.plans.put(try builder.build(snapshot))
        #expect(try bench.call(call).status == 404)
        go.signal()
        let answer = try #require(client.receiveResponse())
        #expect(answer.status == 200 && answer.body == "ok" && answer.fields("X-Version") == ["old"])
        #expect(TestResponse(head: backend.requests[0]).fields("Authorization") == ["Bearer old"])
        client.send(call)
        #expect(client.receiveResponse()?.status == 404)
        let counted = bench.records().filter { $0.counters.success > 0 }
        #expect(counted.map(\.key.subscription) == ["demo"] && counted.map(\.key.product) == ["starter"])
    }

    @Test func H11_everyAnswerIsOfOneVersion() throws {
        let bench = try GatewayBench()
        var builder = PlanBuilder(state: bench.state)
        func put(_ version: Int) throws {
            var snapshot = try GatewayBench.snapshot(backend: bench.backend.port)
            snapshot.secrets.namedValues["v"] = "\(version)"
            snapshot.apis[0].policy = PolicyText(
                text: GatewayBench.policy(
                    "<set-query-parameter name=\"v\" exists-action=\"override\"><value>{{v}}</value></set-query-parameter>",
                    outbound: "<set-header name=\"X-V\" exists-action=\"override\"><value>{{v}}</value></set-header>"),
                format: .rawxml)
            bench.plans.put(try builder.build(snapshot))
        }
        try put(0)
        let client = bench.connect()
        var last = 0
        for version in 1...300 {
            // The call is on its way while the version changes.
            client.send("GET /echo/a HTTP/1.1\r\nHost: g\r\n\r\n")
            try put(version)
            let answer = try #require(client.receiveResponse())
            let said = try #require(answer.field("X-V").flatMap(Int.init))
            #expect(answer.status == 200 && answer.body == "/base/a?v=\(said)|")
            #expect(said >= last && said <= version)
            last = said
        }
        client.send("GET /echo/a HTTP/1.1\r\nHost: g\r\n\r\n")
        #expect(client.receiveResponse()?.field("X-V") == "300")
        #expect(bench.backend.connections == 1, "connections to backends outlive versions")
    }

    @Test func H38_aCallCountsForTheQuarterOfAnHourInWhichItEnded() throws {
        let bench = try GatewayBench()
        let shared = GatewayShared(
            node: "test", plans: bench.plans, state: bench.state, meter: bench.meter, metrics: bench.metrics,
            accessLog: nil, trustedProxies: .none, limits: NodeLimits(), startSeed: 1)
        var loop = GatewayLoop(shared: shared, number: 0, lane: try bench.meter.makeLane())
        func bucket(endingAt seconds: Int64, _ milliseconds: Int64 = 0) throws -> Int64 {
            var call = loop.makeCall()
            call.subject = .init(api: "a", operation: "o", product: "", subscription: "", user: "")
            var request = RequestHead.blank
            loop.ended(
                &call, request: &request,
                summary: CallSummary(
                    clock: LoopClock(nanoseconds: 1, wallSeconds: seconds, wallMilliseconds: milliseconds),
                    outcome: .complete, status: 200, refusal: nil, failure: nil, bytesIn: 1, bytesOut: 1,
                    apiMicroseconds: 200_000, serviceMicroseconds: nil))
            bench.meter.rotate()
            let ids = bench.meter.pendingBatches()
            let records = ids.compactMap { bench.meter.batch($0) }.flatMap(\.records)
            for id in ids { bench.meter.acknowledge(id) }
            return try #require(records.first).key.bucket
        }
        // 2026-01-31T10:15:00Z: a call from 10:14:59.9 to 10:15:00.1 is the later quarter's.
        let quarter: Int64 = 1_769_854_500
        #expect(try bucket(endingAt: quarter, 100) == quarter && bucket(endingAt: quarter - 1, 999) == quarter - 900)
        #expect(try bucket(endingAt: quarter) == quarter)
        // The days on which Berlin's clocks change have 96 quarters like others.
        for midnight: Int64 in [1_774_742_400, 1_792_886_400] {
            let buckets = try (0..<96).map { try bucket(endingAt: midnight + $0 * 900 + 899, 999) }
            #expect(buckets == (0..<96).map { midnight + $0 * 900 })
        }
    }

    @Test func H42_callersMakeNoUsageKeys() throws {
        let bench = try GatewayBench()
        let client = bench.connect()
        var generator = SystemRandomNumberGenerator()
        func word() -> String { String(UInt64.random(in: 0...UInt64.max, using: &generator), radix: 36) }
        for number in 0..<2_000 {
            let target = [
                "/\(word())/\(word())", "/keyed/\(word())", "/echo/\(word())?\(word())=1", "/echo;rev=\(number)",
            ][
                number % 4]
            let method = number % 7 == 0 ? "M\(word().uppercased().prefix(10))" : "GET"
            client.send(
                "\(method) \(target) HTTP/1.1\r\nHost: \(word()).test\r\nUser-Agent: \(word())\r\nOcp-Apim-Subscription-Key: \(word())\r\n\r\n"
            )
            let answer = try #require(client.receiveResponse())
            #expect([200, 401, 404].contains(answer.status))
        }
        // For `echo`: its operation and none; for `keyed`: the same.
        let keys = Set(
            bench.records().map {
                "\($0.key.api) \($0.key.operation) \($0.key.subscription)\($0.key.user)\($0.key.product)"
            })
        #expect(keys == ["echo GET/* ", "echo  ", "keyed GET/* ", "keyed  "])
    }

    @Test func H58_statusPagesTellNoMoreThanTheyMay() throws {
        let bench = try GatewayBench()
        let status = NodeStatus()
        status.named("id-1")
        let address = try #require(NetworkAddress(literal: "127.0.0.1", port: 0))
        let metrics = bench.metrics
        let server = try EngineServer.start(
            EngineConfiguration(loops: 1, listeners: [.init(address: address, scheme: .http)])
        ) { _ in StatusApplication(status: status, metrics: metrics, accessLog: nil) }
        defer { server.cut() }
        let client = TestSocket(port: server.addresses[0].port)
        func get(_ path: String, method: String = "GET") -> TestResponse? {
            client.send("\(method) \(path) HTTP/1.1\r\nHost: g\r\n\r\n")
            return client.receiveResponse(bodiless: method == "HEAD")
        }
        _ = try bench.get("/keyed/secretpath?subscription-key=k1", "Ocp-Apim-Subscription-Key: wrongsecret\r\n")
        _ = try bench.get("/keyed/secretpath", "Ocp-Apim-Subscription-Key: k1\r\nX-Forwarded-For: 10.9.8.7\r\n")
        _ = try bench.call("GET  / HTTP/1.1\r\n\r\n")
        #expect(get("/healthz")?.status == 200)
        let early = get("/readyz")
        #expect(early?.status == 503 && early?.body.contains("\"ready\":false") == true)
        status.serves(7)
        let ready = try #require(get("/readyz"))
        let json = try #require(
            JSONSerialization.jsonObject(with: Data(ready.body.utf8)) as? [String: Any])
        #expect(ready.status == 200)
        #expect(Set(json.keys) == ["version", "node", "ready", "lastContact", "controllerReachable"])
        let text = try #require(get("/metrics")).body
        for word in ["k1", "secret", "demo", "starter", "keyed", "echo", "127.0.0.1", "10.9.8.7", "gw.test", "id-1"] {
            #expect(!text.contains(word), "\(word)")
        }
        let series = text.split(separator: "\n").filter { !$0.hasPrefix("#") }
        #expect(series.count < 200 && Set(series.map { $0.split(separator: " ")[0] }).count == series.count)
        for line in series {
            #expect(try /gatehouse_[a-z_]+(\{[a-z]+="[A-Za-z0-9]+"\})? [0-9.e+-]+/.wholeMatch(in: line) != nil)
        }
        status.stops()
        #expect(get("/readyz")?.status == 503)
        #expect(get("/metrics", method: "POST")?.status == 405)
        for path in ["/", "/metrics/", "/debug/pprof", "/config", "/status-0123456789abcdef"] {
            #expect(get(path)?.status == 404, "\(path)")
        }
        let options = try #require(
            try Gateway.parseAsRoot([
                "serve", "--directory", "d", "--controller", "c", "--ca", "a", "--token-file", "t",
            ])
                as? Serve)
        #expect(options.status.hasPrefix("127.0.0.1:"))
    }

    // MARK: The log

    private func lines(_ path: String) throws -> [[String: Any]] {
        try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map {
            try #require(JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
        }
    }

    private func entry(_ path: [UInt8]) -> AccessLogEntry {
        var entry = AccessLogEntry(clock: LoopClock(nanoseconds: 1, wallSeconds: 1_769_854_500))
        entry.path = path
        return entry
    }

    private func place() -> String { NSTemporaryDirectory() + "log-" + UUID().uuidString }

    @Test func H59_aLineIsOneObjectWhateverIsInIt() throws {
        let path = place()
        defer { try? FileManager.default.removeItem(atPath: path) }
        let log = AccessLog(output: try #require(LogFile(path: path)), node: "n")
        var buffer = AccessLogBuffer(valueBytesMax: 1_024)
        let values: [[UInt8]] = [
            Array("/a\r\nb\n\"c\"\\ \u{1B}[2J\u{7F}\u{0}".utf8), [0x2F, 0xFF, 0xC3, 0x28, 0xED, 0xA0, 0x80],
            Array("/é\u{2028}\u{2029}\u{202E}\u{85}\u{1F600}".utf8), [UInt8](repeating: 0x61, count: 65_536),
            Array(String(repeating: "é", count: 1_000).utf8), [UInt8](repeating: 0x61, count: 1_024),
        ]
        for value in values {
            var entry = entry(value)
            entry.subscription = String(decoding: value, as: UTF8.self)
            buffer.add(entry, node: "n")
        }
        buffer.flush(to: log)
        log.stop()
        let text = try Data(contentsOf: URL(filePath: path))
        #expect(text.filter { $0 == 0x0A }.count == values.count)
        #expect(!text.contains { $0 < 0x20 && $0 != 0x0A } && !text.contains(0x7F))
        for hidden in ["\u{2028}", "\u{2029}", "\u{202E}", "\u{85}"] {
            #expect(!String(decoding: text, as: UTF8.self).contains(hidden))
        }
        let paths = try lines(path).map { $0["path"] as? String }
        #expect(paths[0] == "/a\r\nb\n\"c\"\\ \u{1B}[2J\u{7F}\u{0}")
        #expect(paths[1]?.hasPrefix("/\u{FFFD}") == true && paths[2] == "/é\u{2028}\u{2029}\u{202E}\u{85}\u{1F600}")
        #expect(paths[3] == String(repeating: "a", count: 1_024) + "…")
        #expect(paths[4] == String(repeating: "é", count: 512) + "…" && paths[5]?.hasSuffix("…") == false)
    }

    @Test func H59_aLogThatWasMovedOrRemovedIsFollowedByANewOne() throws {
        let path = place()
        defer { for name in [path, path + ".1"] { try? FileManager.default.removeItem(atPath: name) } }
        var file = try #require(LogFile(path: path))
        #expect(file.write(Array("{\"a\":1}\n".utf8)) == 0)
        try FileManager.default.moveItem(atPath: path, toPath: path + ".1")
        #expect(file.write(Array("{\"a\":2}\n".utf8)) == 0)
        #expect(try lines(path + ".1").count == 1)
        #expect(try lines(path).map { $0["a"] as? Int } == [2])
        try FileManager.default.removeItem(atPath: path)
        #expect(file.write(Array("{\"a\":3}\n{\"a\":4}\n".utf8)) == 0)
        #expect(try lines(path).map { $0["a"] as? Int } == [3, 4])
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        #expect(mode.map { $0 & 0o077 } == 0)
        file.close()
    }

    @Test func H59_aFullDiskLosesLinesAndCountsThem() throws {
        var file = try #require(LogFile(path: "/dev/full"))
        #expect(file.write(Array("{}\n{}\n{}\n".utf8)) == 3)
        file.close()
    }

    @Test func H59_aSlowReaderLosesLinesAndNoCallWaits() throws {
        let path = place()
        #expect(mkfifo(path, 0o600) == 0)
        defer { try? FileManager.default.removeItem(atPath: path) }
        let reader = open(path, O_RDONLY | O_NONBLOCK)
        let log = AccessLog(output: try #require(LogFile(path: path)), node: "n")
        let piece = Array(String(repeating: "{\"a\":\"\(String(repeating: "x", count: 90))\"}\n", count: 600).utf8)
        // Nobody reads: what is handed over returns at once all the same.
        for _ in 0..<200 { log.append(piece, lines: 600) }
        #expect(log.droppedLines > 0 && log.droppedLines % 600 == 0)
        let dropped = log.droppedLines
        let isRead = DispatchSemaphore(value: 0)
        let counted = Counted()
        Thread {
            _ = fcntl(reader, F_SETFL, 0)
            var all: [UInt8] = []
            var bytes = [UInt8](repeating: 0, count: 65_536)
            while true {
                let count = read(reader, &bytes, bytes.count)
                if count <= 0 { break }
                all += bytes.prefix(count)
            }
            counted.set(all.split(separator: UInt8(ascii: "\n")).filter { $0.first == 0x7B && $0.last == 0x7D }.count)
            isRead.signal()
        }.start()
        log.stop()
        isRead.wait()
        close(reader)
        #expect(counted.value + Int(dropped) == 120_000)
    }

    // MARK: Descriptors

    @Test func H52_callersGetWhatTheNodeDoesNotNeedItself() throws {
        var limits = EngineLimits()
        #expect(try Descriptors.share(1 << 30, &limits, loops: 4) == nil && limits == EngineLimits())
        let warning = try Descriptors.share(256, &limits, loops: 2)
        #expect(limits.connections == (256 - 32 - 16) / 4 && warning?.contains("400048") == true)
        #expect(limits.backendIdleConnections == limits.connections)
        let refusal = #expect(throws: ExitReason.self) { _ = try Descriptors.share(127, &limits, loops: 1) }
        #expect(refusal?.status == 3 && refusal?.message.contains("ulimit -n 128") == true)
        _ = try Descriptors.share(128, &limits, loops: 64)
        #expect(limits.connections >= 1)
    }

    @Test func H52_anIdleCallerGivesItsPlaceToANewOne() throws {
        var limits = NodeLimits()
        limits.engine.connections = 4
        let go = DispatchSemaphore(value: 0)
        let backend = TestBackend { backend, socket in
            while let head = socket.receiveHead() {
                backend.record(head)
                if head.contains("slow") { go.wait() }
                socket.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            }
        }
        let bench = try GatewayBench(backend, limits: limits)
        var idle: [TestSocket] = []
        for _ in 0..<12 {
            let client = bench.connect()
            client.send("GET /echo/a HTTP/1.1\r\nHost: g\r\n\r\n")
            #expect(client.receiveResponse()?.status == 200)
            idle.append(client)
        }
        let busy = (0..<4).map { _ in bench.connect() }
        for client in busy {
            client.send("GET /echo/slow HTTP/1.1\r\nHost: g\r\n\r\n")
        }
        backend.awaitRequests(16)
        // All places are in use now: the next is closed without a word, and those that run are not touched.
        #expect(bench.connect().receiveAll().isEmpty)
        for _ in busy { go.signal() }
        for client in busy { #expect(client.receiveResponse()?.status == 200) }
        #expect(idle.allSatisfy { $0.isEnded() })
    }
}

/// A number that another thread sets.
private final class Counted: @unchecked Sendable {
    // Unchecked: set before a semaphore is signalled, read after it was waited for.
    private(set) var value = 0
    func set(_ number: Int) { value = number }
}
