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
    /// Blobs that were found whole.
    private var seen: Set<String> = []
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

    /// Whether the blob is here, whole: by its hash, since a disk forgets. Looked at once.
    mutating func has(_ hash: String) -> Bool {
        if seen.contains(hash) { return true }
        guard blob(hash) != nil else { return false }
        seen.insert(hash)
        return true
    }

    /// Keeps blobs that were verified.
    mutating func keep(_ blobs: [String: [UInt8]]) {
        seen.formUnion(blobs.keys)
        for (hash, bytes) in blobs {
            do { try DurableFile.write(bytes, to: "\(directory)/blobs/\(hash)") } catch { inMemory[hash] = bytes }
        }
    }

    /// Makes `event` the current root; the one before stays beside it. Blobs that neither names are removed.
    mutating func commit(_ event: SnapshotEvent, root: SnapshotRoot, former: SnapshotRoot?, trust: SnapshotTrust) {
        let hashes = Set(root.blobs.values.map(\.sha256))
        do {
            for (hash, bytes) in inMemory where hashes.contains(hash) {
                try DurableFile.write(bytes, to: "\(directory)/blobs/\(hash)")
                inMemory[hash] = nil
            }
            let current = "\(directory)/current.json"
            let newest = try BlobCoding.encode(event)
            if let bytes = DurableFile.read(current, bytesMax: Self.eventBytesMax), bytes != newest {
                try DurableFile.write(bytes, to: "\(directory)/former.json")
                CrashPoint.nodeFormerWritten.pass()
            }
            try DurableFile.write(newest, to: current, beforeRename: .nodeRootUnnamed)
            CrashPoint.nodeRootWritten.pass()
            try DurableFile.write(try BlobCoding.encode(trust), to: "\(directory)/trust.json")
            CrashPoint.nodeTrustWritten.pass()
            isPersisted = true
            sweep(keeping: hashes.union(former?.blobs.values.map(\.sha256) ?? []))
        } catch {
            isPersisted = false
        }
    }

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
        seen.formIntersection(hashes)
        inMemory = inMemory.filter { hashes.contains($0.key) }
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "\(directory)/blobs")) ?? []
        for name in names where !hashes.contains(name) { unlink("\(directory)/blobs/\(name)") }
    }

    private static let eventBytesMax = 32 << 20
}
