import Foundation
import Resources
import Testing

@Suite struct TimestampTests {
    @Test(arguments: [
        ("2026-11-25T08:57:53Z", "2026-11-25T08:57:53Z"), ("2026-11-25T08:57:53.120Z", "2026-11-25T08:57:53.12Z"),
        ("2026-11-25", "2026-11-25T00:00:00Z"), ("2026-11-25T08:57:53", "2026-11-25T08:57:53Z"),
        ("2026-11-25t08:57:53z", "2026-11-25T08:57:53Z"), ("2026-11-25T08:57:53+02:00", "2026-11-25T06:57:53Z"),
        ("2026-11-25T08:57:53.5-01:30", "2026-11-25T10:27:53.5Z"), ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.5Z"),
    ])
    func timesAreReadAndWrittenInUTC(text: String, shown: String) throws {
        #expect(Timestamp.text(try #require(Timestamp.read(text))) == shown)
    }

    @Test(arguments: [
        "", "x", "2026", "2026-13-01", "2026-02-30T00:00:00Z", "2026-11-25T25:00:00Z", "25.11.2026", "1e9",
    ])
    func whatIsNoTimeIsNone(text: String) {
        let found = Timestamp.read(text).map(Timestamp.text)
        // A day that the month does not have may be refused or counted on, never taken as it stands.
        #expect(found == nil || found != text)
    }

    @Test func noTextTraps() {
        var state: UInt64 = 9
        func random(_ below: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % below
        }
        let letters = Array("0123456789-:.TZ+ eé٣\u{0}")
        for seed in [
            "2026-11-25T08:57:53.120Z", "99999999999-01-01T00:00:00Z", "-2026-11-25", "2026-11-25T08:57:53+99:99",
        ] {
            for _ in 0..<1000 {
                var text = Array(seed)
                for _ in 0..<2 { text[random(text.count)] = letters[random(letters.count)] }
                if let time = Timestamp.read(String(text)) { _ = Timestamp.text(time) }
            }
        }
    }
}
