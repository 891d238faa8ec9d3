internal import COpenSSL

// HMAC with the digests of RFC 7518 section 3.2, for tokens under a shared key.

/// HMAC over a message.
package enum MessageAuthentication {
    package enum Hash: Hashable, Sendable {
        case sha256, sha384, sha512

        /// Bytes of a code; a key must have at least as many (RFC 7518 3.2).
        package var bytes: Int {
            switch self {
            case .sha256: 32
            case .sha384: 48
            case .sha512: 64
            }
        }

        fileprivate var algorithm: OpaquePointer? {
            switch self {
            case .sha256: EVP_sha256()
            case .sha384: EVP_sha384()
            case .sha512: EVP_sha512()
            }
        }
    }

    /// The code over `message` under `key`.
    package static func code(over message: [UInt8], key: [UInt8], hash: Hash) throws -> [UInt8] {
        var code = [UInt8](repeating: 0, count: hash.bytes)
        var count: UInt32 = 0
        guard
            HMAC(hash.algorithm, key, Int32(clamping: key.count), message, message.count, &code, &count) != nil,
            Int(count) == hash.bytes
        else { throw DigestFailure() }
        return code
    }

    /// Whether `code` is the one over `message`, in constant time.
    package static func verifies(_ code: [UInt8], over message: [UInt8], key: [UInt8], hash: Hash) -> Bool {
        guard let right = try? Self.code(over: message, key: key, hash: hash) else { return false }
        return ConstantTime.equal(right, code)
    }
}
