import Testing

@testable import HTTPEngine

// Lines of must-hold part A about the callers' side that need sockets.

private let host = "Host: gw.test\r\n"
private let next = "GET /echo/next HTTP/1.1\r\nHost: gw.test\r\n\r\n"

@Suite struct ClientSideTests {
    @Test(arguments: [
        ("GET  /echo HTTP/1.1\r\n\(host)\r\n", 400),
        ("POST /e HTTP/1.1\r\n\(host)Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("GET / HTTP/2.0\r\n\(host)\r\n", 505),
        ("POST / HTTP/1.1\r\n\(host)Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
        ("POST / HTTP/1.1\r\n\(host)Expect: x\r\nContent-Length: 1\r\n\r\n", 417), ("\u{16}\u{3}\u{1}\u{2}", 400),
        ("SSH-2.0-x\r\n", 400),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ])
    func aRefusalHasOneFormAndEndsTheConnection(input: String, status: Int) throws {
        let backend = TestBackend.echo()
        let gateway = try TestGateway(backend)
        let client = gateway.connect()
        client.send(input + next)
        let response = try #require(client.receiveResponse())
        #expect(response.status == status)
        #expect(response.body == "{ \"statusCode\": \(status), \"message\": \"\(ReasonPhrase.of(status))\" }")
        #expect(response.fields("Content-Type") == ["application/json"])
        #expect(response.fields("Connection") == ["close"])
        #expect(response.fields("Date").count == 1)
        #expect(response.fields("Content-Length") == ["\(response.body.utf8.count)"])
        #expect(client.isEnded())
        #expect(backend.requests.isEmpty)
        #expect(gateway.log.refused.count == 1)
    }

    @Test func A5_TRACE_is_a_method_like_others_for_the_engine() throws {
        let gateway = try TestGateway(backend: 1)
        let client = gateway.connect()
        client.send("TRACE /own HTTP/1.1\r\n\(host)\r\nGET /own HTTP/1.1\r\n\(host)\r\n")
        #expect(client.receiveResponse()?.status == 401)
        #expect(client.receiveResponse()?.status == 401)
    }

    @Test func A6_OPTIONS_star_is_answered_here() throws {
        let backend = TestBackend.echo()
        let gateway = try TestGateway(backend)
        let client = gateway.connect()
        client.send("OPTIONS * HTTP/1.1\r\n\(host)\r\n\(next)")
        let response = try #require(client.receiveResponse())
        #expect(response.status == 200)
        #expect(response.fields("Content-Length") == ["0"])
        #expect(client.receiveResponse()?.body == "/echo/next|")
        #expect(backend.requests.count == 1)
    }

    @Test func A7_anotherSchemeIsMisdirectedAndKept() throws {
        let backend = TestBackend.echo()
        let gateway = try TestGateway(backend)
        let client = gateway.connect()
        client.send("GET https://gw.test/echo HTTP/1.1\r\n\(host)\r\n\(next)")
        #expect(client.receiveResponse()?.status == 421)
        #expect(client.receiveResponse()?.body == "/echo/next|")
        #expect(backend.requests.count == 1)
    }

    @Test func A13_valuesPassByteForByte() throws {
        let backend = TestBackend { backend, socket in
            guard let head = socket.receiveHead() else { return }
            backend.record(head.debugDescription)
            socket.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: \u{A0}")
            socket.send([0xDF, 0x0D, 0x0A, 0x0D, 0x0A])
        }
        let gateway = try TestGateway(backend)
        let client = gateway.connect()
        client.send(
            Array("GET /a HTTP/1.1\r\n\(host)X:\t a\tb \r\nY: ".utf8) + [0xA0, 0x76, 0x85] + Array("\r\n\r\n".utf8))
        _ = client.receiveResponse()
        #expect(backend.requests[0].contains("X: a\\tb\\r\\n"))
    }

    @Test func A14_anUnderscoreCannotShadow() throws {
        let backend = TestBackend.echo()
        let gateway = try TestGateway(backend)
        let client = gateway.connect()
        client.send(
            "GET /a HTTP/1.1\r\n\(host)Content_Length: 5\r\nTransfer_Encoding: chunked\r\nX_Forwarded_For: 10.0.0.1\r\nMy_Own: 1\r\n\r\n"
        )
        #expect(client.receiveResponse()?.status == 200)
        #expect(backend.requests[0].contains("My_Own: 1"))
        for name in ["Content_Length", "Transfer_Encoding", "X_Forwarded_For"] {
            #expect(!backend.requests[0].contains(name))
        }
    }

    @Test func A30_framingToTheBackendIsOurs() throws {
        let backend = TestBackend.echo()
        let gateway = try TestGateway(backend)
        let client = gateway.connect()
        client.send("POST /a HTTP/1.1\r\n\(host)content-LENGTH:  05\r\n\r\nhello")
        #expect(client.receiveResponse()?.body == "/a|hello")
        client.send(
            "POST /b HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\r\n\r\n3;x=1\r\nabc\r\n3\r\ndef\r\n0\r\nT: 1\r\n\r\n"
        )
        #expect(client.receiveResponse()?.body == "/b|abcdef")
        client.send("POST /c HTTP/1.1\r\n\(host)\r\n")
        #expect(client.receiveResponse()?.body == "/c|")
        client.send("GET /d HTTP/1.1\r\n\(host)\r\n")
        #expect(client.receiveResponse()?.body == "/d|")
        client.send("POST /replace HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        #expect(client.receiveResponse()?.body == "/replace|replaced")
        let heads = backend.requests
        #expect(TestResponse(head: heads[0]).fields("content-length") == ["5"])
        #expect(heads[1].contains("Transfer-Encoding: chunked") && !heads[1].lowercased().contains("content-length"))
        #expect(heads[2].contains("Content-Length: 0\r\n"))
        #expect(!heads[3].contains("Content-Length") && !heads[3].contains("Transfer-Encoding"))
        #expect(heads[4].contains("Content-Length: 8\r\n") && !heads[4].contains("Transfer-Encoding"))
    }

    @Test func A33_aBodyThatTurnsOutBadNeverLooksWhole() throws {
        let backend = TestBackend.echo()
        let gateway = try TestGateway(backend)
        let client = gateway.connect()
        let part = String(repeating: "x", count: 100_000)
        client.send("POST /a HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\r\n\r\n186A0\r\n\(part)\r\nzz\r\n")
        #expect(client.receiveResponse()?.status == 400)
        #expect(client.isEnded())
        #expect(gateway.log.calls.first?.refusal == .chunk)
        #expect(gateway.log.calls.first?.outcome == .refused)
        // The echo records a chunked body only when its connection was orderly to the last chunk.
        #expect(!backend.requests.contains { $0.contains("\r\n0\r\n") })
    }

    @Test func A33_aBodyThatStopsShortIsRefused() throws {
        let backend = TestBackend.echo()
        let gateway = try TestGateway(backend)
        let client = gateway.connect()
        client.send("POST /a HTTP/1.1\r\n\(host)Content-Length: 10\r\n\r\nhello")
        client.shutWriting()
        #expect(client.receiveResponse()?.status == 400)
        #expect(client.isEnded())
        #expect(!backend.requests.contains { !$0.hasSuffix("(short)") })
    }

    @Test func A34_anErrorEndsTheLineOfPipelinedRequests() throws {
        let backend = TestBackend.echo()
        let gateway = try TestGateway(backend)
        let client = gateway.connect()
        client.send("GET /echo/1 HTTP/1.1\r\n\(host)\r\nGET  /bad HTTP/1.1\r\n\(host)\r\n\(next)")
        #expect(client.receiveResponse()?.body == "/echo/1|")
        #expect(client.receiveResponse()?.status == 400)
        #expect(client.isEnded())
        #expect(backend.requests.count == 1)
    }

    @Test func A35_pipelinedRequestsAreAllAnsweredInOrder() throws {
        let backend = TestBackend.echo()
        let gateway = try TestGateway(backend)
        let client = gateway.connect()
        let count = 5_000
        let isSent = EngineThread.start(name: "sender") {
            for number in 0..<count { client.send("GET /\(number) HTTP/1.1\r\nHost: gw.test\r\n\r\n") }
        }
        #expect(isSent)
        for number in 0..<count {
            let body = client.receiveResponse()?.body
            if body != "/\(number)|" {
                #expect(body == "/\(number)|")
                return
            }
        }
    }

    @Test(arguments: ["Connection: close\r\n", "Connection: keep-alive, Close\r\n"])
    func A36_aCallerThatClosesGetsOneAnswer(fields: String) throws {
        let backend = TestBackend.echo()
        let gateway = try TestGateway(backend)
        let client = gateway.connect()
        client.send("GET /a HTTP/1.1\r\n\(host)\(fields)\r\n\(next)")
        let response = try #require(client.receiveResponse())
        #expect(response.fields("Connection") == ["close"])
        #expect(client.isEnded())
        #expect(backend.requests.count == 1)
    }

    @Test func A36_HTTP10_isNotKept() throws {
        let backend = TestBackend.echo()
        let gateway = try TestGateway(backend)
        let client = gateway.connect()
        client.send("GET /a HTTP/1.0\r\n\(host)Connection: keep-alive\r\n\r\n\(next)")
        #expect(client.receiveResponse()?.status == 200)
        #expect(client.isEnded())
        #expect(backend.requests.count == 1)
        #expect(backend.requests[0].contains(" HTTP/1.1\r\n"))
    }

    @Test func A37_aHalfClosedCallerGetsItsWholeAnswer() throws {
        let text = String(repeating: "y", count: 200_000)
        let backend = TestBackend { _, socket in
            guard socket.receiveHead() != nil else { return }
            socket.send("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n")
            socket.send(text)
        }
        let gateway = try TestGateway(backend)
        let client = gateway.connect()
        client.send("GET /a HTTP/1.1\r\n\(host)\r\n")
        client.shutWriting()
        #expect(client.receiveResponse()?.body.utf8.count == 200_000)
        #expect(client.isEnded())
    }

    @Test func A38_closingNeverCostsTheAnswer() throws {
        let gateway = try TestGateway(backend: 1)
        let client = gateway.connect()
        client.send(
            "POST /own HTTP/1.1\r\n\(host)Content-Length: 1000000\r\n\r\n\(String(repeating: "x", count: 40_000))")
        let response = try #require(client.receiveResponse())
        #expect(response.status == 401)
        #expect(response.fields("Connection") == ["close"])
        #expect(client.isEnded())
    }

    @Test func A39_aSmallRestIsReadAndTheConnectionKept() throws {
        let gateway = try TestGateway(backend: 1)
        let client = gateway.connect()
        client.send("POST /own HTTP/1.1\r\n\(host)Content-Length: 10000\r\n\r\n")
        #expect(client.receiveResponse()?.status == 401)
        client.send(String(repeating: "GET / HTTP/1.1\r\n", count: 625))
        client.send("GET /own HTTP/1.1\r\n\(host)\r\n")
        #expect(client.receiveResponse()?.status == 401)
        #expect(gateway.log.calls.count == 2)
        #expect(gateway.log.refused.isEmpty)
    }

    @Test func A67_MaxForwardsCountsForOPTIONS() throws {
        let backend = TestBackend.echo()
        let gateway = try TestGateway(backend)
        let client = gateway.connect()
        client.send("OPTIONS /a HTTP/1.1\r\n\(host)Max-Forwards: 0\r\n\r\n")
        #expect(client.receiveResponse()?.fields("Content-Length") == ["0"])
        client.send("OPTIONS /a HTTP/1.1\r\n\(host)Max-Forwards: 5\r\n\r\n")
        #expect(client.receiveResponse()?.status == 200)
        client.send("GET /a HTTP/1.1\r\n\(host)Max-Forwards: 0\r\n\r\n")
        #expect(client.receiveResponse()?.status == 200)
        #expect(TestResponse(head: backend.requests[0]).fields("Max-Forwards") == ["4"])
        #expect(TestResponse(head: backend.requests[1]).fields("Max-Forwards") == ["0"])
        client.send("OPTIONS /a HTTP/1.1\r\n\(host)Max-Forwards: -1\r\n\r\n")
        #expect(client.receiveResponse()?.status == 400)
    }

    @Test func A43_A45_hopByHopFieldsStopHere() throws {
        let backend = TestBackend { backend, socket in
            while let head = socket.receiveHead() {
                backend.record(head)
                socket.send(
                    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: X-Secret\r\nX-Secret: 1\r\nKeep-Alive: x\r\nProxy-Authenticate: x\r\nTrailer: y\r\nUpgrade: foo\r\nX-Kept: 1\r\n\r\n"
                )
            }
        }
        let gateway = try TestGateway(backend)
        let client = gateway.connect()
        client.send(
            "GET /a HTTP/1.1\r\n\(host)Connection: X-Tenant, Cookie, Host, Content-Length, Via\r\nX-Tenant: a\r\nCookie: a=b\r\nKeep-Alive: 1\r\nProxy-Connection: x\r\nTE: gzip\r\nUpgrade: foo\r\nHTTP2-Settings: x\r\nProxy-Authorization: x\r\nTrailer: z\r\nVia: 1.1 a\r\nX-Kept: 1\r\n\r\n"
        )
        let response = try #require(client.receiveResponse())
        for name in ["X-Secret", "Keep-Alive", "Proxy-Authenticate", "Trailer", "Upgrade", "Connection"] {
            #expect(response.fields(name).isEmpty, "\(name)")
        }
        #expect(response.field("X-Kept") == "1")
        let head = TestResponse(head: backend.requests[0])
        for name in [
            "X-Tenant", "Cookie", "Keep-Alive", "Proxy-Connection", "TE", "Upgrade", "HTTP2-Settings",
            "Proxy-Authorization", "Trailer", "Connection",
        ] {
            #expect(head.fields(name).isEmpty, "\(name)")
        }
        #expect(head.fields("Host").count == 1 && head.field("X-Kept") == "1" && head.field("Via") == "1.1 a")
    }

    @Test func A69_otherProtocolsAreRefusedCheaply() throws {
        let backend = TestBackend.echo()
        let gateway = try TestGateway(backend)
        var generator = SystemRandomNumberGenerator()
        var inputs: [[UInt8]] = [
            Array("SSH-2.0-x\r\n".utf8), [0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3],
            Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8), [0] + Array("EHLO a\r\n".utf8),
        ]
        for _ in 0..<20 {
            inputs.append([0x80] + (0..<32_767).map { _ in UInt8.random(in: 0...255, using: &generator) })
        }
        for input in inputs {
            let client = gateway.connect()
            client.send(input)
            client.shutWriting()
            let text = client.receiveAllText()
            #expect(text.hasPrefix("HTTP/1.1 4") || text.hasPrefix("HTTP/1.1 505"))
        }
        #expect(backend.requests.isEmpty)
        let client = gateway.connect()
        client.send(next)
        #expect(client.receiveResponse()?.body == "/echo/next|")
    }

    @Test func A50_ownAnswersAreFramedAndDated() throws {
        let gateway = try TestGateway(backend: 1)
        let client = gateway.connect()
        client.send("GET /own HTTP/1.1\r\n\(host)\r\n")
        let get = try #require(client.receiveResponse())
        client.send("HEAD /own HTTP/1.1\r\n\(host)\r\n")
        let head = try #require(client.receiveResponse(bodiless: true))
        #expect(get.body == "own" && get.fields("Content-Length") == ["3"] && head.fields("Content-Length") == ["3"])
        #expect(get.fields("Date").count == 1 && get.fields("Transfer-Encoding").isEmpty)
        client.send("GET /own204 HTTP/1.1\r\n\(host)\r\nGET /own HTTP/1.1\r\n\(host)\r\n")
        let empty = try #require(client.receiveResponse())
        #expect(empty.status == 204 && empty.fields("Content-Length").isEmpty)
        #expect(client.receiveResponse()?.body == "own")
    }
}
