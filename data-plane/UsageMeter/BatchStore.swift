internal import ClusterProtocol
internal import Foundation
internal import Glibc
internal import Synchronization

// The batches of a node on its disk: those that wait for the ledger (`.batch`), those that it has (`.sent`), kept a while,
// and those that it refused (`.rejected`).

/// How long and how much of what is acknowledged is kept for a ledger that is put back to an older state (must-hold H20).
package struct UsageRetention: Hashable, Sendable {
    package var seconds: Double
    package var bytes: Int
    package static let standard = UsageRetention(seconds: 86400, bytes: 64 << 20)

    package init(seconds: Double, bytes: Int) {
        self.seconds = seconds
        self.bytes = bytes
    }
}

/// Keeps batches. A file is written under another name, synced and renamed, so that it is whole or not there.
final class BatchStore: Sendable {
    struct Entry {
        var id: UsageBatchID
        /// nil where the disk took no more: then `content` has it.
        var path: String?
        var content: UsageBatch?
        /// The segment it was made from, which stays until the batch is written.
        var segment: String?
        /// Whether the ledger may know its name: then it keeps it until it is acknowledged. True for what an earlier
        /// process left.
        var wasOffered = true
        /// 0 for what an earlier process left.
        var records = 0
    }

    struct Sent {
        var path: String
        var bytes: Int
        var time: Double
    }

    struct Contents {
        var pending: [Entry] = []
        var sent: [Sent] = []
        var damaged = 0
        var rejected = 0
        var isDiskFull = false
    }

    private static let rejectedMax = 100

    let directory: String
    private let keep: UsageRetention
    let contents: Mutex<Contents>

    init(directory: String, keep: UsageRetention) throws(UsageMeterFailure) {
        self.directory = directory
        self.keep = keep
        var found = Contents()
        var pending: [(time: Double, entry: Entry)] = []
        var replaced: Set<UsageBatchID> = []
        for name in Self.names(in: directory) {
            let path = "\(directory)/\(name)"
            var information = stat()
            guard lstat(path, &information) == 0 else { continue }
            let time = Double(information.st_mtim.tv_sec) + Double(information.st_mtim.tv_nsec) / 1e9
            if name.hasSuffix(".batch") {
                guard let batch = BatchFile.readStored(path) else {
                    // It is made again from its segment where that is still there.
                    found.damaged += 1
                    unlink(path)
                    continue
                }
                replaced.formUnion(batch.replaces ?? [])
                pending.append((time, Entry(id: batch.id, path: path)))
            } else if name.hasSuffix(".sent") {
                found.sent.append(Sent(path: path, bytes: Int(information.st_size), time: time))
            } else if name.hasSuffix(".rejected") {
                found.rejected += 1
            } else if name.hasSuffix(".new") {
                unlink(path)
            }
        }
        // A kill between a merged batch and the removal of what is in it.
        for (_, entry) in pending where replaced.contains(entry.id) { unlink(entry.path ?? "") }
        pending.removeAll { replaced.contains($0.entry.id) }
        found.pending = pending.sorted {
            ($0.time, $0.entry.id.epoch, $0.entry.id.sequence) < ($1.time, $1.entry.id.epoch, $1.entry.id.sequence)
        }.map(\.entry)
        found.sent.sort { $0.time < $1.time }
        contents = Mutex(found)
    }

    /// The names in a directory; empty where it can't be read.
    static func names(in directory: String) -> [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: directory))?.sorted() ?? []
    }

    /// Whether a file was made and never written.
    static func isAllZero(_ path: String) -> Bool {
        FileManager.default.contents(atPath: path)?.allSatisfy { $0 == 0 } ?? true
    }

    /// Whether a batch of that name waits or was sent.
    func knows(epoch: UInt64, sequence: UInt64) -> Bool {
        contents.withLock { contents in
            contents.pending.contains { $0.id.epoch == epoch && $0.id.sequence == sequence }
                || contents.sent.contains { $0.path == path(epoch, sequence, "sent") }
                || access(path(epoch, sequence, "rejected"), F_OK) == 0
        }
    }

    /// Takes a batch; true when it is on the disk. Otherwise it waits in memory and its segment stays.
    func add(_ batch: UsageBatch, segment: String?) -> Bool {
        let path = path(batch.id.epoch, batch.id.sequence, "batch")
        let isWritten = BatchFile.write(batch, to: path)
        contents.withLock { contents in
            contents.isDiskFull = !isWritten
            if isWritten {
                writeWaiting(&contents)
                contents.pending.append(
                    Entry(id: batch.id, path: path, wasOffered: false, records: batch.records.count))
            } else {
                contents.pending.append(
                    Entry(
                        id: batch.id, content: batch, segment: segment, wasOffered: false,
                        records: batch.records.count))
            }
        }
        return isWritten
    }

    /// The disk takes something again: what waits in memory is written.
    private func writeWaiting(_ contents: inout Contents) {
        for index in contents.pending.indices {
            guard let batch = contents.pending[index].content else { continue }
            let path = path(batch.id.epoch, batch.id.sequence, "batch")
            guard BatchFile.write(batch, to: path) else { return }
            contents.pending[index].path = path
            contents.pending[index].content = nil
            if let segment = contents.pending[index].segment { unlink(segment) }
            contents.pending[index].segment = nil
        }
    }

    func pending() -> [UsageBatchID] { contents.withLock { $0.pending.map(\.id) } }

    func batch(_ id: UsageBatchID) -> UsageBatch? {
        let found = contents.withLock { contents -> Entry? in
            guard let index = contents.pending.firstIndex(where: { $0.id == id }) else { return nil }
            contents.pending[index].wasOffered = true
            return contents.pending[index]
        }
        guard let entry = found else { return nil }
        if let content = entry.content { return content }
        guard let path = entry.path, let batch = BatchFile.read(path) else {
            // Damaged behind our back. It can't be delivered, and must not hold up the others.
            contents.withLock { contents in
                contents.pending.removeAll { $0.id == id }
                contents.damaged += 1
            }
            return nil
        }
        return batch
    }

    func acknowledge(_ id: UsageBatchID) {
        contents.withLock { contents in
            guard let index = contents.pending.firstIndex(where: { $0.id == id }) else { return }
            let entry = contents.pending.remove(at: index)
            if let segment = entry.segment { unlink(segment) }
            guard let path = entry.path else { return }
            let kept = self.path(id.epoch, id.sequence, "sent")
            var information = stat()
            guard rename(path, kept) == 0, lstat(kept, &information) == 0 else { return }
            contents.sent.append(Sent(path: kept, bytes: Int(information.st_size), time: Self.now()))
            trim(&contents)
        }
    }

    private func trim(_ contents: inout Contents) {
        var bytes = contents.sent.reduce(0) { $0 + $1.bytes }
        let oldest = Self.now() - keep.seconds
        while let first = contents.sent.first, bytes > keep.bytes || first.time < oldest {
            unlink(first.path)
            bytes -= first.bytes
            contents.sent.removeFirst()
        }
    }

    func reject(_ id: UsageBatchID) {
        contents.withLock { contents in
            guard let index = contents.pending.firstIndex(where: { $0.id == id }) else { return }
            let entry = contents.pending.remove(at: index)
            if let segment = entry.segment { unlink(segment) }
            contents.rejected += 1
            guard let path = entry.path else { return }
            if contents.rejected > Self.rejectedMax {
                unlink(path)
            } else {
                rename(path, self.path(id.epoch, id.sequence, "rejected"))
            }
        }
    }

    func resendAcknowledged() {
        contents.withLock { contents in
            var again: [Entry] = []
            for sent in contents.sent {
                let path = String(sent.path.dropLast("sent".count)) + "batch"
                guard let batch = BatchFile.read(sent.path), rename(sent.path, path) == 0 else {
                    unlink(sent.path)
                    continue
                }
                again.append(Entry(id: batch.id, path: path))
            }
            contents.sent = []
            contents.pending = again + contents.pending
        }
    }

    func warnings() -> [String] {
        contents.withLock { contents in
            var warnings: [String] = []
            if contents.isDiskFull { warnings.append("usage: the disk takes no more, batches wait in memory") }
            if contents.damaged > 0 { warnings.append("usage: \(contents.damaged) damaged batches were dropped") }
            if contents.rejected > 0 { warnings.append("usage: \(contents.rejected) batches were refused") }
            return warnings
        }
    }

    func path(_ epoch: UInt64, _ sequence: UInt64, _ kind: String) -> String {
        "\(directory)/\(epoch)-\(sequence).\(kind)"
    }

    private static func now() -> Double { Date().timeIntervalSince1970 }
}

/// A batch as it lies on the disk.
struct StoredBatch: Codable {
    var id: UsageBatchID
    var records: [UsageRecord]
    /// Batches whose records are in this one: they are gone, or are to go.
    var replaces: [UsageBatchID]?
}

/// The file of a batch: magic, length, JSON, CRC-32C.
enum BatchFile {
    private static let magic = Array("GHBATCH1".utf8)
    private static let bytesMax = 64 << 20

    /// Writes whole or not at all.
    static func write(_ batch: UsageBatch, replacing: [UsageBatchID]? = nil, to path: String) -> Bool {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let stored = StoredBatch(id: batch.id, records: batch.records, replaces: replacing)
        guard let json = try? encoder.encode(stored) else { return false }
        var bytes = magic
        bytes += (0..<8).map { UInt8(truncatingIfNeeded: json.count >> (8 * $0)) }
        bytes += json
        let check = CRC32C.value(of: bytes)
        bytes += (0..<4).map { UInt8(truncatingIfNeeded: check >> (8 * UInt32($0))) }
        let new = path + ".new"
        let descriptor = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { return false }
        var rest = bytes[...]
        while !rest.isEmpty {
            // Safe: write(2) reads `count` bytes of the buffer.
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            rest = rest.dropFirst(count)
        }
        let isWhole = rest.isEmpty && fdatasync(descriptor) == 0
        close(descriptor)
        guard isWhole, rename(new, path) == 0 else {
            unlink(new)
            return false
        }
        return true
    }

    /// nil for anything that `write` did not write.
    static func read(_ path: String) -> UsageBatch? {
        readStored(path).map { UsageBatch(id: $0.id, records: $0.records) }
    }

    static func readStored(_ path: String) -> StoredBatch? {
        guard let data = FileManager.default.contents(atPath: path), data.count <= bytesMax else { return nil }
        let bytes = Array(data)
        guard bytes.count >= 20, bytes.starts(with: magic) else { return nil }
        let length = (0..<8).reduce(UInt64(0)) { $0 | UInt64(bytes[8 + $1]) << (8 * UInt64($1)) }
        guard length == UInt64(bytes.count - 20) else { return nil }
        let check = (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[bytes.count - 4 + $1]) << (8 * UInt32($1)) }
        guard CRC32C.value(of: bytes.dropLast(4)) == check else { return nil }
        return try? JSONDecoder().decode(StoredBatch.self, from: Data(bytes[16..<(bytes.count - 4)]))
    }
}

/// CRC-32C (Castagnoli, RFC 3720 appendix B.4).
enum CRC32C {
    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0x82f6_3b78 : value >> 1 }
    }

    static func value(of bytes: some Sequence<UInt8>) -> UInt32 {
        ~bytes.reduce(UInt32.max) { $0 >> 8 ^ table[Int(($0 ^ UInt32($1)) & 255)] }
    }
}
