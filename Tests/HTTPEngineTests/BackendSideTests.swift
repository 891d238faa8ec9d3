import Glibc
import Testing

@testable import HTTPEngine

// Lines of must-hold part A about the backend's side.

private let get = "GET /a HTTP/1.1\r\nHost: gw.test\r\n\r\n"

@Suite struct BackendSideTests {
    /// A backend that answers every request with these bytes, and closes after the first where `closes`.
    private func scripted(_ answer: String, closes: Bool = false) -> TestBackend {
        TestBackend { backend, socket in
            while let head = socket.receiveHead() {
                backend.record(head)
                socket.send(answer.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) })
                if closes { return }
            }
        }
    }

    @Test func A47_noBodyWhereNoneMayBe() throws {
        for (method, answer) in [
            ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
            ("GET", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"),
            ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello"),
        ] {
            let backend = scripted(answer)
            let gateway = try TestGateway(backend)
            let client = gateway.connect()
            for _ in 0..<2 {
                client.send("\(method) /a HTTP/1.1\r\nHost: gw.test\r\n\r\n")
                let response = try #require(client.receiveResponse(bodiless: true))
                #expect(response.fields("Transfer-Encoding").isEmpty)
                #expect(response.fields("Content-Length") == (response.status == 204 ? [] : ["5"]))
            }
            #expect(backend.connections == 2)
        }
    }

    @Test func A48_interimAnswersAreFewAndCarryLinksAlone() throws {
        let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nSet-Cookie: a=b\r\nX-Secret: 1\r\n\r\n"
        let final = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        let gateway = try TestGateway(scripted(hints + "HTTP/1.1 102 Processing\r\n\r\n" + final))
        let client = gateway.connect()
        client.send(get)
        #expect(client.receiveHead() == "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        #expect(client.receiveResponse()?.body == "ok")
        client.send("GET /a HTTP/1.0\r\nHost: gw.test\r\n\r\n")
        #expect(client.receiveResponse()?.status == 200)
        let many = try TestGateway(scripted(String(repeating: "HTTP/1.1 103 E\r\n\r\n", count: 17) + final))
        let other = many.connect()
        other.send(get)
        #expect(other.receiveResponse()?.status == 500)
        let upgrade = try TestGateway(scripted("HTTP/1.1 101 Switching Protocols\r\nUpgrade: foo\r\n\r\n"))
        let third = upgrade.connect()
        third.send(get)
        #expect(third.receiveResponse()?.status == 500)
        #expect(upgrade.log.failed == [.unexpectedUpgrade])
    }

    @Test func A51_oneDate() throws {
        let date = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
        let gateway = try TestGateway(scripted("HTTP/1.1 200 OK\r\n\(date)Date: x\r\nContent-Length: 0\r\n\r\n"))
        let client = gateway.connect()
        client.send(get)
        #expect(client.receiveResponse()?.fields("Date") == ["Sun, 06 Nov 1994 08:49:37 GMT"])
    }

    @Test func A52_aBodyOfUnknownLength() throws {
        for answer in [
            "HTTP/1.1 200 OK\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        ] {
            let backend = scripted(answer, closes: true)
            let gateway = try TestGateway(backend)
            let client = gateway.connect()
            client.send(get)
            let response = try #require(client.receiveResponse())
            #expect(response.body == "hello")
            #expect(response.fields("Transfer-Encoding") == ["chunked"] && response.fields("Content-Length").isEmpty)
            let old = gateway.connect()
            old.send("GET /a HTTP/1.0\r\nHost: gw.test\r\n\r\n")
            let head = try #require(old.receiveHead())
            #expect(!head.contains("Transfer-Encoding") && !head.contains("Content-Length"))
            #expect(old.receiveAllText() == "hello")
        }
    }

    @Test(arguments: [
        "HTTP/1.1 99 x\r\n\r\n", "HTTP/1.1 2000 x\r\n\r\n", "HTTP/2 200\r\n\r\n", "ICY 200 OK\r\n\r\n", "hello\r\n\r\n",
        "HTTP/1.1 200 OK\nX: 1\n\n",
        "HTTP/1.1 200 OK\r\nX : 1\r\n\r\n", "HTTP/1.1 200 OK\r\nX: 1\r\n y\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n", "HTTP/1.1 200 OK\r\nX: a\u{0}\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
        "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\nhello",
    ])
    func A53_A54_aBadHeadIsNotPassedOn(answer: String) throws {
        let backend = scripted(answer)
        let gateway = try TestGateway(backend)
        let client = gateway.connect()
        for _ in 0..<2 {
            client.send(get)
            #expect(client.receiveResponse()?.status == 500)
        }
        #expect(gateway.log.failed.allSatisfy { $0 == .malformedResponse })
        #expect(backend.connections == 2)
    }

    @Test func A53_aMissingSecondSpaceIsTaken() throws {
        let gateway = try TestGateway(scripted("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"))
        let client = gateway.connect()
        client.send(get)
        #expect(client.receiveResponse()?.status == 200)
    }

    @Test func A55_aHeadIsBounded() throws {
        let long = "HTTP/1.1 200 OK\r\nX: \(String(repeating: "a", count: 65_530))"
        let many = "HTTP/1.1 200 OK\r\n\((0..<201).map { "X\($0): 1\r\n" }.joined())\r\n"
        for answer in [long, many] {
            let gateway = try TestGateway(scripted(answer))
            let client = gateway.connect()
            client.send(get)
            #expect(client.receiveResponse()?.status == 500)
        }
    }

    @Test func A55_aHeadThatDribblesEndsAtTheTimeout() throws {
        let backend = TestBackend { _, socket in
            _ = socket.receiveHead()
            socket.send("HTTP/1.1 200")
            _ = socket.receive()
        }
        let gateway = try TestGateway(backend, timeout: 200)
        let client = gateway.connect()
        client.send(get)
        #expect(client.receiveResponse()?.status == 500)
        #expect(gateway.log.failed == [.timeout])
    }

    @Test(arguments: [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
    ])
    func A56_aBrokenBodyIsCut(answer: String) throws {
        let gateway = try TestGateway(scripted(answer, closes: true))
        let client = gateway.connect()
        client.send(get)
        let text = client.receiveAllText()
        #expect(text.hasPrefix("HTTP/1.1 200 OK"))
        #expect(!text.hasSuffix("0\r\n\r\n"))
        #expect(gateway.log.calls.map(\.outcome) == [.cut])
    }

    @Test(arguments: ["HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", "\r\n", "x"])
    func A57_bytesBehindAnAnswerAreNobodys(extra: String) throws {
        let backend = scripted("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood" + extra)
        let gateway = try TestGateway(backend)
        for _ in 0..<3 {
            let client = gateway.connect()
            client.send(get)
            #expect(client.receiveResponse()?.body == "good")
        }
        #expect(backend.connections == 3)
    }

    @Test func A58_everyCallerGetsItsOwnAnswer() throws {
        let backend = TestBackend.echo()
        let gateway = try TestGateway(backend)
        for round in 0..<50 {
            let clients = (0..<8).map { _ in gateway.connect() }
            for (number, client) in clients.enumerated() {
                switch (round + number) % 4 {
                case 0: client.send("GET /\(round)-\(number) HTTP/1.1\r\nHost: gw.test\r\n\r\n")
                case 1:
                    client.send("POST /\(round)-\(number) HTTP/1.1\r\nHost: gw.test\r\nContent-Length: 3\r\n\r\nabc")
                case 2:
                    client.send("POST /x HTTP/1.1\r\nHost: gw.test\r\nContent-Length: 9\r\n\r\nabc")
                    client.reset()
                default:
                    client.send(
                        "HEAD /x HTTP/1.1\r\nHost: gw.test\r\n\r\nGET /\(round)-\(number) HTTP/1.1\r\nHost: gw.test\r\n\r\n"
                    )
                }
            }
            for (number, client) in clients.enumerated() where (round + number) % 4 != 2 {
                if (round + number) % 4 == 3 { _ = client.receiveResponse(bodiless: true) }
                #expect(client.receiveResponse()?.body.hasPrefix("/\(round)-\(number)|") == true)
            }
        }
    }

    /// A backend that answers the first request of its first connection, and closes on the second without an answer.
    private func forgetful() -> TestBackend {
        TestBackend { backend, socket in
            let isFirst = backend.connections == 1
            while let head = socket.receiveHead() {
                if let length = TestResponse(head: head).field("Content-Length").flatMap(Int.init) {
                    _ = socket.receiveExactly(length)
                }
                backend.record(head)
                if isFirst, backend.requests.count > 1 { return }
                socket.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            }
        }
    }

    @Test(arguments: [("GET", 200, 3), ("DELETE", 200, 3), ("POST", 500, 2), ("PATCH", 500, 2)])
    func A60_onlyWhatDoesNoHarmIsRepeated(method: String, status: Int, seen: Int) throws {
        let backend = forgetful()
        let gateway = try TestGateway(backend)
        let client = gateway.connect()
        client.send(get)
        #expect(client.receiveResponse()?.status == 200)
        client.send("\(method) /b HTTP/1.1\r\nHost: gw.test\r\n\r\n")
        #expect(client.receiveResponse()?.status == status)
        #expect(backend.requests.count == seen)
    }

    @Test func A60_aStreamedBodyIsNotRepeated() throws {
        let backend = forgetful()
        let gateway = try TestGateway(backend)
        let client = gateway.connect()
        client.send(get)
        #expect(client.receiveResponse()?.status == 200)
        client.send("PUT /b HTTP/1.1\r\nHost: gw.test\r\nContent-Length: 3\r\n\r\nabc")
        #expect(client.receiveResponse()?.status == 500)
        #expect(backend.requests.count == 2)
    }

    @Test func A60_afterAByteNothingIsRepeated() throws {
        let backend = TestBackend { backend, socket in
            guard let head = socket.receiveHead() else { return }
            backend.record(head)
            socket.send("H")
        }
        let gateway = try TestGateway(backend)
        let client = gateway.connect()
        client.send(get)
        #expect(client.receiveResponse()?.status == 500)
        #expect(backend.requests.count == 1)
    }

    @Test func aBackendThatRefusesIsAFailure() throws {
        let gateway = try TestGateway(backend: 1)
        let client = gateway.connect()
        client.send(get)
        #expect(client.receiveResponse()?.status == 500)
        #expect(gateway.log.failed == [.connectionRefused])
    }

    @Test func A61_aCallerThatIsGoneLetsTheBackendGo() throws {
        let backend = TestBackend { backend, socket in
            guard let head = socket.receiveHead() else { return }
            backend.record(head)
            backend.record(socket.receive().isEmpty ? "let go" : "more")
        }
        let gateway = try TestGateway(backend)
        let client = gateway.connect()
        client.send(get)
        while backend.requests.isEmpty { sched_yield() }
        client.reset()
        while backend.requests.count < 2 { sched_yield() }
        #expect(backend.requests[1] == "let go")
        while gateway.log.calls.isEmpty { sched_yield() }
        #expect(gateway.log.calls.map(\.status) == [499])
    }

    @Test func aNameIsResolvedOffTheLoop() throws {
        let backend = TestBackend.echo()
        let gateway = try TestGateway(backend, host: "localhost")
        let client = gateway.connect()
        client.send(get)
        #expect(client.receiveResponse()?.body == "/a|")
        let nowhere = try TestGateway(backend, host: "nowhere.invalid")
        let other = nowhere.connect()
        other.send(get)
        #expect(other.receiveResponse()?.status == 500)
        #expect(nowhere.log.failed == [.nameNotFound])
    }

    @Test func theApplicationMayReplaceTheBody() throws {
        let backend = TestBackend.echo()
        let gateway = try TestGateway(backend)
        let client = gateway.connect()
        client.send("GET /rewrite HTTP/1.1\r\nHost: gw.test\r\n\r\n\(get)")
        let response = try #require(client.receiveResponse())
        #expect(
            response.body == "rewritten" && response.fields("Content-Length") == ["9"]
                && response.field("X-Backend") == "1")
        #expect(client.receiveResponse()?.body == "/a|")
    }
}
