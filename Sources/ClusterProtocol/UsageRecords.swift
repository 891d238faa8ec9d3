// Usage as it travels: counters by key, in batches that count once however often they arrive.

/// What calls are counted by. Empty text stands for none.
package struct UsageKey: Codable, Hashable, Sendable {
    /// Name without revision.
    package var api: String
    package var operation: String
    package var product: String
    package var subscription: String
    /// The owner's name; empty is the user `Anonymous`.
    package var user: String
    /// Start of the 15-minute bucket, seconds since 1970, UTC.
    package var bucket: Int64

    package init(
        api: String, operation: String, product: String, subscription: String, user: String, bucket: Int64
    ) {
        self.api = api
        self.operation = operation
        self.product = product
        self.subscription = subscription
        self.user = user
        self.bucket = bucket
    }
}

/// What is counted (contract-details.md section 5). Times in microseconds.
package struct UsageCounters: Codable, Hashable, Sendable {
    package var success: UInt64 = 0
    package var blocked: UInt64 = 0
    package var failed: UInt64 = 0
    package var other: UInt64 = 0
    /// Bytes of heads and bodies between caller and node: from the caller, and to it.
    package var bytesIn: UInt64 = 0
    package var bytesOut: UInt64 = 0
    package var cacheHits: UInt64 = 0
    package var cacheMisses: UInt64 = 0
    package var apiTimeSum: UInt64 = 0
    /// `UInt64.max` while nothing was counted.
    package var apiTimeMin: UInt64 = .max
    package var apiTimeMax: UInt64 = 0
    /// Calls that reached a backend.
    package var serviceCalls: UInt64 = 0
    package var serviceTimeSum: UInt64 = 0
    package var serviceTimeMin: UInt64 = .max
    package var serviceTimeMax: UInt64 = 0

    package init() {}

    package var total: UInt64 { success &+ blocked &+ failed &+ other }
}

/// One key's counters of one batch.
package struct UsageRecord: Codable, Hashable, Sendable {
    package var key: UsageKey
    package var counters: UsageCounters

    package init(key: UsageKey, counters: UsageCounters) {
        self.key = key
        self.counters = counters
    }
}

/// POST usage: what a node counted since the batch before. Delivered until it is acknowledged; the same id with the
/// same records counts once.
package struct UsageBatch: Codable, Hashable, Sendable {
    package var id: UsageBatchID
    package var records: [UsageRecord]

    package init(id: UsageBatchID, records: [UsageRecord]) {
        self.id = id
        self.records = records
    }
}

/// The answer: the batch is in the ledger, now or since an earlier delivery.
package struct UsageAcknowledgement: Codable, Hashable, Sendable {
    package var id: UsageBatchID
    package var isNew: Bool

    package init(id: UsageBatchID, isNew: Bool) {
        self.id = id
        self.isNew = isNew
    }
}
