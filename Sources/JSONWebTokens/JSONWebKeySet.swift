package import Cryptography
package import JSONDocuments

// Key sets of RFC 7517: what an issuer publishes. A bad key costs itself only (must-hold D49, D50).

/// A key that verifies tokens.
package struct JSONWebKey: Sendable {
    package enum Material: Sendable {
        case asymmetric(SignatureVerificationKey)
        /// A shared key, never from a published set.
        case symmetric([UInt8])
    }

    /// nil where it has none.
    package var keyID: String?
    /// The one algorithm that the key is for; nil leaves all that fit its kind.
    package var algorithm: SignatureAlgorithm?
    /// The certificate's thumbprint, as the set writes it.
    package var thumbprint: String?
    package var material: Material

    package init(
        keyID: String?, algorithm: SignatureAlgorithm?, thumbprint: String? = nil, material: Material
    ) {
        self.keyID = keyID
        self.algorithm = algorithm
        self.thumbprint = thumbprint
        self.material = material
    }

    /// Whether a token of `algorithm` may be verified with this key.
    package func fits(_ algorithm: SignatureAlgorithm) -> Bool {
        if let own = self.algorithm, own.scheme != algorithm.scheme || own.hash != algorithm.hash { return false }
        switch material {
        case .asymmetric(let key): return algorithm.scheme.map(key.kind.fits) ?? false
        case .symmetric(let bytes): return algorithm.hash.map { bytes.count >= $0.bytes } ?? false
        }
    }

    func verifies(_ signature: [UInt8], over message: [UInt8], algorithm: SignatureAlgorithm) -> Bool {
        guard fits(algorithm) else { return false }
        switch material {
        case .asymmetric(let key):
            return algorithm.scheme.map { key.verifies(signature, over: message, scheme: $0) } ?? false
        case .symmetric(let bytes):
            return algorithm.hash.map {
                MessageAuthentication.verifies(signature, over: message, key: bytes, hash: $0)
            } ?? false
        }
    }
}

/// A set of keys, and why some of those published are not in it.
package struct JSONWebKeySet: Sendable {
    /// Bounds of a published set: bytes, keys, bytes of one key.
    package static let bytesMax = 262_144
    package static let keysMax = 256
    package static let keyBytesMax = 8192

    package enum Refusal: Error, Hashable, Sendable {
        case tooLarge
        /// No JSON, or no member `keys`.
        case malformed
    }

    /// A key that is not used, by its place in the set.
    package struct Skipped: Hashable, Sendable {
        package enum Reason: String, Hashable, Sendable {
            case malformed, unknownKind, otherUse, symmetric, privateKeyPublished, unsound, algorithmContradictsKey
        }
        package var place: Int
        package var reason: Reason
    }

    package var keys: [JSONWebKey]
    package private(set) var skipped: [Skipped] = []

    package init(_ keys: [JSONWebKey]) { self.keys = keys }

    /// Reads a published set.
    package init(json bytes: [UInt8]) throws(Refusal) {
        guard bytes.count <= Self.bytesMax else { throw .tooLarge }
        let document: JSONValue
        do { document = try JSONReader.read(bytes, depthMax: 32) } catch { throw .malformed }
        guard let items = document["keys"]?.items else { throw .malformed }
        guard items.count <= Self.keysMax else { throw .tooLarge }
        keys = []
        for (place, item) in items.enumerated() {
            switch Self.read(item) {
            case .success(let key): keys.append(key)
            case .failure(let reason): skipped.append(Skipped(place: place, reason: reason.reason))
            }
        }
    }

    /// The set as it is published: public keys alone, a symmetric one is left out.
    package func published() throws(BadKey) -> JSONValue {
        var items: [JSONValue] = []
        for key in keys {
            guard case .asymmetric(let verification) = key.material else { continue }
            var item = JSONObject()
            switch try verification.parts {
            case .rsa(let modulus, let exponent):
                item["kty"] = "RSA"
                item["n"] = .string(Base64URL.encode(modulus))
                item["e"] = .string(Base64URL.encode(exponent))
            case .ellipticCurve(let curve, let x, let y):
                item["kty"] = "EC"
                item["crv"] = .string(curve.rawValue)
                item["x"] = .string(Base64URL.encode(x))
                item["y"] = .string(Base64URL.encode(y))
            case .ed25519(let bytes):
                item["kty"] = "OKP"
                item["crv"] = "Ed25519"
                item["x"] = .string(Base64URL.encode(bytes))
            }
            item["use"] = "sig"
            if let id = key.keyID { item["kid"] = .string(id) }
            if let algorithm = key.algorithm { item["alg"] = .string(algorithm.rawValue) }
            if let thumbprint = key.thumbprint { item["x5t"] = .string(thumbprint) }
            items.append(.object(item))
        }
        return ["keys": .array(items)]
    }

    private struct Unused: Error { var reason: Skipped.Reason }

    private static func read(_ item: JSONValue) -> Result<JSONWebKey, Unused> {
        func unused(_ reason: Skipped.Reason) -> Result<JSONWebKey, Unused> { .failure(Unused(reason: reason)) }
        guard let members = item.members, item.encoded().count <= keyBytesMax, let kind = members["kty"]?.text else {
            return unused(.malformed)
        }
        if kind == "oct" { return unused(.symmetric) }
        if members["d"] != nil { return unused(.privateKeyPublished) }
        if let use = members["use"], use.text != "sig" { return unused(.otherUse) }
        if let operations = members["key_ops"], operations.items?.contains("verify") != true {
            return unused(.otherUse)
        }
        for name in ["kid", "alg", "x5t"] where members[name] != nil && members[name]?.text == nil {
            return unused(.malformed)
        }
        let algorithm = members["alg"]?.text.flatMap(SignatureAlgorithm.init(rawValue:))
        if members["alg"] != nil, algorithm == nil { return unused(.otherUse) }
        guard let parts = parts(of: members, kind: kind) else {
            return unused(["RSA", "EC", "OKP"].contains(kind) ? .malformed : .unknownKind)
        }
        guard let key = try? SignatureVerificationKey(parts) else { return unused(.unsound) }
        if let algorithm, !(algorithm.scheme.map(key.kind.fits) ?? false) { return unused(.algorithmContradictsKey) }
        return .success(
            JSONWebKey(
                keyID: members["kid"]?.text, algorithm: algorithm, thumbprint: members["x5t"]?.text,
                material: .asymmetric(key)))
    }

    private static func parts(of members: JSONObject, kind: String) -> PublicKeyParts? {
        func bytes(_ name: String) -> [UInt8]? { members[name]?.text.flatMap { Base64URL.decode($0.utf8) } }
        switch kind {
        case "RSA":
            // Members of another kind make it unclear which key is meant.
            guard members["crv"] == nil, members["x"] == nil, members["y"] == nil, let modulus = bytes("n"),
                let exponent = bytes("e")
            else { return nil }
            return .rsa(modulus: modulus, exponent: exponent)
        case "EC":
            guard members["n"] == nil, members["e"] == nil,
                let curve = members["crv"]?.text.flatMap(NamedCurve.init(rawValue:)), let x = bytes("x"),
                let y = bytes("y")
            else { return nil }
            return .ellipticCurve(curve, x: x, y: y)
        case "OKP":
            guard members["n"] == nil, members["y"] == nil, members["crv"]?.text == "Ed25519", let x = bytes("x")
            else { return nil }
            return .ed25519(x)
        default: return nil
        }
    }
}
