// SnapshotPublisher turns the store's revisions into signed snapshots: changes come in; roots and the blobs that are
// new go out, one root a gateway.
package import Cryptography
internal import Foundation
package import GatewayConfiguration
package import Resources
package import ResourceStore

/// A root that was published.
package struct PublishedRoot: Sendable {
    package var gateway: String
    package var version: Revision
    package var signed: SignedRoot
    package var dataKey: SealingKey
    /// Hashes of its blobs.
    package var hashes: Set<String>
}

/// Builds and keeps the newest root of each gateway.
package actor SnapshotPublisher {
    /// Changes of this time become one root (design.md section 3).
    package static let coalescing = Duration.milliseconds(20)
    /// Roots that are kept, each gateway.
    package static let rootsKept = 1000

    private let store: ResourceStore
    private let context: ResourceContext
    private let pepper: [UInt8]
    private var keyring: SnapshotKeyring
    private var blobs: [String: BlobReference] = [:]
    private var secretsPlain: SnapshotSecrets?
    private var version: Revision = 0
    private var newest: [String: PublishedRoot] = [:]
    /// The roots before the newest.
    private var former: [String: PublishedRoot] = [:]
    private var rootHashes: [String: String] = [:]
    /// Bytes of the blobs of the newest roots, so that nodes are not served from the disk.
    private var cache: [String: [UInt8]] = [:]
    private var listeners: [UInt64: AsyncStream<PublishedRoot>.Continuation] = [:]
    private var listenerNumber: UInt64 = 0

    package init(store: ResourceStore, context: ResourceContext, keyring: SnapshotKeyring, pepper: [UInt8]) {
        self.store = store
        self.context = context
        self.keyring = keyring
        self.pepper = pepper
    }

    package var verificationKey: SnapshotVerificationKey { keyring.signing.verificationKey }

    /// The newest root of a gateway.
    package func root(of gateway: String) -> PublishedRoot? { newest[gateway.lowercased()] }

    /// The roots of all gateways from now on.
    package func roots() -> AsyncStream<PublishedRoot> {
        listenerNumber += 1
        let number = listenerNumber
        return AsyncStream { continuation in
            listeners[number] = continuation
            continuation.onTermination = { [weak self] _ in
                Task { await self?.forget(number) }
            }
        }
    }

    private func forget(_ number: UInt64) { listeners[number] = nil }

    /// A blob that one of a gateway's last two roots names; nil for any other (must-hold H17). The former one's are given
    /// too, for a node may be fetching them when the next is published.
    package func blob(_ hash: String, for gateway: String) -> [UInt8]? {
        let roots = [newest[gateway.lowercased()], former[gateway.lowercased()]]
        guard roots.contains(where: { $0?.hashes.contains(hash) == true }) else { return nil }
        return cache[hash]
    }

    /// Takes the word of a node that is ahead of a store which was put back to an older state: a root that this
    /// controller signed moves the revision past it, and what is here now is published under a higher version (must-hold
    /// H18). Without one nobody moves anything (H19).
    package func handOver(_ signed: SignedRoot, of gateway: String) async throws -> Bool {
        guard let verified = try? VerifiedRoot(signed, key: keyring.signing.verificationKey),
            verified.root.service.lowercased() == context.serviceID.lowercased(),
            verified.root.gateway.lowercased() == gateway.lowercased(), verified.root.version > store.revision
        else { return false }
        let seen = verified.root.version
        let serviceID = context.serviceID
        _ = try await store.write(by: .controller) { writer in
            guard writer.moveRevision(to: seen + 1) else { return }
            try writer.addChange(.service, kind: "snapshots", verb: .put, detail: "")
            try writer.setLedgerIncarnation(Hexadecimal.encode(SecureRandom.bytes(16)))
            try writer.audit(
                action: "Microsoft.ApiManagement/service/gatehouse/snapshots/handOver/action",
                resource: "\(serviceID)/gatehouse/snapshots/\(seen)", outcome: "Succeeded")
        }
        return true
    }

    /// Begins: takes up the roots of the store's newest revision where they were published before, byte for byte, for a
    /// node refuses another root of the same version; publishes everything anew where they were not.
    package func start() async throws {
        if try await resume() { return }
        if try await store.read({ try !$0.snapshots(gateway: Gateways.defaultName, limit: 1).isEmpty }) {
            // Whatever was published last stays behind: a version of its own for what is built now.
            _ = try await store.write(by: .controller) { writer in
                try writer.addChange(.service, kind: "snapshots", verb: .put, detail: "")
            }
        }
        try await publish(all: true)
    }

    /// Whether the newest roots are those of the newest revision, under the present keys.
    private func resume() async throws -> Bool {
        let keyring = keyring
        struct Found: Sendable {
            var roots: [(record: SnapshotRecord, root: SnapshotRoot)]
            var bytes: [String: [UInt8]]
            var version: Revision
        }
        let found = try await store.read { reader -> Found? in
            let version = try reader.newestRevision()
            var found = Found(roots: [], bytes: [:], version: version)
            for gateway in try reader.list(ListQuery(kind: "gateways")) {
                guard let record = try reader.snapshot(gateway: gateway.name, version: version),
                    let root = try? JSONDecoder().decode(SnapshotRoot.self, from: Data(record.root)),
                    root.dataKey == keyring.data.id
                else { return nil }
                found.roots.append((record, root))
                for blob in root.blobs.values where found.bytes[blob.sha256] == nil {
                    guard let bytes = try reader.blob(blob.sha256) else { return nil }
                    found.bytes[blob.sha256] = bytes
                }
            }
            return found.roots.isEmpty ? nil : found
        }
        guard let found, let all = found.roots.first(where: { $0.record.gateway.lowercased() == Gateways.defaultName }),
            let sealed = all.root.blobs[BlobName.secrets].flatMap({ found.bytes[$0.sha256] }),
            let secrets = try? SnapshotSecrets.opened(sealed, with: keyring.data)
        else { return false }
        version = found.version
        blobs = all.root.blobs
        cache = found.bytes
        secretsPlain = secrets
        for (record, root) in found.roots {
            let signed = SignedRoot(
                root: Data(record.root).base64EncodedString(), signature: Data(record.signature).base64EncodedString())
            newest[record.gateway.lowercased()] = PublishedRoot(
                gateway: record.gateway, version: record.version, signed: signed, dataKey: keyring.data,
                hashes: Set(root.blobs.values.map(\.sha256)))
            rootHashes[record.gateway.lowercased()] = signed.rootHash
        }
        return true
    }

    /// Publishes each new revision until the task is cancelled.
    package func run() async throws {
        for await _ in store.watch() {
            if Task.isCancelled { return }
            try await Task.sleep(for: Self.coalescing)
            try await publish(all: false)
        }
    }

    /// A new data key, and with it a new root of a new version: a node was revoked.
    package func replaceDataKey() async throws {
        keyring = try await keyring.replacingDataKey(store, context)
        secretsPlain = nil
        _ = try await store.write(by: .controller) { writer in
            try writer.addChange(.service, kind: "snapshots", verb: .put, detail: "")
        }
        try await publish(all: true)
    }

    private struct Build: Sendable {
        var version: Revision
        var changed: [String: [UInt8]?]
        var secrets: SnapshotSecrets?
        var gateways: [String: Set<String>?]
        var auditHead: String
    }

    private func publish(all: Bool) async throws {
        let after = version
        let context = context
        let pepper = pepper
        let build = try await store.read { reader in
            try Self.build(reader, after: after, all: all, context: context, pepper: pepper)
        }
        guard all || build.version > version else { return }
        var fresh: [String: [UInt8]] = [:]
        for (name, bytes) in build.changed {
            guard let bytes else {
                blobs[name] = nil
                continue
            }
            let hash = try ContentHash(of: bytes).description
            if blobs[name]?.sha256 != hash { fresh[hash] = bytes }
            blobs[name] = BlobReference(sha256: hash, size: bytes.count)
        }
        if let secrets = build.secrets, secrets != secretsPlain {
            let bytes = try secrets.sealed(with: keyring.data)
            let hash = try ContentHash(of: bytes).description
            secretsPlain = secrets
            fresh[hash] = bytes
            blobs[BlobName.secrets] = BlobReference(sha256: hash, size: bytes.count)
        }
        version = build.version
        try await sign(build, fresh)
    }

    private static func build(
        _ reader: StoreReader, after: Revision, all: Bool, context: ResourceContext, pepper: [UInt8]
    ) throws -> Build {
        let version = try reader.newestRevision()
        let builder = BlobBuilder(reader: reader, context: context, pepper: pepper)
        var dirty = DirtyBlobs()
        if all {
            dirty.names = try builder.allNames()
        } else {
            for change in try reader.changes(after: after) { dirty.add(change) }
        }
        var build = Build(
            version: version, changed: [:], secrets: nil, gateways: [:], auditHead: try reader.auditHead())
        for name in dirty.names where name != BlobName.secrets { build.changed[name] = .some(try builder.bytes(name)) }
        if dirty.names.contains(BlobName.secrets) { build.secrets = try builder.secrets() }
        for gateway in try reader.list(ListQuery(kind: "gateways")) {
            let isDefault = gateway.name.lowercased() == Gateways.defaultName
            let apis =
                isDefault
                ? nil
                : Set(
                    try reader.list(ListQuery(kind: "gateways/apis", parent: gateway.id)).map { $0.name.lowercased() })
            build.gateways[gateway.name] = .some(apis)
        }
        return build
    }

    private func sign(_ build: Build, _ fresh: [String: [UInt8]]) async throws {
        let created = Date()
        var published: [PublishedRoot] = []
        var records: [SnapshotRecord] = []
        for (gateway, apis) in build.gateways {
            let mine =
                apis.map { apis in
                    blobs.filter {
                        !$0.key.hasPrefix(BlobName.apis) || apis.contains(String($0.key.dropFirst(BlobName.apis.count)))
                    }
                } ?? blobs
            let root = SnapshotRoot(
                service: context.serviceID, gateway: gateway, version: build.version,
                created: created.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true)),
                previous: rootHashes[gateway.lowercased()],
                signingKey: Data(keyring.signing.verificationKey.bytes).base64EncodedString(), dataKey: keyring.data.id,
                auditHead: build.auditHead, blobs: mine)
            let signed = try root.signed(with: keyring.signing)
            rootHashes[gateway.lowercased()] = signed.rootHash
            published.append(
                PublishedRoot(
                    gateway: gateway, version: build.version, signed: signed, dataKey: keyring.data,
                    hashes: Set(mine.values.map(\.sha256))))
            if let bytes = signed.rootBytes, let signature = Data(base64Encoded: signed.signature) {
                records.append(
                    SnapshotRecord(
                        gateway: gateway, version: build.version, created: created.timeIntervalSince1970, root: bytes,
                        signature: [UInt8](signature)))
            }
        }
        let named = Set(blobs.values.map(\.sha256))
        let retired = (newest[Gateways.defaultName]?.hashes ?? []).subtracting(named)
        try await keep(records, fresh, retired: retired, version: build.version)
        for (hash, bytes) in fresh { cache[hash] = bytes }
        former = newest
        let needed = named.union(former.values.flatMap(\.hashes))
        cache = cache.filter { needed.contains($0.key) }
        newest = newest.filter { name, _ in published.contains { $0.gateway.lowercased() == name } }
        for root in published {
            newest[root.gateway.lowercased()] = root
            for listener in listeners.values { listener.yield(root) }
        }
    }

    /// Keeps roots and blobs, for comparing and restoring; forgets the oldest.
    private func keep(
        _ records: [SnapshotRecord], _ fresh: [String: [UInt8]], retired: Set<String>, version: Revision
    ) async throws {
        _ = try await store.write(by: .controller) { writer in
            for (hash, bytes) in fresh { try writer.putBlob(hash, bytes) }
            try writer.retireBlobs(retired, from: version)
            for record in records {
                try writer.putSnapshot(record)
                try writer.dropSnapshots(gateway: record.gateway, keep: Self.rootsKept)
            }
            try writer.dropRetiredBlobs()
        }
    }
}
