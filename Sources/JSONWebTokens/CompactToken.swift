internal import Cryptography
internal import JSONDocuments

// A compact token as bytes: split, decoded and bounded, before anything of it is believed (must-hold D.5).

/// The parts of a JWS in compact form. Nothing is verified yet.
struct CompactToken {
    static let bytesMax = 16_384
    static let headerBytesMax = 4096
    static let depthMax = 32
    static let membersMax = 1000
    static let digitsMax = 400

    let header: JSONValue
    let claims: JSONValue
    let signature: [UInt8]
    /// Header and claims as they were signed.
    let signed: [UInt8]

    init(_ token: [UInt8]) throws(TokenRefusal) {
        guard token.count <= Self.bytesMax else { throw .malformed }
        var dots: [Int] = []
        for (index, byte) in token.enumerated() where byte == UInt8(ascii: ".") {
            dots.append(index)
            if dots.count > 2 { throw .malformed }
        }
        guard dots.count == 2, dots[0] > 0, dots[1] > dots[0] + 1 else { throw .malformed }
        guard let headerBytes = Base64URL.decode(token[..<dots[0]]), headerBytes.count <= Self.headerBytesMax,
            let claimBytes = Base64URL.decode(token[(dots[0] + 1)..<dots[1]]),
            let signature = Base64URL.decode(token[(dots[1] + 1)...])
        else { throw .malformed }
        header = try Self.object(headerBytes)
        claims = try Self.object(claimBytes)
        self.signature = signature
        signed = Array(token[..<dots[1]])
    }

    private static func object(_ bytes: [UInt8]) throws(TokenRefusal) -> JSONValue {
        // The reader skips a byte order mark, which a token has not.
        guard bytes.first == UInt8(ascii: "{"), let value = try? JSONReader.read(bytes, depthMax: depthMax),
            bytes.last == UInt8(ascii: "}")
        else { throw .malformed }
        var left = membersMax
        guard isBounded(value, &left) else { throw .malformed }
        return value
    }

    private static func isBounded(_ value: JSONValue, _ left: inout Int) -> Bool {
        switch value {
        case .number(let text): return text.utf8.count <= digitsMax
        case .array(let items):
            left -= items.count
            guard left >= 0 else { return false }
            for item in items where !isBounded(item, &left) { return false }
            return true
        case .object(let members):
            left -= members.count
            guard left >= 0 else { return false }
            for (_, item) in members where !isBounded(item, &left) { return false }
            return true
        default: return true
        }
    }
}
