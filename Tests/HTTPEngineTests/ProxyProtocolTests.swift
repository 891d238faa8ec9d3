import Testing

@testable import HTTPEngine

// The PROXY protocol before a connection's first byte (must-hold B27), as a codec and over sockets.

private let request = Array("GET /a HTTP/1.1\r\nHost: gw.test\r\n\r\n".utf8)
private let signature: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]
private let four: [UInt8] = [1, 1, 1, 1, 2, 2, 2, 2, 0, 1, 0, 2]
private let six: [UInt8] =
    [0x20, 1, 0x0D, 0xB8] + [UInt8](repeating: 0, count: 11) + [9] + [UInt8](repeating: 1, count: 16) + [0, 1, 0, 2]

/// A header of version 2 with the length that the block has, or the one that is stated.
private func binary(
    _ block: [UInt8], command: UInt8 = 0x21, family: UInt8 = 0x11, stated length: Int? = nil
) -> [UInt8] {
    let length = length ?? block.count
    return signature + [command, family, UInt8(length >> 8), UInt8(length & 255)] + block
}

/// A type-length-value.
private func extra(_ type: UInt8, _ value: [UInt8], stated length: Int? = nil) -> [UInt8] {
    let length = length ?? value.count
    return [type, UInt8(length >> 8), UInt8(length & 255)] + value
}

/// With its check sum (2.2.3), one bit of it turned where it is to be wrong.
private func checked(isWrong: Bool = false) -> [UInt8] {
    var header = binary(four + extra(0x03, [0, 0, 0, 0]) + extra(0x04, [7]))
    let sum = ProxyHeader.checkSum(header) ^ (isWrong ? 1 : 0)
    for index in 0..<4 { header[31 + index] = UInt8(truncatingIfNeeded: sum >> UInt32(24 - index * 8)) }
    return header
}

private func text(_ line: String) -> [UInt8] { Array("\(line)\r\n".utf8) }

/// What the header says, with the peer's own address as `own`.
private struct Good: CustomStringConvertible {
    let name: String
    let bytes: [UInt8]
    let caller: String
    var description: String { name }
}

private let goodHeaders: [Good] = [
    Good(name: "TCP4", bytes: text("PROXY TCP4 1.1.1.1 2.2.2.2 1 65535"), caller: "1.1.1.1"),
    Good(name: "TCP6", bytes: text("PROXY TCP6 2001:DB8::9 ::1 0 2"), caller: "2001:db8::9"),
    Good(name: "TCP6 mapped", bytes: text("PROXY TCP6 ::ffff:1.1.1.1 ::1 1 2"), caller: "1.1.1.1"),
    Good(name: "UNKNOWN x", bytes: text("PROXY UNKNOWN x"), caller: "own"),
    Good(name: "UNKNOWN", bytes: text("PROXY UNKNOWN"), caller: "own"),
    Good(name: "107 bytes", bytes: text("PROXY UNKNOWN \(String(repeating: "x", count: 91))"), caller: "own"),
    Good(name: "v2 four", bytes: binary(four), caller: "1.1.1.1"),
    Good(name: "v2 six", bytes: binary(six, family: 0x21), caller: "2001:db8::9"),
    Good(name: "v2 LOCAL", bytes: binary([], command: 0x20, family: 0), caller: "own"),
    Good(name: "v2 LOCAL with a block", bytes: binary([9, 9, 9], command: 0x20), caller: "own"),
    Good(name: "v2 unspecified", bytes: binary([1], family: 0), caller: "own"),
    Good(name: "v2 unix", bytes: binary([UInt8](repeating: 65, count: 216), family: 0x31), caller: "own"),
    Good(name: "v2 with more", bytes: binary(four + extra(1, Array("h2".utf8)) + extra(4, [])), caller: "1.1.1.1"),
    Good(name: "v2 checked", bytes: checked(), caller: "1.1.1.1"),
    Good(
        name: "v2 of 528 bytes", bytes: binary(four + extra(4, [UInt8](repeating: 0, count: 497))), caller: "1.1.1.1"),
]

private let noHeaders: [(String, [UInt8])] = [
    ("none", request), ("octal", text("PROXY TCP4 1.1.1.01 2.2.2.2 1 2")),
    ("short", text("PROXY TCP4 1.1 2.2.2.2 1 2")),
    ("six as four", text("PROXY TCP4 ::1 ::1 1 2")), ("four as six", text("PROXY TCP6 1.1.1.1 2.2.2.2 1 2")),
    ("mixed", text("PROXY TCP6 ::1 2.2.2.2 1 2")), ("zone", text("PROXY TCP6 fe80::1%lo ::1 1 2")),
    ("two blanks", text("PROXY TCP4  1.1.1.1 2.2.2.2 1 2")), ("last blank", text("PROXY TCP4 1.1.1.1 2.2.2.2 1 2 ")),
    ("port 65536", text("PROXY TCP4 1.1.1.1 2.2.2.2 1 65536")), ("port 01", text("PROXY TCP4 1.1.1.1 2.2.2.2 01 2")),
    ("port +1", text("PROXY TCP4 1.1.1.1 2.2.2.2 +1 2")), ("no port", text("PROXY TCP4 1.1.1.1 2.2.2.2 1")),
    ("UDP4", text("PROXY UDP4 1.1.1.1 2.2.2.2 1 2")), ("lower case", text("proxy TCP4 1.1.1.1 2.2.2.2 1 2")),
    ("LF alone", Array("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n".utf8)),
    ("LF in UNKNOWN", Array("PROXY UNKNOWN a\nb\r\n".utf8)), ("CR alone", Array("PROXY UNKNOWN a\rb\r\n".utf8)),
    ("108 bytes", Array("PROXY UNKNOWN \(String(repeating: "x", count: 94))".utf8)),
    ("108 bytes with CRLF", text("PROXY UNKNOWN \(String(repeating: "x", count: 92))")),
    ("bad signature", signature.dropLast() + [0x0B, 0x21, 0x11, 0, 12] + four),
    ("v2 version 1", binary(four, command: 0x11)), ("v2 command 2", binary(four, command: 0x22)),
    ("v2 family 4", binary(four, family: 0x41)), ("v2 no protocol", binary(four, family: 0x10)),
    ("v2 datagrams", binary(four, family: 0x12)), ("v2 protocol 3", binary(four, family: 0x13)),
    ("v2 length 11", binary(Array(four.dropLast()))), ("v2 six of 35", binary(Array(six.dropLast()), family: 0x21)),
    ("v2 unix of 215", binary([UInt8](repeating: 65, count: 215), family: 0x31)),
    ("v2 TLV beyond", binary(four + extra(4, [0], stated: 2))), ("v2 half a TLV", binary(four + [4, 0])),
    ("v2 bad check", checked(isWrong: true)), ("v2 check of 3 bytes", binary(four + extra(3, [1, 2, 3]))),
    ("v2 two checks", binary(four + extra(3, [0, 0, 0, 0]) + extra(3, [0, 0, 0, 0]))),
    ("v2 of 529 bytes", binary(four + extra(4, [UInt8](repeating: 0, count: 498)))),
    ("v2 of 65535", binary(four, stated: 65_535)),
]

private let badHeaders = noHeaders.map { Good(name: $0.0, bytes: $0.1, caller: "") }

@Suite struct ProxyProtocolTests {
    /// The verdict on all prefixes up to the first that is final.
    private func verdict(_ bytes: [UInt8]) -> String {
        for count in 1...bytes.count {
            let reading = bytes.prefix(count).withUnsafeBytes { ProxyHeader.read($0) }
            switch reading {
            case .needsMore: continue
            case .bad: return "bad"
            case .complete(let header): return "\(header.length) \(header.caller?.text ?? "own")"
            }
        }
        return "unfinished"
    }

    @Test(arguments: goodHeaders)
    fileprivate func B27_aGoodHeaderSaysWhoCalls(good: Good) {
        let expected = "\(good.bytes.count) \(good.caller)"
        #expect(verdict(good.bytes) == expected)
        // What is behind it does not count, even if it came at once.
        let all = good.bytes + request
        let whole = all.withUnsafeBytes { ProxyHeader.read($0) }
        guard case .complete(let header) = whole else {
            Issue.record("not taken whole")
            return
        }
        #expect("\(header.length) \(header.caller?.text ?? "own")" == expected)
    }

    @Test(arguments: badHeaders)
    fileprivate func B27_aBadHeaderIsNone(bad: Good) {
        #expect(verdict(bad.bytes + request) == "bad")
        let whole = (bad.bytes + request).withUnsafeBytes { ProxyHeader.read($0) }
        guard case .bad = whole else {
            Issue.record("taken whole")
            return
        }
    }

    @Test func B27_theCheckSumIsCRC32C() {
        #expect(ProxyHeader.checkSum(Array("123456789".utf8)) == 0xE306_9283)
    }

    // MARK: Sockets

    @Test(arguments: goodHeaders)
    fileprivate func B27_theAddressOfTheHeaderIsTheCallers(good: Good) throws {
        let backend = TestBackend.echo()
        let gateway = try TestGateway(backend, isBalancer: { $0.text == "127.0.0.1" })
        let caller = good.caller == "own" ? "127.0.0.1" : good.caller
        let whole = gateway.connect()
        whole.send(good.bytes + request)
        #expect(whole.receiveResponse()?.body == "/a|")
        // The header is of the connection, not of a request.
        whole.send(request)
        #expect(whole.receiveResponse()?.body == "/a|")
        let split = gateway.connect()
        for byte in good.bytes { split.send([byte]) }
        split.send(request)
        #expect(split.receiveResponse()?.body == "/a|")
        #expect(gateway.log.peers == [caller, caller, caller])
    }

    @Test(arguments: badHeaders)
    fileprivate func B27_withoutAGoodHeaderTheConnectionEndsWithoutAWord(bad: Good) throws {
        let backend = TestBackend.echo()
        let gateway = try TestGateway(backend, isBalancer: { _ in true })
        let client = gateway.connect()
        client.send(bad.bytes + request)
        #expect(client.receiveAll().isEmpty)
        #expect(backend.requests.isEmpty && gateway.log.peers.isEmpty && gateway.log.refused.isEmpty)
        #expect(gateway.server.counters[0].value(of: .proxyHeadersRefused) == 1)
    }

    @Test func B27_aStrangerIsNotListenedTo() throws {
        let backend = TestBackend.echo()
        let gateway = try TestGateway(backend, isBalancer: { $0.text == "10.0.0.1" })
        let client = gateway.connect()
        client.send(text("PROXY TCP4 10.0.0.1 2.2.2.2 1 2") + request)
        #expect(client.receiveAll().isEmpty)
        #expect(backend.requests.isEmpty)
    }

    @Test func B27_silenceEndsAtTheLimit() throws {
        var limits = EngineLimits()
        #expect(limits.proxyHeaderMilliseconds == 5_000)
        limits.proxyHeaderMilliseconds = 50
        let gateway = try TestGateway(backend: 1, limits: limits, isBalancer: { _ in true })
        let silent = gateway.connect()
        #expect(silent.receiveAll().isEmpty)
        let half = gateway.connect()
        half.send("PROXY TCP4 1.1.1.1")
        #expect(half.receiveAll().isEmpty)
        let halfClosed = gateway.connect()
        halfClosed.send("PROXY TCP4 1.1.1.1")
        halfClosed.shutWriting()
        #expect(halfClosed.receiveAll().isEmpty)
    }

    @Test func B27_whereItIsOffAHeaderIsNoRequest() throws {
        let backend = TestBackend.echo()
        let gateway = try TestGateway(backend)
        for bytes in [text("PROXY TCP4 1.1.1.1 2.2.2.2 1 2"), binary(four)] {
            let client = gateway.connect()
            client.send(bytes + request)
            #expect(client.receiveResponse()?.status == 400)
            #expect(client.isEnded())
        }
        #expect(backend.requests.isEmpty)
    }

    @Test func B27_theHeaderStandsBeforeTLS() throws {
        let backend = TestBackend.echo()
        let identity = try TestCertificates.selfSigned(name: "gw.test", alternative: "DNS:gw.test")
        let gateway = try TestGateway(backend, scheme: .https, identity: identity, isBalancer: { _ in true })
        let client = TestTLSSocket(port: gateway.port, before: binary(six, family: 0x21))
        client.send("GET /a HTTP/1.1\r\nHost: gw.test\r\n\r\n")
        #expect(client.receiveUntil("|").hasSuffix("/a|"))
        #expect(gateway.log.peers == ["2001:db8::9"])
        #expect(!TestTLSSocket(port: gateway.port).isConnected)
    }
}
