internal import HTTPEngine

// A query as pairs between `&`, each kept as received.

struct QueryPairs: Sendable {
    /// `name=value` or `name`, percent encoding as received.
    private(set) var all: [ArraySlice<UInt8>]

    init(_ query: [UInt8]) {
        all = query.isEmpty ? [] : query.split(separator: UInt8(ascii: "&"), omittingEmptySubsequences: false)
    }

    /// Joined again.
    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(all.reduce(all.count) { $0 + $1.count })
        for (index, pair) in all.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: "&")) }
            bytes.append(contentsOf: pair)
        }
        return bytes
    }

    mutating func append(_ pair: ArraySlice<UInt8>) { all.append(pair) }

    /// Whether the pair has the name; case does not count, as `context.Request.Url.Query` has it.
    func isNamed(_ pair: ArraySlice<UInt8>, _ name: String) -> Bool {
        let written = pair.prefix { $0 != UInt8(ascii: "=") }
        // Plain letters need no decoding.
        let isPlain = written.allSatisfy { $0 < 0x80 && $0 != UInt8(ascii: "%") && $0 != UInt8(ascii: "+") }
        if isPlain {
            return written.count == name.utf8.count
                && zip(written, name.utf8).allSatisfy { Self.lower($0) == Self.lower($1) }
        }
        return PercentCoding.decoded(written, plusIsBlank: true).lowercased() == name.lowercased()
    }

    private static func lower(_ byte: UInt8) -> UInt8 { (0x41...0x5A).contains(byte) ? byte | 0x20 : byte }

    func contains(_ name: String) -> Bool { all.contains { isNamed($0, name) } }

    static func encoded(name: String, value: String) -> ArraySlice<UInt8> {
        (PercentCoding.encoded(name, keeping: []) + [UInt8(ascii: "=")] + PercentCoding.encoded(value, keeping: []))[
            ...]
    }
}

/// Percent-encoding (RFC 3986 section 2.1).
enum PercentCoding {
    /// Encodes all but unreserved characters and those that are kept.
    static func encoded(_ text: String, keeping kept: Set<UInt8>) -> [UInt8] {
        let digits = Array("0123456789ABCDEF".utf8)
        var result: [UInt8] = []
        for byte in text.utf8 {
            if isUnreserved(byte) || kept.contains(byte) {
                result.append(byte)
            } else {
                result += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return result
    }

    /// Decodes once; what is no encoding stays.
    static func decoded(_ bytes: some Collection<UInt8>, plusIsBlank: Bool = false) -> String {
        let bytes = bytes.map { plusIsBlank && $0 == UInt8(ascii: "+") ? 0x20 : $0 }
        return String(decoding: PercentEncoding.decoded(bytes), as: UTF8.self)
    }

    private static func isUnreserved(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E: true
        default: false
        }
    }
}
