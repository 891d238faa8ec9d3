// One field line, and what the engine itself does with fields: frame, connection options, hop-by-hop (RFC 9112 section
// 5, RFC 9110 section 7.6.1; must-hold A12 to A14, A43 to A45).

/// `Name: value`, by offsets into the head. The scanner has seen to it that the line ends with CRLF and holds no
/// control but HTAB.
struct FieldLine {
    let name: Range<Int>
    /// Without white space at its ends.
    let value: Range<Int>
    /// Where the next line begins.
    let next: Int

    init?(_ bytes: UnsafeRawBufferPointer, at start: Int) {
        var index = start
        while ByteClass.isToken(bytes[index]) { index &+= 1 }
        guard index > start, bytes[index] == ByteClass.colon else { return nil }
        name = start..<index
        index &+= 1
        while bytes[index] == ByteClass.space || bytes[index] == ByteClass.tab { index &+= 1 }
        let first = index
        while bytes[index] != ByteClass.carriageReturn { index &+= 1 }
        next = index &+ 2
        var last = index
        while last > first, bytes[last &- 1] == ByteClass.space || bytes[last &- 1] == ByteClass.tab { last &-= 1 }
        value = first..<last
    }
}

/// Fields that decide something while a request's head is read.
enum KnownField: BitwiseCopyable {
    case host
    case contentLength
    case transferEncoding
    case connection
    case expect
    case authorization
    case contentType
    /// A name with `_` that a careless reader takes for a field of ours (must-hold A14).
    case shadowOfFraming
    case other

    @inline(__always)
    init(_ name: UnsafeRawBufferPointer) {
        switch name.count {
        case 4 where ByteClass.equal(name, folded: "host"): self = .host
        case 6 where ByteClass.equal(name, folded: "expect"): self = .expect
        case 10 where ByteClass.equal(name, folded: "connection"): self = .connection
        case 12 where ByteClass.equal(name, folded: "content-type"): self = .contentType
        case 13 where ByteClass.equal(name, folded: "authorization"): self = .authorization
        case 14 where ByteClass.equal(name, folded: "content-length"): self = .contentLength
        case 17 where ByteClass.equal(name, folded: "transfer-encoding"): self = .transferEncoding
        default: self = name.contains(UInt8(ascii: "_")) && Self.isShadow(name) ? .shadowOfFraming : .other
        }
    }

    private static func isShadow(_ name: UnsafeRawBufferPointer) -> Bool {
        let straight = name.map { $0 == UInt8(ascii: "_") ? UInt8(ascii: "-") : FieldName.lower($0) }
        return FieldName.written.contains { $0.folded == straight }
    }
}

extension FieldName {
    static let via = FieldName("Via")
    static let forwardedFor = FieldName("X-Forwarded-For")
    static let forwardedHost = FieldName("X-Forwarded-Host")
    static let forwardedProto = FieldName("X-Forwarded-Proto")
    static let keepAlive = FieldName("Keep-Alive")
    static let proxyConnection = FieldName("Proxy-Connection")
    static let te = FieldName("TE")
    static let trailer = FieldName("Trailer")
    static let upgrade = FieldName("Upgrade")
    static let http2Settings = FieldName("HTTP2-Settings")
    static let proxyAuthorization = FieldName("Proxy-Authorization")
    static let proxyAuthenticate = FieldName("Proxy-Authenticate")
    static let expect = FieldName("Expect")
    static let link = FieldName("Link")

    /// Fields that the gateway frames or writes itself; a name with `_` in their place is not passed on.
    static let written: [FieldName] = [
        contentLength, transferEncoding, host, connection, expect, te, trailer, upgrade, via, forwardedFor,
        forwardedHost, forwardedProto, keepAlive, proxyConnection, http2Settings, proxyAuthorization,
    ]

    /// Fields that end here, listed in Connection or not (must-hold A45).
    static let hopByHop: [FieldName] = [
        connection, keepAlive, proxyConnection, te, trailer, transferEncoding, upgrade, http2Settings,
        proxyAuthorization, proxyAuthenticate,
    ]

    /// Fields that Connection can't take away (must-hold A44).
    static let protected: [FieldName] = [
        host, contentLength, transferEncoding, via, forwardedFor, forwardedHost, forwardedProto,
    ]
}

/// The options of Connection.
enum ConnectionOptions {
    /// Removes what Connection names, and tells whether it says `close`.
    static func apply(to fields: inout HeaderFields, closes: inout Bool) {
        var keepsAlive = false
        apply(to: &fields, closes: &closes, keepsAlive: &keepsAlive)
    }

    static func apply(to fields: inout HeaderFields, closes: inout Bool, keepsAlive: inout Bool) {
        // Gathered first: a head may hold thousands of options, and must not cost them times its fields (A17).
        var named: Set<FieldName> = []
        for line in fields.values(of: .connection) {
            for option in line.split(separator: ByteClass.comma) {
                let name = FieldName(trimming: option)
                if name.folded.elementsEqual("close".utf8) {
                    closes = true
                } else if name.folded.elementsEqual("keep-alive".utf8) {
                    keepsAlive = true
                } else if !name.folded.isEmpty, !FieldName.protected.contains(name) {
                    named.insert(name)
                }
            }
        }
        if !named.isEmpty { fields.remove(named) }
    }
}

extension FieldName {
    /// A name from a list, without the white space around it.
    init(trimming bytes: ArraySlice<UInt8>) {
        let isBlank = { (byte: UInt8) in byte == ByteClass.space || byte == ByteClass.tab }
        let start = bytes.firstIndex { !isBlank($0) } ?? bytes.endIndex
        let end = bytes.lastIndex { !isBlank($0) }.map { $0 + 1 } ?? start
        self.init(String(decoding: bytes[start..<max(start, end)], as: UTF8.self))
    }
}

extension Method {
    static let connect = Method("CONNECT")
    static let trace = Method("TRACE")

    private static let common: [Method] = [.get, .post, .put, .head, .delete, .patch, .options]

    /// The method of these bytes, without an allocation for the common ones.
    @inline(__always)
    static func known(_ bytes: UnsafeRawBufferPointer) -> Method {
        for method in common where method.bytes.count == bytes.count && method.bytes.elementsEqual(bytes) {
            return method
        }
        return Method(bytes: bytes)
    }
}
