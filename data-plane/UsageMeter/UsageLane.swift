internal import CrashPoints
internal import Synchronization

// A lane: what one loop counts into. The common case is one lookup and a dozen plain stores.

/// What a call is counted by. Empty text stands for none.
package struct UsageSubject: Hashable, Sendable {
    /// Names without revision.
    package var api: String
    package var operation: String
    package var product: String
    package var subscription: String
    /// Empty is the user `Anonymous`.
    package var user: String

    package init(api: String, operation: String, product: String, subscription: String, user: String) {
        self.api = api
        self.operation = operation
        self.product = product
        self.subscription = subscription
        self.user = user
    }
}

/// What a call cost.
package struct UsageSample: Hashable, Sendable {
    package enum Cache: Hashable, Sendable { case none, hit, miss }

    /// The final status.
    package var status: Int
    /// Bytes of head and body from the caller, and to it.
    package var bytesIn: UInt64
    package var bytesOut: UInt64
    /// From the first byte of the request to the last of the answer.
    package var apiMicroseconds: UInt64
    /// The backend's part; nil for a call that reached none.
    package var serviceMicroseconds: UInt64?
    /// What a cache policy found, where one looked.
    package var cache: Cache

    package init(
        status: Int, bytesIn: UInt64, bytesOut: UInt64, apiMicroseconds: UInt64, serviceMicroseconds: UInt64?,
        cache: Cache = .none
    ) {
        self.status = status
        self.bytesIn = bytesIn
        self.bytesOut = bytesOut
        self.apiMicroseconds = apiMicroseconds
        self.serviceMicroseconds = serviceMicroseconds
        self.cache = cache
    }
}

/// What a lane and the rotation share: the segment that is written now.
///
/// The lane makes `phase` odd, then takes `current`; the rotation changes `current`, then waits until `phase` is even
/// or has moved on. Both steps are sequentially consistent, so either the lane sees the new segment, or the rotation
/// sees that it must wait: nobody reads a segment while it is written.
final class LaneState: Sendable {
    private let phase = Atomic<UInt64>(0)
    // Holds one reference of its own.
    private let current: Atomic<Unmanaged<UsageSegment>>
    private let spare = Mutex<UsageSegment?>(nil)

    init(_ segment: UsageSegment) { current = Atomic(.passRetained(segment)) }

    deinit { current.load(ordering: .acquiring).release() }

    // The lane's side.

    func enter() -> UsageSegment {
        phase.add(1, ordering: .sequentiallyConsistent)
        // Safe: the reference in `current` is let go of only when the phase has moved on.
        return current.load(ordering: .sequentiallyConsistent).takeUnretainedValue()
    }

    func leave() { phase.add(1, ordering: .releasing) }

    /// Within a phase: puts `next` in the place of `full`. Gives what is in force, and whether `full` is now the
    /// caller's to hand on (else the rotation has it).
    func replace(_ full: UsageSegment, with next: UsageSegment) -> (inForce: UsageSegment, isOurs: Bool) {
        let old = Unmanaged.passUnretained(full)
        let new = Unmanaged.passRetained(next)
        let (done, found) = current.compareExchange(
            expected: old, desired: new, ordering: .sequentiallyConsistent)
        if done {
            old.release()
            return (next, true)
        }
        new.release()
        return (found.takeUnretainedValue(), false)
    }

    // Either side.

    func takeSpare() -> UsageSegment? {
        spare.withLock { spare in
            defer { spare = nil }
            return spare
        }
    }

    /// The rotation's side: makes sure there is a spare one.
    func provide(_ make: () -> UsageSegment?) {
        guard spare.withLock({ $0 == nil }), let segment = make() else { return }
        spare.withLock { $0 = segment }
    }

    var hasCounted: Bool {
        // Safe: one rotation at a time (the meter's lock), and only it and the lane's own replacement let go of a
        // segment; `used` is atomic. The replaced one is kept alive by the meter's list of sealed ones.
        current.load(ordering: .sequentiallyConsistent).takeUnretainedValue().used > 0
    }

    /// The rotation's side: takes the current segment out and waits until the lane is not writing it.
    func exchange(for next: UsageSegment, yield: () -> Void) -> UsageSegment {
        let old = current.exchange(.passRetained(next), ordering: .sequentiallyConsistent)
        let seen = phase.load(ordering: .sequentiallyConsistent)
        if seen & 1 == 1 {
            while phase.load(ordering: .sequentiallyConsistent) == seen { yield() }
        }
        return old.takeRetainedValue()
    }
}

/// Counts the calls of one loop. Used by that loop's thread alone.
package final class UsageLane: @unchecked Sendable {
    // Safe: `slots` and `sequence` belong to the loop's thread; what is shared is in `state`.

    private struct Key: Hashable {
        var subject: UsageSubject
        var bucket: Int64
    }

    private let state: LaneState
    private let meter: UsageMeter
    /// Slots of the current segment.
    private var slots: [Key: Int] = [:]
    private var sequence: UInt64 = 0

    init(state: LaneState, meter: UsageMeter) {
        self.state = state
        self.meter = meter
        slots.reserveCapacity(1024)
    }

    /// Counts a call that ended in the 15-minute `bucket` (its start, seconds since 1970). When this returns, the count
    /// outlives the process.
    package func record(_ subject: UsageSubject, _ sample: UsageSample, bucket: Int64) {
        let key = Key(subject: subject, bucket: bucket)
        let current = state.enter()
        defer {
            state.leave()
            CrashPoint.usageCounted.pass()
        }
        // A segment may be used again, so it is known by its sequence.
        if current.sequence != sequence {
            slots.removeAll(keepingCapacity: true)
            sequence = current.sequence
        }
        if let index = slots[key] {
            current.count(sample, at: index)
            return
        }
        if let index = current.add(subject, bucket: bucket) {
            slots[key] = index
            current.count(sample, at: index)
            return
        }
        recordInNext(key, sample, full: current)
    }

    private func recordInNext(_ key: Key, _ sample: UsageSample, full: UsageSegment) {
        guard let next = state.takeSpare() ?? meter.makeSegment() else {
            meter.countInMemory(key.subject, sample, bucket: key.bucket)
            return
        }
        let (inForce, isOurs) = state.replace(full, with: next)
        if isOurs { meter.hand(over: full) } else { meter.recycle(next) }
        slots.removeAll(keepingCapacity: true)
        sequence = inForce.sequence
        if let index = inForce.add(key.subject, bucket: key.bucket) {
            slots[key] = index
            inForce.count(sample, at: index)
        } else {
            // A key that is larger than a whole heap.
            meter.countInMemory(key.subject, sample, bucket: key.bucket)
        }
    }
}
