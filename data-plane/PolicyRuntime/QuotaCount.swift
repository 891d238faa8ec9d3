// What a subscription has used in a period of a quota.

struct QuotaCount: Sendable {
    var calls: Int64 = 0
    var bytes: UInt64 = 0
    private var start: Int64 = 0
    /// Seconds; 0: for ever.
    private var length: Int64 = 0
    /// Number of the period, counted from the start.
    private var number: Int64 = 0
    /// When the period ends, Unix seconds; nil: never.
    private var ends: Int64?

    init() {}

    func isOver(now: Int64) -> Bool { ends.map { $0 <= now } ?? false }

    /// Moves to the period that `now` lies in; a new one begins at nothing. A clock that was set back begins no period
    /// twice: the count of the later one stays (must-hold I40). Another length keeps what was used.
    mutating func enter(start: Int64, length: Int64, now: Int64) {
        let isOther = start != self.start || length != self.length
        self.start = start
        self.length = length
        guard length > 0 else {
            ends = nil
            return
        }
        let since = now.subtractingReportingOverflow(start).partialValue
        let current = since >= 0 ? since / length : -1 - (-1 - since) / length
        guard isOther || current > number else { return }
        if !isOther {
            calls = 0
            bytes = 0
        }
        number = current
        let (product, overflow) = (current + 1).multipliedReportingOverflow(by: length)
        ends = overflow ? nil : start.addingReportingOverflow(product).partialValue
    }

    /// Until the period ends: from 1 to its length; nil: for ever.
    func secondsLeft(now: Int64) -> Int64? {
        ends.map { min(max(1, $0.subtractingReportingOverflow(now).partialValue), max(1, length)) }
    }
}
