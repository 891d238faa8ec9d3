// UsageReports answers how a service is used: the ledger's rows come in; the reports that owners read go out.
internal import JSONDocuments
package import ResourceStore

/// One of the reports of resources.md section 8 that are sums.
package enum Report: String, CaseIterable, Sendable {
    case byApi, byOperation, byProduct, byUser, bySubscription, byTime, byGeo

    /// Columns that make a row.
    var groups: [UsageColumn] {
        switch self {
        case .byApi: [.api]
        case .byOperation: [.api, .operation]
        case .byProduct: [.product]
        case .byUser: [.user]
        case .bySubscription: [.subscription]
        case .byTime, .byGeo: []
        }
    }

    /// What may stand in `$filter` with `eq`, beside the time.
    package var filters: [UsageColumn] {
        switch self {
        case .byProduct: [.user, .product, .subscription]
        case .bySubscription: [.user, .product, .subscription]
        case .byApi, .byOperation, .byUser, .byTime, .byGeo: [.user, .product, .subscription, .api, .operation]
        }
    }

    /// Columns of `$orderby`.
    package static let orders = [
        "name", "displayName", "callCountSuccess", "callCountBlocked", "callCountFailed", "callCountOther",
        "callCountTotal", "bandwidth", "apiTimeAvg", "timestamp",
    ]
}

/// What is asked of a report.
package struct ReportQuery: Sendable {
    package var report: Report
    /// Buckets that begin within these bounds count, seconds since 1970.
    package var from: Int64
    package var to: Int64
    package var filter: [UsageColumn: String] = [:]
    /// Seconds, a multiple of 900; byTime alone.
    package var interval: Int64 = 900

    package init(report: Report, from: Int64, to: Int64) {
        self.report = report
        self.from = from
        self.to = to
    }
}

extension UsageColumn {
    /// `apiId` and the like, in filters.
    package var filterName: String { "\(rawValue)Id" }
}
