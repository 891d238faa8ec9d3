import Cryptography
import Foundation
import GatewayConfiguration

/// A small snapshot with its keys, to be changed by tests.
struct SnapshotSample {
    let signingKey = SnapshotSigningKey()
    var dataKey = SealingKey(randomWithID: "d1")
    var blobs: [String: Blob] = [:]
    var version: Int64 = 1

    init() throws {
        blobs[BlobName.service] = try Blob(encoding: ServiceConfiguration(id: "/s", policy: nil))
        blobs[BlobName.apis + "echo;rev=1"] = try Blob(encoding: Self.api)
        blobs[BlobName.products + "starter"] = try Blob(
            encoding: ProductConfiguration(
                name: "starter", displayName: "Starter", subscriptionRequired: true, apis: ["echo"], policy: nil))
        blobs[BlobName.subscriptions + "ab"] = try Blob(encoding: [Self.key("ab")])
        blobs[BlobName.backends] = try Blob(encoding: [BackendConfiguration]())
        blobs[BlobName.certificates] = try Blob(encoding: [CertificateConfiguration]())
        blobs[BlobName.namedValues] = try Blob(encoding: ["n": NamedValueConfiguration(value: "v")])
        blobs[BlobName.fragments] = try Blob(encoding: [String: PolicyText]())
        try seal()
    }

    static let api = ApiConfiguration(
        name: "echo", displayName: "Echo", revision: "1", isCurrent: true, path: "echo", version: nil,
        protocols: ["https"], serviceUrl: "http://localhost", subscriptionRequired: true, keyHeaderName: "K",
        keyQueryName: "k", forwardsSubscriptionKey: false, policy: PolicyText(text: "<policies/>", format: .xml),
        operations: [
            OperationConfiguration(
                name: "get", displayName: "Get", method: "GET", urlTemplate: "/", policy: nil, responses: [])
        ])
    static let secrets = SnapshotSecrets(
        pepper: "cGVwcGVy", namedValues: ["hidden": "marker"], backendCredentials: [:], certificateKeys: [:])

    static func key(_ shard: String) -> SubscriptionKeyEntry {
        SubscriptionKeyEntry(
            keyHash: shard + String(repeating: "0", count: 64 - shard.utf8.count), subscription: "demo",
            displayName: "Demo", scope: .product("starter"), user: "1", isOpen: true)
    }

    mutating func seal() throws { blobs[BlobName.secrets] = try Blob(Self.secrets.sealed(with: dataKey)) }

    func root(
        service: String = "/s", gateway: String = "default", next: SnapshotSigningKey? = nil
    ) -> SnapshotRoot {
        SnapshotRoot(
            service: service, gateway: gateway, version: version, created: "2026-01-01T00:00:00Z", previous: nil,
            signingKey: Data((next ?? signingKey).verificationKey.bytes).base64EncodedString(), dataKey: dataKey.id,
            auditHead: "", blobs: blobs.mapValues(\.reference))
    }

    func signed(_ root: SnapshotRoot? = nil) throws -> SignedRoot { try (root ?? self.root()).signed(with: signingKey) }

    var trust: SnapshotTrust { SnapshotTrust(key: signingKey.verificationKey, service: "/s", gateway: "default") }

    /// By hash.
    func content(_ hash: String) -> [UInt8]? { blobs.values.first { $0.reference.sha256 == hash }?.bytes }
}
