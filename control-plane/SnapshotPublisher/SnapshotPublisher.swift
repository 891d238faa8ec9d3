// SnapshotPublisher turns the store's revisions into signed snapshots: changes come in; roots and the blobs that are
// new go out, one root a gateway.
internal import CrashPoints
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
    /// SHA-256 of its bytes.
    package var hash: String
    package var dataKey: SealingKey
}

/// Builds and keeps the newest root of each gateway.
package actor SnapshotPublisher {
    /// Changes of this time become one root (design.md section 3).
    package static let coalescing = Duration.milliseconds(20)
    /// Roots that are kept, each gateway.
    package static let rootsKept = 1000
    /// Steps that are kept for nodes that are some roots behind.
    private static let updatesKept = 32
    private static let retryAfter = Duration.seconds(1)

    private let store: ResourceStore
    private let context: ResourceContext
    private let pepper: [UInt8]
    // What the next root is made from; replaced once a root is kept, so that one that can't be kept leaves nothing behind.
    private var keyring: SnapshotKeyring
    private var basis = SnapshotBasis()
    private var secretsPlain: SnapshotSecrets?
    private var named = NamedHashes()
    /// Of the newest roots, by the gateway's name in lower case.
    private var rootHashes: [String: String] = [:]
    private var newest: [String: PublishedRoot] = [:]
    /// The last steps of each gateway, each from the root that the one before led to.
    private var updates: [String: [SnapshotUpdate]] = [:]
    /// Whether a root is being made, and who waits to make the next: two at once would mix their keys.
    private var isPublishing = false
    private var waiting: [CheckedContinuation<Void, Never>] = []
    /// Why the newest revision is not published yet; nil where it is.
    package private(set) var failure: StoreFailure?
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

    /// The newest root of a gateway, with the step to it from the root with the hash `former`, where that is known.
    package func newest(of gateway: String, since former: String?) -> (root: PublishedRoot, update: SnapshotUpdate?)? {
        guard let root = newest[gateway.lowercased()] else { return nil }
        let steps = updates[gateway.lowercased()] ?? []
        guard let first = steps.firstIndex(where: { $0.since == former }) else { return (root, nil) }
        var sum: SnapshotUpdate? = steps[first]
        for step in steps[(first + 1)...] { sum = sum?.followed(by: step) }
        return (root, sum)
    }

    /// Those of the blobs that one of a gateway's last two roots names (must-hold H17), as many as `bytesMax` takes. The
    /// former root's are given too, for a node may be fetching them when the next is published.
    package func blobs(_ hashes: [String], for gateway: String, bytesMax: Int) async throws -> [String: [UInt8]] {
        let gateway = gateway.lowercased()
        let allowed = hashes.filter { named.mayHave($0, gateway: gateway) }
        return try await store.read(isOurs: true) { reader in
            var found: [String: [UInt8]] = [:]
            var size = 0
            for hash in allowed where size < bytesMax && found[hash] == nil {
                guard let bytes = try reader.blob(hash) else { continue }
                size += bytes.count
                found[hash] = bytes
            }
            return found
        }
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
        if let found = try await SnapshotResumption.find(store, keyring) {
            basis = found.basis
            secretsPlain = found.secrets
            named = found.named
            for root in found.roots {
                newest[root.gateway.lowercased()] = root
                rootHashes[root.gateway.lowercased()] = root.hash
            }
            return
        }
        let kept = try await store.read(isOurs: true) { reader in
            try reader.list(ListQuery(kind: "gateways")).flatMap { try reader.snapshots(gateway: $0.name, limit: 1) }
        }
        for record in kept {
            rootHashes[record.gateway.lowercased()] = try ContentHash(of: record.root).description
        }
        if !kept.isEmpty {
            // Whatever was published last stays behind: a version of its own for what is built now.
            try await makeVersion("system:republish")
        }
        try await publish(all: true)
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

    /// A revision that changes no resource, with a row of the audit that says why (must-hold G62).
    private func makeVersion(_ action: String) async throws {
        let resource = "\(context.serviceID)/gatehouse/snapshots"
        _ = try await store.write(by: .controller) { writer in
            try writer.addChange(.service, kind: "snapshots", verb: .put, detail: "")
            try writer.audit(action: action, resource: resource, outcome: "Succeeded")
        }
    }

    /// A new data key, and with it a new root of a new version, which comes back: a node was revoked.
    @discardableResult
    package func replaceDataKey() async throws -> Revision {
        try await alone {
            keyring = try await keyring.replacingDataKey(store, context)
            secretsPlain = nil
            CrashPoint.publishDataKeyReplaced.pass()
            try await makeVersion("system:replaceDataKey")
            try await publish(all: false)
        }
        return basis.version
    }

    /// `all` begins from nothing.
    private func publish(all: Bool) async throws {
        CrashPoint.publishBefore.pass()
        let (context, pepper, basis) = (context, pepper, basis)
        // Secrets that are not sealed with the present key can't be named by a root.
        let needsSecrets = secretsPlain == nil
        var build = try await store.read(isOurs: true) { reader in
            try SnapshotBuild.make(
                reader, from: basis, all: all, needsSecrets: needsSecrets, context: context, pepper: pepper)
        }
        guard all || build.basis.version > basis.version else { return }
        if let secrets = build.secrets, secrets != secretsPlain {
            build.put(try Blob(secrets.sealed(with: keyring.data)), as: BlobName.secrets)
        }
        let retired = all ? [] : named.retired(by: build)
        let created = Date()
        let published = try build.basis.gateways.values.map { try sign(build, $0, created) }
        try await keep(published, build, created, retired: retired, all: all)
        CrashPoint.publishRootKept.pass()
        self.basis = build.basis
        if let secrets = build.secrets { secretsPlain = secrets }
        if all { named = NamedHashes() }
        named.apply(build)
        newest = newest.filter { name, _ in build.basis.gateways[name] != nil }
        updates = updates.filter { name, _ in build.basis.gateways[name] != nil }
        for root in published {
            let name = root.gateway.lowercased()
            note(build.update(of: name, since: rootHashes[name]), of: name)
            rootHashes[name] = root.hash
            newest[name] = root
            for listener in listeners.values { listener.yield(root) }
        }
    }

    private func note(_ update: SnapshotUpdate?, of gateway: String) {
        guard let update else {
            updates[gateway] = []
            return
        }
        updates[gateway, default: []].append(update)
        if updates[gateway, default: []].count > Self.updatesKept { updates[gateway]?.removeFirst() }
    }

    private func sign(
        _ build: SnapshotBuild, _ gateway: SnapshotBasis.Gateway, _ created: Date
    ) throws -> PublishedRoot {
        var trees: [String: TreeReference] = [:]
        trees[TreeName.apis] = gateway.tree
        trees[TreeName.products] = build.basis.products
        trees[TreeName.subscriptions] = build.basis.subscriptions
        let root = SnapshotRoot(
            service: context.serviceID, gateway: gateway.name, version: build.basis.version,
            created: created.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true)),
            previous: rootHashes[gateway.name.lowercased()],
            signingKey: Data(keyring.signing.verificationKey.bytes).base64EncodedString(), dataKey: keyring.data.id,
            auditHead: build.auditHead, blobs: build.basis.blobs, trees: trees)
        let signed = try root.signed(with: keyring.signing)
        return PublishedRoot(
            gateway: gateway.name, version: build.basis.version, signed: signed, hash: signed.rootHash ?? "",
            dataKey: keyring.data)
    }

    /// Keeps roots and blobs, for comparing and restoring; forgets the oldest.
    private func keep(
        _ published: [PublishedRoot], _ build: SnapshotBuild, _ created: Date, retired: Set<String>, all: Bool
    ) async throws {
        let version = build.basis.version
        let fresh = build.fresh
        let records = published.compactMap { root in
            root.signed.rootBytes.flatMap { bytes in
                Data(base64Encoded: root.signed.signature).map { signature in
                    SnapshotRecord(
                        gateway: root.gateway, version: version, created: created.timeIntervalSince1970, root: bytes,
                        signature: [UInt8](signature))
                }
            }
        }
        let gone = newest.values.map(\.gateway).filter { build.basis.gateways[$0.lowercased()] == nil }
        _ = try await store.write(by: .controller) { writer in
            if all { try writer.retireAllBlobs(from: version) }
            for (hash, bytes) in fresh { try writer.putBlob(hash, bytes) }
            try writer.retireBlobs(retired, from: version)
            CrashPoint.publishBlobsKept.pass()
            for gateway in gone { try writer.dropSnapshots(gateway: gateway, keep: 0) }
            for record in records {
                try writer.putSnapshot(record)
                try writer.dropSnapshots(gateway: record.gateway, keep: Self.rootsKept)
            }
            try writer.dropRetiredBlobs()
        }
    }
}

extension SnapshotBuild {
    /// What a node that has the root before must know; nil where there was none, or that would be too much.
    func update(of gateway: String, since hash: String?) -> SnapshotUpdate? {
        guard let hash else { return nil }
        let mine = apis[gateway] ?? [:]
        guard mine.count + products.count + subscriptions.count <= SnapshotUpdate.changesMax else { return nil }
        var update = SnapshotUpdate(since: hash)
        if !mine.isEmpty { update.apis = TreeChanges(mine) }
        if !products.isEmpty { update.products = TreeChanges(products) }
        if !subscriptions.isEmpty { update.subscriptions = TreeChanges(subscriptions) }
        var size = 0
        let told = (Array(mine.values) + Array(products.values)).compactMap { $0 } + Array(basis.blobs.values)
        for blob in told {
            guard let bytes = fresh[blob.sha256], bytes.count <= SnapshotUpdate.oneBlobBytesMax,
                size + bytes.count <= SnapshotUpdate.blobBytesMax
            else { continue }
            size += bytes.count
            update.blobs[blob.sha256] = Data(bytes).base64EncodedString()
        }
        return update
    }
}
