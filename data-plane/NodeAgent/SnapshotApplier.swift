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
    private var unkept: (event: SnapshotEvent, root: SnapshotRoot, former: SnapshotRoot?)?

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
        do {
            try await complete(root.root, fetch)
        } catch let refusal as SnapshotRefusal {
            if case .blobMissing = refusal {
                return .incomplete(version: root.root.version, reason: "\(refusal)")
            }
            return .refused(version: root.root.version, reason: "\(refusal)")
        }
        CrashPoint.nodeBlobsWritten.pass()
        let former = current?.root
        do { try await putInForce(root, event) } catch {
            return .refused(version: root.root.version, reason: "\(error)")
        }
        CrashPoint.nodeSwapped.pass()
        if case .newer = verdict { trust.accept(root) }
        cache.commit(event, root: root.root, former: former, trust: trust)
        unkept = cache.isPersisted ? nil : (event, root.root, former)
        return .applied(version: root.root.version)
    }

    /// Tries again to write what the disk did not take (must-hold H43).
    func keepAgain() {
        guard let unkept else { return }
        cache.commit(unkept.event, root: unkept.root, former: unkept.former, trust: trust)
        if cache.isPersisted { self.unkept = nil }
    }

    /// Gets the blobs that are not here. One that is wrong is asked for again once (must-hold H5).
    private func complete(
        _ root: SnapshotRoot, _ fetch: @Sendable ([String: Int]) async throws -> [String: [UInt8]]
    ) async throws {
        var missing: [String: Int] = [:]
        for blob in root.blobs.values where !cache.has(blob.sha256) { missing[blob.sha256] = blob.size }
        for attempt in 0..<2 where !missing.isEmpty {
            let found = try await fetch(missing)
            var good: [String: [UInt8]] = [:]
            for (hash, bytes) in found where missing[hash] == bytes.count {
                if try ContentHash(of: bytes).description == hash { good[hash] = bytes }
            }
            cache.keep(good)
            for hash in good.keys { missing[hash] = nil }
            guard let hash = missing.keys.min(), attempt == 1 else { continue }
            let name = root.blobs.filter { $0.value.sha256 == hash }.keys.min() ?? hash
            throw found[hash] == nil ? SnapshotRefusal.blobMissing(name) : .blobMismatch(name)
        }
    }

    private func putInForce(_ root: VerifiedRoot, _ event: SnapshotEvent) async throws {
        guard let sealed = Data(base64Encoded: event.sealedDataKey),
            let bytes = try? sealingKey.open(Array(sealed)),
            let dataKey = try? SealingKey(id: root.root.dataKey, bytes: bytes)
        else { throw SnapshotRefusal.secretsUnreadable }
        let cache = cache
        let snapshot = try decoder.decode(root.root, dataKey: dataKey) { cache.blob($0) }
        try await consumer.apply(snapshot)
        current = root
    }
}
