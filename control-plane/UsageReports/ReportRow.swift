// A row of a report: what it is about and what was counted. JSON is made of those that are shown alone: a report may have
// as many rows as there are subscriptions.
package import JSONDocuments
internal import ResourceStore

package struct ReportRow: Sendable {
    /// The columns that tell what the row is about, in their order.
    let own: [(name: String, value: JSONValue)]
    let sum: UsageRow

    init(_ own: [(name: String, value: JSONValue)], _ sum: UsageRow) {
        self.own = own
        self.sum = sum
    }

    /// What every report counts (resources.md section 8).
    private static let counts = [
        "callCountSuccess", "callCountBlocked", "callCountFailed", "callCountOther", "callCountTotal", "bandwidth",
        "cacheHitCount", "cacheMissCount", "apiTimeAvg", "apiTimeMin", "apiTimeMax", "serviceTimeAvg", "serviceTimeMin",
        "serviceTimeMax",
    ]

    /// The row as it is shown: its own columns, then the common ones.
    package var object: JSONObject {
        var object = JSONObject(own.map { ($0.name, $0.value) })
        for name in Self.counts { object[name] = self[name] }
        return object
    }

    private var total: Int64 { sum.success.adding(sum.blocked).adding(sum.failed).adding(sum.other) }

    /// A column; nil for one that the report does not have.
    package subscript(_ column: String) -> JSONValue? {
        switch column {
        case "callCountSuccess": .int(sum.success)
        case "callCountBlocked": .int(sum.blocked)
        case "callCountFailed": .int(sum.failed)
        case "callCountOther": .int(sum.other)
        case "callCountTotal": .int(total)
        case "bandwidth": .int(sum.bytesIn.adding(sum.bytesOut))
        case "cacheHitCount": .int(sum.cacheHits)
        case "cacheMissCount": .int(sum.cacheMisses)
        case "apiTimeAvg": Self.milliseconds(sum.apiTimeSum, over: total)
        case "apiTimeMin": Self.milliseconds(sum.apiTimeMin ?? 0, over: 1)
        case "apiTimeMax": Self.milliseconds(sum.apiTimeMax, over: 1)
        case "serviceTimeAvg": Self.milliseconds(sum.serviceTimeSum, over: sum.serviceCalls)
        case "serviceTimeMin": Self.milliseconds(sum.serviceTimeMin ?? 0, over: 1)
        case "serviceTimeMax": Self.milliseconds(sum.serviceTimeMax, over: 1)
        default: own.first { $0.name == column }?.value
        }
    }

    /// Microseconds over a count, as milliseconds with at most four digits behind the point.
    private static func milliseconds(_ microseconds: Int64, over count: Int64) -> JSONValue {
        guard count > 0 else { return .number("0.0") }
        let value = (Double(microseconds) / Double(count) * 10).rounded() / 10_000
        return .number(String(value))
    }

    /// What a column is ordered by: numbers before texts, texts without regard to case.
    private enum Order: Comparable {
        case int(Int64)
        case number(Double)
        case text(String)

        init(_ value: JSONValue?) {
            switch value {
            case .int(let value)?: self = .int(value)
            case .number(let text)?: self = .number(Double(text) ?? 0)
            default: self = .text(value?.text?.lowercased() ?? "")
            }
        }
    }

    /// Rows in the order of a column; rows that are equal in it stay as they were.
    package static func sorted(_ rows: [ReportRow], by column: String, descending: Bool = false) -> [ReportRow] {
        let keyed = rows.enumerated().map { (order: Order($0.element[column]), place: $0.offset) }
        let places = keyed.sorted {
            $0.order == $1.order ? $0.place < $1.place : descending ? $1.order < $0.order : $0.order < $1.order
        }
        return places.map { rows[$0.place] }
    }
}
