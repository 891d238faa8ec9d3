import Testing

@testable import NodeService

@Suite struct MinuteThrottleTests {
    @Test func H17_and_H13_requests_for_blobs_are_bounded_but_for_what_was_just_published() {
        let throttle = MinuteThrottle(perMinute: 3)
        let tries = { (key: String, now: Double, count: Int) in
            (0..<count).map { _ in throttle.mayTry(key, now: now) }.filter { $0 }.count
        }
        #expect(tries("a", 0, 5) == 3 && tries("b", 0, 1) == 1)
        throttle.grant("a", now: 1)
        #expect(tries("a", 1, 5) == 1)
        #expect(tries("a", 59, 5) == 0)
        // A minute after the first three, their room is free again; the grant ends with its own minute.
        #expect(tries("a", 60, 5) == 3)
        #expect(tries("a", 61, 5) == 0)
    }
}
