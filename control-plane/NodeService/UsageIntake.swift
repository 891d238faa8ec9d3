// A node's batch as rows of the ledger; what no honest node sends is refused.
package import ClusterProtocol
package import ResourceStore

package enum UsageIntake {
    private static let nameBytesMax = 1024
    private static let recordsMax = 100_000
    /// No counter of a batch can be larger: 2^53.
    private static let counterMax: UInt64 = 1 << 53

    /// A bucket further ahead of the controller's clock counts under its present one (must-hold H39).
    private static let aheadMax: Int64 = 3600
    private static let bucketSeconds: Int64 = 900

    /// nil where a name is too long, a bucket is no quarter of an hour, or a counter can't be. `now`: seconds since 1970.
    package static func rows(_ batch: UsageBatch, now: Double) -> [UsageRow]? {
        guard batch.records.count <= recordsMax else { return nil }
        let present = Int64(now) / bucketSeconds * bucketSeconds
        var rows: [UsageRow] = []
        for record in batch.records {
            guard var row = row(record) else { return nil }
            if row.bucket > present + aheadMax { row.bucket = present }
            rows.append(row)
        }
        return rows
    }

    private static func row(_ record: UsageRecord) -> UsageRow? {
        let key = record.key
        let counters = record.counters
        let names = [key.api, key.operation, key.product, key.subscription, key.user]
        let values = [
            counters.success, counters.blocked, counters.failed, counters.other, counters.bytesIn, counters.bytesOut,
            counters.cacheHits, counters.cacheMisses, counters.apiTimeSum, counters.apiTimeMax, counters.serviceCalls,
            counters.serviceTimeSum, counters.serviceTimeMax,
        ]
        guard names.allSatisfy({ $0.utf8.count <= nameBytesMax }), values.allSatisfy({ $0 <= counterMax }),
            key.bucket % bucketSeconds == 0, key.bucket >= 0, counters.total > 0,
            counters.apiTimeMin <= counters.apiTimeMax,
            counters.serviceCalls == 0 || counters.serviceTimeMin <= counters.serviceTimeMax
        else { return nil }
        var row = UsageRow()
        row.bucket = key.bucket
        row.api = key.api
        row.operation = key.operation
        row.product = key.product
        row.subscription = key.subscription
        row.user = key.user
        row.success = Int64(counters.success)
        row.blocked = Int64(counters.blocked)
        row.failed = Int64(counters.failed)
        row.other = Int64(counters.other)
        row.bytesIn = Int64(counters.bytesIn)
        row.bytesOut = Int64(counters.bytesOut)
        row.cacheHits = Int64(counters.cacheHits)
        row.cacheMisses = Int64(counters.cacheMisses)
        row.apiTimeSum = Int64(counters.apiTimeSum)
        row.apiTimeMin = counters.total > 0 && counters.apiTimeMin <= counterMax ? Int64(counters.apiTimeMin) : nil
        row.apiTimeMax = Int64(counters.apiTimeMax)
        row.serviceCalls = Int64(counters.serviceCalls)
        row.serviceTimeSum = Int64(counters.serviceTimeSum)
        row.serviceTimeMin =
            counters.serviceCalls > 0 && counters.serviceTimeMin <= counterMax ? Int64(counters.serviceTimeMin) : nil
        row.serviceTimeMax = Int64(counters.serviceTimeMax)
        return row
    }
}
