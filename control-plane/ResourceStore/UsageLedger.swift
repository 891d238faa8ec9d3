// The usage ledger: counters by key and quarter of an hour, each batch of a node counted once.
internal import Foundation
internal import GRDB

/// Counters of one key and bucket, or their sum over several. Times in microseconds.
package struct UsageRow: Hashable, Sendable {
    /// Start of the bucket, seconds since 1970.
    package var bucket: Int64 = 0
    package var api = ""
    package var operation = ""
    package var product = ""
    package var subscription = ""
    package var user = ""
    package var success: Int64 = 0
    package var blocked: Int64 = 0
    package var failed: Int64 = 0
    package var other: Int64 = 0
    package var bytesIn: Int64 = 0
    package var bytesOut: Int64 = 0
    package var cacheHits: Int64 = 0
    package var cacheMisses: Int64 = 0
    package var apiTimeSum: Int64 = 0
    /// nil where nothing was counted.
    package var apiTimeMin: Int64?
    package var apiTimeMax: Int64 = 0
    package var serviceCalls: Int64 = 0
    package var serviceTimeSum: Int64 = 0
    package var serviceTimeMin: Int64?
    package var serviceTimeMax: Int64 = 0

    package init() {}
}

/// What a report groups and filters by.
package enum UsageColumn: String, CaseIterable, Hashable, Sendable {
    case api, operation, product, subscription, user
}

/// What became of a batch.
package enum UsageBatchOutcome: Hashable, Sendable {
    case added
    /// It was there already; nothing has changed.
    case known
    /// One of this id with other content was there; nothing has changed (must-hold H32).
    case conflict
}

private enum UsageLedger {
    /// Columns that are summed up.
    static let sums = [
        "success", "blocked", "failed", "other", "bytes_in", "bytes_out", "cache_hits", "cache_misses", "api_sum",
        "service_calls", "service_sum",
    ]

    /// A sum that was read in two parts, for SQLite gives up where one passes 64 bits; here it stays at the largest.
    static func sum(_ row: Row, _ column: String) -> Int64 {
        let high: Int64 = row[column + "_high"]
        let low: Int64 = row[column]
        let (shifted, isTooLarge) = high.multipliedReportingOverflow(by: 1 << 20)
        let (sum, isBeyond) = shifted.addingReportingOverflow(low)
        return isTooLarge || isBeyond ? .max : sum
    }
}

extension StoreReader {
    private static let incarnation = "ledger.incarnation"

    /// A random name of this ledger (must-hold H20); nil until one was given.
    package func ledgerIncarnation() throws -> String? { try setting(Self.incarnation) }
}

extension StoreWriter {
    /// Names the ledger anew: it was put back to an older state, so nodes send again what it may lack.
    package func setLedgerIncarnation(_ name: String?) throws { try setSetting("ledger.incarnation", name) }

    /// Adds a batch to the ledger, once: the same id again changes nothing. `digest` is of the batch's content; an empty
    /// one is compared with nothing.
    package func addUsageBatch(
        node: String, epoch: Int64, sequence: Int64, digest: String = "", rows: [UsageRow]
    ) throws -> UsageBatchOutcome {
        try db.cachedStatement(
            sql: "INSERT OR IGNORE INTO usage_batch (node, epoch, sequence, received, digest) VALUES (?, ?, ?, ?, ?)"
        ).execute(arguments: [node, epoch, sequence, now, digest])
        guard db.changesCount == 1 else {
            let known = try String.fetchOne(
                db.cachedStatement(
                    sql: "SELECT digest FROM usage_batch WHERE node = ? AND epoch = ? AND sequence = ?"),
                arguments: [node, epoch, sequence])
            return known == digest || known?.isEmpty != false || digest.isEmpty ? .known : .conflict
        }
        for row in rows { try addUsage(row) }
        return .added
    }

    /// A counter of one key and bucket goes no further than 2^53: what a broken node sends can't overflow a sum.
    private static func grown(_ columns: some Sequence<String>) -> String {
        columns.map { "\($0) = min(\($0) + excluded.\($0), \(1 << 53))" }.joined(separator: ", ")
    }

    private func addUsage(_ row: UsageRow) throws {
        try db.cachedStatement(
            sql: """
                INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT DO UPDATE SET
                    \(Self.grown(UsageLedger.sums.prefix(9))),
                    api_min = min(coalesce(api_min, excluded.api_min), coalesce(excluded.api_min, api_min)),
                    api_max = max(api_max, excluded.api_max),
                    \(Self.grown(UsageLedger.sums.suffix(2))),
                    service_min =
                        min(coalesce(service_min, excluded.service_min), coalesce(excluded.service_min, service_min)),
                    service_max = max(service_max, excluded.service_max)
                """
        ).execute(arguments: [
            row.bucket, row.api, row.operation, row.product, row.subscription, row.user, row.success, row.blocked,
            row.failed, row.other, row.bytesIn, row.bytesOut, row.cacheHits, row.cacheMisses, row.apiTimeSum,
            row.apiTimeMin, row.apiTimeMax, row.serviceCalls, row.serviceTimeSum, row.serviceTimeMin,
            row.serviceTimeMax,
        ])
    }

    /// Forgets the ids of batches older than `time`; a node keeps none that long.
    package func dropUsageBatches(receivedBefore time: Double) throws {
        try db.execute(sql: "DELETE FROM usage_batch WHERE received < ?", arguments: [time])
    }
}

extension StoreReader {
    /// Sums of the buckets that begin within `buckets`, narrowed to `filter`, one row for each combination of `groups`
    /// (and each bucket, where `byBucket`). Texts compare without regard to case.
    package func usage(
        buckets: ClosedRange<Int64>, filter: [UsageColumn: String], groups: [UsageColumn], byBucket: Bool
    ) throws -> [UsageRow] {
        let columns = groups.map(\.rawValue) + (byBucket ? ["bucket"] : [])
        var conditions = ["bucket BETWEEN ? AND ?"]
        var arguments: StatementArguments = [buckets.lowerBound, buckets.upperBound]
        for (column, value) in filter {
            conditions.append("\(column.rawValue) = ? COLLATE NOCASE")
            arguments += [value]
        }
        let sums = UsageLedger.sums.map { "sum(\($0) >> 20) AS \($0)_high, sum(\($0) & \(1 << 20 - 1)) AS \($0)" }
        let extremes = ["api", "service"].map { "min(\($0)_min) AS \($0)_min, max(\($0)_max) AS \($0)_max" }
        let sql = """
            SELECT \((columns + sums + extremes).joined(separator: ", ")) FROM usage
            WHERE \(conditions.joined(separator: " AND "))
            \(columns.isEmpty ? "" : "GROUP BY \(columns.joined(separator: ", "))")
            """
        return try Row.fetchAll(db, sql: sql, arguments: arguments).compactMap { row in
            row["success"] == nil ? nil : Self.usage(row, groups: groups, byBucket: byBucket)
        }
    }

    private static func usage(_ row: Row, groups: [UsageColumn], byBucket: Bool) -> UsageRow {
        var usage = UsageRow()
        if byBucket { usage.bucket = row["bucket"] }
        for group in groups {
            let value: String = row[group.rawValue]
            switch group {
            case .api: usage.api = value
            case .operation: usage.operation = value
            case .product: usage.product = value
            case .subscription: usage.subscription = value
            case .user: usage.user = value
            }
        }
        usage.success = UsageLedger.sum(row, "success")
        usage.blocked = UsageLedger.sum(row, "blocked")
        usage.failed = UsageLedger.sum(row, "failed")
        usage.other = UsageLedger.sum(row, "other")
        usage.bytesIn = UsageLedger.sum(row, "bytes_in")
        usage.bytesOut = UsageLedger.sum(row, "bytes_out")
        usage.cacheHits = UsageLedger.sum(row, "cache_hits")
        usage.cacheMisses = UsageLedger.sum(row, "cache_misses")
        usage.apiTimeSum = UsageLedger.sum(row, "api_sum")
        usage.apiTimeMin = row["api_min"]
        usage.apiTimeMax = row["api_max"] ?? 0
        usage.serviceCalls = UsageLedger.sum(row, "service_calls")
        usage.serviceTimeSum = UsageLedger.sum(row, "service_sum")
        usage.serviceTimeMin = row["service_min"]
        usage.serviceTimeMax = row["service_max"] ?? 0
        return usage
    }
}
