// Deadlines of connections: a wheel of slots, each a list by index. Lazy: activity writes a deadline, and only a slot
// that comes up looks at it and files the connection again (engine.md section 4).

/// The wheel's heads; links are in the connections.
struct TimerWheel {
    static let tickMilliseconds: UInt64 = 50
    static let slotCount = 1_024
    private var heads = [UInt32](repeating: noIndex, count: slotCount)
    /// The next tick to look at.
    private(set) var tick: UInt64
    private(set) var filed = 0

    init(now: UInt64) { tick = now / Self.tickMilliseconds }

    /// Files `index` so that it comes up at its deadline or, where that is beyond the wheel, earlier.
    mutating func file(_ index: UInt32, _ connections: borrowing Slab<Connection>) {
        let connection = connections[index]
        let wanted = max(connection.pointee.deadline / Self.tickMilliseconds &+ 1, tick)
        let last = tick &+ UInt64(Self.slotCount) &- 1
        let due = min(wanted, last)
        if connection.pointee.filedAt != 0 {
            if connection.pointee.filedAt <= due { return }
            remove(index, connections)
        }
        let slot = Int(due % UInt64(Self.slotCount))
        let next = heads[slot]
        connection.pointee.filedAt = due
        connection.pointee.timerNext = next
        connection.pointee.timerPrevious = noIndex
        if next != noIndex { connections[next].pointee.timerPrevious = index }
        heads[slot] = index
        filed &+= 1
    }

    mutating func remove(_ index: UInt32, _ connections: borrowing Slab<Connection>) {
        let connection = connections[index]
        guard connection.pointee.filedAt != 0 else { return }
        let next = connection.pointee.timerNext
        let previous = connection.pointee.timerPrevious
        if next != noIndex { connections[next].pointee.timerPrevious = previous }
        if previous != noIndex {
            connections[previous].pointee.timerNext = next
        } else {
            heads[Int(connection.pointee.filedAt % UInt64(Self.slotCount))] = next
        }
        connection.pointee.filedAt = 0
        filed &-= 1
    }

    /// Takes one connection whose slot has come up by `now`; nil when there is none.
    mutating func pop(now: UInt64, _ connections: borrowing Slab<Connection>) -> UInt32? {
        let end = now / Self.tickMilliseconds
        while tick <= end {
            let head = heads[Int(tick % UInt64(Self.slotCount))]
            if head != noIndex {
                remove(head, connections)
                return head
            }
            if filed == 0 {
                tick = end &+ 1
                break
            }
            tick &+= 1
        }
        return nil
    }

    /// Milliseconds until a slot that holds something comes up; nil when the wheel is empty.
    func wait(now: UInt64) -> Int? {
        guard filed > 0 else { return nil }
        var due = tick
        let last = tick &+ UInt64(Self.slotCount)
        while due < last, heads[Int(due % UInt64(Self.slotCount))] == noIndex { due &+= 1 }
        let at = due &* Self.tickMilliseconds
        return at > now ? Int(at &- now) : 0
    }
}
