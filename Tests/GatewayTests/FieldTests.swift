import Foundation
import GatewayConfiguration
import PolicyRuntime
import Testing

@testable import HTTPEngine
@testable import gatehouse_gateway

// Lines of must-hold about header fields and addresses, from the caller's socket to the backend's.

@Suite struct FieldTests {
    private static let all =
        "X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto, Via, Host, Content-Length, Transfer-Encoding, X-User-Id, Authorization"

    /// A backend with credentials of its own, and a policy that says who the user is.
    private func guarded(trusted: String = "") throws -> GatewayBench {
        try GatewayBench(trusted: trusted) { snapshot in
            snapshot.backends = [
                BackendConfiguration(
                    name: "B1", url: snapshot.apis[0].serviceUrl ?? "", validatesCertificateChain: true,
                    validatesCertificateName: true, certificates: [])
            ]
            snapshot.secrets.backendCredentials["B1"] = .init(headers: [:], query: [:], authorization: "Bearer ours")
            snapshot.apis[0].policy = PolicyText(
                text: GatewayBench.policy(
                    "<set-backend-service backend-id=\"B1\" /><set-header name=\"X-User-Id\" exists-action=\"override\"><value>u</value></set-header>"
                ), format: .rawxml)
        }
    }

    @Test func A44_ConnectionTakesNothingAwayThatIsOurs() throws {
        let bench = try guarded()
        let theirs =
            "X-User-Id: admin\r\nAuthorization: Bearer theirs\r\nVia: 1.1 before\r\nX-Forwarded-For: 10.0.0.9\r\n"
        for (framing, body) in [
            ("Content-Length: 5\r\n", "hello"), ("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
        ] {
            let response = try bench.call(
                "POST /echo/a HTTP/1.1\r\nHost: gw.test:81\r\n\(theirs)\(framing)Connection: \(Self.all)\r\nConnection: \(Self.all.lowercased())\r\n\r\n\(body)"
            )
            #expect(response.body == "/base/a|hello")
            let head = TestResponse(head: try #require(bench.backend.requests.last))
            #expect(head.fields("X-Forwarded-For") == ["10.0.0.9, 127.0.0.1"])
            #expect(head.fields("X-Forwarded-Host") == ["gw.test:81"] && head.fields("X-Forwarded-Proto") == ["http"])
            #expect(head.fields("Via").first == "1.1 before" && head.fields("Via").count == 2)
            #expect(head.fields("Host") == ["127.0.0.1:\(bench.backend.port)"] && head.fields("X-User-Id") == ["u"])
            #expect(head.fields("Authorization") == ["Bearer ours"] && head.fields("Connection").isEmpty)
            #expect(head.fields("Content-Length").count + head.fields("Transfer-Encoding").count == 1)
        }
    }

    @Test func A44_theAddressBehindATrustedProxyStays() throws {
        let bench = try GatewayBench(trusted: "127.0.0.1") { snapshot in
            snapshot.apis[0].policy = PolicyText(
                text: GatewayBench.policy("<ip-filter action=\"allow\"><address>10.0.0.9</address></ip-filter>"),
                format: .rawxml)
        }
        let fields =
            "X-Forwarded-For: 10.0.0.9\r\nX-Forwarded-Host: outside.test\r\nX-Forwarded-Proto: https\r\nConnection: \(Self.all)\r\n"
        #expect(try bench.get("/echo/a", fields).status == 200)
        let head = TestResponse(head: bench.backend.requests[0])
        #expect(head.fields("X-Forwarded-For") == ["10.0.0.9, 127.0.0.1"])
        #expect(head.fields("X-Forwarded-Host") == ["outside.test"] && head.fields("X-Forwarded-Proto") == ["https"])
        #expect(try bench.get("/echo/a", "X-Forwarded-For: 10.0.0.8\r\nConnection: X-Forwarded-For\r\n").status == 403)
    }

    @Test(arguments: [
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        "Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        "Upgrade: websocket\r\n",
    ])
    func A46_nothingIsUpgraded(fields: String) throws {
        let plain = try GatewayBench()
        let client = plain.connect()
        client.send(
            "GET /echo/a HTTP/1.1\r\nHost: g\r\n\(fields)\r\nGET /echo/next HTTP/1.1\r\nHost: g\r\n\r\n")
        #expect(client.receiveResponse()?.body == "/base/a|")
        #expect(client.receiveResponse()?.body == "/base/next|")
        let head = TestResponse(head: plain.backend.requests[0])
        for name in ["Upgrade", "Connection", "HTTP2-Settings"] { #expect(head.fields(name).isEmpty, "\(name)") }
        let switching = try GatewayBench(
            TestBackend { backend, socket in
                while let head = socket.receiveHead() {
                    backend.record(head)
                    socket.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n")
                }
            })
        let other = switching.connect()
        for _ in 0..<2 {
            other.send("GET /echo/a HTTP/1.1\r\nHost: g\r\n\(fields)\r\n")
            let response = other.receiveResponse()
            #expect(response?.status == 500 && response?.body.contains("\"Internal server error\"") == true)
        }
        #expect(switching.backend.connections == 2)
    }

    @Test func A68_rangesPassThrough() throws {
        let backend = TestBackend { backend, socket in
            while let head = socket.receiveHead() {
                backend.record(head)
                switch TestResponse(head: head).field("Range") {
                case "bytes=0-3":
                    socket.send(
                        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-3/10\r\nContent-Length: 4\r\n\r\n0123")
                case "bytes=90-":
                    socket.send(
                        "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */10\r\nContent-Length: 0\r\n\r\n")
                case "bytes=0-1,4-5":
                    socket.send(
                        "HTTP/1.1 206 Partial Content\r\nContent-Type: multipart/byteranges; boundary=b\r\nContent-Length: 5\r\n\r\n--b--"
                    )
                default: socket.send("HTTP/1.1 200 OK\r\nAccept-Ranges: bytes\r\nContent-Length: 10\r\n\r\n0123456789")
                }
            }
        }
        let bench = try GatewayBench(backend)
        let part = try bench.get("/echo/a", "Range: bytes=0-3\r\nIf-Range: \"e\"\r\n")
        #expect(part.status == 206 && part.fields("Content-Range") == ["bytes 0-3/10"] && part.body == "0123")
        #expect(TestResponse(head: backend.requests[0]).field("If-Range") == "\"e\"")
        let beyond = try bench.get("/echo/a", "Range: bytes=90-\r\n")
        #expect(beyond.status == 416 && beyond.fields("Content-Range") == ["bytes */10"])
        let several = try bench.get("/echo/a", "Range: bytes=0-1,4-5\r\n")
        #expect(several.field("Content-Type") == "multipart/byteranges; boundary=b" && several.body == "--b--")
        // A backend that does not care for ranges is not corrected.
        let whole = try bench.get("/echo/a", "Range: lines=1\r\n")
        #expect(whole.status == 200 && whole.body == "0123456789" && whole.fields("Accept-Ranges") == ["bytes"])
    }

    @Test func A49_aNamedValueCannotSplitAMessage() throws {
        for text in ["a\r\nX: 1", "a\nX: 1", "a\rX: 1", "a\u{0}b"] {
            for policy in [
                "<set-header name=\"Y\" exists-action=\"override\"><value>{{bad}}</value></set-header>",
                "<set-query-parameter name=\"y\" exists-action=\"override\"><value>{{bad}}</value></set-query-parameter>",
                "<rewrite-uri template=\"/{{bad}}\" />",
                "<return-response><set-status code=\"200\" reason=\"{{bad}}\" /></return-response>",
                "<cors><allowed-origins><origin>{{bad}}</origin></allowed-origins></cors>",
                "<authentication-basic username=\"{{bad}}\" password=\"x\" />",
                "<mock-response status-code=\"200\" content-type=\"{{bad}}\" />",
                "<set-backend-service base-url=\"http://h/{{bad}}\" />",
            ] {
                // The node refuses the whole version: no call ever sees it.
                var snapshot = try GatewayBench.snapshot(backend: 1)
                snapshot.secrets.namedValues["bad"] = text
                snapshot.apis[0].policy = PolicyText(text: GatewayBench.policy(policy), format: .rawxml)
                var builder = PlanBuilder(state: PolicyState())
                let result = Result { try builder.build(snapshot) }
                #expect(throws: SnapshotRefused.self, "\(policy)") { try result.get() }
            }
        }
    }

    @Test func A49_credentialsOfABackendCannotSplitARequest() throws {
        for text in ["a\r\nX: 1", "a\nX: 1", "a\u{0}b"] {
            let bench = try GatewayBench { snapshot in
                snapshot.backends = [
                    BackendConfiguration(
                        name: "B1", url: snapshot.apis[0].serviceUrl ?? "", validatesCertificateChain: true,
                        validatesCertificateName: true, certificates: [])
                ]
                snapshot.secrets.namedValues["bad"] = text
                snapshot.secrets.backendCredentials["B1"] = .init(
                    headers: ["X-Key": ["{{bad}}"], "X-Good": ["g"]], query: ["code": ["{{bad}}"]],
                    authorization: "Bearer {{bad}}")
                snapshot.apis[0].policy = PolicyText(
                    text: GatewayBench.policy("<set-backend-service backend-id=\"B1\" />"), format: .rawxml)
            }
            let response = try bench.get("/echo/a")
            // Without its credentials the call must not go out at all.
            #expect(response.status == 500)
            #expect(bench.backend.requests.isEmpty)
        }
    }

    @Test func A49_aCallersValueCannotSplitAnAnswer() throws {
        let bench = try GatewayBench { snapshot in
            snapshot.apis[1].policy = PolicyText(
                text: GatewayBench.policy(
                    "<cors allow-credentials=\"true\"><allowed-origins><origin>https://a.test</origin></allowed-origins><allowed-methods><method>*</method></allowed-methods><allowed-headers><header>*</header></allowed-headers></cors>"
                ), format: .rawxml)
        }
        // What stands in WWW-Authenticate is the Host, which was read strictly before.
        for host in ["gw.test\"x", "gw.test,x", "gw.test\u{7F}", "gw.test x"] {
            #expect(try bench.call("GET /keyed/a HTTP/1.1\r\nHost: \(host)\r\n\r\n").status == 400)
        }
        let refused = try bench.get("/keyed/a", "Origin: https://a.test\r\n")
        #expect(refused.fields("WWW-Authenticate").count == 1)
        let asked = "PUT, X: 1; \"q\"\u{9}end"
        let preflight = try bench.call(
            "OPTIONS /keyed/a HTTP/1.1\r\nHost: g\r\nOrigin: https://a.test\r\nAccess-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: \(asked)\r\n\r\n"
        )
        #expect(preflight.fields("Access-Control-Allow-Headers") == [asked])
        #expect(preflight.fields("X").isEmpty)
        // A query with encoded line ends passes as it came, and nobody decodes it into a head.
        #expect(try bench.get("/echo/a?x=%0d%0aX:%201").body == "/base/a?x=%0d%0aX:%201|")
    }

    @Test func B28_addressesAreComparedAsNumbers() throws {
        let bench = try GatewayBench(trusted: "127.0.0.1") { snapshot in
            snapshot.apis[0].policy = PolicyText(
                text: GatewayBench.policy(
                    "<ip-filter action=\"allow\"><address>10.0.0.0/8</address><address>2001:db8::1</address></ip-filter>"
                ),
                format: .rawxml)
        }
        for (address, isAllowed) in [
            ("10.1.1.1", true), ("::ffff:10.1.1.1", true), ("::FFFF:0a01:0101", true), ("::10.1.1.1", false),
            ("64:ff9b::a01:101", false), ("2001:DB8:0::1", true), ("2001:db8:0:0:0:0:0:1", true),
            ("2001:db8::2", false), ("11.0.0.1", false), ("9.255.255.255", false),
            // No addresses: what the proxy says is junk, and the proxy itself is not allowed.
            ("010.0.0.1", false), ("10.1", false), ("0x0a.0.0.1", false), ("167772161", false), ("fe80::1%eth0", false),
        ] {
            let response = try bench.get("/echo/a", "X-Forwarded-For: \(address)\r\n")
            #expect(response.status == (isAllowed ? 200 : 403), "\(address)")
        }
    }

    @Test func B33_originsAreComparedAsSchemeHostAndPort() throws {
        let bench = try GatewayBench { snapshot in
            for (name, origin) in [("one", "https://a.test"), ("none", "null"), ("all", "*")] {
                snapshot.apis.append(
                    GatewayBench.api(
                        name, backend: snapshot.apis[0].serviceUrl, needsKey: false,
                        policy: GatewayBench.policy(
                            "<cors allow-credentials=\"true\" terminate-unmatched-request=\"false\"><allowed-origins><origin>\(origin)</origin></allowed-origins><allowed-methods><method>GET</method></allowed-methods></cors>"
                        )))
            }
        }
        func check(_ api: String, _ origins: [String], _ expected: String?, credentials: Bool = true) throws {
            let fields = origins.map { "Origin: \($0)\r\n" }.joined()
            let asks = "Access-Control-Request-Method: GET\r\n"
            for response in [
                try bench.get("/\(api)/a", fields),
                try bench.call("OPTIONS /\(api)/a HTTP/1.1\r\nHost: g\r\n\(fields)\(asks)\r\n"),
            ] {
                #expect(response.status == 200, "\(origins)")
                #expect(response.fields("Access-Control-Allow-Origin") == (expected.map { [$0] } ?? []), "\(origins)")
                #expect(
                    response.fields("Access-Control-Allow-Credentials")
                        == (expected != nil && credentials ? ["true"] : []), "\(origins)")
                #expect(response.fields("Vary").joined(separator: ",").contains("Origin"), "\(origins)")
                if expected == nil {
                    #expect(!response.head.lowercased().contains("access-control-"), "\(origins)")
                }
            }
        }
        for origin in ["https://a.test", "https://A.test:443", "https://a.test/"] { try check("one", [origin], origin) }
        for origin in [
            "https://a.test.evil.test", "https://evila.test", "https://xa.test", "http://a.test",
            "https://a.test:8443", "null", "https://a.test, https://b.test", "https://a.test%60.evil.test",
            "https://a.test.", "https://a.test//", "https://a.test/x", "https://u@a.test", "https://a.test:443:443",
            "https://a.test:0443x", "https://a.test\\.evil.test", "https://*", "*",
        ] {
            try check("one", [origin], nil)
        }
        try check("one", ["https://a.test", "https://a.test"], nil)
        try check("none", ["null"], "null")
        try check("none", ["https://a.test"], nil)
        try check("all", ["https://a.test"], "*", credentials: false)
        try check("all", ["null"], "*", credentials: false)
    }
}
