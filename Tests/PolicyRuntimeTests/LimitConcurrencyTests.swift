import HTTPEngine
import PolicyLanguage
import Testing

@testable import PolicyRuntime

/// Who gets in, what the others read, and that a slot comes back at every end of the block (must-hold I38, I44).
@Suite struct LimitConcurrencyTests {
    private static let header = "<set-header name=\"x-in\"><value>1</value></set-header>"

    private func block(_ inside: String, key: String = "k", max: Int = 1, id: String = "") -> String {
        "<limit-concurrency key=\"\(key)\" max-count=\"\(max)\"\(id)>\(inside)</limit-concurrency>"
    }

    /// A document whose backend section has a block around forward-request.
    private func forwarding(
        _ inside: String = "<forward-request />", max: Int = 1, outbound: String = "", onError: String = "",
        state: PolicyState
    ) throws -> EffectivePolicy {
        try Calls.chain(
            operation: "<policies><backend>\(block(inside, max: max))</backend><outbound>\(outbound)</outbound>"
                + "<on-error>\(onError)</on-error></policies>", state: state)
    }

    @Test func theCallBeyondTheLimitIsRefusedAtOnce() throws {
        let state = PolicyState()
        let policy = try Calls.chain(
            operation:
                "<policies><backend>\(block("<forward-request />", max: 2, id: " id=\"mine\""))</backend></policies>",
            state: state)
        var calls = (0..<3).map { _ in Calls.exchange() }
        #expect(policy.runInbound(&calls[0]) == .forward && policy.runInbound(&calls[1]) == .forward)
        #expect(policy.runInbound(&calls[2]) == .answer)
        #expect(calls[2].response?.status == 429)
        #expect(calls[2].answerText == #"{ "statusCode": 429, "message": "Too many requests" }"#)
        #expect(calls[2].responseLines("content-type") == ["application/json"])
        #expect(calls[2].responseLines("retry-after") == [], "nobody knows when")
        let error = try #require(calls[2].lastError)
        #expect(error.source == "limit-concurrency" && error.reason == "ConcurrencyLimitExceeded")
        #expect(error.section == "backend" && error.path == "limit-concurrency[1]" && error.policyID == "mine")
        #expect(state.concurrency.inUse("k") == 2)
        calls[0].response = Calls.backendResponse()
        policy.runOutbound(&calls[0])
        var next = Calls.exchange()
        #expect(policy.runInbound(&next) == .forward, "a slot came back")
    }

    @Test func theSlotIsHeldUntilTheHeadHasComeAndNotLonger() throws {
        let state = PolicyState()
        let after = "<set-header name=\"x-after\"><value>1</value></set-header>"
        let policy = try forwarding("<forward-request />" + after, outbound: Self.header, state: state)
        var call = Calls.exchange()
        #expect(policy.runInbound(&call) == .forward && state.concurrency.inUse("k") == 1)
        call.response = Calls.backendResponse()
        policy.runOutbound(&call)
        #expect(state.concurrency.inUse("k") == 0, "the body may go on for long")
        #expect(call.requestLines("x-after") == ["1"] && call.responseLines("x-in") == ["1"])
    }

    @Test func aBlockWithoutAWaitIsLeftBehindItsLastPolicy() throws {
        let state = PolicyState()
        let policy = try Calls.chain(
            operation: "<policies><inbound>\(block(Self.header))\(block(Self.header))</inbound></policies>",
            state: state)
        var call = Calls.exchange()
        #expect(policy.runInbound(&call) == .forward)
        #expect(call.requestLines("x-in") == ["1"] && state.concurrency.inUse("k") == 0)
    }

    enum End: CaseIterable { case head, errorStatus, timeout, unreachable, callerGone, dropped }

    @Test(arguments: End.allCases)
    func I44_aSlotComesBackHoweverTheWaitForTheBackendEnds(_ end: End) throws {
        let state = PolicyState()
        let policy = try forwarding("<forward-request fail-on-error-status-code=\"true\" />", state: state)
        var call = Calls.exchange()
        #expect(policy.runInbound(&call) == .forward && state.concurrency.inUse("k") == 1)
        switch end {
        case .head, .errorStatus:
            call.response = Calls.backendResponse(end == .head ? 200 : 500)
            policy.runOutbound(&call)
        case .timeout: policy.runOnError(.backendTimeout(), &call)
        case .unreachable: policy.runOnError(.backendUnreachable(), &call)
        case .callerGone: policy.complete(&call, bytesIn: 1, bytesOut: 0)
        case .dropped: call = Calls.exchange()
        }
        #expect(state.concurrency.inUse("k") == 0)
        policy.complete(&call, bytesIn: 1, bytesOut: 1)
        #expect(state.concurrency.inUse("k") == 0, "once only")
    }

    @Test(arguments: [
        "<return-response><set-status code=\"204\" /></return-response>", "<mock-response />",
        "<check-header name=\"x-gone\" failed-check-httpcode=\"400\" failed-check-error-message=\"no\" "
            + "ignore-case=\"true\" />",
        "<ip-filter action=\"allow\"><address>203.0.113.9</address></ip-filter>",
    ])
    func I44_aSlotComesBackWhereAPolicyInsideEndsTheCall(_ inside: String) throws {
        let state = PolicyState()
        let policy = try Calls.policy(block(block(inside, key: "inner"), key: "outer"), state: state)
        var call = Calls.exchange()
        #expect(policy.runInbound(&call) == .answer)
        #expect(state.concurrency.inUse("outer") == 0 && state.concurrency.inUse("inner") == 0)
    }

    @Test func I44_aSlotComesBackFromOutboundAndOnError() throws {
        let state = PolicyState()
        let answer = "<return-response><set-status code=\"299\" /></return-response>"
        for policy in [
            try Calls.chain(operation: "<policies><outbound>\(block(answer))</outbound></policies>", state: state),
            try Calls.chain(
                operation: "<policies><outbound>\(block("<set-status code=\"299\" />"))</outbound></policies>",
                state: state),
        ] {
            var call = Calls.exchange()
            #expect(policy.runInbound(&call) == .forward)
            call.response = Calls.backendResponse()
            policy.runOutbound(&call)
            #expect(call.response?.status == 299 && state.concurrency.inUse("k") == 0)
        }
        let policy = try forwarding(onError: block(answer), state: state)
        var call = Calls.exchange()
        #expect(policy.runInbound(&call) == .forward)
        // The block of backend was left by the error, so that of on-error is free.
        policy.runOnError(.backendTimeout(), &call)
        #expect(call.response?.status == 299 && state.concurrency.inUse("k") == 0)
    }

    @Test func aRefusalInsideAnotherBlockGivesBackWhatWasTaken() throws {
        let state = PolicyState()
        let policy = try Calls.policy(block(block(Self.header), key: "k"), state: state)
        var call = Calls.exchange()
        #expect(policy.runInbound(&call) == .answer, "a call counts under its own key twice")
        #expect(call.response?.status == 429 && call.lastError?.path == "limit-concurrency[1]/limit-concurrency[1]")
        #expect(state.concurrency.inUse("k") == 0)
    }

    @Test func oneKeyIsOneCounterOverAllPoliciesOfTheNode() throws {
        let state = PolicyState()
        let one = try forwarding(max: 3, state: state)
        let other = try Calls.chain(
            api: "<policies><inbound>\(block(Self.header, max: 2))</inbound></policies>", state: state)
        var first = Calls.exchange()
        var second = Calls.exchange()
        #expect(one.runInbound(&first) == .forward && one.runInbound(&second) == .forward)
        var third = Calls.exchange()
        #expect(other.runInbound(&third) == .answer, "each holds the common count to its own limit")
        var fourth = Calls.exchange()
        #expect(one.runInbound(&fourth) == .forward)
        let elsewhere = try Calls.policy(block(Self.header, key: "other"), state: state)
        var fifth = Calls.exchange()
        #expect(elsewhere.runInbound(&fifth) == .forward)
    }

    @Test func I41_aCallThatIsRefusedInsideCountsUnderNoRateLimit() throws {
        let state = PolicyState()
        let policy = try Calls.chain(
            operation: "<policies><inbound><rate-limit calls=\"2\" renewal-period=\"60\" /></inbound><backend>"
                + "\(block("<forward-request />"))</backend></policies>", state: state)
        var first = Calls.exchange()
        #expect(policy.runInbound(&first) == .forward)
        for _ in 0..<5 {
            var refused = Calls.exchange()
            #expect(policy.runInbound(&refused) == .answer && refused.response?.status == 429)
            #expect(refused.lastError?.source == "limit-concurrency")
        }
        first.response = Calls.backendResponse()
        policy.runOutbound(&first)
        var second = Calls.exchange()
        #expect(policy.runInbound(&second) == .forward)
    }

    @Test func I38_theLimitHoldsOverAllLoops() async throws {
        let slots = ConcurrencySlots()
        let passed = await withTaskGroup(of: (passed: Int, most: Int64).self) { group in
            for _ in 0..<8 {
                group.addTask {
                    var passed = 0
                    var most: Int64 = 0
                    for _ in 0..<5_000 {
                        guard let slot = slots.take("k", atMost: 3) else { continue }
                        withExtendedLifetime(slot) { most = max(most, slots.inUse("k")) }
                        passed += 1
                    }
                    return (passed, most)
                }
            }
            var sum = (passed: 0, most: Int64(0))
            for await one in group { sum = (sum.passed + one.passed, max(sum.most, one.most)) }
            return sum
        }
        #expect(passed.most >= 1 && passed.most <= 3 && passed.passed > 0)
        #expect(slots.inUse("k") == 0)
    }
}
