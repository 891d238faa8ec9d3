// Authentication codes over messages, for what is not on the hot path.
internal import Crypto

package enum MessageAuthentication {
    /// The 64 bytes of HMAC-SHA-512 (RFC 2104).
    package static func sha512(_ message: [UInt8], key: [UInt8]) -> [UInt8] {
        Array(HMAC<SHA512>.authenticationCode(for: message, using: SymmetricKey(data: key)))
    }
}
