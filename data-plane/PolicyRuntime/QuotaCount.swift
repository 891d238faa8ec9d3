// What a subscription has used in a period of a quota.

struct QuotaCount: Sendable {
    var calls: Int64 = 0
    var bytes: UInt64 = 0
    /// Unix milliseconds: fine enough to tell a subscription from the next one of its name.
    private var start: Int64 = 0
    /// Seconds; 0: for ever.
    private var length: Int64 = 0
    /// Number of the period, counted from the start.
    private var number: Int64 = 0
    /// When the period ends, Unix seconds; nil: never.
    private var ends: Int64?

    init() {}

    /// As it was written down.
    init(_ record: QuotaRecord) {
        calls = max(0, record.calls)
        bytes = record.bytes
        start = record.start
        length = max(0, record.length)
        number = record.number
        ends = length > 0 ? Self.end(of: number, start: start / 1_000, length: length) : nil
    }

    func record(_ key: LimitKey) -> QuotaRecord {
        QuotaRecord(
            site: key.site, scope: key.scope, operation: key.operation, subscription: key.subscription, calls: calls,
            bytes: bytes, start: start, length: length, number: number)
    }

    /// When a period ends; nil beyond all time.
    private static func end(of number: Int64, start: Int64, length: Int64) -> Int64? {
        let (next, isLast) = number.addingReportingOverflow(1)
        let (product, overflow) = next.multipliedReportingOverflow(by: length)
        return isLast || overflow ? nil : start.addingReportingOverflow(product).partialValue
    }

    func isOver(now: Int64) -> Bool { ends.map { $0 <= now } ?? false }

    /// Moves to the period that `now` lies in; a new one begins at nothing. A clock that was set back begins no period
    /// twice: the count of the later one stays (must-hold I40). Another length keeps what was used; another start is
    /// another subscription under the old name, which has used nothing (must-hold G36).
    mutating func enter(start: Int64, length: Int64, now: Int64) {
        let isOther = start != self.start || length != self.length
        if start != self.start { self = QuotaCount() }
        self.start = start
        self.length = length
        guard length > 0 else {
            ends = nil
            return
        }
        let since = now.subtractingReportingOverflow(start / 1_000).partialValue
        let current = since >= 0 ? since / length : -1 - (-1 - since) / length
        guard isOther || current > number else { return }
        if !isOther {
            calls = 0
            bytes = 0
        }
        number = current
        ends = Self.end(of: current, start: start / 1_000, length: length)
    }

    /// Until the period ends: from 1 to its length; nil: for ever.
    func secondsLeft(now: Int64) -> Int64? {
        ends.map { min(max(1, $0.subtractingReportingOverflow(now).partialValue), max(1, length)) }
    }
}

/// The use of a quota as it is written down, so that it outlives the process (must-hold I43).
package struct QuotaRecord: Codable, Hashable, Sendable {
    /// Which limit: level and child of the policy.
    package var site: String
    package var scope: String
    package var operation: String
    package var subscription: String
    package var calls: Int64
    package var bytes: UInt64
    /// When the periods began, Unix seconds.
    package var start: Int64
    /// Of a period, seconds; 0: for ever.
    package var length: Int64
    /// Of the period, counted from the start.
    package var number: Int64
}
