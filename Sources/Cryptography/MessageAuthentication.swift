internal import Crypto

// HMAC over messages, for what is not on the hot path: gateway tokens, and tokens under a shared key (RFC 7518 3.2).

/// HMAC (RFC 2104).
package enum MessageAuthentication {
    package enum Hash: Hashable, Sendable {
        case sha256, sha384, sha512

        /// Bytes of a code; a key of JOSE must have at least as many (RFC 7518 3.2).
        package var bytes: Int {
            switch self {
            case .sha256: 32
            case .sha384: 48
            case .sha512: 64
            }
        }
    }

    /// The 64 bytes of HMAC-SHA-512.
    package static func sha512(_ message: [UInt8], key: [UInt8]) -> [UInt8] {
        code(over: message, key: key, hash: .sha512)
    }

    /// The code over `message` under `key`.
    package static func code(over message: [UInt8], key: [UInt8], hash: Hash) -> [UInt8] {
        let key = SymmetricKey(data: key)
        return switch hash {
        case .sha256: Array(HMAC<SHA256>.authenticationCode(for: message, using: key))
        case .sha384: Array(HMAC<SHA384>.authenticationCode(for: message, using: key))
        case .sha512: Array(HMAC<SHA512>.authenticationCode(for: message, using: key))
        }
    }

    /// Whether `code` is the one over `message`, in constant time.
    package static func verifies(_ code: [UInt8], over message: [UInt8], key: [UInt8], hash: Hash) -> Bool {
        ConstantTime.equal(Self.code(over: message, key: key, hash: hash), code)
    }
}
