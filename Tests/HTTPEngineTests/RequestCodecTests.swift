import Testing

@testable import HTTPEngine

// Lines of must-hold part A that the codec alone decides: each input whole, cut at every byte, byte by byte, and behind
// a good request (A1).

private let host = "Host: gw.test\r\n"
private let chunked = "Transfer-Encoding: chunked\r\n"
private let next = "GET /echo/next HTTP/1.1\r\nHost: gw.test\r\n\r\n"

private func line(_ text: String) -> String { "\(text)\r\n\(host)\r\n" }
private func field(_ text: String) -> String { "GET /echo HTTP/1.1\r\n\(host)\(text)\r\n\r\n" }
private func post(_ fields: String, _ body: String) -> String { "POST /echo HTTP/1.1\r\n\(host)\(fields)\r\n\(body)" }

@Suite struct RequestCodecTests {
    private func expect(_ input: String, _ status: Int, sourceLocation: SourceLocation = #_sourceLocation) {
        let verdict = CodecRun.steadyVerdict(input)
        #expect(
            verdict?.hasPrefix("refused \(status)") == true,
            "\(input.debugDescription): \(verdict ?? "depends on the cut")", sourceLocation: sourceLocation)
    }

    private func expect(_ input: String, is events: String, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(CodecRun.steadyVerdict(input) == events, "\(input.debugDescription)", sourceLocation: sourceLocation)
    }

    @Test(arguments: [
        "GET  /echo HTTP/1.1", "GET\t/echo HTTP/1.1", " GET /echo HTTP/1.1", "GET /echo HTTP/1.1 ",
        "GET /e cho HTTP/1.1", "GET HTTP/1.1",
    ])
    func A2_theRequestLineHasOneFormAlone(text: String) { expect(line(text), 400) }

    @Test func A3_theVersionIsExact() {
        for version in ["HTTP/1.32", "http/1.1", "HTTP/01.1", "HTTP/1", "HTTP/ 1.1", "HTTP/4294967297.1"] {
            expect(line("GET /echo \(version)"), 400)
        }
        for version in ["HTTP/1.2", "HTTP/2.0", "HTTP/3.0"] { expect(line("GET /echo \(version)"), 505) }
        expect("GET /echo\r\n", 400)
        expect(line("GET /echo HTTP/1.0"), is: "GET /echo closes")
    }

    @Test func A4_theMethodIsATokenOfAtMost32Bytes() {
        expect(line("get /echo HTTP/1.1"), is: "get /echo")
        expect(line("FOO /echo HTTP/1.1"), is: "FOO /echo")
        for method in ["G=\":<>(e),[T];?\"", "\u{0} ", "GET\u{B}"] { expect(line("\(method) /echo HTTP/1.1"), 400) }
        let long = String(repeating: "A", count: 32)
        expect(line("\(long) /echo HTTP/1.1"), is: "\(long) /echo")
        expect(line("\(long)A /echo HTTP/1.1"), 501)
    }

    @Test func A5_CONNECT_is_refused() {
        expect("CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n\(next)", 400)
        expect(line("CONNECT / HTTP/1.1"), 400)
        expect(line("CONNECT gw.test HTTP/1.1"), 400)
    }

    @Test func A6_theAsteriskBelongsToOPTIONS() {
        expect(line("OPTIONS * HTTP/1.1"), is: "OPTIONS *")
        for target in ["*", "echo", "?a=1"] { expect(line("GET \(target) HTTP/1.1"), 400) }
    }

    @Test func A7_absoluteFormAgreesWithHost() {
        expect(line("GET http://gw.test/echo/a HTTP/1.1"), is: "GET /echo/a")
        expect(line("GET http://GW.test:80/echo/a?x HTTP/1.1"), is: "GET /echo/a?x")
        expect(line("GET http://gw.test HTTP/1.1"), is: "GET /")
        expect(line("GET http://other.test/echo HTTP/1.1"), 400)
        for target in ["ftp://gw.test/", "http:///echo", "http://u@gw.test/", "http://gw.test#x"] {
            expect(line("GET \(target) HTTP/1.1"), 400)
        }
        expect(line("GET https://gw.test/echo HTTP/1.1"), is: "kept 421")
    }

    @Test func A8_oneEmptyLineBeforeARequest() {
        #expect(CodecRun.verdict(Array(("\r\n" + next).utf8)) == "GET /echo/next")
        expect(post("Content-Length: 2\r\n", "ab\r\n" + next), is: "POST /echo [ab] | GET /echo/next")
        #expect(CodecRun.verdict(Array(("\r\n\r\n" + next).utf8)).hasPrefix("refused 400"))
        #expect(CodecRun.verdict(Array(("\n" + next).utf8)).hasPrefix("refused 400"))
    }

    @Test(arguments: [
        "GET /echo HTTP/1.1\nHost: gw.test\n\n", "GET /echo HTTP/1.1\r\nHost: gw.test\nX: 1\r\n\r\n",
        "GET /echo HTTP/1.1\r\nHost: gw.test\r\n\n", "GET /echo HTTP/1.1\r\nHost: gw.test\n\r\n", "GET /\nHTTP/1.1\r\n",
    ])
    func A9_linesEndWithCRLF(input: String) { expect(input, 400) }

    @Test(arguments: ["X: a\rb", "Visible: 1\rSmuggled: 2", "X: a\u{0}b", "X: \u{1}", "X: \u{7F}", "X: a\u{B}b"])
    func A10_controlsAreRefused(text: String) { expect(field(text), 400) }

    @Test func A10_aHeadIsNotClosedByCRLFCR() { expect("GET /echo HTTP/1.1\r\nHost: gw.test\r\n\rZ", 400) }

    @Test func A11_linesAreNotFolded() {
        for text in ["X: a\r\n b", "Transfer-Encoding:\r\n chunked"] { expect(field(text), 400) }
        expect("GET /echo HTTP/1.1\r\n Host: gw.test\r\n\r\n", 400)
        expect("GET /echo HTTP/1.1\r\n\tContent-Length: 1\r\n\(host)\r\n", 400)
    }

    @Test(arguments: [
        "Host : gw.test", "Content-Length : 5", "Content-Length 5", ":x", ": x", "X", "X(: 1", "X\u{85}: 1",
        "Content-Length\u{A0}: 5",
    ])
    func A12_aFieldLineIsTokenColonValue(text: String) { expect(field(text), 400) }

    @Test func A15_thereIsOneValidHost() {
        expect("GET /echo HTTP/1.1\r\n\r\n", 400)
        expect("GET /echo HTTP/1.1\r\n\(host)\(host)\r\n", 400)
        for value in ["gw.test, other.test", "", "gw.test/x", "a@gw.test", "gw.test\u{0}.evil"] {
            expect("GET /echo HTTP/1.1\r\nHost: \(value)\r\n\r\n", 400)
        }
        expect("GET /echo HTTP/1.0\r\n\r\n", is: "GET /echo closes")
    }

    @Test func B17_hostsAreReadStrictly() {
        for value in ["gw.test:80", "GW.TEST", "gw.test.", "gw.test:", "127.0.0.1", "[::1]:8080"] {
            expect("GET /echo HTTP/1.1\r\nHost: \(value)\r\n\r\n", is: "GET /echo")
        }
        let bad = [
            "gw.test:99999", "gw.test:8x", "gw.test?", "gw.test%2e", "gw..test", "gw.test..", "[::1", "[::1]x",
            "[fe80::1%25eth0]", String(repeating: "a", count: 256), "gw.test\u{E4}", ".x.test", "*.x.test",
        ]
        for value in bad { expect("GET /echo HTTP/1.1\r\nHost: \(value)\r\n\r\n", 400) }
    }

    @Test(arguments: [
        "+5", "-5", "-0", "0x5", "5_0", "1Z", "5 5", "5.0", "5,", "", "\"5\"", "\u{A0}5", "9223372036854775808",
        "11111111111111111111",
    ])
    func A18_ContentLengthIsDigits(value: String) { expect(post("Content-Length: \(value)\r\n", "hello\(next)"), 400) }

    @Test func A19_leadingZerosAreDecimal() {
        expect(post("Content-Length: 010\r\n", "0123456789\(next)"), is: "POST /echo [0123456789] | GET /echo/next")
    }

    @Test(arguments: [
        "5\r\nContent-Length: 5", "5\r\nContent-Length: 6", "5, 5", "5,6", "\r\nContent-Length: 59",
        "0\r\nContent-Length: 43",
    ])
    func A20_thereIsOneContentLength(value: String) {
        expect(post("Content-Length: \(value)\r\n", "hello\(next)"), 400)
    }

    @Test(arguments: [
        "Content-Length: 5\r\n\(chunked)", "\(chunked)Content-Length: 0\r\n",
        "\(chunked)Content-Length: 5\r\nConnection: close\r\n",
        "Transfer-Encoding: x\r\nContent-Length: 5\r\n",
    ])
    func A21_lengthBesideTransferEncodingIsRefused(fields: String) { expect(post(fields, "0\r\n\r\n\(next)"), 400) }

    @Test func A22_chunkedIsTheOnlyTransferEncoding() {
        for value in ["CHUNKED", "\tchunked \t"] {
            expect(
                post("Transfer-Encoding:\(value)\r\n", "1\r\na\r\n0\r\n\r\n\(next)"),
                is: "POST /echo [a] | GET /echo/next")
        }
        let bad = [
            "xchunked", "identity", "chunked, identity", ",chunked", "chunked,", "chunked, chunked", "chunked;q=1",
            "\"chunked\"",
            "\u{B}chunked", "\u{FF}chunked", "", "chunked\r\nTransfer-Encoding: chunked",
            "chunked\r\nTransfer-Encoding: x",
        ]
        for value in bad { expect(post("Transfer-Encoding: \(value)\r\n", "0\r\n\r\n\(next)"), 400) }
    }

    @Test(arguments: ["gzip, chunked", "deflate, chunked", "identity, chunked"])
    func A23_otherCodingsAreNotImplemented(value: String) {
        expect(post("Transfer-Encoding: \(value)\r\n", "0\r\n\r\n"), 501)
    }

    @Test func A24_HTTP10HasNoTransferEncoding() {
        expect("POST /echo HTTP/1.0\r\n\(host)\(chunked)\r\n0\r\n\r\n\(next)", 400)
    }

    @Test func A25_aChunkSizeIsHexadecimalDigits() {
        let bad = [
            "0x5", "+5", "-1", "-0x0", " 5", "5 ", "5\t", "0_2e", "5g", "", "1these-bytes", "8000000000000000",
            "FFFFFFFFFFFFFFFF", "00000000000000000",
        ]
        for size in bad { expect(post(chunked, "\(size)\r\nhello\r\n0\r\n\r\n\(next)"), 400) }
        for size in ["5", "000005"] {
            expect(post(chunked, "\(size)\r\nhello\r\n0\r\n\r\n\(next)"), is: "POST /echo [hello] | GET /echo/next")
        }
        for size in ["A", "a"] {
            expect(
                post(chunked, "\(size)\r\n0123456789\r\n0\r\n\r\n\(next)"),
                is: "POST /echo [0123456789] | GET /echo/next")
        }
    }

    @Test(arguments: [
        "5\nhello\r\n0\r\n\r\n", "5\rhello", "5\r\nhello\n0\r\n\r\n", "5\r\nhelloXX0\r\n\r\n", "5\r\nhello0\r\n\r\n",
        "5\r\nhello!\r\n0\r\n\r\n",
        "0\r\nX:\(next)\n", "0\r\n\n", "0\n\r\n", "5\r\nhello\r\n\r\n0\r\n\r\n",
    ])
    func A26_linesOfTheCodingEndWithCRLF(body: String) {
        let verdict = CodecRun.steadyVerdict(post(chunked, body))
        #expect(
            verdict?.contains("/echo/next") == false && verdict?.contains("refused 4") == true,
            "\(body.debugDescription) \(verdict ?? "nil")")
    }

    @Test func A27_chunkExtensionsFollowTheirGrammar() {
        for size in ["5;a=b", "5;a=\"q;\\\"x\"", "5 ; a", "5;a;b=c"] {
            expect(post(chunked, "\(size)\r\nhello\r\n0\r\n\r\n\(next)"), is: "POST /echo [hello] | GET /echo/next")
        }
        for size in ["5;\nhello", "5;a\rX", "2\r\r;a", "5;\u{1}", "5;", "5;a=b c", "5;a="] {
            expect(post(chunked, "\(size)\r\nhello\r\n0\r\n\r\n"), 400)
        }
        let long = String(repeating: "a", count: 255)
        expect(post(chunked, "5;\(long)\r\nhello\r\n0\r\n\r\n"), is: "POST /echo [hello]")
        expect(post(chunked, "5;\(long)a\r\nhello\r\n0\r\n\r\n"), 400)
        let many = String(repeating: "1;a=1234567\r\nx\r\n", count: 70_000)
        #expect(CodecRun.verdict(Array(post(chunked, many).utf8)).hasPrefix("refused 400"))
    }

    @Test func A29_trailersAreCheckedAndBounded() {
        expect(post(chunked, "0\r\nGrpc-X: 1\r\nX-Sum: 2\r\n\r\n\(next)"), is: "POST /echo | GET /echo/next")
        for trailer in ["X : 1", "X", "A: 1\r\n b"] { expect(post(chunked, "0\r\n\(trailer)\r\n\r\n"), 400) }
        let many = (0..<21).map { "T\($0): 1\r\n" }.joined()
        #expect(CodecRun.verdict(Array(post(chunked, "0\r\n\(many)\r\n").utf8)).hasPrefix("refused 431"))
        let large = "T: \(String(repeating: "a", count: 8_200))\r\n"
        #expect(CodecRun.verdict(Array(post(chunked, "0\r\n\(large)\r\n").utf8)).hasPrefix("refused 431"))
    }

    @Test(arguments: ["GET", "HEAD", "DELETE", "OPTIONS"])
    func A31_aBodyIsFramedWhateverTheMethod(method: String) {
        expect(
            "\(method) /echo HTTP/1.1\r\n\(host)Content-Length: 5\r\n\r\nhello\(next)",
            is: "\(method) /echo [hello] | GET /echo/next")
    }

    @Test func A32_nothingBehindABodyIsPartOfIt() {
        expect(
            post("Content-Length: 0\r\n", post("Content-Length: 34\r\n", String(repeating: "x", count: 34) + next)),
            is: "POST /echo | POST /echo [\(String(repeating: "x", count: 34))] | GET /echo/next")
    }

    @Test func A42_ExpectHasOneValue() {
        for value in ["200-ok", "100-continue, x"] {
            expect(post("Expect: \(value)\r\nContent-Length: 1\r\n", "a"), 417)
        }
        expect(post("Expect: 100-Continue\r\nContent-Length: 1\r\n", "a"), is: "POST /echo [a]")
        expect("POST /echo HTTP/1.0\r\n\(host)Expect: x\r\nContent-Length: 1\r\n\r\na", is: "POST /echo closes [a]")
    }

    @Test func B26_singletonsComeOnce() {
        expect(field("Authorization: a\r\nauthorization: b"), is: "kept 400")
        expect(field("Content-Type: a\r\nContent-Type: a"), is: "kept 400")
    }

    @Test func A16_limitsOfTheHeadHoldToTheByte() {
        func head(lineBytes: Int) -> [UInt8] {
            let target = "/" + String(repeating: "a", count: lineBytes - "GET / HTTP/1.1".utf8.count)
            return Array(line("GET \(target) HTTP/1.1").utf8)
        }
        #expect(CodecRun.verdict(head(lineBytes: 8_192)).hasPrefix("GET /a"))
        #expect(CodecRun.verdict(head(lineBytes: 8_193)).hasPrefix("refused 414"))
        func whole(_ bytes: Int) -> [UInt8] {
            let start = "GET / HTTP/1.1\r\n\(host)X: "
            return Array((start + String(repeating: "a", count: bytes - start.utf8.count - 4) + "\r\n\r\n").utf8)
        }
        for cuts in [[], [100], [32_767], [32_768]] {
            #expect(CodecRun.verdict(whole(32_768), cuts: cuts) == "GET /")
            #expect(CodecRun.verdict(whole(32_769), cuts: cuts).hasPrefix("refused 431"))
        }
        func fields(_ count: Int) -> [UInt8] {
            Array("GET / HTTP/1.1\r\n\(host)\((1..<count).map { "X\($0): 1\r\n" }.joined())\r\n".utf8)
        }
        #expect(CodecRun.verdict(fields(100)) == "GET /")
        #expect(CodecRun.verdict(fields(101)).hasPrefix("refused 431"))
        let endless = Array("GET / HTTP/1.1\r\nX: \(String(repeating: "a", count: 33_000))".utf8)
        #expect(CodecRun.verdict(Array(endless.prefix(32_768))) == "")
        #expect(CodecRun.verdict(Array(endless.prefix(32_769))).hasPrefix("refused 431"))
    }
}
