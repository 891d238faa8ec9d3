internal import Cryptography
internal import Foundation
package import JSONDocuments

// The rules by which a token is believed: its algorithm fits list and key, its signature holds, and its time, issuer
// and audience are right (must-hold part D).

/// Why a token was refused. For the log: the caller only learns that it was.
package enum TokenRefusal: Error, Hashable, Sendable {
    /// No compact JWS of well-formed JSON, an extension we do not know, or a claim of the wrong type.
    case malformed
    /// An algorithm that is not allowed, or a signature that no fitting key made.
    case signatureInvalid
    /// No key of that name.
    case keyNotFound
    case expired
    case notYetValid
    case issuerNotAllowed
    case audienceNotAllowed
}

/// A token that was verified.
package struct VerifiedToken: Hashable, Sendable {
    package let header: JSONValue
    package let claims: JSONValue
    /// Seconds since 1970; nil where the token has none (and the verifier asks for none).
    package let expires: Double?
}

/// Verifies tokens against keys and expectations that are handed in, at a time that is handed in.
package struct TokenVerifier: Sendable {
    package var keys: JSONWebKeySet
    /// Algorithms that are allowed at all.
    package var algorithms: Set<SignatureAlgorithm>
    /// One of them must be `iss`, byte for byte; empty asks for none.
    package var issuers: [String]
    /// One of them must be in `aud`, one trailing slash more or less forgiven; empty asks for none.
    package var audiences: [String]
    /// Seconds that clocks may differ.
    package var clockSkew: Double
    package var requiresExpiration: Bool

    package init(
        keys: JSONWebKeySet, algorithms: Set<SignatureAlgorithm>, issuers: [String], audiences: [String],
        clockSkew: Double, requiresExpiration: Bool = true
    ) {
        self.keys = keys
        self.algorithms = algorithms
        self.issuers = issuers
        self.audiences = audiences
        self.clockSkew = clockSkew
        self.requiresExpiration = requiresExpiration
    }

    /// Verifies `token`; `now` is wall time, seconds since 1970.
    package func verify(_ token: String, now: Double) throws(TokenRefusal) -> VerifiedToken {
        let token = try CompactToken(Array(token.utf8))
        try checkSignature(of: token)
        let expires = try checkTimes(token.claims, now: now)
        try checkIssuer(token.claims)
        try checkAudience(token.claims)
        return VerifiedToken(header: token.header, claims: token.claims, expires: expires)
    }

    private func checkSignature(of token: CompactToken) throws(TokenRefusal) {
        let header = token.header
        guard let name = header["alg"]?.text, header["crit"] == nil, header["b64"] == nil, header["enc"] == nil,
            !Self.keyManagement.contains(where: name.hasPrefix), Self.isAccessToken(header["typ"])
        else { throw .malformed }
        var keyID: String?
        var thumbprint: String?
        if let member = header["kid"] {
            guard let text = member.text else { throw .malformed }
            keyID = text
        }
        if let member = header["x5t"] {
            guard let text = member.text else { throw .malformed }
            thumbprint = text
        }
        guard let algorithm = SignatureAlgorithm(rawValue: name), algorithms.contains(algorithm) else {
            throw .signatureInvalid
        }
        let candidates = try candidates(keyID: keyID, thumbprint: thumbprint, algorithm: algorithm)
        for key in candidates where key.verifies(token.signature, over: token.signed, algorithm: algorithm) {
            return
        }
        throw .signatureInvalid
    }

    /// Those of the token's name, at most 4; without a name all that fit, at most 8 (must-hold D21).
    private func candidates(
        keyID: String?, thumbprint: String?, algorithm: SignatureAlgorithm
    ) throws(TokenRefusal) -> [JSONWebKey] {
        guard keyID != nil || thumbprint != nil else {
            let fitting = keys.keys.filter { $0.fits(algorithm) }
            if fitting.isEmpty { throw keys.keys.isEmpty ? .keyNotFound : .signatureInvalid }
            if fitting.count > 8 { throw .keyNotFound }
            return fitting
        }
        // Names are compared as bytes: Swift's == would take canonically equivalent ones for one.
        func same(_ one: String?, _ other: String?) -> Bool {
            guard let one, let other else { return false }
            return one.utf8.elementsEqual(other.utf8)
        }
        let named = keys.keys.filter { key in
            keyID != nil ? same(key.keyID, keyID) : same(key.thumbprint, thumbprint)
        }
        if !named.isEmpty { return Array(named.prefix(4)) }
        // A shared key that has no name may be meant by any.
        let nameless = keys.keys.filter { $0.keyID == nil && $0.thumbprint == nil && $0.fits(algorithm) }
        if nameless.isEmpty { throw .keyNotFound }
        return Array(nameless.prefix(4))
    }

    private func checkTimes(_ claims: JSONValue, now: Double) throws(TokenRefusal) -> Double? {
        let expires = try Self.date(claims["exp"])
        let begins = try Self.date(claims["nbf"])
        _ = try Self.date(claims["iat"])
        if expires == nil, requiresExpiration { throw .malformed }
        if let expires, let begins, begins > expires { throw .malformed }
        if let expires, now >= expires + clockSkew { throw .expired }
        if let begins, now < begins - clockSkew { throw .notYetValid }
        return expires
    }

    private func checkIssuer(_ claims: JSONValue) throws(TokenRefusal) {
        let claim = claims["iss"]
        if let claim, claim.text == nil { throw .malformed }
        guard !issuers.isEmpty else { return }
        guard let text = claim?.text, issuers.contains(where: { $0.utf8.elementsEqual(text.utf8) }) else {
            throw .issuerNotAllowed
        }
    }

    private func checkAudience(_ claims: JSONValue) throws(TokenRefusal) {
        var found: [String] = []
        switch claims["aud"] {
        case .none: break
        case .string(let text): found = [text]
        case .array(let items):
            for item in items {
                guard let text = item.text else { throw .malformed }
                found.append(text)
            }
        default: throw .malformed
        }
        guard !audiences.isEmpty else { return }
        let matches = audiences.contains { audience in
            found.contains { $0.utf8.elementsEqual(audience.utf8) || Self.differByOneSlash($0, audience) }
        }
        if !matches { throw .audienceNotAllowed }
    }

    private static func differByOneSlash(_ one: String, _ other: String) -> Bool {
        (one + "/").utf8.elementsEqual(other.utf8) || one.utf8.elementsEqual((other + "/").utf8)
    }

    /// A NumericDate; nil for an absent one. Beyond the year 9999 it is that year's last second.
    private static func date(_ claim: JSONValue?) throws(TokenRefusal) -> Double? {
        let seconds: Double
        switch claim {
        case .none: return nil
        case .int(let value): seconds = Double(value)
        case .number(let text):
            guard let value = Double(text), value.isFinite else { throw .malformed }
            seconds = value
        default: throw .malformed
        }
        return min(seconds, 253_402_300_799)
    }

    /// A type that ends in `+jwt` is another kind of token, `at+jwt` aside (RFC 8725 3.11).
    private static func isAccessToken(_ type: JSONValue?) -> Bool {
        guard let type else { return true }
        guard var text = type.text?.lowercased() else { return false }
        if text.hasPrefix("application/") { text.removeFirst("application/".count) }
        return !text.hasSuffix("+jwt") || text == "at+jwt"
    }

    /// Names of algorithms that encrypt: a token of them is no JWS.
    private static let keyManagement = ["RSA-OAEP", "RSA1_5", "ECDH-ES", "PBES2", "A128", "A192", "A256", "dir"]
}
