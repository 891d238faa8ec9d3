// How secrets that we made ourselves are kept: their hash under a random salt. They are 256 random bits, so that no
// slow hash is needed against guessing.

/// A salted SHA-256 of a secret with at least 128 random bits. Not for passwords that people choose.
package struct SecretHash: Codable, Hashable, Sendable {
    /// 16 random bytes.
    package var salt: [UInt8]
    package var hash: [UInt8]

    /// Hashes `secret` under a new salt.
    package init(of secret: String) throws {
        salt = SecureRandom.bytes(16)
        hash = try Digest.sha256(salt + Array(secret.utf8))
    }

    /// What a store kept.
    package init(salt: [UInt8], hash: [UInt8]) {
        self.salt = salt
        self.hash = hash
    }

    /// Whether `secret` is the hashed one; the time says nothing of how much of it was right.
    package func matches(_ secret: String) throws -> Bool {
        ConstantTime.equal(try Digest.sha256(salt + Array(secret.utf8)), hash)
    }

    /// A new secret: 256 random bits as 43 letters of base64url.
    package static func newSecret() -> String { Base64URL.encode(SecureRandom.bytes(32)) }
}

/// Base 64 of RFC 4648 section 5 without padding: tokens, keys of JOSE, secrets.
package enum Base64URL {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
    /// 255: no digit.
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: 255, count: 256)
        for (value, digit) in alphabet.enumerated() { values[Int(digit)] = UInt8(value) }
        return values
    }()

    package static func encode(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count * 4 + 2) / 3)
        var bits: UInt32 = 0
        var count: UInt32 = 0
        for byte in bytes {
            bits = bits << 8 | UInt32(byte)
            count += 8
            while count >= 6 {
                count -= 6
                text.append(alphabet[Int(bits >> count & 63)])
            }
            bits &= 1 << count - 1
        }
        if count > 0 { text.append(alphabet[Int(bits << (6 - count) & 63)]) }
        return String(decoding: text, as: UTF8.self)
    }

    /// nil for a digit of no meaning, padding, a length of 1 modulo 4, or unused bits that are not zero: one text
    /// stands for one value.
    package static func decode(_ text: some Sequence<UInt8>) -> [UInt8]? {
        var bytes: [UInt8] = []
        var bits: UInt32 = 0
        var count: UInt32 = 0
        for digit in text {
            let value = values[Int(digit)]
            guard value != 255 else { return nil }
            bits = bits << 6 | UInt32(value)
            count += 6
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> count))
                bits &= 1 << count - 1
            }
        }
        return count < 6 && bits == 0 ? bytes : nil
    }
}
