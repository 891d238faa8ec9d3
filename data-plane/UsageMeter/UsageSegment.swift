internal import CLinux
internal import ClusterProtocol
internal import Glibc

// UsageMeter counts calls: a subject and what the call cost come in on the hot path; batches go out to the node agent.
// What was counted is in a mapped file, so it outlives the process. This file is that mapped file: slots of counters
// with their keys in a heap behind them, written by one thread, read by whoever finds it.

/// The meter could not open, map or write a file of its directory.
package struct UsageMeterFailure: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Step: String, Hashable, Sendable { case directory, lock, segment, batch }
    package var step: Step
    package var errno: Int32

    package var description: String { "usage \(step.rawValue): \(String(cString: strerror(errno)))" }
}

/// A mapped file of one batch in the making. Words are 64 bits, native order.
final class UsageSegment: @unchecked Sendable {
    // Safe: words are written by the lane that holds the segment and read by others only after the lane has let go of
    // it (see `UsageLane`), but for `used`, which is atomic. Unmapped once, by deinit.

    static let magic: UInt64 = 0x3145_4741_5355_4847  // "GHUSAGE1"
    static let headerWords = 512
    static let slotWords = 20

    /// Places in the header.
    private enum Header {
        static let magic = 0
        static let epoch = 1
        static let sequence = 2
        static let slots = 3
        static let heapBytes = 4
        /// Over the five above.
        static let check = 5
        /// Slots that are complete.
        static let used = 6
        static let heapUsed = 7
    }

    /// Places in a slot; counters follow.
    enum Slot {
        static let bucket = 0
        /// Offset in the heap (high half) and length.
        static let key = 1
        /// Over bucket, key and the key's bytes.
        static let check = 2
        static let success = 3
        static let blocked = 4
        static let failed = 5
        static let other = 6
        static let bytesIn = 7
        static let bytesOut = 8
        static let apiTimeSum = 9
        static let apiTimeMin = 10
        static let apiTimeMax = 11
        static let serviceCalls = 12
        static let serviceTimeSum = 13
        static let serviceTimeMin = 14
        static let serviceTimeMax = 15
        static let cacheHits = 16
        static let cacheMisses = 17
    }

    let path: String
    let slots: Int
    let heapBytes: Int
    private let words: UnsafeMutablePointer<UInt64>
    private let length: Int

    /// Makes the file, with all its blocks: a full disk later must not end the process.
    init(creating path: String, slots: Int, heapBytes: Int) throws(UsageMeterFailure) {
        let length = Self.length(slots: slots, heapBytes: heapBytes)
        let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw UsageMeterFailure(step: .segment, errno: errno) }
        defer { close(descriptor) }
        let failure = posix_fallocate(descriptor, 0, length)
        guard failure == 0 else {
            unlink(path)
            throw UsageMeterFailure(step: .segment, errno: failure)
        }
        guard let memory = clinux_map_shared(descriptor, length) else {
            unlink(path)
            throw UsageMeterFailure(step: .segment, errno: errno)
        }
        self.path = path
        self.slots = slots
        self.heapBytes = heapBytes
        self.length = length
        words = memory.bindMemory(to: UInt64.self, capacity: length / 8)
    }

    /// Opens a file that an earlier process left; nil when it is none of ours, or torn.
    init?(existing path: String) {
        let descriptor = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var information = stat()
        guard fstat(descriptor, &information) == 0, information.st_size >= Self.headerWords * 8,
            information.st_size <= 1 << 30, let memory = clinux_map_shared(descriptor, Int(information.st_size))
        else { return nil }
        let length = Int(information.st_size)
        let words = memory.bindMemory(to: UInt64.self, capacity: length / 8)
        guard words[Header.magic] == Self.magic, words[Header.check] == Self.headerCheck(words),
            let slots = Int(exactly: words[Header.slots]), let heapBytes = Int(exactly: words[Header.heapBytes]),
            slots > 0, slots <= 1 << 20, heapBytes > 0, heapBytes <= 1 << 29,
            Self.length(slots: slots, heapBytes: heapBytes) == length
        else {
            munmap(memory, length)
            return nil
        }
        self.path = path
        self.slots = slots
        self.heapBytes = heapBytes
        self.length = length
        self.words = words
    }

    deinit { munmap(words, length) }

    private static func length(slots: Int, heapBytes: Int) -> Int {
        (headerWords + slots * slotWords) * 8 + heapBytes
    }

    /// Empties the segment and gives it its batch's name. Killed in between, it is empty.
    func begin(epoch: UInt64, sequence: UInt64) {
        words[Header.used] = 0
        words[Header.heapUsed] = 0
        words[Header.magic] = Self.magic
        words[Header.epoch] = epoch
        words[Header.sequence] = sequence
        words[Header.slots] = UInt64(slots)
        words[Header.heapBytes] = UInt64(heapBytes)
        words[Header.check] = Self.headerCheck(words)
    }

    /// Its content is in a batch: whoever finds the file counts nothing twice.
    func clear() { words[Header.used] = 0 }

    var epoch: UInt64 { words[Header.epoch] }
    var sequence: UInt64 { words[Header.sequence] }
    var used: Int { Int(clamping: clinux_counter_load(words + Header.used)) }

    /// A new slot for this key; nil when slots or heap are full.
    func add(_ subject: UsageSubject, bucket: Int64) -> Int? {
        let index = Int(words[Header.used])
        guard index < slots else { return nil }
        let start = Int(words[Header.heapUsed])
        let heap = heapStart
        var place = start
        for text in [subject.api, subject.operation, subject.product, subject.subscription, subject.user] {
            var text = text
            let isWritten = text.withUTF8 { bytes in
                guard bytes.count <= Int(UInt16.max), place + 2 + bytes.count <= heapBytes else { return false }
                // Safe: within the heap, as just checked.
                heap[place] = UInt8(bytes.count & 255)
                heap[place + 1] = UInt8(bytes.count >> 8)
                if let base = bytes.baseAddress { memcpy(heap + place + 2, base, bytes.count) }
                place += 2 + bytes.count
                return true
            }
            guard isWritten else { return nil }
        }
        let slot = slot(at: index)
        slot.update(repeating: 0, count: Self.slotWords)
        slot[Slot.bucket] = UInt64(bitPattern: bucket)
        slot[Slot.key] = UInt64(start) << 32 | UInt64(place - start)
        slot[Slot.apiTimeMin] = .max
        slot[Slot.serviceTimeMin] = .max
        slot[Slot.check] = Self.slotCheck(slot, heap + start, place - start)
        words[Header.heapUsed] = UInt64(place)
        clinux_counter_add(words + Header.used, 1)
        return index
    }

    /// Adds one call. Its class comes last: a process that is killed in between has not counted it.
    func count(_ sample: UsageSample, at index: Int) {
        let slot = slot(at: index)
        Self.add(sample.bytesIn, to: slot + Slot.bytesIn)
        Self.add(sample.bytesOut, to: slot + Slot.bytesOut)
        Self.add(sample.apiMicroseconds, to: slot + Slot.apiTimeSum)
        slot[Slot.apiTimeMin] = min(slot[Slot.apiTimeMin], sample.apiMicroseconds)
        slot[Slot.apiTimeMax] = max(slot[Slot.apiTimeMax], min(sample.apiMicroseconds, Self.most))
        if let time = sample.serviceMicroseconds {
            Self.add(time, to: slot + Slot.serviceTimeSum)
            slot[Slot.serviceTimeMin] = min(slot[Slot.serviceTimeMin], time)
            slot[Slot.serviceTimeMax] = max(slot[Slot.serviceTimeMax], min(time, Self.most))
            Self.add(1, to: slot + Slot.serviceCalls)
        }
        switch sample.cache {
        case .none: break
        case .hit: Self.add(1, to: slot + Slot.cacheHits)
        case .miss: Self.add(1, to: slot + Slot.cacheMisses)
        }
        Self.add(1, to: slot + Self.place(of: sample.status))
    }

    /// What was counted, in the order of the slots, and how many slots are damaged (must-hold H36).
    func records() -> (records: [UsageRecord], lost: Int) {
        var records: [UsageRecord] = []
        var lost = max(0, used - slots)
        for index in 0..<min(used, slots) {
            switch read(index) {
            case .record(let record): if record.counters.total > 0 { records.append(record) }
            case .damaged: lost += 1
            }
        }
        return (records, lost)
    }

    private enum ReadSlot {
        case record(UsageRecord)
        case damaged
    }

    private func read(_ index: Int) -> ReadSlot {
        let slot = slot(at: index)
        let start = Int(slot[Slot.key] >> 32)
        let count = Int(slot[Slot.key] & 0xffff_ffff)
        guard start + count <= heapBytes, slot[Slot.check] == Self.slotCheck(slot, heapStart + start, count) else {
            return .damaged
        }
        var texts: [String] = []
        var place = start
        while place + 2 <= start + count {
            let size = Int(heapStart[place]) | Int(heapStart[place + 1]) << 8
            guard place + 2 + size <= start + count else { return .damaged }
            // Safe: within the heap, as just checked.
            texts.append(
                String(decoding: UnsafeBufferPointer(start: heapStart + place + 2, count: size), as: UTF8.self))
            place += 2 + size
        }
        guard texts.count == 5, place == start + count else { return .damaged }
        var counters = UsageCounters()
        counters.success = slot[Slot.success]
        counters.blocked = slot[Slot.blocked]
        counters.failed = slot[Slot.failed]
        counters.other = slot[Slot.other]
        counters.bytesIn = slot[Slot.bytesIn]
        counters.bytesOut = slot[Slot.bytesOut]
        counters.cacheHits = slot[Slot.cacheHits]
        counters.cacheMisses = slot[Slot.cacheMisses]
        counters.apiTimeSum = slot[Slot.apiTimeSum]
        counters.apiTimeMin = slot[Slot.apiTimeMin]
        counters.apiTimeMax = slot[Slot.apiTimeMax]
        counters.serviceCalls = slot[Slot.serviceCalls]
        counters.serviceTimeSum = slot[Slot.serviceTimeSum]
        counters.serviceTimeMin = slot[Slot.serviceTimeMin]
        counters.serviceTimeMax = slot[Slot.serviceTimeMax]
        guard counters.isPlausible else { return .damaged }
        let key = UsageKey(
            api: texts[0], operation: texts[1], product: texts[2], subscription: texts[3], user: texts[4],
            bucket: Int64(bitPattern: slot[Slot.bucket]))
        return .record(UsageRecord(key: key, counters: counters))
    }

    // Safe, for both: `index` is below `slots`, which the file was mapped for.
    private func slot(at index: Int) -> UnsafeMutablePointer<UInt64> {
        words + Self.headerWords + index * Self.slotWords
    }

    private var heapStart: UnsafeMutablePointer<UInt8> {
        UnsafeMutableRawPointer(slot(at: slots)).assumingMemoryBound(to: UInt8.self)
    }

    /// Where counters stop.
    private static let most = UInt64(Int64.max)

    private static func add(_ amount: UInt64, to cell: UnsafeMutablePointer<UInt64>) {
        let (sum, overflow) = cell.pointee.addingReportingOverflow(amount)
        cell.pointee = overflow ? most : min(sum, most)
    }

    /// resources.md section 8.
    private static func place(of status: Int) -> Int {
        switch status {
        case ...301, 304, 307: Slot.success
        case 401, 403, 429: Slot.blocked
        case 400, 500...599: Slot.failed
        default: Slot.other
        }
    }

    private static func headerCheck(_ words: UnsafeMutablePointer<UInt64>) -> UInt64 {
        (Header.magic...Header.heapBytes).reduce(checkSeed) { mix($0, words[$1]) }
    }

    private static func slotCheck(
        _ slot: UnsafeMutablePointer<UInt64>, _ key: UnsafeMutablePointer<UInt8>, _ count: Int
    ) -> UInt64 {
        var check = mix(mix(checkSeed, slot[Slot.bucket]), slot[Slot.key])
        for index in 0..<count { check = mix(check, UInt64(key[index])) }
        return check
    }

    /// FNV-1a over words, which never gives 0 for a page of zeros.
    private static let checkSeed: UInt64 = 0xcbf2_9ce4_8422_2325
    private static func mix(_ check: UInt64, _ word: UInt64) -> UInt64 { (check ^ word) &* 0x100_0000_01b3 }
}

extension UsageCounters {
    /// Whether the counters can have come from counting.
    fileprivate var isPlausible: Bool {
        let most = UInt64(Int64.max)
        let values = [
            success, blocked, failed, other, bytesIn, bytesOut, cacheHits, cacheMisses, apiTimeSum, apiTimeMax,
            serviceCalls, serviceTimeSum, serviceTimeMax,
        ]
        guard values.allSatisfy({ $0 <= most }) else { return false }
        // A process that was killed may have noted a time and not yet the call.
        return apiTimeMin == .max || apiTimeMin <= max(apiTimeMax, 1)
            || apiTimeMin <= apiTimeSum
    }
}
