internal import Foundation
internal import Synchronization

// What policies count and what outlives a snapshot: rate limits and quotas of a node, shared by all its loops.

/// Which counter: a limit at a place, for a subscription. A limit keeps its counter when its numbers change.
struct LimitKey: Hashable, Sendable {
    /// The level of the document, and which child of the policy.
    let site: String
    /// The product, or the API.
    let scope: String
    /// The operation, for documents of one.
    let operation: String
    var subscription: String

    /// The counter that takes the calls for which there is no room (must-hold I42): shared, so refused earlier.
    var shared: LimitKey {
        var key = self
        key.subscription = ""
        return key
    }
}

/// One a node. Check and count are one step under one lock, so a limit holds to the call over all loops. Bounded: at
/// most `countersMax` counters of each kind; idle ones make room, and what finds none shares a counter.
package final class PolicyState: Sendable {
    /// Of rate limits, and as many of quotas.
    static let countersMax = 1_000_000
    private static let shardCount = 16

    /// Counters of some subscriptions. All limits of one subscription lie in one shard, so that several are checked
    /// before any is counted.
    private final class Shard: Sendable {
        let rates = Mutex(CounterTable<RateWindow>())
        let quotas = Mutex(CounterTable<QuotaCount>())
    }

    /// Who is inside a limit-concurrency.
    let concurrency = ConcurrencySlots()
    private let shards: [Shard]
    private let roomPerShard: Int
    private let wallClock: @Sendable () -> Int64

    package convenience init() {
        self.init(countersMax: Self.countersMax) { Int64(Date().timeIntervalSince1970) }
    }

    /// - Parameters:
    ///   - countersMax: how many counters of a kind there may be.
    ///   - wallClock: Unix seconds; only the periods of quota look at it.
    init(countersMax: Int, wallClock: @escaping @Sendable () -> Int64) {
        shards = (0..<Self.shardCount).map { _ in Shard() }
        roomPerShard = max(1, countersMax / Self.shardCount)
        self.wallClock = wallClock
    }

    private func shard(of subscription: String) -> Shard {
        // Seeded by the process: nobody can choose subscriptions that meet in one shard.
        shards[Int(UInt(bitPattern: subscription.hashValue) % UInt(Self.shardCount))]
    }

    // MARK: Rate limits

    /// A limit that a call must keep.
    struct RateDemand: Sendable {
        var key: LimitKey
        var calls: Int
        var periodNanoseconds: UInt64
    }

    enum RateVerdict: Sendable {
        /// Counted. The least of what is left under any of the limits.
        case passed(remaining: Int, ticket: LimitTicket)
        /// Not counted under any limit.
        case refused(seconds: Int)
    }

    /// Counts a call under all limits, or under none when one is used up.
    func take(_ demands: [RateDemand], subscription: String, now: UInt64) -> RateVerdict {
        shard(of: subscription).rates.withLock { table in
            var keys: [LimitKey] = []
            var wait: UInt64 = 0
            for demand in demands {
                let key = table.admit(demand.key, room: roomPerShard, now: Int64(truncatingIfNeeded: now >> 30)) {
                    $0.isIdle(now: now)
                }
                keys.append(key)
                let untilFree = table.counters[key, default: RateWindow()]
                    .wait(calls: demand.calls, period: demand.periodNanoseconds, now: now)
                wait = max(wait, untilFree)
            }
            guard wait == 0 else {
                for key in keys where table.counters[key]?.isEmpty ?? false { table.counters[key] = nil }
                return .refused(seconds: max(1, Int((wait + 999_999_999) / 1_000_000_000)))
            }
            var remaining = Int.max
            var counted: [LimitTicket.Counted] = []
            for (demand, key) in zip(demands, keys) {
                let used = table.counters[key, default: RateWindow()].count(period: demand.periodNanoseconds, now: now)
                remaining = min(remaining, max(0, demand.calls - used.calls))
                counted.append(.rate(key, time: used.time))
            }
            return .passed(
                remaining: remaining, ticket: LimitTicket(state: self, subscription: subscription, counted: counted))
        }
    }

    // MARK: Quotas

    struct QuotaDemand: Sendable {
        var key: LimitKey
        /// nil: calls do not count.
        var calls: Int64?
        var bytes: UInt64?
        /// 0: for ever.
        var periodSeconds: Int64
    }

    enum QuotaVerdict: Sendable {
        case passed(ticket: LimitTicket)
        /// `seconds` until the period ends; nil when it never does.
        case refused(isBandwidth: Bool, seconds: Int64?)
    }

    /// Counts a call under all quotas, or under none when one is used up. Periods begin at `start`, Unix milliseconds.
    func take(_ demands: [QuotaDemand], subscription: String, start: Int64) -> QuotaVerdict {
        let now = wallClock()
        return shard(of: subscription).quotas.withLock { table in
            var keys: [LimitKey] = []
            for demand in demands {
                let key = table.admit(demand.key, room: roomPerShard, now: now) { $0.isOver(now: now) }
                keys.append(key)
                table.counters[key, default: QuotaCount()].enter(start: start, length: demand.periodSeconds, now: now)
            }
            for (demand, key) in zip(demands, keys) {
                let count = table.counters[key, default: QuotaCount()]
                let isVolumeOut = demand.calls.map { count.calls >= $0 } ?? false
                let isBandwidthOut = demand.bytes.map { count.bytes >= $0 } ?? false
                if isVolumeOut || isBandwidthOut {
                    return .refused(isBandwidth: !isVolumeOut, seconds: count.secondsLeft(now: now))
                }
            }
            for key in keys { table.counters[key]?.calls += 1 }
            return .passed(
                ticket: LimitTicket(
                    state: self, subscription: subscription, counted: keys.map(LimitTicket.Counted.quota)))
        }
    }

    /// The use of all quotas. To be written down now and then, and given back to `restore` by the next process.
    package func quotaRecords() -> [QuotaRecord] {
        shards.flatMap { shard in
            shard.quotas.withLock { table in table.counters.map { $0.value.record($0.key) } }
        }
    }

    /// Takes up what an earlier process had counted. Before the first call: what is counted here already stays.
    package func restore(_ records: [QuotaRecord]) {
        let now = wallClock()
        for record in records {
            let key = LimitKey(
                site: record.site, scope: record.scope, operation: record.operation, subscription: record.subscription)
            shard(of: record.subscription).quotas.withLock { table in
                let count = QuotaCount(record)
                guard table.counters[key] == nil, !count.isOver(now: now) else { return }
                guard table.counters.count < roomPerShard else { return }
                table.counters[key] = count
            }
        }
    }

    // MARK: Tickets

    fileprivate func giveBackRate(_ key: LimitKey, from subscription: String, time: UInt64) {
        shard(of: subscription).rates.withLock { table in
            table.counters[key]?.giveBack(time)
            if table.counters[key]?.isEmpty ?? false { table.counters[key] = nil }
        }
    }

    fileprivate func giveBackQuota(_ key: LimitKey, from subscription: String) {
        shard(of: subscription).quotas.withLock { table in
            guard let calls = table.counters[key]?.calls, calls > 0 else { return }
            table.counters[key]?.calls = calls - 1
        }
    }

    fileprivate func addBytes(_ bytes: UInt64, to key: LimitKey, from subscription: String) {
        shard(of: subscription).quotas.withLock { table in
            guard let before = table.counters[key]?.bytes else { return }
            let (sum, overflow) = before.addingReportingOverflow(bytes)
            table.counters[key]?.bytes = overflow ? .max : sum
        }
    }

    /// How many counters there are, for tests of the bound.
    var counterCount: Int {
        shards.reduce(0) { sum, shard in
            sum + shard.rates.withLock { $0.counters.count } + shard.quotas.withLock { $0.counters.count }
        }
    }
}

/// What a call was counted under, so that it can be given back or completed.
struct LimitTicket: Sendable {
    enum Counted: Sendable {
        case rate(LimitKey, time: UInt64)
        case quota(LimitKey)
    }

    let state: PolicyState
    /// Whose shard the counters lie in, also where a counter is shared.
    let subscription: String
    let counted: [Counted]

    /// Takes the call out of its counters: it was refused later.
    func giveBack() {
        for counter in counted {
            switch counter {
            case .rate(let key, let time): state.giveBackRate(key, from: subscription, time: time)
            case .quota(let key): state.giveBackQuota(key, from: subscription)
            }
        }
    }

    /// Counts the bytes of the call that is over.
    func complete(bytes: UInt64) {
        for case .quota(let key) in counted { state.addBytes(bytes, to: key, from: subscription) }
    }
}

/// Counters by key, with room for so many.
struct CounterTable<Counter: Sendable>: Sendable {
    var counters: [LimitKey: Counter] = [:]
    private var sweptAt: Int64 = .min

    init() {}

    /// The key to count under: the very one, or the shared one when there is no room. Idle counters make room; looking
    /// for them is done at most once a unit of `now`, so that a flood of keys costs no more than its calls.
    mutating func admit(_ key: LimitKey, room: Int, now: Int64, isIdle: (Counter) -> Bool) -> LimitKey {
        if counters.count < room || counters[key] != nil { return key }
        if sweptAt != now {
            sweptAt = now
            counters = counters.filter { !isIdle($0.value) }
            if counters.count < room { return key }
        }
        return key.shared
    }
}
