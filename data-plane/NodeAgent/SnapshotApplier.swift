internal import ClusterProtocol
internal import CrashPoints
internal import Cryptography
internal import Foundation
internal import GatewayConfiguration

// Takes roots in: judged, completed with blobs, read, handed to the consumer, kept on disk. One at a time.

/// How an attempt to take a root ended.
enum ApplyOutcome: Sendable {
    case applied(version: Int64)
    /// The version that serves already.
    case unchanged
    /// `version` is nil where the root itself was not believed.
    case refused(version: Int64?, reason: String)
    /// Blobs were not to be had: a refusal, unless a newer root has taken this one's place.
    case incomplete(version: Int64, reason: String)
}

/// Owns what the node trusts and what it has read.
actor SnapshotApplier {
    private var trust: SnapshotTrust
    private var cache: SnapshotCache
    private var decoder = SnapshotDecoder()
    private let sealingKey: NodeSealingKey
    private let consumer: any SnapshotConsumer
    /// In force.
    private var current: VerifiedRoot?
    /// In force, and not on the disk.
    private var unkept: SnapshotEvent?

    init(
        identity: EnrolmentAnswer, sealingKey: NodeSealingKey, directory: String, isNew: Bool,
        consumer: any SnapshotConsumer
    ) throws {
        guard let raw = Data(base64Encoded: identity.snapshotKey) else { throw LinkFailure.malformed }
        let key = try SnapshotVerificationKey(bytes: Array(raw))
        cache = try SnapshotCache(directory: directory)
        var trust = SnapshotTrust(key: key, service: identity.service, gateway: identity.gateway)
        if let kept = cache.trust(), kept.service == trust.service, kept.gateway == trust.gateway {
            trust = kept
            if isNew { trust.adopt(key) }
        }
        self.trust = trust
        self.sealingKey = sealingKey
        self.consumer = consumer
    }

    var version: Int64 { current?.root.version ?? 0 }
    var signedRoot: SignedRoot? { current?.signed }
    var isPersisted: Bool { cache.isPersisted }

    /// Puts the newest good snapshot on disk in force, so that the node serves without its controller.
    func restore() async -> ApplyOutcome {
        let (newest, former) = cache.events()
        if let newest {
            let signed = SignedRoot(root: newest.root, signature: newest.signature)
            do {
                let verdict = try trust.judge(signed)
                switch verdict {
                case .newer(let root):
                    try await putInForce(root, newest)
                    trust.accept(root)
                case .same(let root): try await putInForce(root, newest)
                }
                return .applied(version: version)
            } catch {
                let refusal = error as? SnapshotRefusal
                // An older or foreign root in the place of ours was put there; the one before is not believed either.
                if let refusal, [.rollback, .fork, .wrongService, .wrongGateway].contains(refusal) {
                    return .refused(version: nil, reason: "on disk: \(refusal)")
                }
                guard let former else { return .refused(version: nil, reason: "on disk: \(error)") }
                return await restoreFormer(former, because: "\(error)")
            }
        }
        guard let former else { return .unchanged }
        return await restoreFormer(former, because: "the newest root is damaged")
    }

    private func restoreFormer(_ event: SnapshotEvent, because reason: String) async -> ApplyOutcome {
        guard let root = trust.former(SignedRoot(root: event.root, signature: event.signature)) else {
            return .refused(version: nil, reason: "on disk: \(reason)")
        }
        do {
            try await putInForce(root, event)
            return .refused(version: trust.version, reason: "on disk: \(reason)")
        } catch {
            return .refused(version: nil, reason: "on disk: \(error)")
        }
    }

    /// Takes a root from the stream. `fetch` gets blobs by hash; what it throws is thrown on: the root is neither taken
    /// nor refused.
    func take(
        _ event: SnapshotEvent, fetch: @Sendable ([String: Int]) async throws -> [String: [UInt8]]
    ) async throws -> ApplyOutcome {
        let verdict: SnapshotTrust.Verdict
        do { verdict = try trust.judge(SignedRoot(root: event.root, signature: event.signature)) } catch {
            return .refused(version: nil, reason: "\(error)")
        }
        let root: VerifiedRoot
        switch verdict {
        case .newer(let newer): root = newer
        case .same(let same):
            if current?.hash == same.hash { return .unchanged }
            root = same
        }
        var next = decoder
        let snapshot: NodeSnapshot
        do {
            let dataKey = try dataKey(root, event)
            prepare(root.root, event.update)
            snapshot = try await complete(root.root, dataKey, &next, fetch)
        } catch let refusal as SnapshotRefusal {
            if case .blobMissing = refusal {
                return .incomplete(version: root.root.version, reason: "\(refusal)")
            }
            return .refused(version: root.root.version, reason: "\(refusal)")
        }
        CrashPoint.nodeBlobsWritten.pass()
        let (dropped, added) = next.difference(from: decoder)
        do { try await consumer.apply(snapshot) } catch {
            cache.abandon(added.subtracting(decoder.hashes))
            return .refused(version: root.root.version, reason: "\(error)")
        }
        let former = decoder
        decoder = next
        current = root
        if case .newer = verdict { trust.accept(root) }
        CrashPoint.nodeSwapped.pass()
        cache.commit(event, trust: trust, dropped: dropped, added: added) { former.hashes.union(next.hashes) }
        unkept = cache.isPersisted ? nil : event
        return .applied(version: root.root.version)
    }

    /// Tries again to write what the disk did not take (must-hold H43).
    func keepAgain() {
        guard let event = unkept else { return }
        let hashes = decoder.hashes
        cache.commit(event, trust: trust, dropped: [], added: []) { hashes }
        if cache.isPersisted { unkept = nil }
    }

    /// Makes the trees' new nodes from what the controller says has changed. Where that gives other trees than the root
    /// names, it was no good, and they are fetched.
    private func prepare(_ root: SnapshotRoot, _ update: SnapshotUpdate?) {
        guard let update, let former = current, update.since == former.hash else { return }
        var blobs: [String: [UInt8]] = [:]
        for (hash, text) in update.blobs {
            guard let data = Data(base64Encoded: text) else { continue }
            let bytes = Array(data)
            if (try? ContentHash(of: bytes))?.description == hash { blobs[hash] = bytes }
        }
        cache.keep(blobs)
        make(TreeName.apis, update.apis, former.root, root)
        make(TreeName.products, update.products, former.root, root)
        make(TreeName.subscriptions, update.subscriptions, former.root, root)
    }

    private func make<Value: TreeValue>(
        _ name: String, _ changes: TreeChanges<Value>?, _ former: SnapshotRoot, _ root: SnapshotRoot
    ) {
        guard let changes, former.trees[name] != root.trees[name] else { return }
        let cache = cache
        let edit = try? TreeEdit(former.trees[name], name: name, changes: changes.all) { reference in
            guard let bytes = cache.blob(reference.sha256) else { throw SnapshotRefusal.blobMissing(name) }
            return bytes
        }
        guard let edit, edit.tree == root.trees[name] else { return }
        self.cache.keep(edit.fresh)
    }

    /// Reads the snapshot, and gets the blobs that are not here: level by level, for a node of a tree names the next. One
    /// that is wrong is asked for again once (must-hold H5).
    private func complete(
        _ root: SnapshotRoot, _ dataKey: SealingKey, _ decoder: inout SnapshotDecoder,
        _ fetch: @Sendable ([String: Int]) async throws -> [String: [UInt8]]
    ) async throws -> NodeSnapshot {
        var asked: Set<String> = []
        while true {
            let cache = cache
            let lacking: [String: BlobReference]
            switch try decoder.read(root, dataKey: dataKey, content: { cache.blob($0) }) {
            case .whole(let snapshot): return snapshot
            case .lacking(let names): lacking = names
            }
            let sizes = Dictionary(lacking.values.map { ($0.sha256, $0.size) }) { $1 }
            let found = try await fetch(sizes)
            var good: [String: [UInt8]] = [:]
            for (hash, bytes) in found where sizes[hash] == bytes.count {
                if try ContentHash(of: bytes).description == hash { good[hash] = bytes }
            }
            self.cache.keep(good)
            for (name, blob) in lacking.sorted(by: { $0.key < $1.key }) where good[blob.sha256] == nil {
                guard asked.insert(blob.sha256).inserted else {
                    throw found[blob.sha256] == nil ? SnapshotRefusal.blobMissing(name) : .blobMismatch(name)
                }
            }
        }
    }

    private func dataKey(_ root: VerifiedRoot, _ event: SnapshotEvent) throws(SnapshotRefusal) -> SealingKey {
        guard let sealed = Data(base64Encoded: event.sealedDataKey),
            let bytes = try? sealingKey.open(Array(sealed)),
            let dataKey = try? SealingKey(id: root.root.dataKey, bytes: bytes)
        else { throw .secretsUnreadable }
        return dataKey
    }

    /// From what is here alone.
    private func putInForce(_ root: VerifiedRoot, _ event: SnapshotEvent) async throws {
        let cache = cache
        var next = decoder
        let snapshot = try next.decode(root.root, dataKey: try dataKey(root, event)) { cache.blob($0) }
        try await consumer.apply(snapshot)
        decoder = next
        current = root
    }
}
