import AccessControl
import Cryptography
import Foundation
import JSONDocuments
import JSONWebTokens
import ResourceStore
import Testing

@Suite struct TokenIssuerTests {
    private static let url = "https://gatehouse.example.test"
    private static let now = Date(timeIntervalSince1970: 1_800_000_000)
    private static let audience = "https://management.azure.com"
    private static let principal = Principal(
        StoredResource(
            id: ResourceID(path: "/gatehouse/principals/p"), kind: AccessDirectory.principalKind,
            properties: ["displayName": "p", "clientId": "c", "objectId": "o"], etag: "", created: 0, modified: 0,
            revision: 0))
    private static let key = Result { try SignaturePrivateKey(newRSAWithBits: 2048).secretPEM }

    private static func issuer(tenant: String = "t", url: String = url, key: String? = nil) throws -> TokenIssuer {
        try TokenIssuer(tenantID: tenant, publicURL: url, key: try key ?? Self.key.get(), keyID: "k")
    }

    @Test func aTokenProvesItsPrincipalForAnHour() throws {
        let issuer = try Self.issuer()
        let token = try issuer.token(for: Self.principal, audience: Self.audience, now: Self.now)
        for (seconds, object) in [
            (0.0, "o"), (3600, "o"), (3600 + 299, "o"), (3600 + 301, nil), (-299, "o"), (-301, nil),
        ] as [(Double, String?)] {
            #expect(issuer.principal(of: token, now: Self.now.addingTimeInterval(seconds)) == object, "\(seconds)")
        }
        let claims = try JSONReader.read(
            Base64URL.decode(token.split(separator: ".")[1].utf8) ?? [])
        #expect(claims["iss"]?.text == "\(Self.url)/t/v2.0" && claims["aud"]?.text == Self.audience)
        #expect(claims["appid"] == "c" && claims["oid"] == "o" && claims["tid"] == "t")
        #expect(claims["exp"]?.integer == 1_800_003_600 && claims["nbf"] == claims["iat"])
        let other = try issuer.token(for: Self.principal, audience: Self.audience, now: Self.now)
        #expect(other != token, "each has an id of its own")
    }

    @Test func G3_other_tokens_prove_nobody() throws {
        let issuer = try Self.issuer()
        let token = try issuer.token(for: Self.principal, audience: Self.audience, now: Self.now)
        let parts = token.split(separator: ".").map(String.init)
        let none = Base64URL.encode(Array(#"{"alg":"none"}"#.utf8))
        let tokens = [
            "", ".", "..", "a.b.c", "\(none).\(parts[1]).", "\(none).\(parts[1]).\(parts[2])",
            "\(parts[0]).\(parts[1])", "\(parts[0]).\(parts[1]).", token + ".", " \(token)",
            String(repeating: "a", count: 100_000),
            try Self.issuer(key: SignaturePrivateKey(newRSAWithBits: 2048).secretPEM).token(
                for: Self.principal, audience: Self.audience, now: Self.now),
            try Self.issuer(tenant: "other").token(for: Self.principal, audience: Self.audience, now: Self.now),
            try Self.issuer(url: "https://elsewhere.example").token(
                for: Self.principal, audience: Self.audience, now: Self.now),
            try issuer.token(for: Self.principal, audience: TokenIssuer.authorizationManager, now: Self.now),
            try issuer.token(for: Self.principal, audience: Self.audience + ".evil.example", now: Self.now),
            try issuer.token(for: Self.principal, audience: "", now: Self.now),
        ]
        for token in tokens { #expect(issuer.principal(of: token, now: Self.now) == nil, "\(token.prefix(60))") }
        #expect(issuer.principal(of: token, now: Self.now) == "o")
    }

    @Test func G3_audiences_may_be_a_list_and_claims_have_their_types() throws {
        let issuer = try Self.issuer()
        let signer = TokenSigner(key: try SignaturePrivateKey(pem: Self.key.get()), keyID: "k")
        let seconds = Int64(Self.now.timeIntervalSince1970)
        func object(_ changes: [(String, JSONValue?)]) throws -> String? {
            var claims = JSONObject([
                ("iss", .string(issuer.issuer)), ("aud", .string(Self.audience)), ("oid", "o"),
                ("nbf", .int(seconds)), ("exp", .int(seconds + 600)),
            ])
            for (name, value) in changes { claims[name] = value }
            return issuer.principal(of: try signer.sign(claims), now: Self.now)
        }
        #expect(try object([]) == "o")
        #expect(try object([("aud", ["https://elsewhere.example", .string(Self.audience)])]) == "o")
        for aud in [["https://elsewhere.example"], [], [:], nil, 5, [["x": .string(Self.audience)]]] as [JSONValue] {
            #expect(try object([("aud", aud)]) == nil, "\(aud.encodedText())")
        }
        for (name, value) in [
            ("exp", nil), ("exp", "never"), ("exp", .int(seconds - 301)), ("nbf", .int(seconds + 301)), ("oid", nil),
            ("oid", 5), ("iss", nil), ("iss", [.string(issuer.issuer)]), ("iss", .string(issuer.issuer + "/")),
        ] as [(String, JSONValue?)] { #expect(try object([(name, value)]) == nil, "\(name)") }
    }

    @Test func G3_noChangedByteOfATokenHolds() throws {
        let issuer = try Self.issuer()
        let token = try issuer.token(for: Self.principal, audience: Self.audience, now: Self.now)
        for index in token.indices where token.distance(from: token.startIndex, to: index).isMultiple(of: 7) {
            var changed = token
            changed.replaceSubrange(index...index, with: token[index] == "A" ? "B" : "A")
            #expect(issuer.principal(of: changed, now: Self.now) == nil)
        }
    }

    @Test(arguments: [
        ("https://management.azure.com/.default", "https://management.azure.com"),
        ("https://management.azure.com//.default", "https://management.azure.com/"),
        ("https://management.core.windows.net//.default", "https://management.core.windows.net/"),
        ("https://gatehouse.example.test/.default", "https://gatehouse.example.test"),
        ("https://azure-api.net/authorization-manager/.default", "https://azure-api.net/authorization-manager"),
        ("https://graph.microsoft.com/.default", nil), ("https://management.azure.com", nil), (".default", nil),
        ("/.default", nil), ("", nil), ("https://management.azure.com///.default", nil),
        ("HTTPS://MANAGEMENT.AZURE.COM/.default", nil),
    ])
    func G4_audiences_are_taken_byte_for_byte(scope: String, audience: String?) throws {
        #expect(try Self.issuer().audience(ofScope: scope) == audience)
    }

    @Test func thePublishedKeyVerifiesAndHoldsNothingPrivate() throws {
        let issuer = try Self.issuer()
        let keys = try issuer.keys()
        #expect(keys["keys"]?.items?.count == 1)
        for name in ["d", "p", "q", "dp", "dq", "qi"] { #expect(keys["keys"]?.items?.first?[name] == nil) }
        let token = try issuer.token(for: Self.principal, audience: Self.audience, now: Self.now)
        let verifier = TokenVerifier(
            keys: try JSONWebKeySet(json: keys.encoded()), algorithms: [.rs256], issuers: [issuer.issuer],
            audiences: [Self.audience], clockSkew: 0)
        #expect(throws: Never.self) { try verifier.verify(token, now: Self.now.timeIntervalSince1970) }
        #expect(issuer.metadata["issuer"]?.text == issuer.issuer)
        #expect(issuer.metadata["jwks_uri"]?.text == "\(Self.url)/t/discovery/v2.0/keys")
    }
}
