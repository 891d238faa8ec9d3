import Cryptography
import Foundation
import GatewayConfiguration

/// A small snapshot with its keys, to be changed by tests.
struct SnapshotSample {
    let signingKey = SnapshotSigningKey()
    var dataKey = SealingKey(randomWithID: "d1")
    /// What the root names itself.
    var blobs: [String: Blob] = [:]
    var apis: [String: Blob] = [:]
    var products: [String: Blob] = [:]
    var keys: [String: SubscriptionKey] = [:]
    /// Trees that are not made from the above, and their nodes.
    var strangeTrees: [String: TreeReference] = [:]
    var strangeNodes: [Blob] = []
    var version: Int64 = 1

    init() throws {
        blobs[BlobName.service] = try Blob(encoding: ServiceConfiguration(id: "/s", policy: nil))
        apis["echo;rev=1"] = try Blob(encoding: Self.api)
        products["starter"] = try Blob(
            encoding: ProductConfiguration(
                name: "starter", displayName: "Starter", subscriptionRequired: true, apis: ["echo"], policy: nil))
        keys[Self.hash("ab")] = Self.key
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
    static let key = SubscriptionKey(
        subscription: "demo", displayName: "Demo", scope: .product("starter"), user: "1", isOpen: true)

    /// A key's hash that begins so.
    static func hash(_ start: String) -> String { start + String(repeating: "0", count: 64 - start.utf8.count) }

    mutating func seal() throws { blobs[BlobName.secrets] = try Blob(Self.secrets.sealed(with: dataKey)) }

    private func edits() throws -> [String: TreeEdit] {
        func none(_ reference: TreeReference) throws -> [UInt8] { throw SnapshotRefusal.blobMissing("") }
        return [
            TreeName.apis: try TreeEdit(
                nil, name: "", changes: apis.mapValues { Optional($0.reference) }, load: none),
            TreeName.products: try TreeEdit(
                nil, name: "", changes: products.mapValues { Optional($0.reference) }, load: none),
            TreeName.subscriptions: try TreeEdit(nil, name: "", changes: keys.mapValues(Optional.init), load: none),
        ]
    }

    func root(
        service: String = "/s", gateway: String = "default", next: SnapshotSigningKey? = nil
    ) throws -> SnapshotRoot {
        SnapshotRoot(
            service: service, gateway: gateway, version: version, created: "2026-01-01T00:00:00Z", previous: nil,
            signingKey: Data((next ?? signingKey).verificationKey.bytes).base64EncodedString(), dataKey: dataKey.id,
            auditHead: "", blobs: blobs.mapValues(\.reference),
            trees: try edits().compactMapValues(\.tree).merging(strangeTrees) { $1 })
    }

    func signed(_ root: SnapshotRoot? = nil) throws -> SignedRoot { try (root ?? self.root()).signed(with: signingKey) }

    var trust: SnapshotTrust { SnapshotTrust(key: signingKey.verificationKey, service: "/s", gateway: "default") }

    /// Every blob by hash.
    func contents() throws -> [String: [UInt8]] {
        var all: [String: [UInt8]] = [:]
        for edit in try edits().values { all.merge(edit.fresh) { $1 } }
        for blob in [blobs.values, apis.values, products.values].joined() { all[blob.reference.sha256] = blob.bytes }
        for blob in strangeNodes { all[blob.reference.sha256] = blob.bytes }
        return all
    }

    /// Why a node refuses it; nil where it does not.
    func refusal() throws -> SnapshotRefusal? {
        let root = try root()
        let contents = try contents()
        var decoder = SnapshotDecoder()
        do throws(SnapshotRefusal) {
            _ = try decoder.decode(root, dataKey: dataKey) { contents[$0] }
            return nil
        } catch { return error }
    }
}
