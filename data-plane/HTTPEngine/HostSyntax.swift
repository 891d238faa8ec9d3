// The one reader of hosts: in a Host field, in an absolute target, in a backend's URL (must-hold A15, B17, B30).

/// `host[:port]`, by offsets into what was read.
package struct HostSyntax: Sendable {
    package static let bytesMax = 255

    /// The host's bytes; brackets of an IPv6 literal and a last dot are outside.
    package let host: Range<Int>
    package let isIPv6: Bool
    /// nil where none was given, or nothing behind the colon.
    package let port: Int?

    /// - Returns: nil for anything that is not a name, an IPv4 or a bracketed IPv6 literal with at most one port.
    package init?(_ bytes: some RandomAccessCollection<UInt8>) {
        guard !bytes.isEmpty, bytes.count <= Self.bytesMax else { return nil }
        var text = [UInt8]()
        text.reserveCapacity(bytes.count)
        text.append(contentsOf: bytes)
        self.init(array: text)
    }

    private init?(array text: [UInt8]) {
        var index = 0
        if text[0] == UInt8(ascii: "[") {
            guard let end = text.firstIndex(of: UInt8(ascii: "]")), Self.isIPv6(text[1..<end]) else { return nil }
            host = 1..<end
            isIPv6 = true
            index = end + 1
        } else {
            var labelStart = 0
            while index < text.count, text[index] != ByteClass.colon {
                if text[index] == ByteClass.dot {
                    guard index > labelStart else { return nil }
                    labelStart = index + 1
                } else if !ByteClass.isUnreserved(text[index]) {
                    return nil
                }
                index += 1
            }
            let end = index > 0 && text[index - 1] == ByteClass.dot ? index - 1 : index
            guard end > 0 else { return nil }
            host = 0..<end
            isIPv6 = false
        }
        guard index < text.count else {
            port = nil
            return
        }
        guard text[index] == ByteClass.colon, text.count - index <= 6 else { return nil }
        var value = 0
        for byte in text[(index + 1)...] {
            guard ByteClass.isDigit(byte) else { return nil }
            value = value * 10 + Int(byte - 48)
        }
        guard value <= 65_535 else { return nil }
        port = text.count - index == 1 ? nil : value
    }

    /// Whether the text is an IPv6 literal without a zone (RFC 4291 2.2).
    private static func isIPv6(_ text: ArraySlice<UInt8>) -> Bool {
        guard text.count >= 2, text.count <= 45 else { return false }
        guard text.allSatisfy({ ByteClass.hexadecimal($0) != nil || $0 == ByteClass.colon || $0 == ByteClass.dot })
        else { return false }
        return NetworkAddress(literal: String(decoding: text, as: UTF8.self), port: 0)?.isIPv6 ?? false
    }

    /// Whether two authorities name the same host and port, `defaultPort` where none is given.
    static func equal(
        _ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer, defaultPort: Int
    ) -> Bool {
        guard let first = HostSyntax(left), let second = HostSyntax(right),
            (first.port ?? defaultPort) == (second.port ?? defaultPort), first.host.count == second.host.count
        else { return false }
        for offset in 0..<first.host.count {
            let one = left[first.host.lowerBound + offset]
            if FieldName.lower(one) != FieldName.lower(right[second.host.lowerBound + offset]) { return false }
        }
        return true
    }
}
