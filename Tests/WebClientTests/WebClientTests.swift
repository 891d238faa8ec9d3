import Foundation
import Synchronization
import Testing
import WebClient

@Suite struct WebClientTests {
    private func client() throws -> WebClient {
        try WebClient(WebClientOptions(reach: .all, allowsPlainText: true))
    }

    @Test func aRequestArrivesAndItsAnswerComesBack() async throws {
        let server = try ScriptedServer { connection in
            while let request = connection.request() {
                connection.answer("201 Created", ["X-Seen: \(request.split(separator: "\r\n")[0])", "Empty:"], request)
            }
        }
        defer { server.stop() }
        let client = try client()
        let request = WebRequest(
            "PUT", server.url("/a?b=c"), fields: [WebField("X-A", "1"), WebField("X-Empty", "")],
            body: Array("hello".utf8))
        let response = try await client.send(request)
        let seen = String(decoding: response.body, as: UTF8.self)
        #expect(response.status == 201)
        #expect(response.head["x-seen"] == "PUT /a?b=c HTTP/1.1")
        #expect(response.head["empty"] == "")
        #expect(seen.contains("X-A: 1\r\n") && seen.contains("X-Empty:") && seen.hasSuffix("\r\n\r\nhello"))
        #expect(!seen.contains("Expect") && !seen.contains("urlencoded"))
        _ = try await client.send(WebRequest("POST", server.url(), body: []))
        _ = try await client.send(WebRequest("DELETE", server.url()))
        #expect(server.connections == 1)
    }

    @Test func manyRequestsAtOnceEachGetTheirOwnAnswer() async throws {
        let server = try ScriptedServer { connection in
            while let request = connection.request() {
                connection.answer("200 OK", [], String(request.split(separator: " ")[1]))
            }
        }
        defer { server.stop() }
        let client = try client()
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for number in 0..<100 {
                group.addTask {
                    let response = try await client.send(WebRequest("GET", server.url("/\(number)")))
                    return String(decoding: response.body, as: UTF8.self) == "/\(number)"
                }
            }
            for try await isRight in group { #expect(isRight) }
        }
    }

    @Test func aBodyAndAHeadAreBounded() async throws {
        let server = try ScriptedServer { connection in
            while let request = connection.request() {
                if request.hasPrefix("GET /head") {
                    connection.answer("200 OK", (0..<2000).map { "X-\($0): \(String(repeating: "x", count: 60))" })
                } else {
                    connection.answer("200 OK", [], String(repeating: "x", count: 1001))
                }
            }
        }
        defer { server.stop() }
        let client = try client()
        var request = WebRequest("GET", server.url())
        request.bodyBytesMax = 1001
        #expect(try await client.send(request).body.count == 1001)
        request.bodyBytesMax = 1000
        await #expect(throws: WebFailure.tooLarge) { try await client.send(request) }
        await #expect(throws: WebFailure.tooLarge) { try await client.send(WebRequest("GET", server.url("/head"))) }
    }

    @Test func aStreamComesPieceByPieceAndIsClosedWhenLetGo() async throws {
        let (ended, end) = AsyncStream.makeStream(of: Void.self)
        let (asked, ask) = AsyncStream.makeStream(of: Void.self)
        let gate = DispatchSemaphore(value: 0)
        let server = try ScriptedServer { connection in
            _ = connection.request()
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
            gate.wait()
            connection.send("6\r\nsecond\r\n")
            connection.waitForEnd()
            end.finish()
        }
        defer { server.stop() }
        _ = (asked, ask)
        let client = try client()
        var request = WebRequest("GET", server.url())
        request.timeout = nil
        do {
            let stream = try await client.stream(request)
            #expect(stream.head.status == 200)
            #expect(try await stream.next() == Array("first".utf8))
            gate.signal()
            #expect(try await stream.next() == Array("second".utf8))
        }
        for await _ in ended {}
    }

    @Test func cancellingTheReaderEndsTheTransfer() async throws {
        let (ended, end) = AsyncStream.makeStream(of: Void.self)
        let (begun, begin) = AsyncStream.makeStream(of: Void.self)
        let server = try ScriptedServer { connection in
            _ = connection.request()
            begin.finish()
            connection.waitForEnd()
            end.finish()
        }
        defer { server.stop() }
        let client = try client()
        let task = Task { try await client.send(WebRequest("GET", server.url())) }
        for await _ in begun {}
        task.cancel()
        await #expect(throws: WebFailure.cancelled) { try await task.value }
        for await _ in ended {}
    }

    @Test func aClosedClientEndsWhatRunsAndTakesNothingNew() async throws {
        let (begun, begin) = AsyncStream.makeStream(of: Void.self)
        let server = try ScriptedServer { connection in
            _ = connection.request()
            begin.finish()
            connection.waitForEnd()
        }
        defer { server.stop() }
        let client = try client()
        let task = Task { try await client.send(WebRequest("GET", server.url())) }
        for await _ in begun {}
        client.shutDown()
        await #expect(throws: WebFailure.closed) { try await task.value }
        await #expect(throws: WebFailure.closed) { try await client.send(WebRequest("GET", server.url())) }
    }

    @Test func aReaderThatIsBehindHoldsTheConnectionBack() async throws {
        let size = 8 << 20
        let sent = Mutex(0)
        let server = try ScriptedServer { connection in
            _ = connection.request()
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(size)\r\n\r\n")
            let piece = String(repeating: "x", count: 1 << 16)
            for _ in 0..<(size >> 16) {
                guard connection.send(piece) else { return }
                sent.withLock { $0 += piece.utf8.count }
            }
        }
        defer { server.stop() }
        // The bounds are not what this is about: other tests may hold the machine for a while.
        var request = WebRequest("GET", server.url())
        request.headTimeout = .seconds(600)
        request.timeout = nil
        let stream = try await client().stream(request)
        var count = 0
        while let piece = try await stream.next() { count += piece.count }
        #expect(count == size)
    }

    @Test func silenceAndSlownessEndInATimeout() async throws {
        let server = try ScriptedServer { connection in
            guard let request = connection.request() else { return }
            if request.hasPrefix("GET /idle") { connection.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx") }
            connection.waitForEnd()
        }
        defer { server.stop() }
        let client = try client()
        var request = WebRequest("GET", server.url())
        request.headTimeout = .milliseconds(50)
        await #expect(throws: WebFailure.timeout) { try await client.send(request) }
        request = WebRequest("GET", server.url("/idle"))
        request.idleTimeout = .milliseconds(50)
        await #expect(throws: WebFailure.timeout) { try await client.send(request) }
    }

    @Test(arguments: [
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        "",
    ])
    func whatIsCutOrNoAnswerIsAFailure(text: String) async throws {
        let server = try ScriptedServer { connection in
            _ = connection.request()
            connection.send(text)
        }
        defer { server.stop() }
        await #expect(throws: WebFailure.self) { try await client().send(WebRequest("GET", server.url())) }
    }

    @Test func G55_redirects_are_followed_only_as_asked() async throws {
        let other = try ScriptedServer { connection in
            while let request = connection.request() { connection.answer("200 OK", [], request) }
        }
        defer { other.stop() }
        let target = other.url("/end")
        let server = try ScriptedServer { connection in
            while let request = connection.request() {
                switch request.split(separator: " ")[1] {
                case "/one": connection.answer("302 Found", ["Location: /two"])
                case "/two": connection.answer("302 Found", ["Location: \(target)"])
                case "/file": connection.answer("302 Found", ["Location: file:///etc/passwd"])
                case "/user": connection.answer("302 Found", ["Location: http://u:p@127.0.0.1/"])
                default: connection.answer("302 Found", ["Location: /loop"])
                }
            }
        }
        defer { server.stop() }
        let client = try client()
        var request = WebRequest(
            "GET", server.url("/one"), fields: [WebField("Authorization", "x"), WebField("X-B", "y")])
        #expect(try await client.send(request).status == 302)
        request.redirectsMax = 2
        let seen = String(decoding: try await client.send(request).body, as: UTF8.self)
        #expect(seen.hasPrefix("GET /end") && seen.contains("X-B: y") && !seen.contains("Authorization"))
        request.redirectsMax = 1
        await #expect(throws: WebFailure.redirectNotAllowed) { try await client.send(request) }
        for path in ["/loop", "/file", "/user"] {
            request.url = server.url(path)
            request.redirectsMax = 3
            await #expect(throws: WebFailure.redirectNotAllowed) { try await client.send(request) }
        }
    }

    @Test func G55_each_hop_is_judged_anew_and_pools_are_apart() async throws {
        let inside = try ScriptedServer { connection in
            while connection.request() != nil { connection.answer("200 OK", [], "inside") }
        }
        defer { inside.stop() }
        let port = inside.port
        let server = try ScriptedServer { connection in
            while let request = connection.request() {
                let place = String(request.split(separator: " ")[1])
                guard let hops = Int(place.dropFirst()) else {
                    connection.answer("302 Found", ["Location: http://127.0.0.1:\(port)/"])
                    continue
                }
                connection.answer(
                    hops == 0 ? "200 OK" : "302 Found", hops == 0 ? [] : ["Location: /\(hops - 1)"], "done")
            }
        }
        defer { server.stop() }
        // The first socket may be, the second may not: the inside port is refused.
        let guarded = try WebClient(
            WebClientOptions(
                reach: ReachableAddresses(allowing: [AddressRange("127.0.0.1")], refusingPorts: [port]),
                allowsPlainText: true))
        var request = WebRequest("GET", server.url("/x"))
        request.redirectsMax = 3
        // A client for another purpose has a connection to it; this one has not.
        let other = try client()
        #expect(try await other.send(WebRequest("GET", inside.url())).status == 200)
        await #expect(throws: WebFailure.addressNotAllowed) { try await guarded.send(request) }
        #expect(inside.connections == 1)
        request.url = server.url("/3")
        #expect(try await guarded.send(request).status == 200)
        request.url = server.url("/4")
        await #expect(throws: WebFailure.redirectNotAllowed) { try await guarded.send(request) }
    }

    @Test func G55_of_a_name_with_several_addresses_the_allowed_ones_are_tried() async throws {
        let server = try ScriptedServer { connection in
            while connection.request() != nil { connection.answer() }
        }
        defer { server.stop() }
        // The name is of ::1 and 127.0.0.1, or of the latter alone.
        let guarded = try WebClient(
            WebClientOptions(reach: ReachableAddresses(allowing: [AddressRange("127.0.0.1")]), allowsPlainText: true))
        let url = "http://localhost:\(server.port)/"
        #expect(try await guarded.send(WebRequest("GET", url)).status == 200)
        let none = try WebClient(
            WebClientOptions(reach: ReachableAddresses(allowing: [AddressRange("127.0.0.2")]), allowsPlainText: true))
        await #expect(throws: WebFailure.addressNotAllowed) { try await none.send(WebRequest("GET", url)) }
    }

    @Test func G56_a_body_that_drips_ends_at_the_time_for_the_whole() async throws {
        let server = try ScriptedServer { connection in
            _ = connection.request()
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while connection.send("x") { usleep(20_000) }
        }
        defer { server.stop() }
        var request = WebRequest("GET", server.url())
        request.timeout = .milliseconds(300)
        await #expect(throws: WebFailure.timeout) { try await client().send(request) }
    }

    @Test(arguments: [
        ("file:///etc/passwd", WebFailure.invalidRequest), ("gopher://h/", .schemeNotAllowed),
        ("ftp://h/", .schemeNotAllowed), ("dict://h/", .schemeNotAllowed), ("data:,x", .invalidRequest),
        ("http://u:p@h/", .invalidRequest), ("http://h/\r\nX: y", .invalidRequest), ("/a", .invalidRequest),
        ("", .invalidRequest), ("http://", .invalidRequest), ("http://h h/", .invalidRequest),
    ])
    func E27_what_is_no_plain_address_is_refused(url: String, failure: WebFailure) async throws {
        let client = try client()
        await #expect(throws: failure) { try await client.send(WebRequest("GET", url)) }
    }

    @Test func httpIsRefusedWhereItIsNotAllowedAndFieldsHaveNoLineEnds() async throws {
        let strict = try WebClient(WebClientOptions(reach: .all))
        await #expect(throws: WebFailure.schemeNotAllowed) {
            try await strict.send(WebRequest("GET", "http://127.0.0.1/"))
        }
        let client = try client()
        for field in [WebField("X", "a\r\nb"), WebField("X\r\nY", "a"), WebField("", "a"), WebField("X", "a\0b")] {
            await #expect(throws: WebFailure.invalidRequest) {
                try await client.send(WebRequest("GET", "http://127.0.0.1/", fields: [field]))
            }
        }
    }

    @Test(arguments: [
        "http://127.0.0.1:P/", "http://127.1:P/", "http://2130706433:P/", "http://0x7f.1:P/", "http://localhost:P/",
        "http://[::ffff:127.0.0.1]:P/", "http://0.0.0.0:P/",
    ])
    func G54_no_spelling_gets_round_the_guard(url: String) async throws {
        let server = try ScriptedServer { connection in
            while connection.request() != nil { connection.answer() }
        }
        defer { server.stop() }
        let url = url.replacing("P/", with: "\(server.port)/")
        let guarded = try WebClient(WebClientOptions(reach: .publicOnly, allowsPlainText: true))
        await #expect(throws: WebFailure.addressNotAllowed) { try await guarded.send(WebRequest("GET", url)) }
        #expect(server.connections == 0)
        let opened = try WebClient(
            WebClientOptions(
                reach: ReachableAddresses(allowing: [AddressRange("127.0.0.0/8"), AddressRange("::1")]),
                allowsPlainText: true))
        if !url.contains("0.0.0.0") { #expect(try await opened.send(WebRequest("GET", url)).status == 200) }
    }
}
