// The inputs of must-hold part A that are bytes of a caller, for what must hold for all of them (A1).

private let host = "Host: gw.test\r\n"
private let chunked = "Transfer-Encoding: chunked\r\n"
private let next = "GET /echo/next HTTP/1.1\r\nHost: gw.test\r\n\r\n"

private func line(_ text: String) -> String { "\(text)\r\n\(host)\r\n" }
private func field(_ text: String) -> String { "GET /echo HTTP/1.1\r\n\(host)\(text)\r\n\r\n" }
private func post(_ fields: String, _ body: String) -> String { "POST /echo HTTP/1.1\r\n\(host)\(fields)\r\n\(body)" }
private func sized(_ value: String) -> String { post("Content-Length: \(value)\r\n", "hello\(next)") }
private func coded(_ value: String) -> String { post("Transfer-Encoding: \(value)\r\n", "0\r\n\r\n\(next)") }
private func chunks(_ body: String) -> String { post(chunked, body) }

/// Each as Unicode scalars below 256, one a byte.
enum PartAInputs {
    static let all: [String] = {
        var all = lines.map(line)
        all += heads
        all += values.map(field)
        all += hosts.map { "GET /echo HTTP/1.1\r\nHost: \($0)\r\n\r\n" }
        all += lengths.map(sized)
        all += codings.map(coded)
        all += framings
        all += sizes.map { chunks("\($0)\r\nhello\r\n0\r\n\r\n\(next)") }
        all += bodies.map(chunks)
        return all + connections
    }()

    private static let lines: [String] = [
        "GET  /echo HTTP/1.1", "GET\t/echo HTTP/1.1", " GET /echo HTTP/1.1", "GET /echo HTTP/1.1 ",
        "GET /e cho HTTP/1.1", "GET HTTP/1.1", "GET /echo HTTP/1.32", "GET /echo http/1.1", "GET /echo HTTP/01.1",
        "GET /echo HTTP/1", "GET /echo HTTP/ 1.1", "GET /echo HTTP/4294967297.1", "GET /echo HTTP/1.2",
        "GET /echo HTTP/2.0", "GET /echo HTTP/3.0", "GET /echo HTTP/1.0", "get /echo HTTP/1.1",
        "head /echo HTTP/1.1", "FOO /echo HTTP/1.1", "G=\":<>(e),[T];?\" /echo HTTP/1.1", "\u{0} /echo HTTP/1.1",
        "GET\u{B} /echo HTTP/1.1", "\(String(repeating: "A", count: 32)) /echo HTTP/1.1",
        "\(String(repeating: "A", count: 33)) /echo HTTP/1.1", "TRACE /echo HTTP/1.1", "CONNECT / HTTP/1.1",
        "CONNECT gw.test HTTP/1.1", "OPTIONS * HTTP/1.1", "GET * HTTP/1.1", "GET echo HTTP/1.1",
        "GET ?a=1 HTTP/1.1", "GET http://gw.test/echo/a HTTP/1.1", "GET http://GW.test:80/echo/a HTTP/1.1",
        "GET http://gw.test HTTP/1.1", "GET http://other.test/echo HTTP/1.1", "GET https://gw.test/echo HTTP/1.1",
        "GET ftp://gw.test/ HTTP/1.1", "GET http:///echo HTTP/1.1", "GET http://u@gw.test/ HTTP/1.1",
        "GET /echo/a?x=1 HTTP/1.1", "OPTIONS /echo HTTP/1.1",
    ]

    private static let heads: [String] = [
        "CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n\(next)", "GET /echo\r\n", "\r\n\(next)",
        "\r\n\r\n\(next)", "\n\(next)", post("Content-Length: 2\r\n", "ab\r\n\(next)"),
        "GET /echo HTTP/1.1\nHost: gw.test\n\n", "GET /echo HTTP/1.1\r\nHost: gw.test\nX: 1\r\n\r\n",
        "GET /echo HTTP/1.1\r\nHost: gw.test\r\n\n", "GET /echo HTTP/1.1\r\nHost: gw.test\n\r\n",
        "GET /\nHTTP/1.1\r\n", "GET /echo HTTP/1.1\r\nHost: gw.test\r\n\rZ",
        "GET /echo HTTP/1.1\r\n Host: gw.test\r\n\r\n", "GET /echo HTTP/1.1\r\n\tContent-Length: 1\r\n\(host)\r\n",
        "\u{16}\u{3}\u{1}\u{2}", "SSH-2.0-x\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET /echo HTTP/1.1\r\n\r\n", "GET /echo HTTP/1.1\r\n\(host)\(host)\r\n", "GET /echo HTTP/1.0\r\n\r\n",
    ]

    private static let values: [String] = [
        "X: a\rb", "Visible: 1\rSmuggled: 2", "X: a\u{0}b", "X: \u{1}", "X: \u{7F}", "X: a\r\n b",
        "Transfer-Encoding:\r\n chunked", "Host : gw.test", "Content-Length : 5", "Content-Length 5", ":x", ": x", "X",
        "X(: 1", "X\u{85}: 1", "Content-Length\u{A0}: 5", "X: \u{A0}v\u{85}", "X:\t a\tb ", "Content_Length: 5",
        "Transfer_Encoding: chunked", "X_Forwarded_For: 10.0.0.1", "My_Own: 1", "Connection: close",
        "Connection: keep-alive, Close", "Connection: X-Tenant\r\nX-Tenant: a", "Keep-Alive: 1\r\nTE: gzip",
        "Connection: Upgrade\r\nUpgrade: h2c", "Authorization: a\r\nauthorization: b", "Max-Forwards: 0",
        "Range: bytes=0-3", "Expect: 100-continue", "Expect: 200-ok",
    ]

    private static let hosts: [String] = [
        "gw.test, other.test", "", "gw.test/x", "a@gw.test", "gw.test\u{0}.evil", "gw.test:80", "[::1",
    ]

    private static let lengths: [String] = [
        "+5", "-5", "-0", "0x5", "5_0", "1Z", "5 5", "5.0", "5,", "", "\"5\"", "\u{A0}5", "9223372036854775808",
        "11111111111111111111", "5\r\nContent-Length: 5", "5\r\nContent-Length: 6", "5, 5", "5,6", "5", "05", "0",
        "\r\nContent-Length: 59", "0\r\nContent-Length: 43",
    ]

    private static let codings: [String] = [
        "CHUNKED", "\tchunked \t", "xchunked", "identity", "chunked, identity", ",chunked", "chunked,",
        "chunked, chunked", "chunked;q=1", "\"chunked\"", "\u{B}chunked", "\u{FF}chunked", "",
        "chunked\r\nTransfer-Encoding: chunked", "chunked\r\nTransfer-Encoding: x", "gzip, chunked",
        "deflate, chunked", "identity, chunked", "chunked\r\nContent-Length: 5",
    ]

    private static let framings: [String] = [
        post("Content-Length: 5\r\n\(chunked)", "0\r\n\r\n\(next)"),
        post("Transfer-Encoding: x\r\nContent-Length: 5\r\n", "0\r\n\r\n\(next)"),
        "POST /echo HTTP/1.0\r\n\(host)\(chunked)\r\n0\r\n\r\n\(next)", post("", next),
        post("Content-Length: 010\r\n", "0123456789\(next)"),
    ]

    private static let sizes: [String] = [
        "0x5", "+5", "-1", "-0x0", " 5", "5 ", "5\t", "0_2e", "5g", "", "1these-bytes", "8000000000000000",
        "FFFFFFFFFFFFFFFF", "00000000000000000", "5", "000005", "5;a=b", "5;a=\"q;\\\"x\"", "5 ; a", "5;\nhello",
        "5;a\rX", "2\r\r;a", "5;\u{1}", "5;", "5;a=b c", "5;a=", "5;\(String(repeating: "a", count: 256))",
    ]

    private static let bodies: [String] = [
        "5\nhello\r\n0\r\n\r\n", "5\rhello", "5\r\nhello\n0\r\n\r\n", "5\r\nhelloXX0\r\n\r\n",
        "5\r\nhello0\r\n\r\n", "5\r\nhello!\r\n0\r\n\r\n", "0\r\nX:\(next)\n", "0\r\n\n", "0\n\r\n",
        "5\r\nhello\r\n\r\n0\r\n\r\n", "A\r\n0123456789\r\n0\r\n\r\n\(next)", "0\r\nX : 1\r\n\r\n",
        "0\r\nX\r\n\r\n",
        "0\r\nGrpc-X: 1\r\nX-Sum: 2\r\n\r\n\(next)", "0\r\nA: 1\r\n b\r\n\r\n",
        "0\r\nHost: other.test\r\nContent-Length: 5\r\n\r\n\(next)",
        "0\r\n\((0..<21).map { "T\($0): 1\r\n" }.joined())\r\n\(next)",
    ]

    private static let connections: [String] = [
        "GET /echo HTTP/1.1\r\n\(host)Content-Length: 5\r\n\r\nhello\(next)",
        "HEAD /echo HTTP/1.1\r\n\(host)Content-Length: 5\r\n\r\nhello\(next)",
        "DELETE /echo HTTP/1.1\r\n\(host)Content-Length: 5\r\n\r\nhello\(next)",
        "OPTIONS /echo HTTP/1.1\r\n\(host)Content-Length: 5\r\n\r\nhello\(next)",
        post("Content-Length: 0\r\n", post("Content-Length: 34\r\n", String(repeating: "x", count: 34) + next)),
        "GET /echo/1 HTTP/1.1\r\n\(host)\r\nGET  /bad HTTP/1.1\r\n\(host)\r\n\(next)",
        "GET /echo HTTP/1.0\r\n\(host)Connection: keep-alive\r\n\r\n\(next)",
        post("Expect: 200-ok\r\nContent-Length: 1\r\n", "a\(next)"),
        post("Expect: 100-continue\r\nContent-Length: 1\r\n", "a\(next)"),
        "POST /own HTTP/1.1\r\n\(host)Content-Length: 5\r\n\r\nhello\(next)",
        "POST /own HTTP/1.1\r\n\(host)\(chunked)\r\n5\r\nhello\r\n0\r\n\r\n\(next)",
        "OPTIONS /echo HTTP/1.1\r\n\(host)Max-Forwards: -1\r\n\r\n\(next)",
        "POST /echo HTTP/1.1\r\n\(host)Content-Length: 10\r\n\r\nhello",
    ]
}
