import HTTPEngine
import Testing

@testable import BackendCalls

@Suite struct BackendTargetTests {
    @Test func aBaseURLIsTakenApart() throws {
        let target = try BackendTarget(url: "HTTPS://API.Example:8443/base/?k=1")
        #expect(target.origin == BackendOrigin(scheme: .https, host: "api.example", port: 8443))
        #expect(String(decoding: target.basePath, as: UTF8.self) == "/base")
        #expect(target.baseQuery == Array("k=1".utf8))
        #expect(try BackendTarget(url: "http://[::1]").origin == BackendOrigin(scheme: .http, host: "::1", port: 80))
        #expect(try BackendTarget(url: "http://127.0.0.1:8080/").basePath.isEmpty)
        #expect(
            try String(decoding: BackendTarget(url: "http://[::1]:81").origin.authority, as: UTF8.self) == "[::1]:81")
    }

    @Test(arguments: [
        "ftp://a", "//a", "http://", "http:///a", "http://u@a/", "http://a.test#b", "http://evil.test\\.svc.test/",
        "http://a:b/", "http://a:99999/", "http://a:0/", "http://a b/", "http://\u{e4}.test/", "http://a%2f.svc/",
        "http://a\r\nX: 1/", "http://2852039166/", "http://0xA9FEA9FE/", "http://1.1/", "http://010.0.0.1/",
        "http://a/..", "http://a/%zz",
    ])
    func B30_whatIsNoBaseURLIsRefused(url: String) {
        #expect(throws: BackendTargetFailure.self) { try BackendTarget(url: url) }
    }
}
