// Reads a whole request head into values: request line, target in normal form, fields without those that stop here, and
// what frames the body (must-hold A.1, A.2, A43 to A45).

/// What a request's head says about its framing and its connection.
package struct RequestFraming: BitwiseCopyable, Sendable, Hashable {
    package var body: BodyLength = .none
    package var isHTTP10 = false
    /// The caller asked that the connection end, or speaks HTTP/1.0.
    package var closes = false
    package var expectsContinue = false
    /// `OPTIONS *`.
    package var isServerWide = false
    /// Taken whole, but refused; the connection goes on.
    package var refusal: Refusal?

    package init() {}
}

/// Reader of a head that `HeadScanner` found.
enum RequestHeadReader {
    /// What is collected from the field lines.
    private struct Collected {
        var hosts = 0
        var host = 0..<0
        var lengths = 0
        var length: UInt64 = 0
        var encodings = 0
        var hasUnknownCoding = false
        var hasBadEncoding = false
        var connectionLines = 0
        var expectations = 0
        var hasBadExpectation = false
        var authorizations = 0
        var contentTypes = 0
    }

    /// Reads the head from its first line's first byte to its last CRLF into `head`, whose storage is used again.
    static func read(
        _ bytes: UnsafeRawBufferPointer, scheme: URLScheme, into head: inout RequestHead
    ) throws(Refusal) -> RequestFraming {
        var framing = RequestFraming()
        var index = 0
        while bytes[index] != ByteClass.carriageReturn { index &+= 1 }
        let line = bytes.part(0..<index)
        let request = try RequestLine(line)
        framing.isHTTP10 = request.isHTTP10
        framing.closes = request.isHTTP10
        head.method = Method.known(line.part(0..<request.methodEnd))
        head.scheme = scheme

        var collected = Collected()
        let base = head.fields.adopt(bytes)
        index &+= 2
        while bytes[index] != ByteClass.carriageReturn {
            index = try readField(bytes, at: index, base: base, fields: &head.fields, collected: &collected)
        }
        try frame(&framing, collected, head: &head)
        try readTarget(
            line.part((request.methodEnd &+ 1)..<request.targetEnd), bytes: bytes, collected: collected,
            head: &head, framing: &framing)
        if collected.connectionLines > 0 { ConnectionOptions.apply(to: &head.fields, closes: &framing.closes) }
        head.fields.removeHopByHop()
        if collected.authorizations > 1 || collected.contentTypes > 1 { framing.refusal = .repeatedField }
        return framing
    }

    private static func readField(
        _ bytes: UnsafeRawBufferPointer, at start: Int, base: Int, fields: inout HeaderFields,
        collected: inout Collected
    ) throws(Refusal) -> Int {
        guard let line = FieldLine(bytes, at: start) else {
            let first = bytes[start]
            throw first == ByteClass.space || first == ByteClass.tab ? .foldedLine : .fieldSyntax
        }
        let name = bytes.part(line.name)
        let value = bytes.part(line.value)
        var isKept = true
        switch KnownField(name) {
        case .host:
            collected.hosts &+= 1
            collected.host = line.value
        case .contentLength:
            collected.lengths &+= 1
            guard let length = ContentLength.parse(value) else { throw .contentLength }
            collected.length = length
        case .transferEncoding:
            collected.encodings &+= 1
            if !ByteClass.equal(value, folded: "chunked") {
                collected.hasBadEncoding = true
                collected.hasUnknownCoding = TransferCoding.endsInChunked(value)
            }
            isKept = false
        case .connection: collected.connectionLines &+= 1
        case .expect:
            collected.expectations &+= 1
            if !ByteClass.equal(value, folded: "100-continue") { collected.hasBadExpectation = true }
            isKept = false
        case .authorization: collected.authorizations &+= 1
        case .contentType: collected.contentTypes &+= 1
        case .shadowOfFraming: isKept = false
        case .other: break
        }
        if isKept { fields.add(line, base: base) }
        return line.next
    }

    /// What frames the body, or why it can't be known (must-hold A18 to A24, A42).
    private static func frame(
        _ framing: inout RequestFraming, _ collected: Collected, head: inout RequestHead
    ) throws(Refusal) {
        if collected.encodings > 0 {
            guard collected.lengths == 0 else { throw .contentLengthAndTransferEncoding }
            guard collected.encodings == 1 else { throw .transferEncoding }
            if collected.hasBadEncoding { throw collected.hasUnknownCoding ? .transferCoding : .transferEncoding }
            guard !framing.isHTTP10 else { throw .transferEncoding }
            framing.body = .unknown
        } else if collected.lengths > 0 {
            guard collected.lengths == 1 else { throw .contentLength }
            framing.body = .known(collected.length)
        }
        head.body = framing.body
        if collected.expectations > 0, !framing.isHTTP10 {
            guard !collected.hasBadExpectation, collected.expectations == 1 else { throw .expectation }
            switch framing.body {
            case .none, .known(0): break
            case .known, .unknown: framing.expectsContinue = true
            }
        }
    }

    private static func readTarget(
        _ target: UnsafeRawBufferPointer, bytes: UnsafeRawBufferPointer, collected: Collected,
        head: inout RequestHead, framing: inout RequestFraming
    ) throws(Refusal) {
        let host = bytes.part(collected.host)
        let isConnect = head.method == .connect
        if isConnect { throw .connect }
        guard collected.hosts == 1 || (collected.hosts == 0 && framing.isHTTP10) else { throw .host }
        if collected.hosts == 1, HostSyntax(host) == nil { throw .host }
        head.authority.removeAll(keepingCapacity: true)
        head.authority.append(contentsOf: host)
        head.path.removeAll(keepingCapacity: true)
        if target[0] == ByteClass.slash {
            try split(target, into: &head)
        } else if target.count == 1, target[0] == UInt8(ascii: "*") {
            guard head.method == .options else { throw .target }
            framing.isServerWide = true
            head.path.append(UInt8(ascii: "*"))
            head.query = nil
        } else {
            try readAbsolute(target, host: host, head: &head, framing: &framing)
        }
    }

    /// `http://host/path?query` (must-hold A7).
    private static func readAbsolute(
        _ target: UnsafeRawBufferPointer, host: UnsafeRawBufferPointer, head: inout RequestHead,
        framing: inout RequestFraming
    ) throws(Refusal) {
        guard let colon = target.firstIndex(of: ByteClass.colon), target.count > colon &+ 3,
            target[colon &+ 1] == ByteClass.slash, target[colon &+ 2] == ByteClass.slash
        else { throw .target }
        let isHTTPS = ByteClass.equal(target.part(0..<colon), folded: "https")
        guard isHTTPS || ByteClass.equal(target.part(0..<colon), folded: "http") else { throw .target }
        let start = colon &+ 3
        var end = start
        while end < target.count, target[end] != ByteClass.slash, target[end] != UInt8(ascii: "?") { end &+= 1 }
        let authority = target.part(start..<end)
        guard HostSyntax(authority) != nil else { throw .target }
        if !host.isEmpty, !HostSyntax.equal(authority, host, defaultPort: isHTTPS ? 443 : 80) { throw .hostMismatch }
        if host.isEmpty { head.authority.append(contentsOf: authority) }
        if isHTTPS != (head.scheme == .https) { framing.refusal = .schemeMismatch }
        let rest = target.part(end..<target.count)
        if rest.first == ByteClass.slash {
            try split(rest, into: &head)
        } else {
            head.path.append(ByteClass.slash)
            if !rest.isEmpty { try readQuery(rest.part(1..<rest.count), into: &head) } else { head.query = nil }
        }
    }

    private static func split(_ target: UnsafeRawBufferPointer, into head: inout RequestHead) throws(Refusal) {
        var end = 0
        while end < target.count, target[end] != UInt8(ascii: "?") { end &+= 1 }
        try TargetNormalizer.normalize(target.part(0..<end), into: &head.path)
        if end < target.count {
            try readQuery(target.part((end &+ 1)..<target.count), into: &head)
        } else {
            head.query = nil
        }
    }

    private static func readQuery(_ query: UnsafeRawBufferPointer, into head: inout RequestHead) throws(Refusal) {
        for byte in query where !ByteClass.isQuery(byte) { throw .query }
        head.query = Array(query)
    }
}

/// Decimal, 1 to 19 digits, below 2^63 (must-hold A18, A19).
enum ContentLength {
    static func parse(_ value: UnsafeRawBufferPointer) -> UInt64? {
        guard !value.isEmpty, value.count <= 19 else { return nil }
        var length: UInt64 = 0
        for byte in value {
            guard ByteClass.isDigit(byte) else { return nil }
            length = length &* 10 &+ UInt64(byte &- 48)
        }
        return length <= UInt64(Int64.max) ? length : nil
    }
}

/// Transfer codings, told apart only to choose between "not implemented" and "bad" (must-hold A22, A23).
enum TransferCoding {
    private static let known: Set<String> = ["gzip", "x-gzip", "deflate", "compress", "x-compress", "identity"]

    /// Whether `value` is a list of codings, the last of which is the only `chunked`.
    static func endsInChunked(_ value: UnsafeRawBufferPointer) -> Bool {
        let text = String(decoding: value, as: UTF8.self).lowercased()
        let names = text.split(separator: ",", omittingEmptySubsequences: false).map { name in
            String(name.drop { $0 == " " || $0 == "\t" }.reversed().drop { $0 == " " || $0 == "\t" }.reversed())
        }
        return names.count > 1 && names.last == "chunked" && names.dropLast().allSatisfy { known.contains($0) }
    }
}
