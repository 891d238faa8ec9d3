import ClusterProtocol
import Foundation
import GatewayConfiguration
import Testing
import UsageMeter

@testable import HTTPEngine
@testable import gatehouse_gateway

private let missing =
    "{ \"statusCode\": 401, \"message\": \"Access denied due to missing subscription key. Make sure to include subscription key when making requests to an API.\" }"
private let invalid =
    "{ \"statusCode\": 401, \"message\": \"Access denied due to invalid subscription key. Make sure to provide a valid key for an active subscription.\" }"
private let notFound = "{ \"statusCode\": 404, \"message\": \"Resource not found\" }"

@Suite struct PipelineTests {
    @Test func aCallGoesThrough() throws {
        let bench = try GatewayBench()
        let response = try bench.get("/echo/a/b?x=1", "X: 1\r\n")
        #expect(response.status == 200 && response.body == "/base/a/b?x=1|")
        let head = TestResponse(head: bench.backend.requests[0])
        #expect(head.fields("Host") == ["127.0.0.1:\(bench.backend.port)"])
        #expect(head.fields("X-Forwarded-For") == ["127.0.0.1"] && head.fields("X-Forwarded-Host") == ["gw.test:81"])
        #expect(head.fields("X-Forwarded-Proto") == ["http"] && head.field("X") == "1")
        let via = try #require(head.field("Via"))
        #expect(via.hasPrefix("1.1 gatehouse-") && via.count == 22)
        #expect(try bench.get("/echo").body == "/base|")
    }

    @Test func refusalsAreRightByteForByte() throws {
        let bench = try GatewayBench()
        let realm =
            "AzureApiManagementKey realm=\"http://gw.test:81/keyed\",name=\"Ocp-Apim-Subscription-Key\",type=\"header\""
        for (fields, body) in [("", missing), ("Ocp-Apim-Subscription-Key: no\r\n", invalid)] {
            let response = try bench.get("/keyed/a", fields)
            #expect(response.head.hasPrefix("HTTP/1.1 401 Access Denied\r\n"))
            #expect(response.body == body && response.fields("Content-Length") == ["\(body.utf8.count)"])
            #expect(
                response.fields("Content-Type") == ["application/json"]
                    && response.fields("WWW-Authenticate") == [realm])
            #expect(response.fields("Date").count == 1)
        }
        for target in ["/nowhere", "/echo;rev=9/a"] {
            let response = try bench.get(target)
            #expect(response.head.hasPrefix("HTTP/1.1 404 Resource Not Found\r\n") && response.body == notFound)
            #expect(response.fields("WWW-Authenticate").isEmpty)
        }
        #expect(try bench.call("TRACE /echo/a HTTP/1.1\r\nHost: g\r\n\r\n").body == notFound)
        #expect(try bench.call("GET /echo/a HTTP/1.0\r\n\r\n").body == notFound)
        #expect(bench.backend.requests.isEmpty)
    }

    @Test func B16_theKeyOpensAndNeverReachesTheBackend() throws {
        let bench = try GatewayBench()
        #expect(
            try bench.get("/keyed/a?x=%7e&b=+&&c", "Ocp-Apim-Subscription-Key: k1\r\n").body == "/base/a?x=%7e&b=+&&c|")
        #expect(try bench.get("/keyed/a?a=%7e&subscription-key=k1&b=+&&c").body == "/base/a?a=%7e&b=+&&c|")
        #expect(try bench.get("/keyed/a?subscription-key=k1").body == "/base/a|")
        #expect(
            try bench.get(
                "/echo/a?Subscription-Key=master",
                "Ocp-Apim-Subscription-Key: master\r\nOcp_Apim_Subscription_Key: master\r\n"
            ).body == "/base/a|")
        for request in bench.backend.requests { #expect(!request.contains("k1") && !request.contains("master")) }
    }

    @Test func A43_aFieldThatConnectionNamesIsGoneBeforeAdmission() throws {
        let bench = try GatewayBench()
        let response = try bench.get(
            "/keyed/a", "Connection: Ocp-Apim-Subscription-Key\r\nOcp-Apim-Subscription-Key: k1\r\n")
        #expect(response.body == missing)
    }

    @Test func A28_aTrailerIsNoKey() throws {
        let bench = try GatewayBench()
        let response = try bench.call(
            "POST /keyed/a HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nOcp-Apim-Subscription-Key: k1\r\n\r\n"
        )
        #expect(response.body == missing)
    }

    @Test func A66_aLoopEnds() throws {
        let backend = TestBackend.echo()
        let bench = try GatewayBench(backend)
        _ = try bench.get("/echo/a")
        let via = try #require(TestResponse(head: backend.requests[0]).field("Via"))
        let passages = "Via: 1.0 other, \(via), \(via)\r\nVia: \(via),\(via)\r\n"
        #expect(try bench.get("/echo/a", passages).status == 200)
        let response = try bench.get("/echo/a", passages + "Via: \(via)\r\n")
        #expect(response.status == 508 && response.fields("Connection") == ["close"])
        #expect(response.body == "{ \"statusCode\": 508, \"message\": \"Loop Detected\" }")
        #expect(backend.requests.count == 2)
    }

    @Test func B20_B22_B23_whatStrangersSayOfThemselvesIsNotBelieved() throws {
        let bench = try GatewayBench()
        let strange = [
            "X-Forwarded-Host: evil.test", "X-Forwarded-Proto: https", "X-Forwarded-Port: 1", "Forwarded: for=10.0.0.1",
            "X-Real-IP: 1",
            "X-ARR-ClientCert: M", "Client-Cert: :M:", "Client_Cert: :M:", "X-Original-URL: /x", "X-Rewrite-URL: /x",
            "Gatehouse-Anything: 1",
            "Ocp-Apim-Trace: true", "X-Forwarded-For: 10.0.0.1", "X-Forwarded-For: 10.0.0.2",
            "X-HTTP-Method-Override: DELETE",
        ]
        #expect(try bench.get("/echo/a", strange.map { $0 + "\r\n" }.joined()).status == 200)
        let head = TestResponse(head: bench.backend.requests[0])
        #expect(head.fields("X-Forwarded-For") == ["10.0.0.1, 10.0.0.2, 127.0.0.1"])
        #expect(head.fields("X-Forwarded-Host") == ["gw.test:81"] && head.fields("X-Forwarded-Proto") == ["http"])
        for name in [
            "X-Forwarded-Port", "Forwarded", "X-Real-IP", "X-ARR-ClientCert", "Client-Cert", "Client_Cert",
            "X-Original-URL", "X-Rewrite-URL", "Gatehouse-Anything", "Ocp-Apim-Trace",
        ] {
            #expect(head.fields(name).isEmpty, "\(name)")
        }
        #expect(head.field("X-HTTP-Method-Override") == "DELETE")
    }

    @Test func B25_aBackendCannotForgeOurFields() throws {
        let backend = TestBackend { _, socket in
            while socket.receiveHead() != nil {
                socket.send(
                    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nApim-Trace-Id: x\r\nGatehouse-X: 1\r\nX: 1\r\n\r\n")
            }
        }
        let response = try GatewayBench(backend).get("/echo/a")
        #expect(
            response.fields("Apim-Trace-Id").isEmpty && response.fields("Gatehouse-X").isEmpty
                && response.field("X") == "1")
    }

    @Test(arguments: [
        ("1.1.1.1, 2.2.2.2, 192.0.2.7", "2.2.2.2"), ("1.1.1.1, x, 192.0.2.7", "192.0.2.7"), ("1.1.1.1:99", "1.1.1.1"),
        ("[2001:db8::1]:99", "2001:db8::1"), ("unknown", "127.0.0.1"), ("0177.0.0.1", "127.0.0.1"),
        ("1.1", "127.0.0.1"),
        ("::ffff:1.1.1.1", "1.1.1.1"), ("", "127.0.0.1"),
        (Array(repeating: "192.0.2.7", count: 1_000).joined(separator: ","), "192.0.2.7"),
    ])
    func B21_theFirstUntrustedAddressFromTheRightCounts(value: String, expected: String) throws {
        let proxies = try #require(TrustedProxies("127.0.0.1,192.0.2.0/24"))
        let peer = PeerAddress(bytes: [127, 0, 0, 1], text: "127.0.0.1")
        #expect(proxies.caller(peer: peer, forwarded: [Array(value.utf8)[...]]).text == expected)
        #expect(TrustedProxies.none.caller(peer: peer, forwarded: [Array("1.1.1.1".utf8)[...]]) == peer)
    }

    @Test func policiesSeeAndChangeACall() throws {
        let bench = try GatewayBench { snapshot in
            let url = snapshot.apis[0].serviceUrl
            snapshot.apis.append(
                GatewayBench.api(
                    "edited", backend: url, needsKey: false,
                    policy: GatewayBench.policy(
                        "<set-header name=\"X-User-Id\" exists-action=\"override\"><value>u</value></set-header><rewrite-uri template=\"/new/{id}?q={id}\" />",
                        outbound: "<set-header name=\"X-Out\" exists-action=\"override\"><value>o</value></set-header>"),
                    operations: [("GET", "/{id}")]))
        }
        let response = try bench.get("/edited/a%2Fb?z=1", "X_User_Id: admin\r\nx-user-id: b\r\n")
        #expect(response.status == 200 && response.field("X-Out") == "o")
        #expect(response.body == "/base/new/a%2Fb?q=a/b&z=1|" || response.body == "/base/new/a%2Fb?q=a%2Fb&z=1|")
        let head = TestResponse(head: bench.backend.requests[0])
        #expect(head.fields("X-User-Id") == ["u"] && head.fields("X_User_Id").isEmpty)
    }

    @Test func aBackendThatIsNotThereIsTheGeneric500() throws {
        let bench = try GatewayBench { $0.apis[0].serviceUrl = "http://127.0.0.1:1" }
        let response = try bench.get("/echo/a")
        #expect(response.status == 500)
        let json = try JSONSerialization.jsonObject(with: Data(response.body.utf8)) as? [String: Any]
        #expect(json?["message"] as? String == "Internal server error" && (json?["activityId"] as? String)?.count == 36)
        #expect(
            response.body.hasPrefix("{ \"statusCode\": 500, \"message\": \"Internal server error\", \"activityId\": \"")
        )
    }

    @Test func aBackendEntityBringsItsCredentials() throws {
        let bench = try GatewayBench { snapshot in
            snapshot.backends = [
                BackendConfiguration(
                    name: "B1",
                    url: "http://127.0.0.1:\(URL(string: snapshot.apis[0].serviceUrl ?? "")?.port ?? 0)/entity",
                    validatesCertificateChain: true, validatesCertificateName: true, certificates: [])
            ]
            snapshot.secrets.namedValues["secret"] = "s3"
            snapshot.secrets.backendCredentials["B1"] = .init(
                headers: ["X-Key": ["{{secret}}"]], query: ["code": ["a b"]], authorization: "Bearer t")
            snapshot.apis[0].policy = PolicyText(
                text: GatewayBench.policy("<set-backend-service backend-id=\"b1\" />"), format: .rawxml)
        }
        #expect(try bench.get("/echo/a?x=1", "Authorization: mine\r\nX_Key: 0\r\n").body == "/entity/a?x=1&code=a%20b|")
        let head = TestResponse(head: bench.backend.requests[0])
        #expect(
            head.fields("X-Key") == ["s3"] && head.fields("Authorization") == ["Bearer t"]
                && head.fields("X_Key").isEmpty)
    }

    @Test func everyCallIsCountedForWhatItWas() throws {
        let bench = try GatewayBench()
        let client = bench.connect()
        for request in [
            "GET /keyed/a HTTP/1.1\r\nHost: g\r\nOcp-Apim-Subscription-Key: k1\r\n\r\n",
            "GET /keyed/a HTTP/1.1\r\nHost: g\r\n\r\n",
            "DELETE /keyed/a HTTP/1.1\r\nHost: g\r\n\r\n", "GET /nowhere HTTP/1.1\r\nHost: g\r\n\r\n",
            "GET /status-0123456789abcdef HTTP/1.1\r\nHost: g\r\n\r\n",
        ] {
            client.send(request)
            _ = try #require(client.receiveResponse())
        }
        let records = bench.records()
        #expect(records.count == 3)
        let good = try #require(records.first { $0.key.subscription == "demo" })
        #expect(
            good.key.product == "starter" && good.key.user == "u1" && good.key.operation == "GET/*"
                && good.counters.success == 1)
        #expect(good.counters.serviceCalls == 1 && good.counters.bytesIn == 65 && good.key.bucket % 900 == 0)
        let refused = try #require(records.first { $0.counters.blocked == 1 })
        #expect(
            refused.key.api == "keyed" && refused.key.operation == "GET/*" && refused.key.product.isEmpty
                && refused.key.user.isEmpty)
        #expect(refused.counters.serviceCalls == 0)
        let unmatched = try #require(records.first { $0.key.operation.isEmpty })
        #expect(unmatched.key.api == "keyed" && unmatched.counters.other == 1)
    }

    @Test func aCallIsCountedBeforeItsAnswerIsSeen() throws {
        let bench = try GatewayBench()
        for number in 1...50 {
            #expect(try bench.get("/echo/a").status == 200)
            bench.meter.rotate()
            let all = bench.records().reduce(0) { $0 + $1.counters.total }
            #expect(all == UInt64(number))
        }
    }

    @Test func aPreflightNeedsNoKey() throws {
        let bench = try GatewayBench { snapshot in
            snapshot.apis[1].policy = PolicyText(
                text: GatewayBench.policy(
                    "<cors><allowed-origins><origin>https://a.test</origin></allowed-origins><allowed-methods><method>GET</method></allowed-methods></cors>"
                ),
                format: .rawxml)
        }
        let response = try bench.call(
            "OPTIONS /keyed/a HTTP/1.1\r\nHost: g\r\nOrigin: https://a.test\r\nAccess-Control-Request-Method: GET\r\n\r\n"
        )
        #expect(response.status == 200 && response.fields("Access-Control-Allow-Origin") == ["https://a.test"])
        #expect(try bench.call("OPTIONS /keyed/a HTTP/1.1\r\nHost: g\r\n\r\n").body == notFound)
        let refused = try bench.get("/keyed/a", "Origin: https://a.test\r\n")
        #expect(refused.body == missing)
    }

    @Test func aSnapshotThatDoesNotCompileIsRefusedAndTheFormerServes() throws {
        let bench = try GatewayBench()
        var builder = PlanBuilder(state: bench.state)
        var snapshot = try GatewayBench.snapshot(backend: bench.backend.port)
        _ = try builder.build(snapshot)
        snapshot.apis[0].policy = PolicyText(
            text: "<policies><inbound><nonsense /></inbound></policies>", format: .rawxml)
        #expect(throws: SnapshotRefused.self) { try builder.build(snapshot) }
        #expect(try bench.get("/echo/a").status == 200)
        snapshot.apis[0].policy = nil
        snapshot.apis[0].path = "moved"
        bench.plans.put(try builder.build(snapshot))
        #expect(try bench.get("/moved/a").status == 200)
        #expect(try bench.get("/echo/a").status == 404)
    }

    @Test func B35_aLogLineIsOneLineWithoutSecrets() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "log-\(UUID().uuidString)")
        try Data().write(to: folder)
        defer { try? FileManager.default.removeItem(at: folder) }
        let log = AccessLog(output: try #require(LogFile(path: folder.path())), node: "n\"1")
        let bench = try GatewayBench(log: log)
        _ = try bench.get("/keyed/a%22b?subscription-key=k1&x=secret", "Authorization: Bearer hush\r\n")
        _ = try bench.call("GET  / HTTP/1.1\r\n\r\n")
        bench.server.cut()
        bench.server.wait()
        log.stop()
        let text = try String(contentsOf: folder, encoding: .utf8)
        let lines = text.split(separator: "\n")
        #expect(lines.count == 2)
        for line in lines { #expect(try JSONSerialization.jsonObject(with: Data(line.utf8)) is [String: Any]) }
        for word in ["k1\"", "secret", "hush", "subscription-key"] { #expect(!text.contains(word), "\(word)") }
        let first = try JSONSerialization.jsonObject(with: Data(lines[0].utf8)) as? [String: Any]
        #expect(
            first?["subscription"] as? String == "demo" && first?["status"] as? Int == 200
                && first?["node"] as? String == "test")
    }
}
