import GatewayConfiguration
import HTTPEngine
import PolicyLanguage
import Testing

@testable import PolicyRuntime

/// What set-header, set-query-parameter, set-body and their like do.
@Suite struct TransformationTests {
    private func run(_ policies: String, _ exchange: PolicyExchange) throws -> PolicyExchange {
        var exchange = exchange
        #expect(try Calls.policy(policies).runInbound(&exchange) == .forward)
        return exchange
    }

    private func header(_ action: String, _ values: [String], present: [String], name: String = "x-a") throws
        -> [String]
    {
        let elements = values.map { "<value>\($0)</value>" }.joined()
        return try run(
            "<set-header name=\"\(name)\" exists-action=\"\(action)\">\(elements)</set-header>",
            Calls.exchange(fields: present.map { ("X-A".lowercased() == name ? "X-A" : name, $0) })
        ).requestLines(name)
    }

    @Test func setHeaderDoesWhatItsActionSays() throws {
        #expect(try header("override", ["n"], present: ["a", "b"]) == ["n"])
        #expect(try header("override", ["n", "m"], present: []) == ["n,m"])
        #expect(try header("skip", ["n"], present: ["a"]) == ["a"])
        #expect(try header("skip", ["n"], present: []) == ["n"])
        #expect(try header("append", ["n"], present: ["a", "b"]) == ["a,b,n"])
        #expect(try header("append", ["n", "m"], present: ["a"]) == ["a,n,m"])
        #expect(try header("append", ["n"], present: []) == ["n"])
        #expect(try header("delete", [], present: ["a", "b"]) == [])
    }

    @Test(arguments: ["Set-Cookie", "Cookie", "User-Agent", "WWW-Authenticate", "Retry-After", "Last-Modified"])
    func setHeaderKeepsTheLinesOfSomeNamesApart(name: String) throws {
        #expect(try header("override", ["n", "m"], present: ["a"], name: name) == ["n", "m"])
        #expect(try header("append", ["n", "m"], present: ["a"], name: name) == ["a", "n", "m"])
    }

    @Test func I28_framing_and_identity_cannot_be_rewritten() throws {
        for name in ["TE", "Upgrade", "trailer"] {
            #expect(try header("override", ["n"], present: ["a"], name: name) == ["a"], "\(name)")
        }
        #expect(try header("delete", [], present: ["1.2.3.4"], name: "X-Forwarded-For") == ["1.2.3.4"])
        let policy = try Calls.policy("<set-header name=\"Server\" exists-action=\"delete\" />", in: .outbound)
        var exchange = Calls.exchange()
        _ = policy.runInbound(&exchange)
        exchange.response = Calls.backendResponse(200, [("Server", "b")])
        policy.runOutbound(&exchange)
        #expect(exchange.responseLines("Server") == ["b"])
    }

    @Test func setHeaderActsOnTheMessageOfItsSection() throws {
        let policy = try Calls.chain(
            operation: "<policies><inbound><set-header name=\"x-in\"><value>1</value></set-header></inbound><outbound>"
                + "<set-header name=\"x-out\"><value>2</value></set-header></outbound></policies>")
        var exchange = Calls.exchange()
        #expect(policy.runInbound(&exchange) == .forward)
        #expect(exchange.requestLines("x-in") == ["1"])
        exchange.response = Calls.backendResponse()
        policy.runOutbound(&exchange)
        #expect(exchange.responseLines("x-out") == ["2"] && exchange.responseLines("x-in") == [])
        #expect(exchange.requestLines("x-out") == [])
    }

    @Test func settingHostIsTold() throws {
        let set = try run("<set-header name=\"host\"><value>other.example</value></set-header>", Calls.exchange())
        #expect(set.writesHost && set.requestLines("Host") == ["other.example"])
        #expect(try !run("<set-header name=\"a\"><value>b</value></set-header>", Calls.exchange()).writesHost)
    }

    @Test(arguments: [
        ("override", ["n"], "a=1&q=2&q=3&z", "a=1&q=n&z"), ("override", ["n"], "a=1", "a=1&q=n"),
        ("override", ["n", "m"], "q=1", "q=n&q=m"), ("skip", ["n"], "q=1", "q=1"), ("skip", ["n"], "a", "a&q=n"),
        ("append", ["n"], "q=1&b=2", "q=1&b=2&q=n"), ("delete", [], "q=1&b=%20&Q=2&q", "b=%20"),
        ("override", ["a b&c=ä/"], "", "q=a%20b%26c%3D%C3%A4%2F"), ("delete", [], "%71=1&b=2", "b=2"),
    ])
    func setQueryParameterDoesWhatItsActionSays(action: String, values: [String], query: String, result: String) throws
    {
        let elements = values.map { "<value>\($0.replacing("&", with: "&amp;"))</value>" }.joined()
        let text = "<set-query-parameter name=\"q\" exists-action=\"\(action)\">\(elements)</set-query-parameter>"
        #expect(try run(text, Calls.exchange(query: query.isEmpty ? nil : query)).queryText == result)
        let rewritten = try run("<rewrite-uri template=\"/x\" />" + text, Calls.exchange(query: query))
        #expect(rewritten.target == "/x?\(result)")
    }

    @Test func deletingTheLastParameterLeavesNoQuestionMark() throws {
        let text = "<set-query-parameter name=\"q\" exists-action=\"delete\" />"
        #expect(try run(text, Calls.exchange(query: "q=1")).queryText == nil)
        #expect(try run("<rewrite-uri template=\"/x\" />" + text, Calls.exchange(query: "q=1")).target == "/x")
    }

    @Test func setBodyReplacesTheBodyAndWhatDescribesIt() throws {
        let exchange = try run(
            "<set-body>hällo</set-body>",
            Calls.exchange(
                "POST",
                fields: [
                    ("Content-Type", "text/plain; charset=iso-8859-1"), ("Content-Encoding", "gzip"),
                    ("Content-Length", "9"),
                ]))
        #expect(exchange.requestBody == Array("hällo".utf8))
        #expect(exchange.request.body == .known(6))
        #expect(exchange.requestLines("Content-Type") == ["text/plain; charset=utf-8"])
        #expect(exchange.requestLines("Content-Encoding") == [] && exchange.requestLines("Content-Length") == [])
        let policy = try Calls.policy("<set-body>\n  x\n</set-body>", in: .outbound)
        var second = Calls.exchange()
        _ = policy.runInbound(&second)
        second.response = Calls.backendResponse(200, [("Content-Type", "application/json"), ("Content-Length", "1")])
        policy.runOutbound(&second)
        #expect(second.answerText == "  x\n", "white space is kept but for one line break behind the tag")
        #expect(second.responseLines("Content-Type") == ["application/json"])
    }

    @Test func methodBackendAndCredentialsAreSet() throws {
        let exchange = try run(
            "<set-method>PATCH</set-method><set-backend-service backend-id=\"a\" /><set-backend-service "
                + "base-url=\"https://b.example/x\" /><authentication-basic username=\"Aladdin\" password=\"open sesame\" />",
            Calls.exchange(fields: [("Authorization", "Bearer u"), ("authorization", "Bearer v")]))
        #expect(exchange.request.method == .patch)
        #expect(exchange.backend == .url("https://b.example/x"), "the last one wins")
        #expect(exchange.requestLines("Authorization") == ["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="])
    }

    @Test func setStatusInInboundHasNoEffect() throws {
        #expect(try run("<set-status code=\"404\" />", Calls.exchange()).response == nil)
    }

    @Test func I57_a_made_answer_is_a_legal_answer() throws {
        let policy = try Calls.policy(
            "<return-response><set-status code=\"204\" /><set-body>none</set-body></return-response>")
        var exchange = Calls.exchange()
        #expect(policy.runInbound(&exchange) == .answer)
        #expect(exchange.response?.body == BodyLength.none && exchange.responseBody == [])
        let changing = try Calls.policy("<set-status code=\"204\" />", in: .outbound)
        var second = Calls.exchange()
        _ = changing.runInbound(&second)
        second.response = Calls.backendResponse(200, [("Content-Length", "5")])
        changing.runOutbound(&second)
        #expect(second.responseBody == [] && second.responseLines("Content-Length") == [], "the backend's body goes")
        var third = Calls.exchange()
        _ = changing.runInbound(&third)
        third.response = Calls.backendResponse(204)
        changing.runOutbound(&third)
        #expect(third.responseBody == nil, "the backend's own 204 passes as it is")
    }
}

@Suite struct MockResponseTests {
    private let responses = [
        ResponseDefinition(
            statusCode: 200,
            representations: [
                .init(contentType: "application/json", sample: "{ \"a\": \"@(1) {{x}}\" }"),
                .init(contentType: "text/xml; charset=utf-8", sample: "<a />"),
            ]),
        ResponseDefinition(statusCode: 404, representations: []),
    ]

    private func answer(_ policy: String) throws -> PolicyExchange {
        var exchange = Calls.exchange()
        #expect(try Calls.policy(policy, responses: responses).runInbound(&exchange) == .answer)
        return exchange
    }

    @Test func choosesByStatusAndContentType() throws {
        let first = try answer("<mock-response />")
        #expect(first.response?.status == 200 && first.answerText == "{ \"a\": \"@(1) {{x}}\" }", "examples are bytes")
        #expect(first.responseLines("Content-Type") == ["application/json"])
        let second = try answer("<mock-response content-type=\"Text/XML\" />")
        #expect(second.answerText == "<a />" && second.responseLines("Content-Type") == ["Text/XML"])
        let third = try answer("<mock-response content-type=\"text/csv\" />")
        #expect(third.answerText == first.answerText && third.responseLines("Content-Type") == ["text/csv"])
        let fourth = try answer("<mock-response status-code=\"404\" />")
        #expect(fourth.response?.status == 404 && fourth.responseBody == [])
        #expect(fourth.responseLines("Content-Type") == [])
        let fifth = try answer("<mock-response status-code=\"201\" content-type=\"a/b\" />")
        #expect(
            fifth.response?.status == 201 && fifth.responseBody == [] && fifth.responseLines("Content-Type") == ["a/b"])
    }
}
