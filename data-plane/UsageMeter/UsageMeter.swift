package import ClusterProtocol
internal import CrashPoints
internal import Glibc
internal import Synchronization

// The meter of a node: lanes that count, a rotation that makes batches of what they counted, and the batches that wait.

/// One a node. `directory` holds its files; after a kill the next start finds them. One process at a time.
package final class UsageMeter: UsageSource {
    /// Slots and bytes for keys of a segment; one that is full is followed by another.
    static let slots = 1024
    static let heapBytes = 128 * 1024
    /// Keys that are counted in memory while the disk takes no more.
    static let memoryKeysMax = 10_000
    static let recycledMax = 8

    package let directory: String
    package let node: String
    /// Random for each start: what was counted before has another.
    package let epoch: UInt64

    private let lockDescriptor: Int32
    private let store: BatchStore
    private let nextSequence = Atomic<UInt64>(1)
    private let lanes = Mutex<[LaneState]>([])
    /// Full segments that a lane put aside, until the rotation comes.
    private let handedOver = Mutex<[UsageSegment]>([])
    private let recycled = Mutex<[UsageSegment]>([])
    private let inMemory = Mutex<[UsageKey: UsageCounters]>([:])
    private let rotation = Mutex(())
    private let lostSlots = Atomic<Int>(0)

    /// Opens `directory`, makes batches of what an earlier process left in its segments, and begins a new epoch.
    /// Throws `UsageMeterFailure` where the directory can't be used or another process has it.
    package convenience init(directory: String, node: String) throws(UsageMeterFailure) {
        try self.init(directory: directory, node: node, keep: .standard)
    }

    /// For tests: other bounds of what is kept.
    package init(directory: String, node: String, keep: UsageRetention) throws(UsageMeterFailure) {
        if mkdir(directory, 0o700) != 0, errno != EEXIST {
            throw UsageMeterFailure(step: .directory, errno: errno)
        }
        // The kernel lets go of the lock with the process, however that ends.
        let descriptor = open("\(directory)/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw UsageMeterFailure(step: .lock, errno: errno) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let reason = errno
            close(descriptor)
            throw UsageMeterFailure(step: .lock, errno: reason)
        }
        lockDescriptor = descriptor
        self.directory = directory
        self.node = node
        var generator = SystemRandomNumberGenerator()
        // Below 2^53: readers of JSON keep it.
        epoch = UInt64.random(in: 1..<(1 << 53), using: &generator)
        store = try BatchStore(directory: directory, keep: keep)
        recover()
    }

    deinit { close(lockDescriptor) }

    /// A lane for one loop.
    package func makeLane() throws(UsageMeterFailure) -> UsageLane {
        let state = LaneState(try newSegment())
        state.provide { makeSegment() }
        lanes.withLock { $0.append(state) }
        return UsageLane(state: state, meter: self)
    }

    // UsageSource

    package func rotate() {
        rotation.withLock { _ in
            for lane in lanes.withLock({ $0 }) where lane.hasCounted {
                guard let next = lane.takeSpare() ?? makeSegment() else { continue }
                seal(lane.exchange(for: next) { sched_yield() })
                lane.provide { makeSegment() }
            }
            for segment in handedOver.withLock({ segments in
                defer { segments = [] }
                return segments
            }) { seal(segment) }
            sealMemory()
            store.merge {
                UsageBatchID(
                    node: node, epoch: epoch, sequence: nextSequence.wrappingAdd(1, ordering: .relaxed).oldValue)
            }
        }
    }

    package func pendingBatches() -> [UsageBatchID] { store.pending() }
    package func batch(_ id: UsageBatchID) -> UsageBatch? { store.batch(id) }
    package func acknowledge(_ id: UsageBatchID) { store.acknowledge(id) }
    package func reject(_ id: UsageBatchID) { store.reject(id) }
    package func readdress(_ id: UsageBatchID) {
        guard let batch = store.batch(id) else { return }
        let next = UsageBatchID(
            node: node, epoch: epoch, sequence: nextSequence.wrappingAdd(1, ordering: .relaxed).oldValue)
        _ = store.add(UsageBatch(id: next, records: batch.records), segment: nil)
        store.reject(id)
    }

    package func resendAcknowledged() { store.resendAcknowledged() }

    package func warnings() -> [String] {
        var warnings = store.warnings()
        let lost = lostSlots.load(ordering: .relaxed)
        if lost > 0 { warnings.append("usage: \(lost) damaged slots were dropped") }
        if !inMemory.withLock(\.isEmpty) { warnings.append("usage: no room for a segment, counting in memory") }
        return warnings
    }

    /// Slots that were found damaged since the start.
    package var damagedSlots: Int { lostSlots.load(ordering: .relaxed) }

    // Lanes

    func makeSegment() -> UsageSegment? { try? newSegment() }

    func hand(over segment: UsageSegment) { handedOver.withLock { $0.append(segment) } }

    func recycle(_ segment: UsageSegment) {
        segment.clear()
        let isKept = recycled.withLock { segments in
            guard segments.count < Self.recycledMax else { return false }
            segments.append(segment)
            return true
        }
        if !isKept { unlink(segment.path) }
    }

    /// Where there is no room for a segment: lost with the process, but not before.
    func countInMemory(_ subject: UsageSubject, _ sample: UsageSample, bucket: Int64) {
        var key = UsageKey(
            api: subject.api, operation: subject.operation, product: subject.product,
            subscription: subject.subscription, user: subject.user, bucket: bucket)
        inMemory.withLock { counters in
            if counters[key] == nil, counters.count >= Self.memoryKeysMax {
                key = UsageKey(
                    api: subject.api, operation: "overflow", product: "", subscription: "", user: "", bucket: bucket)
            }
            counters[key, default: UsageCounters()].add(sample)
        }
    }

    private func newSegment() throws(UsageMeterFailure) -> UsageSegment {
        let sequence = nextSequence.wrappingAdd(1, ordering: .relaxed).oldValue
        let segment: UsageSegment
        if let old = recycled.withLock({ $0.popLast() }) {
            segment = old
        } else {
            // The name says nothing: epoch and sequence stand inside.
            segment = try UsageSegment(
                creating: "\(directory)/\(epoch)-\(sequence).segment", slots: Self.slots, heapBytes: Self.heapBytes)
        }
        segment.begin(epoch: epoch, sequence: sequence)
        return segment
    }

    // Batches

    /// Makes a batch of a segment that nobody writes any more. The segment is used again once the batch is written.
    private func seal(_ segment: UsageSegment) {
        let (records, lost) = segment.records()
        lostSlots.add(lost, ordering: .relaxed)
        let id = UsageBatchID(node: node, epoch: segment.epoch, sequence: segment.sequence)
        guard !records.isEmpty else { return recycle(segment) }
        CrashPoint.usageSealed.pass()
        if store.add(UsageBatch(id: id, records: records), segment: segment.path) {
            CrashPoint.usageBatchWritten.pass()
            recycle(segment)
        }
    }

    private func sealMemory() {
        let counters = inMemory.withLock { counters in
            defer { counters = [:] }
            return counters
        }
        guard !counters.isEmpty else { return }
        let id = UsageBatchID(
            node: node, epoch: epoch, sequence: nextSequence.wrappingAdd(1, ordering: .relaxed).oldValue)
        let records = counters.map { UsageRecord(key: $0.key, counters: $0.value) }
        _ = store.add(UsageBatch(id: id, records: records), segment: nil)
    }

    /// What an earlier process counted and did not seal: a batch under that process's epoch.
    private func recover() {
        for name in BatchStore.names(in: directory) where name.hasSuffix(".segment") {
            let path = "\(directory)/\(name)"
            guard let segment = UsageSegment(existing: path) else {
                // Made and never begun, or torn.
                lostSlots.add(BatchStore.isAllZero(path) ? 0 : 1, ordering: .relaxed)
                unlink(path)
                continue
            }
            let (records, lost) = segment.records()
            lostSlots.add(lost, ordering: .relaxed)
            let id = UsageBatchID(node: node, epoch: segment.epoch, sequence: segment.sequence)
            // A batch of that name, whole, is the same content: the process was killed before it removed the segment.
            if records.isEmpty || store.knows(epoch: id.epoch, sequence: id.sequence)
                || store.add(UsageBatch(id: id, records: records), segment: path)
            {
                unlink(path)
            }
        }
    }
}

extension UsageCounters {
    /// Adds one call.
    fileprivate mutating func add(_ sample: UsageSample) {
        switch sample.status {
        case ...301, 304, 307: success += 1
        case 401, 403, 429: blocked += 1
        case 400, 500...599: failed += 1
        default: other += 1
        }
        bytesIn &+= sample.bytesIn
        bytesOut &+= sample.bytesOut
        apiTimeSum &+= sample.apiMicroseconds
        apiTimeMin = min(apiTimeMin, sample.apiMicroseconds)
        apiTimeMax = max(apiTimeMax, sample.apiMicroseconds)
        switch sample.cache {
        case .none: break
        case .hit: cacheHits += 1
        case .miss: cacheMisses += 1
        }
        guard let time = sample.serviceMicroseconds else { return }
        serviceCalls += 1
        serviceTimeSum &+= time
        serviceTimeMin = min(serviceTimeMin, time)
        serviceTimeMax = max(serviceTimeMax, time)
    }
}
