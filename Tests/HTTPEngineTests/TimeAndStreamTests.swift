import Foundation
import Testing

@testable import HTTPEngine

// Lines of must-hold part A about time, expectations and streams.

private let host = "Host: gw.test\r\n"
private let get = "GET /a HTTP/1.1\r\nHost: gw.test\r\n\r\n"

@Suite struct TimeAndStreamTests {
    private func limits(_ change: (inout EngineLimits) -> Void) -> EngineLimits {
        var limits = EngineLimits()
        change(&limits)
        return limits
    }

    @Test func A40_theGateDecidesBeforeItAsksForTheBody() throws {
        let gateway = try TestGateway(backend: 1)
        let client = gateway.connect()
        client.send("POST /own HTTP/1.1\r\n\(host)Content-Length: 100000\r\nExpect: 100-continue\r\n\r\n")
        let response = try #require(client.receiveResponse())
        #expect(response.status == 401 && response.fields("Connection") == ["close"])
        #expect(client.isEnded())
    }

    @Test func A40_theBackends100IsPassedOnOnce() throws {
        let backend = TestBackend { backend, socket in
            guard let head = socket.receiveHead() else { return }
            backend.record(head)
            socket.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
            let body = String(decoding: socket.receiveExactly(5), as: UTF8.self)
            socket.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n\(body)")
        }
        let gateway = try TestGateway(backend)
        let client = gateway.connect()
        client.send("POST /a HTTP/1.1\r\n\(host)Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        #expect(client.receiveHead() == "HTTP/1.1 100 Continue\r\n\r\n")
        client.send("hello")
        #expect(client.receiveResponse()?.body == "hello")
        #expect(backend.requests[0].contains("Expect: 100-continue\r\n"))
    }

    @Test func A40_aSilentBackendGetsOur100() throws {
        let backend = TestBackend { _, socket in
            guard socket.receiveHead() != nil else { return }
            _ = socket.receiveExactly(5)
            socket.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        }
        let gateway = try TestGateway(backend, limits: limits { $0.continueMilliseconds = 100 })
        let client = gateway.connect()
        client.send("POST /a HTTP/1.1\r\n\(host)Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        #expect(client.receiveHead() == "HTTP/1.1 100 Continue\r\n\r\n")
        client.send("hello")
        #expect(client.receiveResponse()?.status == 200)
    }

    @Test func A41_afterAFinalAnswerInsteadOf100NothingIsUsedAgain() throws {
        let backend = TestBackend { backend, socket in
            guard socket.receiveHead() != nil else { return }
            socket.send("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
            backend.record("rest:" + socket.receiveAllText())
        }
        let gateway = try TestGateway(backend)
        let client = gateway.connect()
        client.send("POST /a HTTP/1.1\r\n\(host)Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        let response = try #require(client.receiveResponse())
        #expect(response.status == 413 && response.fields("Connection") == ["close"])
        client.send(get)
        #expect(client.isEnded())
        while backend.requests.isEmpty { sched_yield() }
        #expect(backend.requests == ["rest:"])
    }

    @Test func A62_aHeadMayNotTakeLong() throws {
        let gateway = try TestGateway(backend: 1, limits: limits { $0.headMilliseconds = 100 })
        let client = gateway.connect()
        client.send("GET /")
        let response = try #require(client.receiveResponse())
        #expect(response.status == 408 && response.body == "{ \"statusCode\": 408, \"message\": \"Request Timeout\" }")
        #expect(client.isEnded())
        #expect(gateway.log.refused == [.headTimeout])
    }

    @Test func A62_silentConnectionsAreClosedWithoutAByte() throws {
        let gateway = try TestGateway(
            backend: 1,
            limits: limits {
                $0.firstByteMilliseconds = 100
                $0.idleMilliseconds = 100
            })
        #expect(gateway.connect().isEnded())
        let client = gateway.connect()
        client.send("GET /own HTTP/1.1\r\n\(host)\r\n")
        #expect(client.receiveResponse()?.status == 401)
        #expect(client.isEnded())
    }

    @Test func A63_aBodyMayNotStall() throws {
        let backend = TestBackend.echo()
        let gateway = try TestGateway(backend, limits: limits { $0.bodyGapMilliseconds = 100 })
        let client = gateway.connect()
        client.send("POST /a HTTP/1.1\r\n\(host)Content-Length: 10\r\n\r\nhello")
        #expect(client.receiveResponse()?.status == 408)
        #expect(client.isEnded())
        while gateway.log.calls.isEmpty { sched_yield() }
        #expect(gateway.log.calls.map(\.refusal) == [.bodyTimeout])
    }

    @Test func A63_aBodyMayNotBeTooSlow() throws {
        let backend = TestBackend.echo()
        let gateway = try TestGateway(
            backend,
            limits: limits {
                $0.bodyRateMilliseconds = 200
                $0.bodyBytesPerSecond = 1_000
            })
        let client = gateway.connect()
        client.send("POST /a HTTP/1.1\r\n\(host)Content-Length: 1000000\r\n\r\n\(String(repeating: "x", count: 100))")
        #expect(client.receiveResponse()?.status == 408)
        #expect(client.isEnded())
        while gateway.log.calls.isEmpty { sched_yield() }
        #expect(gateway.log.calls.map(\.refusal) == [.bodyTooSlow])
        // Chunks have no length that a rate could be judged by.
        let other = gateway.connect()
        other.send("POST /b HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        other.send("0\r\n\r\n")
        #expect(other.receiveResponse()?.body == "/b|hello")
    }

    @Test func A64_aReaderThatStallsIsDroppedAndHoldsLittle() throws {
        let backend = TestBackend { backend, socket in
            guard socket.receiveHead() != nil else { return }
            socket.send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
            let piece = [UInt8](repeating: 120, count: 65_536)
            var sent = 0
            while socket.send(piece) { sent += piece.count }
            backend.record("\(sent)")
        }
        let gateway = try TestGateway(backend, limits: limits { $0.stalledReaderMilliseconds = 300 })
        let client = gateway.connect()
        client.send(get)
        backend.awaitRequests(1)
        // What fits into socket buffers and 128 KB of ours went out, not the whole answer.
        #expect(Int(backend.requests[0]) ?? .max < 50_000_000)
        while gateway.log.calls.isEmpty { sched_yield() }
        #expect(gateway.log.calls.map(\.outcome) == [.callerGone])
    }

    @Test func A65_aStopLetsRunningCallsEnd() throws {
        let backend = TestBackend { backend, socket in
            guard let head = socket.receiveHead() else { return }
            backend.record(head)
            backend.awaitRequests(2)
            socket.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        }
        let gateway = try TestGateway(backend)
        let idle = gateway.connect()
        idle.send("GET /own HTTP/1.1\r\n\(host)\r\n")
        #expect(idle.receiveResponse()?.status == 401)
        let client = gateway.connect()
        client.send(get)
        backend.awaitRequests(1)
        gateway.server.drain()
        #expect(idle.isEnded())
        backend.record("go on")
        let response = try #require(client.receiveResponse())
        #expect(response.body == "ok" && response.fields("Connection") == ["close"])
        #expect(client.isEnded())
        gateway.server.wait()
    }

    @Test func A65_aCutEndsAtOnce() throws {
        let backend = TestBackend { backend, socket in
            guard let head = socket.receiveHead() else { return }
            backend.record(head)
            _ = socket.receive()
        }
        let gateway = try TestGateway(backend)
        let client = gateway.connect()
        client.send(get)
        backend.awaitRequests(1)
        gateway.server.drain()
        gateway.server.cut()
        #expect(client.isEnded())
        gateway.server.wait()
        #expect(gateway.log.calls.count == 1)
    }

    @Test func A65_callsThatOutlastTheDrainAreCut() throws {
        let backend = TestBackend { backend, socket in
            guard let head = socket.receiveHead() else { return }
            backend.record(head)
            _ = socket.receive()
        }
        let gateway = try TestGateway(backend, limits: limits { $0.drainMilliseconds = 200 })
        let client = gateway.connect()
        client.send(get)
        backend.awaitRequests(1)
        gateway.server.drain()
        #expect(client.isEnded())
        gateway.server.wait()
    }

    /// A gigabyte each way through memory that does not grow with it.
    @Test func bodiesStreamInConstantMemory() throws {
        let size = 1 << 30
        let piece = [UInt8](repeating: 97, count: 1 << 20)
        let backend = TestBackend { backend, socket in
            while let head = socket.receiveHead() {
                let length = TestResponse(head: head).field("Content-Length").flatMap(Int.init) ?? 0
                var left = length
                while left > 0 {
                    let got = socket.receive(min(left, 1 << 20))
                    if got.isEmpty { return }
                    left -= got.count
                }
                backend.record("\(length - left)")
                let answer = length > 0 ? 0 : size
                socket.send("HTTP/1.1 200 OK\r\nContent-Length: \(answer)\r\n\r\n")
                for _ in 0..<(answer >> 20) { if !socket.send(piece) { return } }
            }
        }
        let gateway = try TestGateway(backend)
        let before = Self.residentKilobytes()
        let client = gateway.connect()
        client.send("POST /up HTTP/1.1\r\n\(host)Content-Length: \(size)\r\n\r\n")
        for _ in 0..<(size >> 20) { client.send(piece) }
        #expect(client.receiveResponse()?.status == 200)
        #expect(backend.requests == ["\(size)"])
        client.send("GET /down HTTP/1.1\r\n\(host)\r\n")
        #expect(client.receiveHead()?.contains("Content-Length: \(size)\r\n") == true)
        var left = size
        while left > 0 {
            let got = client.receive(1 << 20)
            if got.isEmpty { break }
            left -= got.count
        }
        #expect(left == 0)
        #expect(Self.residentKilobytes() - before < 200_000)
        while gateway.log.calls.count < 2 { sched_yield() }
        #expect(gateway.log.calls.map { max($0.bytesIn, $0.bytesOut) >= UInt64(size) } == [true, true])
    }

    private static func residentKilobytes() -> Int {
        let text = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        return line?.split(separator: " ").compactMap { Int($0) }.first ?? 0
    }
}
