// Usage on its way to the ledger: batches as the controller takes them, and the files that a killed node leaves.
import ClusterProtocol
import Foundation
import NodeService
import ResourceStore
@testable import UsageMeter

extension FuzzTarget {
    static let usageBatch = FuzzTarget("usage-batch") { bytes in
        guard let batch = try? JSONDecoder().decode(UsageBatch.self, from: Data(bytes)) else { return }
        let again = try JSONDecoder().decode(UsageBatch.self, from: try JSONEncoder().encode(batch))
        try promise(again == batch, "a batch stays what it is")
        guard let rows = UsageIntake.rows(batch, now: 1_800_000_000) else { return }
        try promise(rows.count == batch.records.count, "a row for each record")
        for row in rows {
            try promise(row.bucket >= 0 && row.bucket % 900 == 0, "a bucket is a quarter of an hour")
            try promise(row.bucket <= 1_800_000_000 + 3600, "no bucket is in the future")
            let counts = [row.success, row.blocked, row.failed, row.other]
            try promise(counts.allSatisfy { $0 >= 0 }, "counts are not negative")
        }
    }

    /// The file of a batch, as it is and with its frame put right around the bytes.
    static let batchFile = FuzzTarget("batch-file") { bytes in
        try UsageFiles.within { path in
            try UsageFiles.write(bytes, to: path)
            _ = BatchFile.read(path)
            var framed = Array("GHBATCH1".utf8)
            framed += (0..<8).map { UInt8(truncatingIfNeeded: bytes.count >> (8 * $0)) }
            framed += bytes
            let check = CRC32C.value(of: framed)
            framed += (0..<4).map { UInt8(truncatingIfNeeded: check >> (8 * UInt32($0))) }
            try UsageFiles.write(framed, to: path)
            guard let batch = BatchFile.read(path) else { return }
            try promise(BatchFile.write(batch, to: path), "a batch is written")
            try promise(BatchFile.read(path) == batch, "a batch stays what it is")
        }
    }

    /// A segment: two numbers of its header, then slots and heap; the first byte says whether the checks are right.
    static let segment = FuzzTarget("segment", bytesMax: 2_048) { bytes in
        guard bytes.count > 12 else { return }
        let rest = Array(bytes.dropFirst(12))
        let slots = Int(bytes[1] % 4) + 1
        let heap = Int(bytes[2]) + 1
        let used = bytes[4..<12].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let slotBytes = slots * UsageSegment.slotWords * 8
        var body = Array(rest.prefix(slotBytes + heap))
        body += [UInt8](repeating: 0, count: slotBytes + heap - body.count)
        if bytes[0] & 1 == 1 { UsageFiles.putChecks(into: &body, slots: slots) }
        var words = [UsageSegment.magic, 3, 5, UInt64(slots), UInt64(heap)]
        words.append(UsageFiles.check(words))
        words.append(bytes[3] & 1 == 1 ? used : UInt64(bytes[3] % 5))
        words += [UInt64](repeating: 0, count: UsageSegment.headerWords - words.count)
        let file = words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * UInt64($0))) } } + body
        try UsageFiles.within { path in
            try UsageFiles.write(bytes, to: path)
            _ = UsageSegment(existing: path)?.records()
            try UsageFiles.write(file, to: path)
            guard let segment = UsageSegment(existing: path) else { throw FuzzFinding("a good header is refused") }
            let found = segment.records()
            try promise(found.records.count <= slots && found.lost >= 0, "no more records than slots")
            for record in found.records { try promise(record.counters.total > 0, "a record counts something") }
        }
    }
}

/// Files for one try.
private enum UsageFiles {
    private static let folder: String = {
        let place = FileManager.default.fileExists(atPath: "/dev/shm") ? "/dev/shm" : NSTemporaryDirectory()
        return "\(place)/gatehouse-fuzz-\(ProcessInfo.processInfo.processIdentifier)"
    }()

    static func within(_ body: (String) throws -> Void) throws {
        let path = "\(folder)-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try body(path)
    }

    static func write(_ bytes: [UInt8], to path: String) throws {
        try Data(bytes).write(to: URL(filePath: path))
    }

    private static let seed: UInt64 = 0xcbf2_9ce4_8422_2325
    private static func mix(_ check: UInt64, _ word: UInt64) -> UInt64 { (check ^ word) &* 0x100_0000_01b3 }

    static func check(_ words: [UInt64]) -> UInt64 { words.reduce(seed, mix) }

    /// Writes each slot's check where its key lies within the heap.
    static func putChecks(into body: inout [UInt8], slots: Int) {
        let slotBytes = UsageSegment.slotWords * 8
        let heap = slots * slotBytes
        func word(_ place: Int) -> UInt64 { (0..<8).reduce(0) { $0 | UInt64(body[place + $1]) << (8 * UInt64($1)) } }
        for slot in 0..<slots {
            let start = slot * slotBytes
            let key = word(start + 8)
            let (offset, count) = (Int(key >> 32), Int(key & 0xffff_ffff))
            guard heap + offset + count <= body.count else { continue }
            var check = mix(mix(seed, word(start)), key)
            for byte in body[(heap + offset)..<(heap + offset + count)] { check = mix(check, UInt64(byte)) }
            for index in 0..<8 { body[start + 16 + index] = UInt8(truncatingIfNeeded: check >> (8 * UInt64(index))) }
        }
    }
}
