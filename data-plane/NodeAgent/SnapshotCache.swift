internal import ClusterProtocol
internal import CrashPoints
internal import Cryptography
internal import Foundation
internal import GatewayConfiguration

// The last good snapshots on disk: blobs first, then the root. What lies there is checked like what comes over the wire
// (must-hold H7, H8).

/// `directory/blobs/{hash}`, `current.json`, `former.json` (root, signature, sealed data key) and `trust.json`.
struct SnapshotCache {
    private let directory: String
    /// Blobs that the disk did not take.
    private var inMemory: [String: [UInt8]] = [:]
    /// Blobs that were written and may not be on the disk yet.
    private var unsynced: Set<String> = []
    /// Blobs that no root names but perhaps the one before the newest: removed at the next commit.
    private var retired: Set<String> = []
    /// Blobs that were dropped while the disk took nothing: the root that lies there, and will be the one before, names them.
    private var deferred: Set<String> = []
    /// Whether the directory holds nothing but what was put there since the start.
    private var isSwept = false
    /// Whether the newest snapshot is on disk.
    private(set) var isPersisted = true

    init(directory: String) throws(DiskFailure) {
        self.directory = "\(directory)/snapshot"
        try DurableFile.makeDirectory(self.directory)
        try DurableFile.makeDirectory("\(self.directory)/blobs")
    }

    /// A blob's bytes if they are here, and what they should be.
    func blob(_ hash: String) -> [UInt8]? {
        if let bytes = inMemory[hash] { return bytes }
        guard hash.utf8.count == 64, Hexadecimal.decode(hash) != nil,
            let bytes = DurableFile.read("\(directory)/blobs/\(hash)", bytesMax: SnapshotBounds.blobBytesMax),
            (try? ContentHash(of: bytes).description) == hash
        else { return nil }
        return bytes
    }

    /// Keeps blobs that were verified. They need not outlive a power cut before a root names them.
    mutating func keep(_ blobs: [String: [UInt8]]) {
        for (hash, bytes) in blobs {
            do throws(DiskFailure) {
                // What a root names already is never written over: a kill in the midst of it would harm that root.
                if blob(hash) == nil { try DurableFile.writeUnsynced(bytes, to: path(hash)) }
                unsynced.insert(hash)
            } catch { inMemory[hash] = bytes }
        }
    }

    /// Makes `event` the current root; the one before stays beside it. `dropped` are the blobs that the one before alone
    /// named, `added` those that it did not; `all` gives every blob that the two name.
    mutating func commit(
        _ event: SnapshotEvent, trust: SnapshotTrust, dropped: Set<String>, added: Set<String>, all: () -> Set<String>
    ) {
        do throws(DiskFailure) {
            for (hash, bytes) in inMemory {
                try DurableFile.writeUnsynced(bytes, to: path(hash))
                unsynced.insert(hash)
                inMemory[hash] = nil
            }
            try DurableFile.synchronize(unsynced.map(path), in: "\(directory)/blobs")
            unsynced = []
            try write(event, trust)
            isPersisted = true
        } catch {
            isPersisted = false
            retired.subtract(added)
            deferred.formUnion(dropped)
            deferred.subtract(added)
            return
        }
        deferred.subtract(added)
        if isSwept {
            for hash in retired.subtracting(added) { unlink(path(hash)) }
        } else {
            sweep(keeping: all().union(deferred))
        }
        retired = dropped.union(deferred)
        deferred = []
    }

    /// The newest root that lies there becomes the one before, unless it is this very one: a commit that ended half-way is
    /// tried again.
    private func write(_ event: SnapshotEvent, _ trust: SnapshotTrust) throws(DiskFailure) {
        var event = event
        event.update = nil
        guard let newest = try? BlobCoding.encode(event), let trust = try? BlobCoding.encode(trust) else {
            throw DiskFailure(step: "encode", errno: EINVAL)
        }
        let current = "\(directory)/current.json"
        if let bytes = DurableFile.read(current, bytesMax: Self.eventBytesMax), bytes != newest {
            try DurableFile.write(bytes, to: "\(directory)/former.json")
            CrashPoint.nodeFormerWritten.pass()
        }
        try DurableFile.write(newest, to: current, beforeRename: .nodeRootUnnamed)
        CrashPoint.nodeRootWritten.pass()
        try DurableFile.write(trust, to: "\(directory)/trust.json")
        CrashPoint.nodeTrustWritten.pass()
    }

    /// Notes blobs that were fetched for a root that does not serve.
    mutating func abandon(_ hashes: Set<String>) { retired.formUnion(hashes) }

    private func path(_ hash: String) -> String { "\(directory)/blobs/\(hash)" }

    /// The newest root on disk and the one before; nil for one that is missing or damaged.
    func events() -> (newest: SnapshotEvent?, former: SnapshotEvent?) {
        func event(_ name: String) -> SnapshotEvent? {
            DurableFile.read("\(directory)/\(name)", bytesMax: Self.eventBytesMax).flatMap {
                try? JSONDecoder().decode(SnapshotEvent.self, from: Data($0))
            }
        }
        return (event("current.json"), event("former.json"))
    }

    /// The version floor; nil where it is missing or damaged.
    func trust() -> SnapshotTrust? {
        DurableFile.read("\(directory)/trust.json", bytesMax: 65_536).flatMap {
            try? JSONDecoder().decode(SnapshotTrust.self, from: Data($0))
        }
    }

    private mutating func sweep(keeping hashes: Set<String>) {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "\(directory)/blobs")) ?? []
        for name in names where !hashes.contains(name) { unlink("\(directory)/blobs/\(name)") }
        isSwept = true
    }

    private static let eventBytesMax = 4 << 20
}
