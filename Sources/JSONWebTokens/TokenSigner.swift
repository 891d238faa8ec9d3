package import Cryptography
package import JSONDocuments

// Signs the tokens of the built-in issuer.

/// Signs tokens with one private key.
package struct TokenSigner: Sendable {
    package let keyID: String
    package let algorithm: SignatureAlgorithm
    private let key: SignaturePrivateKey

    /// Signs with RS256 for an RSA key, with ES256, ES384, ES512 or EdDSA for the others.
    package init(key: SignaturePrivateKey, keyID: String) {
        self.key = key
        self.keyID = keyID
        algorithm =
            switch key.kind {
            case .rsa: .rs256
            case .ellipticCurve(.p256): .es256
            case .ellipticCurve(.p384): .es384
            case .ellipticCurve(.p521): .es512
            case .ed25519: .edDSA
            }
    }

    /// The compact form of `claims`, with `alg`, `kid` and `typ` in its header.
    package func sign(_ claims: JSONObject, type: String = "JWT") throws(BadKey) -> String {
        guard let scheme = algorithm.scheme else { throw BadKey() }
        let header: JSONValue = [
            "alg": .string(algorithm.rawValue), "typ": .string(type), "kid": .string(keyID),
        ]
        let signed =
            Base64URL.encode(header.encoded()) + "." + Base64URL.encode(JSONValue.object(claims).encoded())
        let signature = try key.sign(Array(signed.utf8), scheme: scheme)
        return signed + "." + Base64URL.encode(signature)
    }

    /// The key as it is published.
    package var publicKey: JSONWebKey {
        get throws(BadKey) {
            JSONWebKey(keyID: keyID, algorithm: algorithm, material: .asymmetric(try key.publicKey))
        }
    }
}
