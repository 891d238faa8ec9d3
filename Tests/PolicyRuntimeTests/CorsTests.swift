import HTTPEngine
import PolicyLanguage
import Testing

@testable import PolicyRuntime

@Suite struct CorsTests {
    private func cors(
        _ origins: [String] = ["https://shop.example.com"], credentials: Bool = false, terminate: Bool? = nil,
        methods: [String]? = ["GET", "PUT"], headers: [String] = ["x-a", "x-b"], expose: [String] = [], age: Int? = nil
    ) -> String {
        func list(_ items: [String], _ name: String) -> String { items.map { "<\(name)>\($0)</\(name)>" }.joined() }
        let terminates = terminate.map { " terminate-unmatched-request=\"\($0)\"" } ?? ""
        var text = "<cors allow-credentials=\"\(credentials)\"\(terminates)><allowed-origins>\(list(origins, "origin"))"
        text += "</allowed-origins>"
        if let methods {
            let maxAge = age.map { " preflight-result-max-age=\"\($0)\"" } ?? ""
            text += "<allowed-methods\(maxAge)>\(list(methods, "method"))</allowed-methods>"
        }
        if !headers.isEmpty { text += "<allowed-headers>\(list(headers, "header"))</allowed-headers>" }
        if !expose.isEmpty { text += "<expose-headers>\(list(expose, "header"))</expose-headers>" }
        return text + "</cors>"
    }

    private func preflight(_ policies: String, origin: String = "https://shop.example.com", asks: String = "x-a")
        throws -> PolicyExchange?
    {
        var exchange = Calls.exchange(
            "OPTIONS",
            fields: [
                ("Origin", origin), ("Access-Control-Request-Method", "PUT"), ("Access-Control-Request-Headers", asks),
            ])
        return try Calls.policy(policies).answerPreflight(&exchange) ? exchange : nil
    }

    private func call(
        _ policies: String, method: String = "GET", origins: [String] = ["https://shop.example.com"],
        response: [(String, String)] = []
    ) throws -> (outcome: InboundOutcome, exchange: PolicyExchange) {
        let policy = try Calls.policy(policies)
        var exchange = Calls.exchange(method, fields: origins.map { ("Origin", $0) })
        let outcome = policy.runInbound(&exchange)
        if outcome == .forward {
            exchange.response = Calls.backendResponse(200, response)
            policy.runOutbound(&exchange)
        }
        return (outcome, exchange)
    }

    @Test func aPreflightIsAnsweredWithTheLists() throws {
        let exchange = try #require(try preflight(cors(credentials: true, age: 60)))
        #expect(exchange.response?.status == 200 && exchange.responseBody == [])
        #expect(exchange.responseLines("Access-Control-Allow-Origin") == ["https://shop.example.com"])
        #expect(exchange.responseLines("Access-Control-Allow-Methods") == ["GET,PUT"])
        #expect(exchange.responseLines("Access-Control-Allow-Headers") == ["x-a,x-b"])
        #expect(exchange.responseLines("Access-Control-Allow-Credentials") == ["true"])
        #expect(exchange.responseLines("Access-Control-Max-Age") == ["60"])
        #expect(exchange.responseLines("Vary") == ["Origin"])
    }

    @Test func wildcardsEchoWhatIsAskedFor() throws {
        let exchange = try #require(try preflight(cors(methods: ["*"], headers: ["*"]), asks: "x-one, x-two"))
        #expect(exchange.responseLines("Access-Control-Allow-Methods") == ["PUT"])
        #expect(exchange.responseLines("Access-Control-Allow-Headers") == ["x-one, x-two"])
        #expect(exchange.responseLines("Access-Control-Max-Age") == ["0"])
        let bare = try #require(try preflight(cors(methods: nil, headers: [])))
        #expect(bare.responseLines("Access-Control-Allow-Methods") == ["GET,POST"])
        #expect(bare.responseLines("Access-Control-Allow-Headers") == [])
    }

    @Test func anUnmatchedPreflightIsAnEmptyAnswer() throws {
        let exchange = try #require(try preflight(cors(), origin: "https://evil.example"))
        #expect(exchange.response?.status == 200)
        #expect(exchange.response?.fields.count == 1 && exchange.responseLines("Vary") == ["Origin"])
        #expect(try preflight("<set-method>GET</set-method>") == nil, "no cors policy: an ordinary call")
        var other = Calls.exchange("OPTIONS", fields: [("Origin", "https://shop.example.com")])
        #expect(try !Calls.policy(cors()).answerPreflight(&other), "no preflight without a requested method")
    }

    @Test func theNextPolicyIsAskedWhereUnmatchedOnesGoOn() throws {
        let policy = try Calls.chain(
            api: "<policies><inbound>\(cors(["https://b.example"]))</inbound></policies>",
            operation:
                "<policies><inbound>\(cors(["https://a.example"], terminate: false))<base /></inbound></policies>")
        for (origin, isAllowed) in [
            ("https://a.example", true), ("https://b.example", true), ("https://c.example", false),
        ] {
            var exchange = Calls.exchange(
                "OPTIONS", fields: [("Origin", origin), ("Access-Control-Request-Method", "GET")])
            #expect(policy.answerPreflight(&exchange))
            #expect(exchange.responseLines("Access-Control-Allow-Origin") == (isAllowed ? [origin] : []))
            var real = Calls.exchange("POST", fields: [("Origin", origin)])
            #expect(policy.runInbound(&real) == .forward)
            real.response = Calls.backendResponse()
            policy.runOutbound(&real)
            #expect(real.responseLines("Access-Control-Allow-Origin") == (isAllowed ? [origin] : []))
        }
    }

    @Test func corsInAFragmentIsSeenByPreflights() throws {
        let references = PolicyReferences(fragment: { _ in
            .init(text: "<fragment>\(self.cors())</fragment>", format: .rawxml)
        })
        let document = try Calls.checked(
            "<policies><inbound><include-fragment fragment-id=\"c\" /></inbound></policies>", references: references)
        let policy = try EffectivePolicy.compose(
            global: try Calls.checked(Calls.global, .global), product: nil, api: nil, operation: document,
            responses: [],
            state: PolicyState())
        var exchange = Calls.exchange(
            "OPTIONS", fields: [("Origin", "https://shop.example.com"), ("Access-Control-Request-Method", "PUT")])
        #expect(policy.answerPreflight(&exchange))
    }

    @Test func C05_replaces_the_fields_of_the_backend() throws {
        let (outcome, exchange) = try call(
            cors(credentials: true, expose: ["x-total"]),
            response: [
                ("Access-Control-Allow-Origin", "*"), ("Access-Control-Allow-Credentials", "true"),
                ("Access-Control-Expose-Headers", "x-other"), ("Vary", "Accept-Encoding"),
            ])
        #expect(outcome == .forward)
        #expect(exchange.responseLines("Access-Control-Allow-Origin") == ["https://shop.example.com"])
        #expect(exchange.responseLines("Access-Control-Allow-Credentials") == ["true"])
        #expect(exchange.responseLines("Access-Control-Expose-Headers") == ["x-total"])
        #expect(exchange.responseLines("Vary") == ["Accept-Encoding, Origin"])
    }

    @Test func I53_credentials_are_never_opened_to_everybody() throws {
        let (_, exchange) = try call(
            cors(["*"], credentials: true), response: [("Access-Control-Allow-Credentials", "true")])
        #expect(exchange.responseLines("Access-Control-Allow-Origin") == ["*"])
        #expect(exchange.responseLines("Access-Control-Allow-Credentials") == [])
        let preflight = try #require(try preflight(cors(["*"], credentials: true)))
        #expect(preflight.responseLines("Access-Control-Allow-Origin") == ["*"])
        #expect(preflight.responseLines("Access-Control-Allow-Credentials") == [])
        #expect(try call(cors(), origins: ["null"]).exchange.responseLines("Access-Control-Allow-Origin") == [])
        let literal = try call(cors(["null"]), origins: ["null"]).exchange
        #expect(literal.responseLines("Access-Control-Allow-Origin") == ["null"])
    }

    @Test(arguments: [
        ("https://good.example", true), ("https://good.example:443", true), ("https://GOOD.example", true),
        ("https://good.example.evil.com", false), ("https://evilgood.example", false), ("http://good.example", false),
        ("https://good.example:444", false), ("https://good.example.", false), ("https://good.example/", true),
        ("", false),
    ])
    func I54_origins_are_compared_whole(origin: String, isAllowed: Bool) throws {
        let (outcome, exchange) = try call(cors(["https://good.example"]), origins: [origin])
        #expect(exchange.responseLines("Access-Control-Allow-Origin") == (isAllowed ? [origin] : []))
        #expect((outcome == .forward) == isAllowed, "GET of another origin ends with an empty 200")
        #expect(exchange.responseLines("Vary") == ["Origin"])
    }

    @Test func I54_two_origins_or_a_long_one_are_unmatched() throws {
        let two = try call(cors(), origins: ["https://shop.example.com", "https://shop.example.com"])
        #expect(two.outcome == .answer && two.exchange.responseLines("Access-Control-Allow-Origin") == [])
        let long = "https://" + String(repeating: "a", count: 8_192) + ".example"
        #expect(try call(cors(), origins: [long]).outcome == .answer)
    }

    @Test func unmatchedCallsThatChangeSomethingGoOnWithoutTheFields() throws {
        let (outcome, exchange) = try call(
            cors(), method: "POST", origins: ["https://evil.example"], response: [("Access-Control-Allow-Origin", "*")])
        #expect(outcome == .forward)
        #expect(exchange.responseLines("Access-Control-Allow-Origin") == [])
        #expect(exchange.responseLines("Vary") == ["Origin"])
    }

    @Test func callsWithoutOriginAreOrdinary() throws {
        let (outcome, exchange) = try call(cors(), origins: [], response: [("Access-Control-Allow-Origin", "x")])
        #expect(outcome == .forward && exchange.responseLines("Vary") == ["Origin"])
        #expect(exchange.responseLines("Access-Control-Allow-Origin") == ["x"])
    }

    @Test func refusalsBeforeInboundCarryTheFieldsToo() throws {
        let policy = try Calls.policy(cors(credentials: true))
        for (origin, isAllowed) in [("https://shop.example.com", true), ("https://evil.example", false)] {
            var exchange = Calls.exchange(fields: [("Origin", origin)])
            policy.runOnError(.subscriptionKeyMissing(realm: "https://gateway.example/", name: "k"), &exchange)
            #expect(exchange.response?.status == 401)
            #expect(exchange.responseLines("Access-Control-Allow-Origin") == (isAllowed ? [origin] : []))
            #expect(exchange.responseLines("Vary") == ["Origin"])
        }
    }

    @Test func refusalsCarryTheFieldsToo() throws {
        let policy = try Calls.policy(cors() + "<ip-filter action=\"allow\"><address>10.9.9.9</address></ip-filter>")
        var exchange = Calls.exchange(fields: [("Origin", "https://shop.example.com")])
        #expect(policy.runInbound(&exchange) == .answer)
        #expect(exchange.response?.status == 403)
        #expect(exchange.responseLines("Access-Control-Allow-Origin") == ["https://shop.example.com"])
    }
}
