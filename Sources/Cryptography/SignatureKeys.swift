internal import COpenSSL

// Keys of JOSE over OpenSSL's EVP: RSA, ECDSA and Ed25519 signatures made and checked. The bytes that enter and leave
// are those of RFC 7518 (r and s side by side), not DER.

/// What a signature is made with.
package enum SignatureScheme: Hashable, Sendable, CaseIterable {
    case rsaPKCS1SHA256, rsaPKCS1SHA384, rsaPKCS1SHA512
    case rsaPSSSHA256, rsaPSSSHA384, rsaPSSSHA512
    case ecdsaP256SHA256, ecdsaP384SHA384, ecdsaP521SHA512
    case ed25519
}

/// An elliptic curve of RFC 7518 section 6.2.1.1.
package enum NamedCurve: String, Hashable, Sendable, CaseIterable {
    case p256 = "P-256"
    case p384 = "P-384"
    case p521 = "P-521"

    /// Bytes of a coordinate, and of r and of s.
    package var coordinateBytes: Int {
        switch self {
        case .p256: 32
        case .p384: 48
        case .p521: 66
        }
    }

    fileprivate var groupName: String {
        switch self {
        case .p256: "prime256v1"
        case .p384: "secp384r1"
        case .p521: "secp521r1"
        }
    }
}

/// The kind of a key of signatures.
package enum SignatureKeyKind: Hashable, Sendable {
    /// With its modulus' length.
    case rsa(bits: Int)
    case ellipticCurve(NamedCurve)
    case ed25519

    /// Whether keys of this kind make signatures of `scheme`.
    package func fits(_ scheme: SignatureScheme) -> Bool {
        switch (self, scheme) {
        case (.rsa, .rsaPKCS1SHA256), (.rsa, .rsaPKCS1SHA384), (.rsa, .rsaPKCS1SHA512), (.rsa, .rsaPSSSHA256),
            (.rsa, .rsaPSSSHA384), (.rsa, .rsaPSSSHA512), (.ellipticCurve(.p256), .ecdsaP256SHA256),
            (.ellipticCurve(.p384), .ecdsaP384SHA384), (.ellipticCurve(.p521), .ecdsaP521SHA512),
            (.ed25519, .ed25519):
            true
        default: false
        }
    }
}

/// The public parts of a key, big-endian.
package enum PublicKeyParts: Hashable, Sendable {
    case rsa(modulus: [UInt8], exponent: [UInt8])
    case ellipticCurve(NamedCurve, x: [UInt8], y: [UInt8])
    case ed25519([UInt8])
}

/// A public key that checks signatures. Sound by construction: RSA has 2,048 to 8,192 bits and an odd exponent from 3
/// to 2^32, points lie on their curve, Ed25519 keys are canonical and not of small order (must-hold D14, D15).
package struct SignatureVerificationKey: Sendable {
    package let kind: SignatureKeyKind
    private let handle: KeyHandle

    package init(_ parts: PublicKeyParts) throws(BadKey) {
        guard let key = Self.make(parts) else { throw BadKey() }
        handle = key
        kind = try SignatureKeys.kind(of: key)
    }

    /// `pem`: SubjectPublicKeyInfo.
    package init(pem: String) throws(BadKey) {
        guard pem.utf8.count <= 16_384, let key = OpenSSLText.publicKey(pem: pem) else { throw BadKey() }
        self = try SignatureVerificationKey(handle: key)
    }

    /// The key of a certificate.
    package init(certificate: CertificateDetails) throws(BadKey) {
        guard let pem = certificate.publicKeyPEM() else { throw BadKey() }
        try self.init(pem: pem)
    }

    // By way of its parts, so that every key passes the same checks.
    fileprivate init(handle: KeyHandle) throws(BadKey) { try self.init(try SignatureKeys.parts(of: handle)) }

    package var parts: PublicKeyParts { get throws(BadKey) { try SignatureKeys.parts(of: handle) } }

    /// Whether `signature` is this key's over `message`. False for a scheme that does not fit the key, and for a
    /// signature of any other length than the scheme's.
    package func verifies(_ signature: [UInt8], over message: [UInt8], scheme: SignatureScheme) -> Bool {
        guard kind.fits(scheme) else { return false }
        var signature = signature
        switch kind {
        case .rsa(let bits):
            guard signature.count == (bits + 7) / 8 else { return false }
        case .ellipticCurve(let curve):
            guard let converted = SignatureKeys.der(fromFixed: signature, curve: curve) else { return false }
            signature = converted
        case .ed25519:
            guard signature.count == 64 else { return false }
        }
        guard let context = EVP_MD_CTX_new() else { return false }
        defer {
            EVP_MD_CTX_free(context)
            ERR_clear_error()
        }
        var keyContext: OpaquePointer?
        guard EVP_DigestVerifyInit(context, &keyContext, scheme.digest, nil, handle.key) == 1,
            scheme.setPadding(keyContext)
        else { return false }
        return EVP_DigestVerify(context, signature, signature.count, message, message.count) == 1
    }

    private static func make(_ parts: PublicKeyParts) -> KeyHandle? {
        defer { ERR_clear_error() }
        switch parts {
        case .rsa(let modulus, let exponent):
            let modulus = Array(modulus.drop { $0 == 0 })
            let exponent = Array(exponent.drop { $0 == 0 })
            guard let top = modulus.first, let last = modulus.last, last & 1 == 1, (1...5).contains(exponent.count)
            else { return nil }
            let bits = modulus.count * 8 - top.leadingZeroBitCount
            let value = exponent.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            guard (2048...8192).contains(bits), value & 1 == 1, value >= 3, value <= 1 << 32 else { return nil }
            return KeyHandle(gh_rsa_public_key(modulus, modulus.count, exponent, exponent.count))
        case .ellipticCurve(let curve, let x, let y):
            guard x.count == curve.coordinateBytes, y.count == curve.coordinateBytes else { return nil }
            let point = [4] + x + y
            guard let key = KeyHandle(gh_ec_public_key(curve.groupName, point, point.count)),
                let context = EVP_PKEY_CTX_new(key.key, nil)
            else { return nil }
            defer { EVP_PKEY_CTX_free(context) }
            return EVP_PKEY_public_check(context) == 1 ? key : nil
        case .ed25519(let bytes):
            guard bytes.count == 32, SignatureKeys.isSoundEd25519(bytes) else { return nil }
            return KeyHandle(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nil, bytes, bytes.count))
        }
    }
}

/// A private key that makes signatures.
package struct SignaturePrivateKey: Sendable, CustomStringConvertible, CustomReflectable {
    package let kind: SignatureKeyKind
    private let handle: KeyHandle

    /// A new RSA key of 2,048 to 8,192 bits.
    package init(newRSAWithBits bits: Int) throws(BadKey) {
        guard (2048...8192).contains(bits), let key = KeyHandle(gh_EVP_RSA_gen(UInt32(bits))) else { throw BadKey() }
        handle = key
        kind = .rsa(bits: bits)
    }

    /// `pem`: PKCS#8, PKCS#1 or SEC 1, unencrypted.
    package init(pem: String) throws(BadKey) {
        guard pem.utf8.count <= 65_536, let key = OpenSSLText.privateKey(pem: pem) else { throw BadKey() }
        handle = key
        kind = try SignatureKeys.kind(of: key)
    }

    package var description: String { "SignaturePrivateKey(\(kind))" }
    package var customMirror: Mirror { Mirror(self, children: ["kind": kind]) }

    /// PKCS#8, PEM: to be sealed or written where only its owner reads.
    package var secretPEM: String { handle.privateKeyPEM() ?? "" }

    package var publicKey: SignatureVerificationKey {
        get throws(BadKey) { try SignatureVerificationKey(handle: handle) }
    }

    /// The signature over `message`.
    /// Throws `BadKey` for a scheme that does not fit the key.
    package func sign(_ message: [UInt8], scheme: SignatureScheme) throws(BadKey) -> [UInt8] {
        guard kind.fits(scheme), let context = EVP_MD_CTX_new() else { throw BadKey() }
        defer {
            EVP_MD_CTX_free(context)
            ERR_clear_error()
        }
        var keyContext: OpaquePointer?
        var count = 0
        guard EVP_DigestSignInit(context, &keyContext, scheme.digest, nil, handle.key) == 1,
            scheme.setPadding(keyContext),
            EVP_DigestSign(context, nil, &count, message, message.count) == 1
        else { throw BadKey() }
        var signature = [UInt8](repeating: 0, count: count)
        guard EVP_DigestSign(context, &signature, &count, message, message.count) == 1 else { throw BadKey() }
        signature.removeLast(signature.count - count)
        guard case .ellipticCurve(let curve) = kind else { return signature }
        guard let fixed = SignatureKeys.fixed(fromDER: signature, curve: curve) else { throw BadKey() }
        return fixed
    }
}

extension SignatureScheme {
    fileprivate var digest: OpaquePointer? {
        switch self {
        case .rsaPKCS1SHA256, .rsaPSSSHA256, .ecdsaP256SHA256: EVP_sha256()
        case .rsaPKCS1SHA384, .rsaPSSSHA384, .ecdsaP384SHA384: EVP_sha384()
        case .rsaPKCS1SHA512, .rsaPSSSHA512, .ecdsaP521SHA512: EVP_sha512()
        case .ed25519: nil
        }
    }

    /// PSS has the salt as long as the digest, no other (RFC 7518 3.5): OpenSSL's default would take any.
    fileprivate func setPadding(_ context: OpaquePointer?) -> Bool {
        switch self {
        case .rsaPSSSHA256, .rsaPSSSHA384, .rsaPSSSHA512:
            gh_EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1
                && gh_EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1
        default: true
        }
    }
}

/// What both halves of a key share.
private enum SignatureKeys {
    static func kind(of handle: KeyHandle) throws(BadKey) -> SignatureKeyKind {
        switch EVP_PKEY_get_base_id(handle.key) {
        case EVP_PKEY_RSA:
            let bits = Int(EVP_PKEY_get_bits(handle.key))
            guard (2048...8192).contains(bits) else { throw BadKey() }
            return .rsa(bits: bits)
        case EVP_PKEY_EC:
            guard let curve = NamedCurve(rawValue: KeyKind.text(handle.key)) else { throw BadKey() }
            return .ellipticCurve(curve)
        case EVP_PKEY_ED25519: return .ed25519
        default: throw BadKey()
        }
    }

    static func parts(of handle: KeyHandle) throws(BadKey) -> PublicKeyParts {
        switch try kind(of: handle) {
        case .rsa:
            return .rsa(
                modulus: try number(OSSL_PKEY_PARAM_RSA_N, of: handle),
                exponent: try number(OSSL_PKEY_PARAM_RSA_E, of: handle))
        case .ellipticCurve(let curve):
            return .ellipticCurve(
                curve, x: padded(try number(OSSL_PKEY_PARAM_EC_PUB_X, of: handle), to: curve.coordinateBytes),
                y: padded(try number(OSSL_PKEY_PARAM_EC_PUB_Y, of: handle), to: curve.coordinateBytes))
        case .ed25519:
            var bytes = [UInt8](repeating: 0, count: 32)
            var count = 32
            guard EVP_PKEY_get_raw_public_key(handle.key, &bytes, &count) == 1, count == 32 else { throw BadKey() }
            return .ed25519(bytes)
        }
    }

    private static func number(_ name: String, of handle: KeyHandle) throws(BadKey) -> [UInt8] {
        var number: OpaquePointer?
        guard EVP_PKEY_get_bn_param(handle.key, name, &number) == 1, let number else { throw BadKey() }
        defer { BN_free(number) }
        var bytes = [UInt8](repeating: 0, count: Int((BN_num_bits(number) + 7) / 8))
        BN_bn2bin(number, &bytes)
        return bytes
    }

    private static func padded(_ bytes: [UInt8], to count: Int) -> [UInt8] {
        [UInt8](repeating: 0, count: max(0, count - bytes.count)) + bytes
    }

    /// DER from r and s side by side; nil unless both have the curve's length. Zero and too large values are refused
    /// by the verification itself.
    static func der(fromFixed signature: [UInt8], curve: NamedCurve) -> [UInt8]? {
        let size = curve.coordinateBytes
        guard signature.count == 2 * size else { return nil }
        let body = integer(signature[..<size]) + integer(signature[size...])
        return [0x30] + length(body.count) + body
    }

    private static func integer(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        var value = Array(bytes.drop { $0 == 0 })
        if value.isEmpty || value[0] & 0x80 != 0 { value.insert(0, at: 0) }
        return [0x02] + length(value.count) + value
    }

    private static func length(_ count: Int) -> [UInt8] {
        count < 128 ? [UInt8(count)] : [0x81, UInt8(count)]
    }

    /// r and s side by side from the DER that OpenSSL made.
    static func fixed(fromDER signature: [UInt8], curve: NamedCurve) -> [UInt8]? {
        var rest = signature[...]
        guard rest.popFirst() == 0x30, let first = rest.popFirst() else { return nil }
        if first == 0x81 { _ = rest.popFirst() }
        var fixed: [UInt8] = []
        for _ in 0..<2 {
            guard rest.popFirst() == 0x02, let count = rest.popFirst(), count < 128, rest.count >= Int(count) else {
                return nil
            }
            let value = rest.prefix(Int(count)).drop { $0 == 0 }
            guard value.count <= curve.coordinateBytes else { return nil }
            fixed += padded(Array(value), to: curve.coordinateBytes)
            rest = rest.dropFirst(Int(count))
        }
        return rest.isEmpty ? fixed : nil
    }

    /// Canonical (y below p = 2^255 - 19) and none of the points whose order divides 8.
    static func isSoundEd25519(_ bytes: [UInt8]) -> Bool {
        var y = bytes
        y[31] &= 0x7f
        if y[31] == 0x7f, y[1..<31].allSatisfy({ $0 == 0xff }), y[0] >= 0xed { return false }
        return !smallOrder.contains(y)
    }

    /// y of the points of small order (the sign of x aside): 0, 1, p - 1, and the two of order 8.
    private static let smallOrder: Set<[UInt8]> = {
        let one: [UInt8] = [1] + [UInt8](repeating: 0, count: 31)
        let zero = [UInt8](repeating: 0, count: 32)
        let minusOne: [UInt8] = [0xec] + [UInt8](repeating: 0xff, count: 30) + [0x7f]
        let eight = Hexadecimal.decode("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05") ?? zero
        let eightToo = Hexadecimal.decode("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a") ?? zero
        return [
            zero, one, minusOne, eight, eightToo.enumerated().map { $0.offset == 31 ? $0.element & 0x7f : $0.element },
        ]
    }()
}
