import AccessControl
import Testing

@Suite struct TokenThrottleTests {
    private static func fail(
        _ throttle: TokenThrottle, _ client: String, _ address: String, _ times: Int, at now: Double
    ) {
        for _ in 0..<times { throttle.failed(client: client, address: address, now: now) }
    }

    @Test func G5_tenFailuresAMinuteMakeTheNextWait() {
        let throttle = TokenThrottle()
        Self.fail(throttle, "c", "192.0.2.1", 9, at: 0)
        #expect(throttle.wait(client: "c", address: "192.0.2.1", now: 0) == nil)
        Self.fail(throttle, "c", "192.0.2.1", 1, at: 1)
        #expect(throttle.wait(client: "c", address: "192.0.2.1", now: 1) == 60)
        #expect(throttle.wait(client: "c", address: "192.0.2.1", now: 60.5) == 1)
        #expect(throttle.wait(client: "c", address: "192.0.2.1", now: 61.5) == nil)
    }

    @Test func G5_nobodyIsLockedOutByAnotherAddress() {
        let throttle = TokenThrottle()
        Self.fail(throttle, "owner", "192.0.2.1", 1000, at: 0)
        #expect(throttle.wait(client: "owner", address: "192.0.2.1", now: 0) != nil)
        #expect(throttle.wait(client: "owner", address: "192.0.2.2", now: 0) == nil)
        // From the address of a guesser everybody waits, whatever the client.
        #expect(throttle.wait(client: "other", address: "192.0.2.1", now: 0) != nil)
    }

    @Test func G5_waitsGrowToAQuarterOfAnHour() {
        let throttle = TokenThrottle()
        var now = 0.0
        var waits: [Int] = []
        for _ in 0..<7 {
            Self.fail(throttle, "c", "192.0.2.1", 10, at: now)
            let wait = throttle.wait(client: "c", address: "192.0.2.1", now: now) ?? 0
            waits.append(wait)
            now += Double(wait) + 1
        }
        #expect(waits == [60, 120, 240, 480, 900, 900, 900])
    }

    @Test func G5_aSuccessMakesTheNextWaitShortAgainAndForgivesNoGuess() {
        let throttle = TokenThrottle()
        var now = 0.0
        for _ in 0..<4 {
            Self.fail(throttle, "victim", "192.0.2.1", 10, at: now)
            now += Double(throttle.wait(client: "victim", address: "192.0.2.1", now: now) ?? 0) + 1
        }
        // The guesser has a secret of its own; only the address' next wait is the first one again.
        throttle.succeeded(client: "own", address: "192.0.2.1")
        Self.fail(throttle, "other", "192.0.2.1", 10, at: now)
        #expect(throttle.wait(client: "third", address: "192.0.2.1", now: now) == 60)
        #expect(throttle.wait(client: "other", address: "192.0.2.1", now: now) == 60)
        now += 61
        Self.fail(throttle, "victim", "192.0.2.1", 9, at: now)
        throttle.succeeded(client: "own", address: "192.0.2.1")
        Self.fail(throttle, "victim", "192.0.2.1", 1, at: now)
        #expect(throttle.wait(client: "third", address: "192.0.2.1", now: now) ?? 0 > 0, "what failed still counts")
        #expect(throttle.wait(client: "victim", address: "192.0.2.1", now: now) == 900)
    }

    @Test func G5_thoseWhoWaitAreNotForgottenForMany() {
        let throttle = TokenThrottle()
        Self.fail(throttle, "c", "192.0.2.1", 10, at: 0)
        for number in 0..<120_000 {
            throttle.failed(
                client: "c", address: "10.\(number >> 16).\(number >> 8 & 255).\(number & 255)", now: 1)
        }
        #expect(throttle.wait(client: "c", address: "192.0.2.1", now: 2) == 58)
    }

    @Test func failuresOfFormerMinutesAreForgotten() {
        let throttle = TokenThrottle()
        for minute in 0..<20 { Self.fail(throttle, "c", "192.0.2.1", 9, at: Double(minute) * 61) }
        #expect(throttle.wait(client: "c", address: "192.0.2.1", now: 20 * 61) == nil)
    }

    @Test func G5_anIPv6NetworkCountsAsOneAddress() {
        let throttle = TokenThrottle()
        for number in 1...10 { Self.fail(throttle, "c\(number)", "2001:db8::\(number)", 1, at: 0) }
        #expect(throttle.wait(client: "c", address: "2001:db8:0:0:ffff::1", now: 0) != nil)
        #expect(throttle.wait(client: "c", address: "2001:db8:0:1::1", now: 0) == nil)
    }

    @Test(arguments: [
        ("192.0.2.1", "192.0.2.1"), ("2001:db8::1", "2001:db8:0:0::/64"), ("::1", "0:0:0:0::/64"),
        ("2001:DB8:0:1:2:3:4:5", "2001:db8:0:1::/64"), ("::ffff:192.0.2.1", "192.0.2.1"), ("", ""), ("x:y", "x:y"),
    ])
    func networksHaveOneSpelling(address: String, network: String) {
        #expect(SourceNetwork.name(of: address) == network)
    }

    @Test func manyGuessersAreBounded() {
        let throttle = TokenThrottle()
        for number in 0..<60_000 {
            throttle.failed(
                client: "c\(number)", address: "10.\(number >> 16).\(number >> 8 & 255).\(number & 255)", now: 0)
        }
        #expect(throttle.wait(client: "new", address: "192.0.2.1", now: 0) == nil)
    }
}
