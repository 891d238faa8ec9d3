import HTTPEngine

// Who a call is from when proxies stand before us (must-hold B20, B21).

/// Address ranges whose X-Forwarded-For is believed.
struct TrustedProxies: Sendable {
    private struct Range: Sendable {
        let bytes: [UInt8]
        let bits: Int
    }

    private let ranges: [Range]

    static let none = TrustedProxies(ranges: [])

    private init(ranges: [Range]) { self.ranges = ranges }

    /// Reads `10.0.0.0/8,::1`; nil where a part is no address or range.
    init?(_ text: String) {
        var ranges: [Range] = []
        for part in text.split(separator: ",") {
            let sides = part.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
            let literal = sides[0].filter { $0 != " " }
            guard let address = NetworkAddress(literal: literal, port: 0)?.peer else { return nil }
            let all = address.bytes.count * 8
            guard sides.count == 1 || sides[1].utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }) else {
                return nil
            }
            let bits = sides.count > 1 ? Int(sides[1]) ?? -1 : all
            guard bits >= 0, bits <= all else { return nil }
            ranges.append(Range(bytes: address.bytes, bits: bits))
        }
        self.ranges = ranges
    }

    var isEmpty: Bool { ranges.isEmpty }

    func contains(_ address: PeerAddress) -> Bool {
        ranges.contains { range in
            guard range.bytes.count == address.bytes.count else { return false }
            let whole = range.bits / 8
            guard range.bytes.prefix(whole) == address.bytes.prefix(whole) else { return false }
            let rest = range.bits % 8
            guard rest > 0 else { return true }
            let mask = UInt8(truncatingIfNeeded: 0xFF00 >> rest)
            return range.bytes[whole] & mask == address.bytes[whole] & mask
        }
    }

    /// `valuesMax` are looked at. The first address from the right that is no trusted proxy; junk stops the walk at the proxy that said it.
    func caller(peer: PeerAddress, forwarded lines: [ArraySlice<UInt8>], valuesMax: Int = 32) -> PeerAddress {
        guard contains(peer) else { return peer }
        var caller = peer
        var walked = 0
        for line in lines.reversed() {
            for value in line.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false).reversed() {
                walked += 1
                guard walked <= valuesMax, let address = Self.address(value) else { return caller }
                caller = address
                if !contains(address) { return caller }
            }
        }
        return caller
    }

    /// An address as proxies write it: with a port, an IPv6 one in brackets then.
    private static func address(_ value: ArraySlice<UInt8>) -> PeerAddress? {
        let text = String(decoding: value, as: UTF8.self).filter { $0 != " " && $0 != "\t" }
        if let plain = NetworkAddress(literal: text, port: 0) { return plain.peer }
        if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
            let rest = text[text.index(after: end)...]
            guard rest.isEmpty || isPort(rest) else { return nil }
            return NetworkAddress(literal: String(text[text.index(after: text.startIndex)..<end]), port: 0)?.peer
        }
        guard let colon = text.firstIndex(of: ":"), isPort(text[colon...]) else { return nil }
        return NetworkAddress(literal: String(text[..<colon]), port: 0)?.peer
    }

    private static func isPort(_ text: Substring) -> Bool {
        text.first == ":" && UInt16(text.dropFirst()) != nil
    }
}
