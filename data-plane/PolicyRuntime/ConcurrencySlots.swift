internal import Synchronization

// The calls that are inside a limit-concurrency, by key: one table for all loops of a node. It holds the keys that are in
// use alone, so it is no larger than the number of calls.

final class ConcurrencySlots: Sendable {
    private static let shardCount = 16

    private final class Shard: Sendable {
        let used = Mutex<[String: Int64]>([:])
    }

    private let shards = (0..<shardCount).map { _ in Shard() }

    /// Check and count in one step; nil where all slots are taken.
    func take(_ key: String, atMost slotsMax: Int64) -> ConcurrencySlot? {
        let isFree = shard(of: key).used.withLock { used in
            guard used[key, default: 0] < slotsMax else { return false }
            used[key, default: 0] += 1
            return true
        }
        return isFree ? ConcurrencySlot(key, of: self) : nil
    }

    fileprivate func giveBack(_ key: String) {
        shard(of: key).used.withLock { used in
            guard let before = used[key] else { return }
            used[key] = before > 1 ? before - 1 : nil
        }
    }

    /// Calls that are inside, for tests.
    func inUse(_ key: String) -> Int64 { shard(of: key).used.withLock { $0[key] ?? 0 } }

    private func shard(of key: String) -> Shard {
        shards[Int(UInt(bitPattern: key.hashValue) % UInt(Self.shardCount))]
    }
}

/// A call's place inside a limit-concurrency. It comes back once, with the last reference (must-hold I44).
final class ConcurrencySlot: HeldByBlock {
    private let key: String
    private let slots: ConcurrencySlots

    fileprivate init(_ key: String, of slots: ConcurrencySlots) {
        self.key = key
        self.slots = slots
    }

    deinit { slots.giveBack(key) }
}
