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
    private static let retryAfter = Duration.seconds(1)

    private let store: ResourceStore
    private let context: ResourceContext
    private let pepper: [UInt8]
    /// What the next root is made from; replaced as a whole once a root is kept, so that one that can't be kept leaves
    /// nothing behind.
    private struct State: Sendable {
        var keyring: SnapshotKeyring
        var blobs: [String: BlobReference] = [:]
        var secretsPlain: SnapshotSecrets?
        var version: Revision = 0
        var rootHashes: [String: String] = [:]
    }

    private var state: State
    private var newest: [String: PublishedRoot] = [:]
    /// The roots before the newest.
    private var former: [String: PublishedRoot] = [:]
    /// Whether a root is being made, and who waits to make the next: two at once would mix their keys.
    private var isPublishing = false
    private var waiting: [CheckedContinuation<Void, Never>] = []
    /// Why the newest revision is not published yet; nil where it is.
    package private(set) var failure: StoreFailure?
    /// Bytes of the blobs of the newest roots, so that nodes are not served from the disk.
    private var cache: [String: [UInt8]] = [:]
    private var listeners: [UInt64: AsyncStream<PublishedRoot>.Continuation] = [:]
    private var listenerNumber: UInt64 = 0

    package init(store: ResourceStore, context: ResourceContext, keyring: SnapshotKeyring, pepper: [UInt8]) {
        self.store = store
        self.context = context
        state = State(keyring: keyring)
        self.pepper = pepper
    }

    package var verificationKey: SnapshotVerificationKey { state.keyring.signing.verificationKey }

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
        guard let verified = try? VerifiedRoot(signed, key: state.keyring.signing.verificationKey),
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
        let kept = try await store.read { reader in
            try reader.list(ListQuery(kind: "gateways")).flatMap { try reader.snapshots(gateway: $0.name, limit: 1) }
        }
        for record in kept {
            state.rootHashes[record.gateway.lowercased()] = try ContentHash(of: record.root).description
        }
        if !kept.isEmpty {
            // Whatever was published last stays behind: a version of its own for what is built now.
            _ = try await store.write(by: .controller) { writer in
                try writer.addChange(.service, kind: "snapshots", verb: .put, detail: "")
            }
        }
        try await publish(all: true)
    }

    /// Whether the newest roots are those of the newest revision, under the present keys.
    private func resume() async throws -> Bool {
        let keyring = state.keyring
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
        state.version = found.version
        state.blobs = all.root.blobs
        state.secretsPlain = secrets
        cache = found.bytes
        for (record, root) in found.roots {
            let signed = SignedRoot(
                root: Data(record.root).base64EncodedString(), signature: Data(record.signature).base64EncodedString())
            newest[record.gateway.lowercased()] = PublishedRoot(
                gateway: record.gateway, version: record.version, signed: signed, dataKey: keyring.data,
                hashes: Set(root.blobs.values.map(\.sha256)))
            state.rootHashes[record.gateway.lowercased()] = signed.rootHash
        }
        return true
    }

    /// Publishes each new revision until the task is cancelled. Where the store can't keep a root, the newest one stays
    /// and it is tried again.
    package func run() async throws {
        let revisions = store.watch()
        // What was committed before anybody watched.
        try await publishNewest()
        for await _ in revisions {
            if Task.isCancelled { return }
            try await Task.sleep(for: Self.coalescing)
            try await publishNewest()
        }
    }

    private func publishNewest() async throws {
        while true {
            do {
                try await alone { try await publish(all: false) }
                failure = nil
                return
            } catch let failure as StoreFailure {
                self.failure = failure
                try await Task.sleep(for: Self.retryAfter)
            } catch let error where !(error is CancellationError) {
                // A secret that can't be opened (must-hold G57): nodes keep their last version until it is mended.
                self.failure = StoreFailure(reason: .broken, description: "\(error)")
                try await Task.sleep(for: Self.retryAfter)
            }
        }
    }

    /// Runs `body` while nothing else publishes.
    private func alone(_ body: () async throws -> Void) async throws {
        if isPublishing { await withCheckedContinuation { waiting.append($0) } }
        isPublishing = true
        defer {
            if waiting.isEmpty { isPublishing = false } else { waiting.removeFirst().resume() }
        }
        try await body()
    }

    /// A new data key, and with it a new root of a new version, which comes back: a node was revoked.
    @discardableResult
    package func replaceDataKey() async throws -> Revision {
        try await alone {
            state.keyring = try await state.keyring.replacingDataKey(store, context)
            state.secretsPlain = nil
            _ = try await store.write(by: .controller) { writer in
                try writer.addChange(.service, kind: "snapshots", verb: .put, detail: "")
            }
            try await publish(all: true)
        }
        return state.version
    }

    private struct Build: Sendable {
        var version: Revision
        var changed: [String: [UInt8]?]
        var secrets: SnapshotSecrets?
        var gateways: [String: Set<String>?]
        var auditHead: String
    }

    private func publish(all: Bool) async throws {
        let after = state.version
        let context = context
        let pepper = pepper
        // Secrets that are not sealed with the present key can't be named by a root.
        let isWhole = all || state.secretsPlain == nil
        let build = try await store.read { reader in
            try Self.build(reader, after: after, all: isWhole, context: context, pepper: pepper)
        }
        guard all || build.version > state.version else { return }
        var next = state
        var fresh: [String: [UInt8]] = [:]
        for (name, bytes) in build.changed {
            guard let bytes else {
                next.blobs[name] = nil
                continue
            }
            let hash = try ContentHash(of: bytes).description
            if next.blobs[name]?.sha256 != hash { fresh[hash] = bytes }
            next.blobs[name] = BlobReference(sha256: hash, size: bytes.count)
        }
        if let secrets = build.secrets, secrets != next.secretsPlain {
            let bytes = try secrets.sealed(with: next.keyring.data)
            let hash = try ContentHash(of: bytes).description
            next.secretsPlain = secrets
            fresh[hash] = bytes
            next.blobs[BlobName.secrets] = BlobReference(sha256: hash, size: bytes.count)
        }
        next.version = build.version
        try await sign(build, fresh, next)
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

    private func sign(_ build: Build, _ fresh: [String: [UInt8]], _ next: State) async throws {
        let created = Date()
        let keyring = next.keyring
        let blobs = next.blobs
        var rootHashes = next.rootHashes
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
        state = next
        state.rootHashes = rootHashes
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
