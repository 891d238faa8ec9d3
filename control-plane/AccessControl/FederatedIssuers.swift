// Tokens of other OpenID providers: a principal names issuer, subject and audience, and the issuer's published keys prove
// the rest. Keys are fetched through the controller's guard and kept (design.md section 7).
package import Foundation
internal import JSONDocuments
internal import JSONWebTokens

/// Verifies tokens of the issuers that principals name.
package actor FederatedIssuers {
    /// Fetches a document of at most so many bytes.
    package typealias Fetch = @Sendable (_ url: String, _ bytesMax: Int) async throws -> [UInt8]

    private static let life: TimeInterval = 3600
    /// An unknown key asks for the set anew at most once in this time.
    private static let refetchAfter: TimeInterval = 60
    private static let issuersMax = 100

    private struct Known {
        var keys: JSONWebKeySet
        var fetched: Date
        var tried: Date
    }

    private let fetch: Fetch
    private var known: [String: Known] = [:]
    private var failed: [String: Date] = [:]

    package init(fetch: @escaping Fetch) { self.fetch = fetch }

    /// The principal that the token proves; nil for a token that nobody's federation names, or that does not hold.
    package func principal(of token: String, in directory: AccessDirectory, now: Date) async -> Principal? {
        guard let issuer = TokenPreview.issuer(of: token) else { return nil }
        let audiences = directory.audiences(ofIssuer: issuer)
        guard !audiences.isEmpty, issuer.hasPrefix("https://") || issuer.hasPrefix("http://127.0.0.1:") else {
            return nil
        }
        guard let keys = await keys(of: issuer, now: now, isMissing: false) else { return nil }
        switch verify(token, issuer, audiences, keys, now) {
        case .success(let claims): return directory.principal(claims, issuer: issuer)
        case .failure(.keyNotFound):
            guard let fresh = await self.keys(of: issuer, now: now, isMissing: true),
                case .success(let claims) = verify(token, issuer, audiences, fresh, now)
            else { return nil }
            return directory.principal(claims, issuer: issuer)
        case .failure: return nil
        }
    }

    private func verify(
        _ token: String, _ issuer: String, _ audiences: [String], _ keys: JSONWebKeySet, _ now: Date
    ) -> Result<JSONValue, TokenRefusal> {
        let verifier = TokenVerifier(
            keys: keys, algorithms: Set(SignatureAlgorithm.allCases.filter { !$0.isSymmetric }), issuers: [issuer],
            audiences: audiences, clockSkew: TokenIssuer.skew)
        do {
            return .success(try verifier.verify(token, now: now.timeIntervalSince1970).claims)
        } catch {
            return .failure(error)
        }
    }

    /// The issuer's keys: those at hand while they live, else fetched; the last good ones where that fails.
    private func keys(of issuer: String, now: Date, isMissing: Bool) async -> JSONWebKeySet? {
        if let known = known[issuer] {
            let isOld = now.timeIntervalSince(known.fetched) > Self.life
            let mayTry = now.timeIntervalSince(known.tried) > Self.refetchAfter
            guard (isOld || isMissing) && mayTry else { return known.keys }
            self.known[issuer]?.tried = now
        } else if let last = failed[issuer], now.timeIntervalSince(last) < Self.refetchAfter {
            return nil
        }
        guard let fresh = await fetched(issuer) else {
            if known.count + failed.count < Self.issuersMax { failed[issuer] = now }
            return known[issuer]?.keys
        }
        failed[issuer] = nil
        known[issuer] = Known(keys: fresh, fetched: now, tried: now)
        return fresh
    }

    private func fetched(_ issuer: String) async -> JSONWebKeySet? {
        let base = issuer.hasSuffix("/") ? String(issuer.dropLast()) : issuer
        guard let bytes = try? await fetch("\(base)/.well-known/openid-configuration", 256 << 10),
            let metadata = try? JSONReader.read(bytes),
            // A metadata's keys speak for its own issuer alone.
            metadata["issuer"]?.text == issuer, let place = metadata["jwks_uri"]?.text,
            let set = try? await fetch(place, JSONWebKeySet.bytesMax)
        else { return nil }
        return try? JSONWebKeySet(json: set)
    }
}

extension AccessDirectory {
    /// Audiences that principals name beside an issuer.
    fileprivate func audiences(ofIssuer issuer: String) -> [String] {
        principals.values.flatMap(\.federated).filter { $0.issuer == issuer }.map(\.audience)
    }

    fileprivate func principal(_ claims: JSONValue, issuer: String) -> Principal? {
        guard let subject = claims["sub"]?.text else { return nil }
        let audiences = claims["aud"]?.text.map { [$0] } ?? (claims["aud"]?.items ?? []).compactMap(\.text)
        return principal(issuer: issuer, subject: subject, audiences: audiences)
    }
}
