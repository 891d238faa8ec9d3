// Addresses of IP as policies write them: single ones, CIDR blocks and ranges, compared as bytes.

/// An address: 4 or 16 bytes, network order. IPv4 mapped into IPv6 is IPv4 (policies.md 3.5).
package struct IPAddress: Hashable, Comparable, Sendable {
    package let bytes: [UInt8]

    /// From network order; nil when these are not 4 or 16 bytes.
    package init?(bytes: [UInt8]) {
        guard bytes.count == 4 || bytes.count == 16 else { return nil }
        let prefix: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]
        self.bytes = bytes.count == 16 && bytes.starts(with: prefix) ? Array(bytes[12...]) : bytes
    }

    /// From a literal, white space around it put aside; nil when it is none. Four decimal numbers without leading
    /// zeros, or RFC 4291 section 2.2.
    package init?(_ text: String) {
        let text = LiteralText.trimmed(text)
        if let four = Self.version4(text) {
            self.init(bytes: four)
        } else if let sixteen = Self.version6(text) {
            self.init(bytes: sixteen)
        } else {
            return nil
        }
    }

    package static func < (left: Self, right: Self) -> Bool {
        (left.bytes.count, left.bytes.first ?? 0) == (right.bytes.count, right.bytes.first ?? 0)
            ? left.bytes.lexicographicallyPrecedes(right.bytes)
            : (left.bytes.count, left.bytes.first ?? 0) < (right.bytes.count, right.bytes.first ?? 0)
    }

    private static func version4(_ text: String) -> [UInt8]? {
        let parts = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var bytes: [UInt8] = []
        for part in parts {
            guard (1...3).contains(part.count), part.allSatisfy({ (0x30...0x39).contains($0) }),
                part.count == 1 || part.first != 0x30, let byte = UInt8(String(decoding: part, as: UTF8.self))
            else { return nil }
            bytes.append(byte)
        }
        return bytes
    }

    private static func version6(_ text: String) -> [UInt8]? {
        guard text.utf8.count <= 45 else { return nil }
        let halves = text.components(separatedBy: "::")
        guard halves.count <= 2 else { return nil }
        guard let head = groups(halves[0], isLast: halves.count == 1) else { return nil }
        guard halves.count == 2 else { return head.count == 16 ? head : nil }
        guard let tail = groups(halves[1], isLast: true), head.count + tail.count <= 14 else { return nil }
        return head + [UInt8](repeating: 0, count: 16 - head.count - tail.count) + tail
    }

    /// The bytes of `a:b:c`, of which the last may be IPv4.
    private static func groups(_ text: String, isLast: Bool) -> [UInt8]? {
        if text.isEmpty { return [] }
        let parts = text.utf8.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        var bytes: [UInt8] = []
        for (index, part) in parts.enumerated() {
            if isLast, index == parts.count - 1, let four = version4(String(decoding: part, as: UTF8.self)) {
                bytes += four
                continue
            }
            guard (1...4).contains(part.count), part.first != UInt8(ascii: "+"), part.first != UInt8(ascii: "-"),
                let group = UInt16(String(decoding: part, as: UTF8.self), radix: 16)
            else { return nil }
            bytes += [UInt8(group >> 8), UInt8(group & 0xFF)]
        }
        return bytes.count <= 16 ? bytes : nil
    }
}

/// Addresses from one to another, both inclusive, of one family.
package struct AddressBlock: Hashable, Sendable {
    package let first: IPAddress
    package let last: IPAddress

    /// nil when the families differ or the order is wrong.
    package init?(from first: IPAddress, to last: IPAddress) {
        guard first.bytes.count == last.bytes.count, first <= last else { return nil }
        self.first = first
        self.last = last
    }

    /// A single address or a CIDR block; bits behind the prefix do not count.
    package init?(_ text: String) {
        let parts = LiteralText.trimmed(text).components(separatedBy: "/")
        guard parts.count <= 2, let address = IPAddress(parts[0]) else { return nil }
        guard parts.count == 2 else {
            self.init(from: address, to: address)
            return
        }
        // ::ffff:a.b.c.d/n counts its prefix in 128 bits, of which the address has kept 32.
        guard parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }), var bits = Int(parts[1]) else { return nil }
        if parts[0].utf8.contains(UInt8(ascii: ":")), address.bytes.count == 4 { bits -= 96 }
        guard bits >= 0, bits <= address.bytes.count * 8 else { return nil }
        var low = address.bytes
        var high = address.bytes
        for index in low.indices {
            let kept = min(8, max(0, bits - index * 8))
            let mask = UInt8(truncatingIfNeeded: 0xFF00 >> kept)
            low[index] &= mask
            high[index] |= ~mask
        }
        guard let first = IPAddress(bytes: low), let last = IPAddress(bytes: high) else { return nil }
        self.init(from: first, to: last)
    }

    package func contains(_ address: IPAddress) -> Bool {
        address.bytes.count == first.bytes.count && first <= address && address <= last
    }
}

extension String {
    /// The parts between occurrences of a separator; as Foundation's, without Foundation.
    fileprivate func components(separatedBy separator: String) -> [String] {
        var parts: [String] = []
        var rest = self[...]
        while let range = rest.firstRange(of: separator) {
            parts.append(String(rest[..<range.lowerBound]))
            rest = rest[range.upperBound...]
        }
        return parts + [String(rest)]
    }
}
