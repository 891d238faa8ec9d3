// The PROXY protocol's header, versions 1 and 2, which a load balancer sends before the caller's first byte
// (haproxy's doc/proxy-protocol.txt, sections 2.1 and 2.2; must-hold B27). Pure: bytes in, an address out.

/// What stands before the first byte of a connection.
struct ProxyHeader {
    /// Version 1 with its CRLF, the protocol's own bound.
    static let textBytesMax = 107
    /// Version 2: 16 fixed bytes, then addresses and whatever else the balancer says.
    static let fixedBytes = 16
    static let blockBytesMax = 512
    static let bytesMax = fixedBytes + blockBytesMax

    /// Bytes of the header: what is behind them is the caller's.
    let length: Int
    /// Of the caller; nil where the balancer speaks for itself (LOCAL) or does not know (UNKNOWN).
    let caller: PeerAddress?

    /// What the bytes so far came to.
    enum Reading {
        case needsMore
        case complete(ProxyHeader)
        /// No PROXY header, or a bad one.
        case bad
    }

    /// Reads from the connection's first byte; the verdict does not depend on how many bytes lie behind the header.
    static func read(_ bytes: UnsafeRawBufferPointer) -> Reading {
        guard let first = bytes.first else { return .needsMore }
        return first == signature[0] ? readBinary(bytes) : readText(bytes)
    }

    // MARK: Version 1

    private static func readText(_ bytes: UnsafeRawBufferPointer) -> Reading {
        guard zip(bytes, "PROXY ".utf8).allSatisfy({ $0 == $1 }) else { return .bad }
        guard let end = bytes.firstIndex(of: ByteClass.carriageReturn) else {
            return bytes.count < textBytesMax - 1 && !bytes.contains(ByteClass.lineFeed) ? .needsMore : .bad
        }
        guard end <= textBytesMax - 2, !bytes[..<end].contains(ByteClass.lineFeed) else { return .bad }
        guard bytes.count > end + 1 else { return .needsMore }
        guard bytes[end + 1] == ByteClass.lineFeed else { return .bad }
        let words = bytes[..<end].split(separator: ByteClass.space, omittingEmptySubsequences: false).map {
            String(decoding: $0, as: UTF8.self)
        }
        // The rest of the line of UNKNOWN is to be ignored (2.1).
        if words.count > 1, words[1] == "UNKNOWN" { return .complete(ProxyHeader(length: end + 2, caller: nil)) }
        guard words.count == 6, words[1] == "TCP4" || words[1] == "TCP6", isPort(words[4]), isPort(words[5]),
            let source = NetworkAddress(literal: words[2], port: 0),
            let destination = NetworkAddress(literal: words[3], port: 0),
            source.isIPv6 == (words[1] == "TCP6"), destination.isIPv6 == source.isIPv6
        else { return .bad }
        return .complete(ProxyHeader(length: end + 2, caller: source.peer))
    }

    /// 0 to 65535 in decimal, without leading zeros.
    private static func isPort(_ text: String) -> Bool {
        guard let port = UInt16(text) else { return false }
        return String(port) == text
    }

    // MARK: Version 2

    private static let signature: [UInt8] = [
        0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A,
    ]

    private static func readBinary(_ bytes: UnsafeRawBufferPointer) -> Reading {
        guard zip(bytes, signature).allSatisfy({ $0 == $1 }) else { return .bad }
        guard bytes.count > 12 else { return .needsMore }
        let command = bytes[12] & 15
        guard bytes[12] >> 4 == 2, command <= 1 else { return .bad }
        guard bytes.count >= fixedBytes else { return .needsMore }
        let isLocal = command == 0
        let blockLength = Int(bytes[14]) << 8 | Int(bytes[15])
        guard blockLength <= blockBytesMax, let addressBytes = addressBytes(bytes[13], isLocal: isLocal),
            blockLength >= addressBytes
        else { return .bad }
        let length = fixedBytes + blockLength
        guard bytes.count >= length else { return .needsMore }
        let header = UnsafeRawBufferPointer(rebasing: bytes[..<length])
        // LOCAL's block is to be dropped unread (2.2), and that of an unknown family has no known shape.
        guard addressBytes > 0 else { return .complete(ProxyHeader(length: length, caller: nil)) }
        guard hasGoodExtensions(header, from: fixedBytes + addressBytes) else { return .bad }
        guard let width = [12: 4, 36: 16][addressBytes] else {
            return .complete(ProxyHeader(length: length, caller: nil))
        }
        let source = Array(header[fixedBytes..<(fixedBytes + width)])
        return .complete(ProxyHeader(length: length, caller: NetworkAddress(bytes: source).peer))
    }

    /// Bytes that both addresses and ports take; 0 where they are not to be read, nil for what has no place on a
    /// listener of TCP.
    private static func addressBytes(_ family: UInt8, isLocal: Bool) -> Int? {
        if isLocal { return 0 }
        switch family {
        case 0x00: return 0
        case 0x11: return 12
        case 0x21: return 36
        case 0x31: return 216
        default: return nil
        }
    }

    /// Whether the type-length-values behind the addresses fill the block exactly, and the check sum holds if there is
    /// one (2.2.3).
    private static func hasGoodExtensions(_ header: UnsafeRawBufferPointer, from start: Int) -> Bool {
        var position = start
        var checkAt: Int?
        while position < header.count {
            guard header.count - position >= 3 else { return false }
            let size = Int(header[position + 1]) << 8 | Int(header[position + 2])
            guard size <= header.count - position - 3 else { return false }
            if header[position] == 0x03 {
                guard size == 4, checkAt == nil else { return false }
                checkAt = position + 3
            }
            position += 3 + size
        }
        guard let checkAt else { return true }
        var copy = Array(header)
        var stated: UInt32 = 0
        for index in checkAt..<(checkAt + 4) {
            stated = stated << 8 | UInt32(copy[index])
            copy[index] = 0
        }
        return checkSum(copy) == stated
    }

    /// CRC-32C, bit by bit: once a connection, over at most 528 bytes.
    static func checkSum(_ bytes: [UInt8]) -> UInt32 {
        var value = UInt32.max
        for byte in bytes {
            value ^= UInt32(byte)
            for _ in 0..<8 { value = value >> 1 ^ (value & 1 == 1 ? 0x82F6_3B78 : 0) }
        }
        return ~value
    }
}
