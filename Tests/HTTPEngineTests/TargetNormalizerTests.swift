import Testing

@testable import HTTPEngine

@Suite struct TargetNormalizerTests {
    private func normal(_ path: String) -> String? {
        let bytes = path.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }
        return TargetNormalizer.normalized(bytes).map { String(decoding: $0, as: UTF8.self) }
    }

    @Test(arguments: [
        ("/echo/x/../y", "/echo/y"), ("/echo/x/%2e%2e/y", "/echo/y"), ("/echo/x/.%2E/./y", "/echo/y"),
        ("/echo/y/.", "/echo/y/"),
        ("/echo/../keyed/x", "/keyed/x"), ("/a/..", "/"), ("/a/b/..", "/a/"), ("/", "/"), ("/.", "/"),
    ])
    func B2_dotSegmentsAreGone(path: String, expected: String) { #expect(normal(path) == expected) }

    @Test(arguments: ["/..", "/../x", "/echo/../../x", "/%2e%2e/x", "/a/../.."])
    func B2_noneClimbsAboveTheRoot(path: String) { #expect(normal(path) == nil) }

    @Test func B3_anEncodedSeparatorNeverHidesADotSegment() {
        #expect(normal("/echo/a%2Fb") == "/echo/a%2Fb")
        #expect(normal("/echo/a%5cb") == "/echo/a%5cb")
        for path in [
            "/echo/..%2fx", "/echo/%2e%2e%2fx", "/echo/x%2f..%2fy", "/echo/..%5c..%5cx", "/echo/%2e%2e%5cx",
            "/echo/x%5c.",
        ] {
            #expect(normal(path) == nil, "\(path)")
        }
    }

    @Test func B4_escapesAreDecodedOnce() {
        #expect(normal("/echo/%252e%252e%252fx") == "/echo/%252e%252e%252fx")
        #expect(normal("/echo/%2541") == "/echo/%2541")
    }

    @Test(arguments: ["/echo/a%00b", "/echo/%0d%0aX:%201", "/%0a", "/%1f", "/%7f"])
    func B5_controlsDoNotEnterByEscape(path: String) { #expect(normal(path) == nil) }

    @Test(arguments: ["/echo/%", "/echo/%1", "/echo/%zz", "/echo/%u0041", "/echo/%%32%65"])
    func B6_brokenEscapesAreRefused(path: String) { #expect(normal(path) == nil) }

    @Test func B7_decodedPathsAreUTF8() {
        for path in ["/%c0%ae%c0%ae/", "/%c0%af", "/%e0%80%af", "/%ed%a0%80", "/%ff", "/%c3"] {
            #expect(normal(path) == nil, "\(path)")
        }
        #expect(normal("/%c3%a4") == "/%c3%a4")
    }

    @Test(arguments: ["\\", "\"", "<", ">", "^", "{", "}", "`", "\u{C3}\u{A4}", "\u{1}", "#"])
    func B8_rawBytesAreThoseOfTheRFC(byte: String) { #expect(normal("/a\(byte)b") == nil) }

    @Test func B10_aSemicolonNeverMakesADotSegment() {
        #expect(normal("/echo/a;x=1/b;y") == "/echo/a;x=1/b;y")
        for path in ["/echo/..;/keyed", "/echo/..;x=1/y", "/echo/.;/y", "/echo/..%3b/y"] {
            #expect(normal(path) == nil, "\(path)")
        }
    }

    @Test(arguments: [
        ("//keyed/x", "/keyed/x"), ("/echo//a///b", "/echo/a/b"), ("//evil.test/echo", "/evil.test/echo"),
        ("/echo/a//../b", "/echo/b"),
    ])
    func B11_emptySegmentsAreMerged(path: String, expected: String) { #expect(normal(path) == expected) }

    @Test func B13_unreservedEscapesAreTheirCharacters() { #expect(normal("/users/%61dmin%7E") == "/users/admin~") }
}
