// What was published last, read back from the store, so that a controller that starts goes on with the very same roots.
internal import Cryptography
internal import Foundation
package import GatewayConfiguration
internal import Resources
package import ResourceStore

/// The roots of the store's newest revision and what they were made from.
struct SnapshotResumption: Sendable {
    var basis: SnapshotBasis
    var secrets: SnapshotSecrets
    var named: NamedHashes
    var roots: [PublishedRoot]

    private struct Found: Sendable {
        var basis = SnapshotBasis()
        var shared: Set<String> = []
        var gateways: [String: Set<String>] = [:]
        var records: [SnapshotRecord] = []
        var sealed: [UInt8] = []
    }

    /// nil where the newest revision was not published, under other keys, in a former format, or its blobs are not there.
    static func find(_ store: ResourceStore, _ keyring: SnapshotKeyring) async throws -> SnapshotResumption? {
        let found = try await store.read(isOurs: true) { reader in
            // A store whose blobs are not what they should be is one that is published anew.
            do { return try read(reader, keyring) } catch is SnapshotRefusal { return nil }
        }
        guard let found, let secrets = try? SnapshotSecrets.opened(found.sealed, with: keyring.data) else { return nil }
        let roots = try found.records.map { record in
            let signed = SignedRoot(
                root: Data(record.root).base64EncodedString(), signature: Data(record.signature).base64EncodedString())
            return PublishedRoot(
                gateway: record.gateway, version: record.version, signed: signed,
                hash: try ContentHash(of: record.root).description, dataKey: keyring.data)
        }
        return SnapshotResumption(
            basis: found.basis, secrets: secrets, named: NamedHashes(shared: found.shared, gateways: found.gateways),
            roots: roots)
    }

    private static func read(_ reader: StoreReader, _ keyring: SnapshotKeyring) throws -> Found? {
        var found = Found()
        found.basis.version = try reader.newestRevision()
        for gateway in try reader.list(ListQuery(kind: "gateways")) {
            guard let record = try reader.snapshot(gateway: gateway.name, version: found.basis.version),
                let root = SnapshotRoot.read(record), root.dataKey == keyring.data.id
            else { return nil }
            let name = gateway.name.lowercased()
            let isDefault = name == Gateways.defaultName
            let links = isDefault ? [] : try reader.list(ListQuery(kind: "gateways/apis", parent: gateway.id))
            let tree = root.trees[TreeName.apis]
            found.basis.gateways[name] = SnapshotBasis.Gateway(
                name: record.gateway, apis: isDefault ? nil : Set(links.map { $0.name.lowercased() }), tree: tree)
            found.gateways[name] = try hashes(of: tree, TreeName.apis, BlobReference.self, reader)
            found.records.append(record)
            guard isDefault else { continue }
            found.basis.blobs = root.blobs
            found.basis.products = root.trees[TreeName.products]
            found.basis.subscriptions = root.trees[TreeName.subscriptions]
        }
        guard found.basis.gateways[Gateways.defaultName] != nil else { return nil }
        found.shared = Set(found.basis.blobs.values.map(\.sha256))
        found.shared.formUnion(try hashes(of: found.basis.products, TreeName.products, BlobReference.self, reader))
        found.shared.formUnion(
            try hashes(of: found.basis.subscriptions, TreeName.subscriptions, SubscriptionKey.self, reader))
        for hash in found.gateways.values.reduce(found.shared, { $0.union($1) }) {
            guard try reader.hasBlob(hash) else { return nil }
        }
        guard let secrets = found.basis.blobs[BlobName.secrets], let sealed = try reader.blob(secrets.sha256) else {
            return nil
        }
        found.sealed = sealed
        return found
    }

    private static func hashes<Value: TreeValue>(
        of tree: TreeReference?, _ name: String, _ type: Value.Type, _ reader: StoreReader
    ) throws -> Set<String> {
        let walk = TreeWalk<Value>(name: name) { reference in
            guard let bytes = try reader.blob(reference.sha256) else { throw SnapshotRefusal.blobMissing(name) }
            return bytes
        }
        return try walk.hashes(of: tree, refersToBlobs: Value.self == BlobReference.self)
    }
}

extension SnapshotRoot {
    /// A root that was kept; nil for one of a former format.
    package static func read(_ record: SnapshotRecord) -> SnapshotRoot? {
        let root = try? JSONDecoder().decode(SnapshotRoot.self, from: Data(record.root))
        return root?.format == SnapshotRoot.currentFormat ? root : nil
    }
}
