// The calls of a sliding window. No window of the period's length, wherever it begins, holds more calls than the limit
// (must-hold I39): each call leaves exactly a period after it came, or later, never earlier.

struct RateWindow: Sendable {
    /// Calls that came between two times; they leave together, a period after the last.
    private struct Entry: Sendable {
        let first: UInt64
        var last: UInt64
        var calls: Int
    }

    /// So many calls are kept with their exact times; beyond them, calls within 1/128 of the period share an entry. So
    /// a window has at most twice as many entries, whatever the limit is.
    private static let exactMax = 128

    private var entries: [Entry] = []
    /// Entries before it have left.
    private var head = 0
    private var total = 0
    private var period: UInt64 = 0

    init() {}

    var isEmpty: Bool { total == 0 }

    func isIdle(now: UInt64) -> Bool {
        guard let last = entries.last else { return true }
        return last.last &+ period <= now
    }

    /// How long until a call may pass, nanoseconds; 0: now.
    mutating func wait(calls: Int, period: UInt64, now: UInt64) -> UInt64 {
        self.period = period
        leave(now: now)
        guard total >= calls else { return 0 }
        var left = total
        for entry in entries[head...] {
            left -= entry.calls
            if left < calls {
                let free = entry.last &+ period
                return free > now ? free - now : 1
            }
        }
        return period
    }

    /// Counts a call; gives how many there are now, and the time that it was counted at.
    mutating func count(period: UInt64, now: UInt64) -> (calls: Int, time: UInt64) {
        self.period = period
        total += 1
        // Loops read the clock by themselves: a call may seem to come a little before the one that was counted last.
        let now = max(now, entries.last?.last ?? now)
        if let last = entries.last, entries.count > head {
            let isNear = now &- last.first < period / UInt64(Self.exactMax)
            if last.last == now || (entries.count - head >= Self.exactMax && isNear) {
                entries[entries.count - 1].last = now
                entries[entries.count - 1].calls += 1
                return (total, now)
            }
        }
        entries.append(Entry(first: now, last: now, calls: 1))
        return (total, now)
    }

    /// Takes out a call that was counted at `time`; one that has left already stays out.
    mutating func giveBack(_ time: UInt64) {
        var index = entries.count - 1
        while index >= head, entries[index].last >= time {
            if entries[index].calls > 0, entries[index].first <= time {
                entries[index].calls -= 1
                total -= 1
                return
            }
            index -= 1
        }
    }

    /// Drops what is older than the period.
    private mutating func leave(now: UInt64) {
        while head < entries.count, entries[head].last &+ period <= now {
            total -= entries[head].calls
            head += 1
        }
        // Moving the rest costs less than one step a call when half of the array is empty.
        if head > 32, head * 2 >= entries.count {
            entries.removeFirst(head)
            head = 0
        }
    }
}
