// The built-in issuer: client credentials in, bearer tokens out; and the check of bearer tokens that come in.
internal import Cryptography
package import Foundation
package import JSONDocuments
internal import JSONWebTokens

/// Issues RS256 tokens of one hour and verifies them.
package struct TokenIssuer: Sendable {
    /// Tokens live this long, seconds.
    package static let lifetime: Int64 = 3600
    /// Skew that clocks may have, seconds.
    package static let skew = 300.0
    /// Resource that gateways' connections are used with: such a token opens nothing here.
    package static let authorizationManager = "https://azure-api.net/authorization-manager"

    package let tenantID: String
    package let issuer: String
    private let publicURL: String
    private let signer: TokenSigner
    private let verifier: TokenVerifier

    /// `key` is RSA, PKCS#8 PEM; `keyID` names it in tokens and in the key set.
    package init(tenantID: String, publicURL: String, key: String, keyID: String) throws {
        self.tenantID = tenantID
        self.publicURL = publicURL
        issuer = "\(publicURL)/\(tenantID)/v2.0"
        let privateKey = try SignaturePrivateKey(pem: key)
        signer = TokenSigner(key: privateKey, keyID: keyID)
        verifier = TokenVerifier(
            keys: JSONWebKeySet([try signer.publicKey]), algorithms: [.rs256], issuers: [issuer],
            audiences: Self.managementAudiences(publicURL), clockSkew: Self.skew, requiresExpiration: true)
    }

    private static func managementAudiences(_ publicURL: String) -> [String] {
        ["https://management.azure.com", "https://management.core.windows.net", publicURL]
    }

    /// The resource that a scope asks for (`https://management.azure.com/.default`), byte for byte; nil for one that is
    /// not served.
    package func audience(ofScope scope: String) -> String? {
        guard scope.hasSuffix("/.default") else { return nil }
        let resource = String(scope.dropLast("/.default".count))
        let plain = resource.hasSuffix("/") ? String(resource.dropLast()) : resource
        let served = Self.managementAudiences(publicURL) + [Self.authorizationManager]
        return served.contains(plain) ? resource : nil
    }

    /// A token for a principal.
    package func token(for principal: Principal, audience: String, now: Date) throws -> String {
        let seconds = Int64(now.timeIntervalSince1970)
        return try signer.sign(
            JSONObject([
                ("iss", .string(issuer)), ("aud", .string(audience)), ("appid", .string(principal.clientID)),
                ("oid", .string(principal.objectID)), ("sub", .string(principal.objectID)), ("tid", .string(tenantID)),
                ("iat", .int(seconds)), ("nbf", .int(seconds)), ("exp", .int(seconds + Self.lifetime)),
                ("jti", .string(Base64URL.encode(SecureRandom.bytes(16)))),
            ]))
    }

    /// The object id that a token of this issuer for the management plane names; nil for any other token.
    package func principal(of token: String, now: Date) -> String? {
        guard let verified = try? verifier.verify(token, now: now.timeIntervalSince1970) else { return nil }
        return verified.claims["oid"]?.text
    }

    /// The key set, as published.
    package func keys() throws -> JSONValue { try JSONWebKeySet([try signer.publicKey]).published() }

    /// OpenID metadata.
    package var metadata: JSONValue {
        [
            "issuer": .string(issuer), "token_endpoint": .string("\(publicURL)/\(tenantID)/oauth2/v2.0/token"),
            "authorization_endpoint": .string("\(publicURL)/\(tenantID)/oauth2/v2.0/authorize"),
            "jwks_uri": .string("\(publicURL)/\(tenantID)/discovery/v2.0/keys"),
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
            "response_types_supported": ["token"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"], "grant_types_supported": ["client_credentials"],
        ]
    }
}
