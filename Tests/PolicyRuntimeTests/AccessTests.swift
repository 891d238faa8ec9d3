import HTTPEngine
import Testing

@testable import PolicyRuntime

@Suite struct AccessTests {
    private func isAllowed(_ policy: String, caller: [UInt8]) throws -> Bool {
        var exchange = Calls.exchange(caller: caller)
        let outcome = try Calls.policy(policy).runInbound(&exchange)
        if outcome == .answer {
            #expect(exchange.response?.status == 403)
            #expect(exchange.answerText == "{ \"statusCode\": 403, \"message\": \"Forbidden\" }")
        }
        return outcome == .forward
    }

    @Test func ipFilterComparesAddressesRangesAndMappedOnes() throws {
        let list =
            "<address>10.0.0.1</address><address-range from=\"192.0.2.10\" to=\"192.0.2.20\" />"
            + "<address>2001:db8::/32</address>"
        let mapped: [UInt8] = [UInt8](repeating: 0, count: 10) + [0xFF, 0xFF, 10, 0, 0, 1]
        let version6: [UInt8] = [0x20, 0x01, 0x0D, 0xB8] + [UInt8](repeating: 1, count: 12)
        for (caller, isListed) in [
            ([10, 0, 0, 1], true), ([10, 0, 0, 2], false), ([192, 0, 2, 10], true), ([192, 0, 2, 20], true),
            ([192, 0, 2, 21], false), (mapped, true), (version6, true), ([UInt8](repeating: 0, count: 16), false),
        ] {
            #expect(try isAllowed("<ip-filter action=\"allow\">\(list)</ip-filter>", caller: caller) == isListed)
            #expect(try isAllowed("<ip-filter action=\"forbid\">\(list)</ip-filter>", caller: caller) == !isListed)
        }
    }

    @Test func anUnknownAddressIsRefusedByBoth() throws {
        for action in ["allow", "forbid"] {
            var exchange = Calls.exchange(caller: [])
            let policy = try Calls.policy("<ip-filter action=\"\(action)\"><address>10.0.0.1</address></ip-filter>")
            #expect(policy.runInbound(&exchange) == .answer)
            #expect(exchange.lastError?.reason == "FailedToParseCallerIP")
        }
    }

    @Test func everyFilterMustPass() throws {
        let policy =
            "<ip-filter action=\"allow\"><address>10.0.0.0/8</address></ip-filter>"
            + "<ip-filter action=\"forbid\"><address>10.0.0.1</address></ip-filter>"
        #expect(try isAllowed(policy, caller: [10, 0, 0, 2]))
        #expect(try !isAllowed(policy, caller: [10, 0, 0, 1]))
        #expect(try !isAllowed(policy, caller: [11, 0, 0, 2]))
    }

    private func check(
        _ values: [String], ignoreCase: Bool = false, lines: [String]
    ) throws -> (status: Int?, message: String, reason: String?) {
        let elements = values.map { "<value>\($0)</value>" }.joined()
        let policy = try Calls.policy(
            "<check-header name=\"x-key\" failed-check-httpcode=\"401\" failed-check-error-message=\"No &quot;key&quot;\" "
                + "ignore-case=\"\(ignoreCase)\">\(elements)</check-header>")
        var exchange = Calls.exchange(fields: lines.map { ("X-Key", $0) })
        _ = policy.runInbound(&exchange)
        return (exchange.response?.status, exchange.answerText, exchange.lastError?.reason)
    }

    @Test func checkHeaderWantsPresenceOrAValue() throws {
        #expect(try check([], lines: ["any"]).status == nil)
        let absent = try check([], lines: [])
        #expect(absent.status == 401 && absent.reason == "HeaderNotFound")
        #expect(absent.message == "{ \"statusCode\": 401, \"message\": \"No \\\"key\\\"\" }")
        #expect(try check(["a", "b"], lines: ["b"]).status == nil)
        #expect(try check(["a", "b"], lines: ["B"]).reason == "HeaderValueNotAllowed")
        #expect(try check(["a", "b"], ignoreCase: true, lines: ["B"]).status == nil)
        #expect(try check(["a,b"], lines: ["a", "b"]).status == nil, "several lines are compared joined")
        #expect(try check(["a"], lines: ["a", "b"]).status == 401)
    }
}
