import Testing

@testable import HTTPEngine

// How bytes arrive does not count, and costs in step with them (must-hold A1, A17).

private let good = "GET /first HTTP/1.1\r\nHost: gw.test\r\n\r\n"

private func latin(_ text: String) -> [UInt8] { text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) } }

@Suite struct CuttingTests {
    @Test func A1_theVerdictDoesNotDependOnCuts() {
        #expect(PartAInputs.all.count > 180)
        for input in PartAInputs.all {
            let bytes = latin(input)
            let whole = CodecRun.verdict(bytes)
            let before = Array(good.utf8)
            let behind = whole.isEmpty ? "GET /first" : "GET /first | " + whole
            var broken: [Int] = []
            for cut in 0...bytes.count {
                if CodecRun.verdict(bytes, cuts: [cut]) != whole { broken.append(cut) }
                if CodecRun.verdict(before + bytes, cuts: [before.count + cut]) != behind { broken.append(-cut) }
            }
            #expect(broken.isEmpty, "\(input.debugDescription): \(whole)")
            #expect(CodecRun.verdict(bytes, cuts: Array(0..<bytes.count)) == whole, "\(input.debugDescription)")
            let all = before + bytes
            #expect(CodecRun.verdict(all, cuts: Array(0..<all.count)) == behind, "\(input.debugDescription)")
        }
    }

    /// What came back and what the backend saw whole, for an input in these pieces with a last request behind it.
    private func run(_ pieces: [[UInt8]]) throws -> String {
        let backend = TestBackend { backend, socket in
            while let head = socket.receiveHead() {
                var body: [UInt8] = []
                let request = TestResponse(head: head)
                if let length = request.field("Content-Length").flatMap(Int.init) {
                    body = socket.receiveExactly(length)
                    if body.count < length { return }
                } else if request.field("Transfer-Encoding") == "chunked" {
                    // Only what ends as it should is whole.
                    while true {
                        guard let line = socket.receiveLine(), let size = Int(line, radix: 16) else { return }
                        body += socket.receiveExactly(size)
                        if size == 0 { break }
                        if socket.receiveExactly(2).count < 2 { return }
                    }
                    while let line = socket.receiveLine() { if line.isEmpty { break } }
                }
                backend.record(head + String(decoding: body, as: UTF8.self))
                socket.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\(head.hasPrefix("HEAD") ? "" : "ok")")
            }
        }
        let gateway = try TestGateway(backend)
        let client = gateway.connect()
        for piece in pieces { client.send(piece) }
        client.send("GET /last HTTP/1.1\r\nHost: gw.test\r\nConnection: close\r\n\r\n")
        client.shutWriting()
        let text = client.receiveAllText().replacing(/Date: [^\r]*\r\n/, with: "")
        // Each run has a backend on a port of its own.
        let seen = backend.requests.joined(separator: "\n").replacing(/127\.0\.0\.1:[0-9]+/, with: "backend")
        return "\(text)\n\(seen)"
    }

    @Test func A1_itIsTheSameThroughSockets() throws {
        // Every third, so that each kind is there; the codec's test has them all.
        for (number, input) in PartAInputs.all.enumerated() where number % 3 == 0 {
            let bytes = latin(input)
            let whole = try run([bytes])
            let single = try run(bytes.map { [$0] })
            #expect(single == whole, "\(input.debugDescription)")
            let middle = bytes.count / 2
            let halves = try run([Array(bytes[..<middle]), Array(bytes[middle...])])
            #expect(halves == whole, "\(input.debugDescription)")
            let behind = try run([Array(good.utf8) + bytes])
            #expect(behind.hasPrefix("HTTP/1.1 200 OK\r\n"), "\(input.debugDescription)")
        }
    }

    @Test func A17_aHeadThatComesByteByByteIsLookedAtTwiceAtMost() throws {
        let limits = HeadLimits(firstLineBytes: 8_192, headBytes: 32_768, fields: 100)
        let start = "GET /a HTTP/1.1\r\nHost: gw.test\r\n"
        let lines = (0..<97).map { "X-\($0): \(String(repeating: "a", count: 325))\r\n" }.joined()
        let bytes = Array((start + lines + "\r\n").utf8)
        #expect(bytes.count > 32_000 && bytes.count <= 32_768)
        var scanner = HeadScanner()
        var looked = 0
        bytes.withUnsafeBytes { all in
            for count in 1...bytes.count {
                looked += count - scanner.lookedAt
                let progress = try? scanner.scan(
                    UnsafeRawBufferPointer(rebasing: all[..<count]), kind: .request, limits: limits)
                if count < bytes.count {
                    guard case .needsMore = progress else {
                        Issue.record("ended at \(count)")
                        return
                    }
                } else if case .complete(let start, let end) = progress {
                    #expect(start == 0 && end == bytes.count)
                } else {
                    Issue.record("did not end")
                }
            }
        }
        #expect(looked <= 2 * bytes.count)
    }

    @Test func A17_linesOfOneNameKeepTheirOrder() throws {
        let backend = TestBackend.echo()
        let gateway = try TestGateway(backend)
        let client = gateway.connect()
        let values = (0..<99).map { "v\($0)" }
        client.send("GET /a HTTP/1.1\r\nHost: gw.test\r\n\(values.map { "X-One: \($0)\r\n" }.joined())\r\n")
        #expect(client.receiveResponse()?.status == 200)
        #expect(TestResponse(head: backend.requests[0]).fields("X-One") == values)
    }

    @Test(arguments: Array(254...270) + [8_192, 30_000])
    func A17_longNamesArriveWhole(count: Int) throws {
        let backend = TestBackend.echo()
        let gateway = try TestGateway(backend)
        let name = String(repeating: "n", count: count)
        let client = gateway.connect()
        client.send("GET /a HTTP/1.1\r\nHost: gw.test\r\n\(name): v\r\nAfter: 1\r\n\r\n")
        #expect(client.receiveResponse()?.status == 200)
        #expect(backend.requests[0].contains("\r\n\(name): v\r\nAfter: 1\r\n"))
    }

    @Test func A17_optionsOfConnectionDoNotMultiply() throws {
        // 16,000 options and 98 fields: each field is looked up once, not once an option.
        let options = Array(repeating: "a", count: 15_000).joined(separator: ",")
        let text =
            "GET /a HTTP/1.1\r\nHost: gw.test\r\nConnection: \(options), X-Named\r\nX-Named: 1\r\nX-Kept: 1\r\n"
            + "\((0..<90).map { "F\($0): 1\r\n" }.joined())\r\n"
        var head = RequestHead(
            method: .get, scheme: .http, authority: [], path: [], query: nil, fields: HeaderFields(), body: .none)
        let bytes = Array(text.utf8)
        let isRead = bytes.withUnsafeBytes { (try? RequestHeadReader.read($0, scheme: .http, into: &head)) != nil }
        #expect(isRead)
        #expect(head.fields.contains(FieldName("X-Kept")) && !head.fields.contains(FieldName("X-Named")))
        #expect(head.fields.contains(FieldName("F89")))
    }
}
