import Foundation
import HTTPEngine
import PolicyLanguage
import Synchronization
import Testing

@testable import PolicyRuntime

/// A clock of the wall that a test moves.
final class TestClock: Sendable {
    private let seconds: Mutex<Int64>

    init(_ start: Int64) { seconds = Mutex(start) }

    var now: Int64 {
        get { seconds.withLock { $0 } }
        set { seconds.withLock { $0 = newValue } }
    }
}

@Suite struct RateLimitTests {
    private let second: UInt64 = 1_000_000_000

    private func call(
        _ policy: EffectivePolicy, at time: UInt64, change: (inout PolicyExchange) -> Void = { _ in }
    ) -> PolicyExchange {
        var exchange = Calls.exchange(now: time)
        change(&exchange)
        if policy.runInbound(&exchange) == .forward {
            exchange.response = Calls.backendResponse()
            policy.runOutbound(&exchange)
        }
        return exchange
    }

    @Test func R01_refuses_with_the_wait_and_tells_what_is_left() throws {
        let policy = try Calls.policy(
            "<rate-limit calls=\"3\" renewal-period=\"10\" remaining-calls-header-name=\"x-left\" "
                + "total-calls-header-name=\"x-all\" retry-after-variable-name=\"wait\" />")
        for (index, left) in ["2", "1", "0"].enumerated() {
            let exchange = call(policy, at: UInt64(index + 1) * second)
            #expect(exchange.response?.status == 200)
            #expect(exchange.responseLines("x-left") == [left] && exchange.responseLines("x-all") == ["3"])
        }
        let refused = call(policy, at: 4 * second)
        #expect(refused.response?.status == 429)
        #expect(refused.responseLines("Retry-After") == ["7"] && refused.responseLines("x-left") == ["0"])
        #expect(
            refused.answerText
                == "{ \"statusCode\": 429, \"message\": \"Rate limit is exceeded. Try again in 7 seconds.\" }")
        #expect(
            refused.lastError?.reason == "RateLimitExceeded" && refused.lastError?.message == "Rate limit is exceeded")
        #expect(refused.variables["wait"] == .integer(7))
        #expect(call(policy, at: 10 * second + 999_999_999).responseLines("Retry-After") == ["1"])
        #expect(call(policy, at: 11 * second).response?.status == 200, "the oldest call has left")
        #expect(call(policy, at: 11 * second).response?.status == 429)
    }

    @Test func aHeaderNameOfTheAuthorTellsTheWait() throws {
        let policy = try Calls.policy(
            "<rate-limit calls=\"1\" renewal-period=\"5\" retry-after-header-name=\"x-wait\" />")
        _ = call(policy, at: second)
        let refused = call(policy, at: second)
        #expect(refused.responseLines("x-wait") == ["5"] && refused.responseLines("Retry-After") == [])
    }

    @Test func withoutSubscriptionNothingIsCounted() throws {
        let policy = try Calls.policy("<rate-limit calls=\"1\" renewal-period=\"5\" />")
        for _ in 0..<3 { #expect(call(policy, at: second) { $0.subscription = "" }.response?.status == 200) }
    }

    @Test func subscriptionsAndScopesCountApart() throws {
        let state = PolicyState()
        let limit = "<rate-limit calls=\"1\" renewal-period=\"60\" />"
        let product = try Calls.policy(limit, level: .product, state: state)
        let api = try Calls.policy(limit, level: .api, state: state)
        let operation = try Calls.policy(limit, state: state)
        for policy in [product, api, operation] {
            #expect(call(policy, at: second).response?.status == 200)
            #expect(call(policy, at: second).response?.status == 429)
            #expect(call(policy, at: second) { $0.subscription = "s2" }.response?.status == 200)
        }
        #expect(call(product, at: second) { $0.api = "other" }.response?.status == 429, "the product is the scope")
        #expect(call(product, at: second) { $0.product = "other" }.response?.status == 200)
        #expect(call(api, at: second) { $0.operation = "other" }.response?.status == 429)
        #expect(call(operation, at: second) { $0.operation = "other" }.response?.status == 200)
    }

    @Test func childrenLimitTheirApiAndOperationBesideTheParent() throws {
        let policy = try Calls.policy(
            "<rate-limit calls=\"5\" renewal-period=\"60\" remaining-calls-header-name=\"left\"><api id=\"SHOP\" calls=\"3\">"
                + "<operation name=\"Get item\" calls=\"1\" /></api><api name=\"Other\" calls=\"1\" /></rate-limit>",
            level: .product)
        let named = { (exchange: inout PolicyExchange) in
            exchange.apiDisplayName = "Shop"
            exchange.operationDisplayName = "Get item"
        }
        #expect(call(policy, at: second, change: named).responseLines("left") == ["0"], "the smallest rest")
        #expect(call(policy, at: second, change: named).response?.status == 429)
        let other = { (exchange: inout PolicyExchange) in exchange.operation = "list" }
        #expect(call(policy, at: second, change: other).responseLines("left") == ["1"])
        #expect(call(policy, at: second, change: other).response?.status == 200)
        #expect(call(policy, at: second, change: other).response?.status == 429, "three of the API")
        let elsewhere = { (exchange: inout PolicyExchange) in exchange.api = "else" }
        #expect(call(policy, at: second, change: elsewhere).responseLines("left") == ["1"])
        #expect(call(policy, at: second, change: elsewhere).responseLines("left") == ["0"])
        #expect(call(policy, at: second, change: elsewhere).response?.status == 429, "five of the parent")
    }

    @Test func R03_a_raised_limit_counts_on() throws {
        let state = PolicyState()
        func policy(_ calls: Int) throws -> EffectivePolicy {
            try Calls.policy(
                "<rate-limit calls=\"\(calls)\" renewal-period=\"60\" remaining-calls-header-name=\"x-left\" "
                    + "total-calls-header-name=\"x-all\" />", state: state)
        }
        let first = try policy(10)
        for _ in 0..<4 { _ = call(first, at: second) }
        let exchange = call(try policy(20), at: second)
        #expect(exchange.responseLines("x-all") == ["20"] && exchange.responseLines("x-left") == ["15"])
    }

    @Test func I41_a_refused_call_is_not_counted_anywhere() throws {
        let policy = try Calls.chain(
            product:
                "<policies><inbound><rate-limit calls=\"3\" renewal-period=\"60\" remaining-calls-header-name=\"left\" />"
                + "</inbound></policies>",
            operation: "<policies><inbound><base /><check-header name=\"x\" failed-check-httpcode=\"400\" "
                + "failed-check-error-message=\"\" ignore-case=\"true\" /></inbound></policies>")
        for _ in 0..<10 { #expect(call(policy, at: second).response?.status == 400) }
        let good = { (exchange: inout PolicyExchange) in exchange.request.fields.append(FieldName("x"), "1") }
        for left in ["2", "1", "0"] { #expect(call(policy, at: second, change: good).responseLines("left") == [left]) }
        #expect(call(policy, at: second, change: good).response?.status == 429)
    }

    @Test(arguments: ["111", "21"])
    func I41_a_limit_means_what_it_says(calls: String) throws {
        let policy = try Calls.policy("<rate-limit calls=\"\(calls)\" renewal-period=\"60\" />")
        var passed = 0
        while call(policy, at: second).response?.status == 200 { passed += 1 }
        #expect(passed == Int(calls))
    }

    @Test func I38_a_limit_holds_under_concurrency_to_the_call() async throws {
        for (calls, callers) in [(100, 10_000), (1_000, 20_000)] {
            let policy = try Calls.policy("<rate-limit calls=\"\(calls)\" renewal-period=\"60\" />", level: .product)
            let passed = await withTaskGroup(of: Int.self) { group in
                for lane in 0..<8 {
                    group.addTask {
                        var passed = 0
                        for index in 0..<(callers / 8) {
                            var exchange = Calls.exchange(now: 1_000_000_000 + UInt64(index * 1_000 + lane))
                            if policy.runInbound(&exchange) == .forward { passed += 1 }
                        }
                        return passed
                    }
                }
                return await group.reduce(0, +)
            }
            #expect(passed == calls)
        }
    }

    @Test(arguments: [(5, 1), (100, 60), (1_000, 300), (3_000, 10)], [UInt64(1), 2])
    func I39_no_trailing_window_holds_more_than_the_limit(limit: (calls: Int, seconds: Int), seed: UInt64) {
        let state = PolicyState()
        let key = LimitKey(site: "a", scope: "b", operation: "", subscription: "s")
        let period = UInt64(limit.seconds) * second
        var generator = SystemLikeGenerator(state: seed)
        var now: UInt64 = 1
        var log: [UInt64] = []
        var oldest = 0
        for _ in 0..<(limit.calls * 12) {
            // Bursts, pauses, and times around the border of a period.
            switch generator.next() % 8 {
            case 0: now += period / 8
            case 1: now += generator.next() % (period / 100 + 1)
            case 2: if let first = log.dropFirst(oldest).first { now = max(now, first + period - 1) }
            default: now += generator.next() % (period / UInt64(limit.calls) + 1)
            }
            let demand = PolicyState.RateDemand(key: key, calls: limit.calls, periodNanoseconds: period)
            if case .passed = state.take([demand], subscription: "s", now: now) { log.append(now) }
            while oldest < log.count, log[oldest] + period <= now { oldest += 1 }
            #expect(log.count - oldest <= limit.calls)
        }
        #expect(log.count > limit.calls, "windows moved on")
    }

    @Test func I42_counters_are_bounded_and_overflow_refuses_earlier() {
        let state = PolicyState(countersMax: 160) { 0 }
        func take(_ subscription: String, at time: UInt64) -> Bool {
            let key = LimitKey(site: "a", scope: "b", operation: "", subscription: subscription)
            let demand = PolicyState.RateDemand(key: key, calls: 1, periodNanoseconds: second)
            if case .passed = state.take([demand], subscription: subscription, now: time) { return true }
            return false
        }
        #expect(take("mine", at: 1))
        for index in 0..<20_000 { _ = take("flood-\(index)", at: 2) }
        #expect(state.counterCount <= 160 + 16)
        #expect(!take("mine", at: 3), "an active limited key is not reset by the flood")
        #expect(take("mine", at: 10 * second), "idle counters make room")
        for index in 0..<200 { _ = take("later-\(index)", at: 20 * second) }
        #expect(state.counterCount <= 160 + 16)
    }
}

/// A small seeded generator; the same numbers each run.
struct SystemLikeGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return (state >> 33) ^ state >> 11
    }
}

@Suite struct QuotaTests {
    private let clock = TestClock(1_000_000)

    private func policy(_ quota: String, state: PolicyState) throws -> EffectivePolicy {
        try Calls.policy(quota, level: .product, state: state)
    }

    private func state() -> PolicyState { PolicyState(countersMax: 1_000) { [clock] in clock.now } }

    private func call(_ policy: EffectivePolicy, start: Int64 = 1_000_000_000, bytes: UInt64 = 0) -> PolicyExchange {
        var exchange = Calls.exchange()
        exchange.subscriptionStart = start
        if policy.runInbound(&exchange) == .forward {
            exchange.response = Calls.backendResponse()
            policy.runOutbound(&exchange)
        }
        policy.complete(&exchange, bytesIn: bytes, bytesOut: 0)
        return exchange
    }

    @Test func refusesWithTheTimeUntilReplenishment() throws {
        let policy = try policy("<quota calls=\"2\" renewal-period=\"604800\" />", state: state())
        clock.now = 1_000_000 + 86_400
        #expect(call(policy).response?.status == 200)
        #expect(call(policy).response?.status == 200)
        clock.now += 2_209
        let refused = call(policy)
        #expect(refused.response?.status == 403)
        #expect(
            refused.answerText == "{ \"statusCode\": 403, \"message\": \"Out of call volume quota. Quota will be "
                + "replenished in 5.23:23:11.\" }")
        #expect(refused.responseLines("Retry-After") == ["516191"])
        #expect(refused.lastError?.source == "quota" && refused.lastError?.reason == "QuotaExceeded")
        clock.now = 1_000_000 + 604_800
        #expect(call(policy).response?.status == 200, "the next period began")
    }

    @Test func timesAreWrittenAsTheReferenceDoes() {
        #expect(Quota.duration(25_280) == "07:01:20")
        #expect(Quota.duration(1) == "00:00:01")
        #expect(Quota.duration(86_399) == "23:59:59")
        #expect(Quota.duration(20 * 86_400 + 35_935) == "20.09:58:55")
    }

    @Test func aQuotaForEverHasNoReplenishment() throws {
        let policy = try policy("<quota calls=\"1\" renewal-period=\"0\" />", state: state())
        #expect(call(policy).response?.status == 200)
        clock.now += 1_000_000_000
        let refused = call(policy)
        #expect(refused.answerText == "{ \"statusCode\": 403, \"message\": \"Out of call volume quota.\" }")
        #expect(refused.responseLines("Retry-After") == [])
    }

    @Test func bandwidthIsKnownAtTheEndAndTheCrossingCallPasses() throws {
        let policy = try policy("<quota bandwidth=\"1\" renewal-period=\"3600\" />", state: state())
        #expect(call(policy, bytes: 1_023).response?.status == 200)
        #expect(call(policy, bytes: 5_000).response?.status == 200)
        let refused = call(policy)
        #expect(refused.answerText.contains("Out of bandwidth quota. Quota will be replenished in 01:00:00."))
    }

    @Test func I40_a_period_never_begins_twice() throws {
        let policy = try policy("<quota calls=\"1\" renewal-period=\"100\" />", state: state())
        clock.now = 1_000_000 + 150
        #expect(call(policy).response?.status == 200)
        clock.now -= 100
        let refused = call(policy)
        #expect(refused.response?.status == 403, "the clock was set back")
        #expect(refused.responseLines("Retry-After") == ["100"], "never above the period")
        clock.now += 200
        #expect(call(policy).response?.status == 200)
        clock.now = .max
        _ = call(policy, start: .min)
        clock.now = .min
        _ = call(policy, start: .max)
    }

    @Test func G36_another_subscription_of_the_name_starts_at_nothing() throws {
        let policy = try policy("<quota calls=\"1\" renewal-period=\"604800\" />", state: state())
        #expect(call(policy).response?.status == 200)
        #expect(call(policy).response?.status == 403)
        #expect(call(policy, start: 1_000_000_001).response?.status == 200, "made anew a millisecond later")
        #expect(call(policy, start: 1_000_000_001).response?.status == 403)
    }

    @Test func I43_a_new_limit_applies_to_the_old_count() throws {
        let state = state()
        #expect(call(try policy("<quota calls=\"1\" renewal-period=\"100\" />", state: state)).response?.status == 200)
        let raised = try policy("<quota calls=\"2\" renewal-period=\"200\" />", state: state)
        #expect(call(raised).response?.status == 200)
        #expect(call(raised).response?.status == 403)
    }

    @Test func I43_a_quota_outlives_the_process() throws {
        let first = state()
        let quota = "<quota calls=\"3\" bandwidth=\"100\" renewal-period=\"100\" />"
        for _ in 0..<2 { #expect(call(try policy(quota, state: first), bytes: 10).response?.status == 200) }
        let written = try JSONEncoder().encode(first.quotaRecords())
        let second = state()
        second.restore(try JSONDecoder().decode([QuotaRecord].self, from: written))
        #expect(second.quotaRecords() == first.quotaRecords())
        #expect(call(try policy(quota, state: second)).response?.status == 200)
        #expect(call(try policy(quota, state: second)).response?.status == 403)
        let third = state()
        clock.now += 1_000
        third.restore(first.quotaRecords())
        #expect(third.quotaRecords().isEmpty, "that period is over")
        var broken = first.quotaRecords()
        broken[0].number = .max
        broken[0].length = .max
        broken[0].calls = -5
        third.restore(broken)
        #expect(call(try policy(quota, state: third)).response?.status == 200)
    }

    @Test func I41_calls_refused_later_are_given_back() throws {
        let policy = try Calls.chain(
            product: "<policies><inbound><quota calls=\"1\" renewal-period=\"0\" /></inbound></policies>",
            operation: "<policies><inbound><base /><check-header name=\"x\" failed-check-httpcode=\"400\" "
                + "failed-check-error-message=\"\" ignore-case=\"true\" /></inbound></policies>", state: state())
        for _ in 0..<3 { #expect(call(policy).response?.status == 400) }
        var good = Calls.exchange(fields: [("x", "1")])
        #expect(policy.runInbound(&good) == .forward)
        var second = Calls.exchange(fields: [("x", "1")])
        #expect(policy.runInbound(&second) == .answer)
    }

    @Test func I38_a_quota_holds_under_concurrency_to_the_call() async throws {
        let policy = try policy("<quota calls=\"500\" renewal-period=\"0\" />", state: state())
        let passed = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    (0..<500).count { _ in
                        var exchange = Calls.exchange()
                        return policy.runInbound(&exchange) == .forward
                    }
                }
            }
            return await group.reduce(0, +)
        }
        #expect(passed == 500)
    }
}
