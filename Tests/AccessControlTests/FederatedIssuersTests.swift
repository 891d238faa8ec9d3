import AccessControl
import Cryptography
import Foundation
import JSONDocuments
import JSONWebTokens
import ResourceStore
import Synchronization
import Testing

@Suite struct FederatedIssuersTests {
    private static let issuer = "https://issuer.example.test"
    private static let other = "https://other.example.test"
    private static let now = Date(timeIntervalSince1970: 1_800_000_000)

    /// A provider with one key, counting what is fetched of it.
    private final class Provider: Sendable {
        let signer: TokenSigner
        let fetched = Mutex(0)
        private let published: [UInt8]

        init() throws {
            signer = TokenSigner(key: try SignaturePrivateKey(newRSAWithBits: 2048), keyID: "k1")
            published = try JSONWebKeySet([try signer.publicKey]).published().encoded()
        }

        func token(
            issuer: String = FederatedIssuersTests.issuer, subject: String = "repo:a/b:ref:main",
            audience: String = "api://x", others: [(String, JSONValue)] = []
        ) throws -> String {
            let seconds = Int64(FederatedIssuersTests.now.timeIntervalSince1970)
            return try signer.sign(
                JSONObject(
                    [
                        ("iss", .string(issuer)), ("sub", .string(subject)), ("aud", .string(audience)),
                        ("iat", .int(seconds)), ("nbf", .int(seconds)), ("exp", .int(seconds + 600)),
                    ] + others))
        }

        var fetch: FederatedIssuers.Fetch {
            { [self] url, _ in
                fetched.withLock { $0 += 1 }
                guard url.hasSuffix("/.well-known/openid-configuration") else { return published }
                let issuer = url.replacing("/.well-known/openid-configuration", with: "")
                let metadata: JSONValue = ["issuer": .string(issuer), "jwks_uri": .string(issuer + "/keys")]
                return metadata.encoded()
            }
        }
    }

    private func directory() async throws -> AccessDirectory {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let store = try ResourceStore(path: folder.appending(path: "store.db").path())
        _ = try await store.write(by: .controller) { writer in
            try writer.put(
                ResourceID(path: "/gatehouse/principals/p"), kind: AccessDirectory.principalKind,
                properties: [
                    "displayName": "p", "clientId": "c", "objectId": "o",
                    "federated": [
                        ["issuer": .string(Self.issuer), "subject": "repo:a/b:ref:main", "audience": "api://x"]
                    ],
                ])
            // Another issuer is trusted too, for another principal.
            try writer.put(
                ResourceID(path: "/gatehouse/principals/q"), kind: AccessDirectory.principalKind,
                properties: [
                    "displayName": "q", "clientId": "d", "objectId": "q",
                    "federated": [
                        ["issuer": .string(Self.other), "subject": "somebody", "audience": "api://x"]
                    ],
                ])
        }
        return try await store.read { try AccessDirectory($0) }
    }

    @Test func aTokenOfANamedIssuerProvesItsPrincipalAndTheKeysAreFetchedOnce() async throws {
        let provider = try Provider()
        let issuers = FederatedIssuers(fetch: provider.fetch)
        let directory = try await directory()
        for _ in 0..<3 {
            let principal = await issuers.principal(of: try provider.token(), in: directory, now: Self.now)
            #expect(principal?.objectID == "o")
        }
        #expect(provider.fetched.withLock { $0 } == 2)
    }

    @Test func G9_only_the_very_issuer_audience_and_subject_prove_a_principal() async throws {
        let provider = try Provider()
        let issuers = FederatedIssuers(fetch: provider.fetch)
        let directory = try await directory()
        let stranger = try Provider()
        let tokens = [
            try provider.token(subject: "repo:a/b:ref:main2"), try provider.token(subject: "REPO:a/b:ref:main"),
            try provider.token(subject: "repo:a/b:ref:mai"), try provider.token(audience: "api://x/"),
            try provider.token(audience: "api://xy"), try provider.token(issuer: Self.other),
            try provider.token(issuer: Self.issuer + "/"), try provider.token(issuer: "https://elsewhere.example.test"),
            try stranger.token(), "abc", "",
        ]
        for token in tokens {
            #expect(await issuers.principal(of: token, in: directory, now: Self.now) == nil)
        }
        #expect(
            await issuers.principal(
                of: try provider.token(issuer: Self.other, subject: "somebody"), in: directory, now: Self.now)?.objectID
                == "q")
        // Groups that a token claims are nobody's word here: rights come from the principal alone.
        let claimed = try provider.token(others: [("groups", ["q"]), ("oid", "q")])
        let principal = await issuers.principal(of: claimed, in: directory, now: Self.now)
        #expect(principal?.objectID == "o")
        let late = Self.now.addingTimeInterval(3600)
        #expect(await issuers.principal(of: try provider.token(), in: directory, now: late) == nil)
    }
}
