import Testing

@testable import HTTPEngine

@Suite struct TLSTests {
    private static let identity = Result {
        try TestCertificates.selfSigned(name: "gw.test", alternative: "DNS:gw.test,IP:127.0.0.1")
    }

    @Test func aCallOverTLS() throws {
        let backend = TestBackend.echo()
        let gateway = try TestGateway(backend, scheme: .https, identity: try Self.identity.get())
        let client = TestTLSSocket(port: gateway.port, protocols: ["h2", "http/1.1"])
        #expect(client.isConnected && client.chosenProtocol == "http/1.1")
        for number in 0..<3 {
            client.send("GET /\(number) HTTP/1.1\r\nHost: gw.test\r\n\r\n")
            #expect(client.receiveUntil("|").hasSuffix("/\(number)|"))
        }
    }

    @Test func C2_theProtocolIsWhatALPNSaid() throws {
        let gateway = try TestGateway(backend: 1, scheme: .https, identity: try Self.identity.get())
        #expect(TestTLSSocket(port: gateway.port).isConnected)
        #expect(!TestTLSSocket(port: gateway.port, protocols: ["h3"]).isConnected)
    }

    @Test func A37_aHalfCloseByCloseNotifyGetsItsAnswer() throws {
        let backend = TestBackend { _, socket in
            guard socket.receiveHead() != nil else { return }
            socket.send("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n\(String(repeating: "y", count: 200_000))")
        }
        let gateway = try TestGateway(backend, scheme: .https, identity: try Self.identity.get())
        let client = TestTLSSocket(port: gateway.port)
        client.send("GET /a HTTP/1.1\r\nHost: gw.test\r\n\r\n")
        client.shutWriting()
        #expect(client.receiveAll().count > 200_000)
    }

    @Test func A69_clearTextOnTheTLSPortIsRefusedCheaply() throws {
        let gateway = try TestGateway(backend: 1, scheme: .https, identity: try Self.identity.get())
        let client = gateway.connect()
        client.send("GET / HTTP/1.1\r\n\r\n")
        #expect(!client.receiveAllText().contains("HTTP/1.1 200"))
    }

    @Test func A62_aHandshakeThatStopsIsClosed() throws {
        var limits = EngineLimits()
        limits.handshakeMilliseconds = 100
        let gateway = try TestGateway(backend: 1, scheme: .https, limits: limits, identity: try Self.identity.get())
        #expect(gateway.connect().isEnded())
    }

    @Test func bodiesOfManyRecordsArriveWhole() throws {
        let backend = TestBackend.echo()
        let gateway = try TestGateway(backend, scheme: .https, identity: try Self.identity.get())
        let client = TestTLSSocket(port: gateway.port)
        let body = String(repeating: "0123456789", count: 200_000)
        client.send("POST /a HTTP/1.1\r\nHost: gw.test\r\nContent-Length: 2000000\r\n\r\n")
        client.send(body)
        var all: [UInt8] = []
        while all.count < 2_000_003 {
            let piece = client.receive()
            if piece.isEmpty { break }
            all += piece
        }
        let isWhole = String(decoding: all, as: UTF8.self).hasSuffix("/a|\(body)")
        #expect(isWhole)
    }

    /// A backend over TLS with a certificate for `name`.
    private func backend(_ identity: TLSIdentity) -> TestBackend {
        TestBackend { backend, socket in
            guard let tls = try? TestTLSSocket(accepted: socket, identity: identity), tls.isConnected else { return }
            while true {
                let head = tls.receiveUntil("\r\n\r\n")
                if !head.hasSuffix("\r\n\r\n") { return }
                backend.record(head)
                tls.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            }
        }
    }

    @Test(arguments: [
        (true, true, false, 500), (false, true, false, 200), (false, false, false, 200), (true, true, true, 200),
        (true, false, true, 200),
    ])
    func case_B06_chainAndNameAreTwoSwitches(chain: Bool, name: Bool, isTrusted: Bool, status: Int) throws {
        let identity = try Self.identity.get()
        let backend = backend(identity)
        let gateway = try TestGateway(
            backend: backend.port, backendScheme: .https, authorities: isTrusted ? identity.chain : nil,
            validatesChain: chain,
            validatesName: name, keeping: backend)
        let client = gateway.connect()
        for _ in 0..<2 {
            client.send("GET /a HTTP/1.1\r\nHost: gw.test\r\n\r\n")
            #expect(client.receiveResponse()?.status == status)
        }
        if status == 200 { #expect(backend.connections == 1) } else { #expect(backend.requests.isEmpty) }
    }

    @Test func case_B06_anotherNameIsNotTaken() throws {
        let other = try TestCertificates.selfSigned(name: "other.example", alternative: "DNS:other.example")
        let backend = backend(other)
        let strict = try TestGateway(
            backend: backend.port, backendScheme: .https, authorities: other.chain, keeping: backend)
        let client = strict.connect()
        client.send("GET /a HTTP/1.1\r\nHost: gw.test\r\n\r\n")
        #expect(client.receiveResponse()?.status == 500)
        #expect(strict.log.failed == [.certificateNameMismatch])
        #expect(backend.requests.isEmpty)
    }

    @Test func A59_aPoolBelongsToOneIdentity() throws {
        let server = try TestCertificates.selfSigned(
            name: "b.test", alternative: "DNS:localhost,DNS:b.test,IP:127.0.0.1")
        let one = try TestCertificates.selfSigned(name: "one", alternative: "DNS:one")
        let two = try TestCertificates.selfSigned(name: "two", alternative: "DNS:two")
        let backend = TestBackend { backend, socket in
            guard let tls = try? TestTLSSocket(accepted: socket, identity: server, asksForCertificate: true),
                tls.isConnected
            else { return }
            let connection = backend.connections
            while true {
                let head = tls.receiveUntil("\r\n\r\n")
                if !head.hasSuffix("\r\n\r\n") { return }
                let target = head.split(separator: " ")[1]
                backend.record("\(target) \(connection) \(tls.peerSubject)")
                tls.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            }
        }
        let loose = BackendOrigin(
            scheme: .https, host: "127.0.0.1", port: backend.port, validatesCertificateChain: false,
            validatesCertificateName: false)
        func changed(_ change: (inout BackendOrigin) -> Void) -> BackendOrigin {
            var origin = loose
            change(&origin)
            return origin
        }
        let others = [
            "/loose": loose, "/name": changed { $0.validatesCertificateName = true },
            "/one": changed { $0.identity = one }, "/two": changed { $0.identity = two },
            "/localhost": changed { $0.host = "localhost" }, "/authorities": changed { $0.authorities = server.chain },
            "/strict": changed { $0.validatesCertificateChain = true },
            "/clear": changed { $0.scheme = .http },
        ]
        let gateway = try TestGateway(backend: backend.port, others: others, keeping: backend)
        let client = gateway.connect()
        let paths = ["/loose", "/name", "/one", "/two", "/localhost", "/authorities"]
        for _ in 0..<3 {
            for path in paths {
                client.send("GET \(path) HTTP/1.1\r\nHost: gw.test\r\n\r\n")
                #expect(client.receiveResponse()?.status == 200, "\(path)")
            }
            // Who checks the chain is not served by a connection of who does not, and clear text not by TLS.
            for path in ["/strict", "/clear"] {
                client.send("GET \(path) HTTP/1.1\r\nHost: gw.test\r\n\r\n")
                #expect(client.receiveResponse()?.status == 500, "\(path)")
            }
        }
        #expect(backend.requests.count == 18)
        for path in paths {
            let own = backend.requests.filter { $0.hasPrefix("\(path) ") }
            #expect(own.count == 3 && Set(own).count == 1, "\(path): one connection for its three calls")
            #expect(own[0].hasSuffix(path == "/one" || path == "/two" ? "CN=\(path.dropFirst())" : " "), "\(own[0])")
        }
        let connections = Set(backend.requests.map { $0.split(separator: " ")[1] })
        #expect(connections.count == paths.count)
    }

    @Test func aKeyOfAnotherCertificateIsRefused() throws {
        let one = try Self.identity.get()
        let other = try TestCertificates.selfSigned(name: "x", alternative: "DNS:x")
        #expect(throws: TLSFailure.self) { try EngineServer.check(TLSIdentity(chain: one.chain, key: other.key)) }
        #expect(throws: TLSFailure.self) { try EngineServer.check(TLSIdentity(chain: "nothing", key: one.key)) }
        #expect("\(one)" == "TLSIdentity")
    }
}
