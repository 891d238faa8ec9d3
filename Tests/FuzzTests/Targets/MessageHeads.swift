// Heads of requests and responses: the same verdict however the bytes were cut, and an accepted head, written again,
// is read as the same head.
@testable import HTTPEngine

extension FuzzTarget {
    static let requestHead = FuzzTarget("request-head") { bytes in
        let limits = EngineLimits()
        let bounds = HeadLimits(
            firstLineBytes: limits.requestLineBytes, headBytes: limits.requestHeadBytes, fields: limits.requestFields)
        guard let whole = try HeadRun.head(bytes, .request, bounds) else { return }
        guard let read = HeadRun.request(whole) else { return }
        let head = read.head
        try promise(head.path.first == UInt8(ascii: "/") || head.path == [UInt8(ascii: "*")], "a path begins with /")
        try promise(head.query?.allSatisfy { $0 > 0x20 && $0 < 0x7F } ?? true, "a query is printable")
        if read.framing.refusal != nil { return }
        let again = HeadRun.written(read)
        guard let second = HeadRun.request(again) else {
            throw FuzzFinding(
                "an accepted head is refused when written again: \(String(decoding: again, as: UTF8.self))")
        }
        try promise(second.head.method == head.method, "the method stays")
        try promise(second.head.path == head.path && second.head.query == head.query, "the target stays")
        try promise(second.head.body == head.body, "the framing stays")
        if head.fields.contains(.host) { try promise(second.head.authority == head.authority, "the authority stays") }
        try promise(HeadRun.lines(second.head.fields) == HeadRun.lines(head.fields), "the fields stay")
    }

    static let responseHead = FuzzTarget("response-head") { bytes in
        let limits = EngineLimits()
        let bounds = HeadLimits(
            firstLineBytes: limits.responseHeadBytes, headBytes: limits.responseHeadBytes,
            fields: limits.responseFields)
        guard let whole = try HeadRun.head(bytes, .response, bounds) else { return }
        for answersHead in [false, true] {
            guard let read = HeadRun.response(whole, answersHead: answersHead) else { continue }
            try promise((100...599).contains(read.head.status), "a status is between 100 and 599")
            var again = Array("HTTP/1.\(read.framing.isHTTP10 ? 0 : 1) \(read.head.status) x\r\n".utf8)
            HeadRun.write(read.head.fields, to: &again)
            if case .unknown = read.framing.body, !read.framing.endsWithConnection {
                again += Array("Transfer-Encoding: chunked\r\n".utf8)
            }
            again += Array("\r\n".utf8)
            guard let second = HeadRun.response(again, answersHead: answersHead) else {
                throw FuzzFinding("an accepted head is refused when written again")
            }
            try promise(second.framing.body == read.framing.body, "the framing stays")
            try promise(HeadRun.lines(second.head.fields) == HeadRun.lines(read.head.fields), "the fields stay")
        }
    }

    static let host = FuzzTarget("host", bytesMax: 300) { bytes in
        guard let syntax = HostSyntax(bytes) else { return }
        try promise(!syntax.host.isEmpty && bytes.indices.contains(syntax.host.lowerBound), "a host has bytes")
        try promise(syntax.host.upperBound <= bytes.count, "a host lies within what was read")
        try promise(syntax.port.map { (0...65_535).contains($0) } ?? true, "a port is one")
        let isSame = bytes.withUnsafeBytes { HostSyntax.equal($0, $0, defaultPort: 80) }
        try promise(isSame, "a host equals itself")
        try promise(!bytes.contains { $0 <= 0x20 || $0 >= 0x7F || "/@?#\\%".utf8.contains($0) }, "no other bytes")
    }

    static let target = FuzzTarget("target") { bytes in
        guard let path = TargetNormalizer.normalized(bytes) else { return }
        try promise(path.first == UInt8(ascii: "/"), "a path begins with /")
        try promise(TargetNormalizer.normalized(path) == path, "the normal form is its own normal form")
        let segments = path.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).dropFirst()
        try promise(!segments.dropLast().contains(where: \.isEmpty), "no // stays")
        for segment in segments {
            let decoded = PercentEncoding.decoded(segment)
            try promise(decoded != [0x2E] && decoded != [0x2E, 0x2E], "no dot segment stays")
            try promise(!decoded.contains { $0 < 0x20 || $0 == 0x7F }, "no control stays")
            try promise(String(validating: decoded, as: UTF8.self) != nil, "a segment is UTF-8")
        }
    }
}

/// Heads read as a connection reads them.
enum HeadRun {
    struct ReadRequest {
        var head: RequestHead
        var framing: RequestFraming
    }

    struct ReadResponse {
        var head: ResponseHead
        var framing: ResponseFraming
    }

    /// The head's bytes from its first line on; nil where it is refused or not whole.
    static func head(_ bytes: [UInt8], _ kind: HeadKind, _ limits: HeadLimits) throws -> [UInt8]? {
        var generator = SeededGenerator(bytes)
        let atOnce = scan(bytes, [bytes.count], kind, limits)
        let cut = scan(bytes, generator.cuts(bytes.count), kind, limits)
        switch (atOnce, cut) {
        case (.success(let one), .success(let other)):
            try promise(one == other, "the same head however it is cut")
            return one.map { Array(bytes[$0]) }
        case (.failure(let one), .failure(let other)):
            try promise(one.status == other.status, "the same refusal however it is cut: \(one), \(other)")
            return nil
        default: throw FuzzFinding("taken or refused, depending on where the head is cut: \(atOnce), \(cut)")
        }
    }

    private static func scan(
        _ bytes: [UInt8], _ cuts: [Int], _ kind: HeadKind, _ limits: HeadLimits
    ) -> Result<Range<Int>?, Refusal> {
        var scanner = HeadScanner()
        for cut in cuts {
            // A copy of its own, so that a look behind its end is noticed.
            let part = Array(bytes[..<cut])
            let result = part.withUnsafeBytes { raw -> Result<Range<Int>?, Refusal> in
                do throws(Refusal) {
                    guard case .complete(let start, let end) = try scanner.scan(raw, kind: kind, limits: limits) else {
                        return .success(nil)
                    }
                    return .success(start..<end)
                } catch {
                    return .failure(error)
                }
            }
            switch result {
            case .success(nil): break
            default: return result
            }
        }
        return .success(nil)
    }

    static func request(_ bytes: [UInt8]) -> ReadRequest? {
        var head = RequestHead(
            method: .get, scheme: .http, authority: [], path: [], query: nil, fields: HeaderFields(), body: .none)
        let framing = bytes.withUnsafeBytes { raw in
            try? RequestHeadReader.read(raw, scheme: .http, into: &head)
        }
        return framing.map { ReadRequest(head: head, framing: $0) }
    }

    static func response(_ bytes: [UInt8], answersHead: Bool) -> ReadResponse? {
        var head = ResponseHead(status: 200)
        let framing = bytes.withUnsafeBytes { raw in
            try? ResponseHeadReader.read(raw, answersHead: answersHead, into: &head)
        }
        return framing.map { ReadResponse(head: head, framing: $0) }
    }

    /// The head as a proxy would send it on.
    static func written(_ read: ReadRequest) -> [UInt8] {
        var bytes = read.head.method.bytes + [0x20] + read.head.path
        if let query = read.head.query { bytes += [UInt8(ascii: "?")] + query }
        bytes += Array(" HTTP/1.\(read.framing.isHTTP10 ? 0 : 1)\r\n".utf8)
        write(read.head.fields, to: &bytes)
        if read.head.body == .unknown { bytes += Array("Transfer-Encoding: chunked\r\n".utf8) }
        return bytes + Array("\r\n".utf8)
    }

    static func write(_ fields: HeaderFields, to bytes: inout [UInt8]) {
        for index in 0..<fields.count {
            bytes += Array(fields.name(at: index)) + Array(": ".utf8) + Array(fields.value(at: index))
            bytes += Array("\r\n".utf8)
        }
    }

    static func lines(_ fields: HeaderFields) -> [[UInt8]] {
        (0..<fields.count).map { Array(fields.name(at: $0)) + [0] + Array(fields.value(at: $0)) }
    }
}
