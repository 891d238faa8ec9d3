import HTTPEngine
import PolicyLanguage
import Testing

@testable import PolicyRuntime

/// Which policies run, in which order (policies.md 0.3, 0.4), and what an error does (2.1).
@Suite struct CompositionTests {
    private func mark(_ letter: String) -> String {
        "<set-header name=\"x-order\" exists-action=\"append\"><value>\(letter)</value></set-header>"
    }

    private func document(_ inbound: String) -> String { "<policies><inbound>\(inbound)</inbound></policies>" }

    @Test func theExampleOfTheReferenceRunsInItsOrder() throws {
        let policy = try Calls.chain(
            global: "<policies><inbound>\(mark("E"))</inbound><backend><forward-request /></backend></policies>",
            product: document(mark("D") + "<base />"), api: document("<base />" + mark("C")),
            operation: document(mark("A") + "<base />" + mark("B")))
        var exchange = Calls.exchange()
        #expect(policy.runInbound(&exchange) == .forward)
        #expect(exchange.requestLines("x-order") == ["A,D,E,C,B"])
    }

    @Test func withoutBaseNothingBroaderRunsAndEachSectionStandsAlone() throws {
        let policy = try Calls.chain(
            global: "<policies><inbound>\(mark("G"))</inbound><backend><forward-request /></backend></policies>",
            api: document(mark("A")), operation: document("<base />" + mark("O")))
        var exchange = Calls.exchange()
        #expect(policy.runInbound(&exchange) == .forward, "backend is missing in both, so it is inherited")
        #expect(exchange.requestLines("x-order") == ["A,O"])
    }

    @Test func anEmptyBackendSectionForwardsNothing() throws {
        let policy = try Calls.chain(operation: "<policies><backend /></policies>")
        var exchange = Calls.exchange()
        #expect(policy.runInbound(&exchange) == .answer)
        #expect(exchange.response?.status == 200)
        #expect(exchange.responseBody == [])
    }

    @Test func outboundFollowsWhereNothingForwards() throws {
        let policy = try Calls.chain(
            operation: "<policies><backend /><outbound><set-status code=\"202\" /><set-body>done</set-body></outbound>"
                + "</policies>")
        var exchange = Calls.exchange()
        #expect(policy.runInbound(&exchange) == .answer)
        #expect(exchange.response?.status == 202)
        #expect(exchange.answerText == "done")
    }

    @Test func policiesBehindForwardRequestRunAfterTheResponse() throws {
        let policy = try Calls.chain(
            operation: "<policies><backend><set-header name=\"a\"><value>1</value></set-header><forward-request "
                + "timeout=\"7\" /><set-header name=\"b\"><value>2</value></set-header></backend></policies>")
        var exchange = Calls.exchange()
        #expect(policy.runInbound(&exchange) == .forward)
        #expect(exchange.forwardTimeoutMilliseconds == 7_000)
        #expect(exchange.requestLines("a") == ["1"] && exchange.requestLines("b") == [])
        exchange.response = Calls.backendResponse()
        policy.runOutbound(&exchange)
        #expect(exchange.requestLines("b") == ["2"], "in backend it is the request's, also behind forward-request")
    }

    @Test func anErrorPreparesTheAnswerAndOnErrorMayChangeIt() throws {
        let refusing = "<ip-filter action=\"allow\"><address>10.0.0.1</address></ip-filter>"
        let plain = try Calls.policy(refusing)
        var exchange = Calls.exchange()
        #expect(plain.runInbound(&exchange) == .answer)
        #expect(exchange.response?.status == 403)
        #expect(exchange.responseLines("Content-Type") == ["application/json"])
        #expect(exchange.answerText == "{ \"statusCode\": 403, \"message\": \"Forbidden\" }")
        let error = try #require(exchange.lastError)
        #expect(error.source == "ip-filter" && error.reason == "CallerIpNotAllowed")
        #expect(error.scope == "operation" && error.section == "inbound" && error.path == "ip-filter[1]")
        #expect(error.message == "Caller IP address 192.0.2.1 is not allowed. Access denied.")

        let handling = try Calls.chain(
            operation:
                "<policies><inbound><ip-filter id=\"gate\" action=\"allow\"><address>10.0.0.1</address></ip-filter>"
                + "</inbound><outbound><set-header name=\"never\"><value>1</value></set-header></outbound><on-error>"
                + "<set-header name=\"x\"><value>1</value></set-header><set-status code=\"418\" reason=\"Teapot\" />"
                + "</on-error></policies>")
        exchange = Calls.exchange()
        #expect(handling.runInbound(&exchange) == .answer)
        #expect(exchange.response?.status == 418 && exchange.response?.reason == "Teapot")
        #expect(exchange.responseLines("x") == ["1"] && exchange.responseLines("never") == [])
        #expect(exchange.answerText.contains("Forbidden"), "the body stays until it is changed")
        #expect(exchange.lastError?.policyID == "gate")
    }

    @Test func returnResponseEndsTheCallInEverySection() throws {
        let answer =
            "<return-response><set-status code=\"201\" /><set-header name=\"a\"><value>1</value></set-header>"
            + "<set-body>made</set-body></return-response><set-header name=\"late\"><value>1</value></set-header>"
        for section in [PolicySection.inbound, .backend] {
            let policy = try Calls.chain(
                operation: "<policies><\(section.rawValue)>\(answer)</\(section.rawValue)><outbound><set-header "
                    + "name=\"late\"><value>1</value></set-header></outbound><on-error><set-status code=\"500\" /></on-error>"
                    + "</policies>")
            var exchange = Calls.exchange()
            #expect(policy.runInbound(&exchange) == .answer)
            #expect(exchange.response?.status == 201 && exchange.answerText == "made")
            #expect(exchange.responseLines("a") == ["1"] && exchange.responseLines("late") == [])
            #expect(exchange.lastError == nil)
        }
        let policy = try Calls.policy(answer, in: .outbound)
        var exchange = Calls.exchange()
        #expect(policy.runInbound(&exchange) == .forward)
        exchange.response = Calls.backendResponse(200, [("x-backend", "1"), ("Content-Length", "5")])
        policy.runOutbound(&exchange)
        #expect(exchange.response?.status == 201 && exchange.answerText == "made")
        #expect(exchange.responseLines("x-backend") == [] && exchange.responseLines("late") == [])
    }

    @Test func returnResponseInOnErrorEndsItAndBroaderPoliciesToo() throws {
        let policy = try Calls.chain(
            global: "<policies><backend><forward-request /></backend><on-error><set-status code=\"599\" /></on-error>"
                + "</policies>",
            api: "<policies><on-error><return-response><set-status code=\"503\" /></return-response><base /></on-error>"
                + "</policies>")
        var exchange = Calls.exchange()
        policy.runOnError(.operationNotFound, &exchange)
        #expect(exchange.response?.status == 503)
    }

    @Test func failOnErrorStatusCodeKeepsTheBackendsResponse() throws {
        let policy = try Calls.chain(
            operation: "<policies><backend><forward-request fail-on-error-status-code=\"true\" /></backend><outbound>"
                + "<set-header name=\"never\"><value>1</value></set-header></outbound><on-error><set-header name=\"x\">"
                + "<value>1</value></set-header></on-error></policies>")
        for (status, isError) in [(399, false), (400, true), (599, true), (200, false)] {
            var exchange = Calls.exchange()
            #expect(policy.runInbound(&exchange) == .forward)
            exchange.response = Calls.backendResponse(status, [("x-backend", "1")])
            policy.runOutbound(&exchange)
            #expect(exchange.response?.status == status && exchange.responseLines("x-backend") == ["1"])
            #expect(exchange.responseLines("x") == (isError ? ["1"] : []))
            #expect(exchange.responseBody == nil, "the backend's body goes on")
            #expect(exchange.lastError?.reason == (isError ? "BackendError" : nil))
        }
    }
}
