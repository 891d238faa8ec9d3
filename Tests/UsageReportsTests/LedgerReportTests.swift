// Every report from one filled ledger, row by row as resources.md section 8 has them.
import Foundation
import JSONDocuments
import ResourceStore
import Testing
import UsageReports

@Suite struct LedgerReportTests {
    private static let day: Int64 = 86_400

    private static func call(
        _ bucket: Int64, api: String = "", operation: String = "", product: String = "", subscription: String = "",
        user: String = "", success: Int64 = 0, blocked: Int64 = 0, failed: Int64 = 0, other: Int64 = 0,
        microseconds: Int64 = 1000
    ) -> UsageRow {
        var row = UsageRow()
        row.bucket = bucket
        (row.api, row.operation, row.product, row.subscription, row.user) = (
            api, operation, product, subscription, user
        )
        (row.success, row.blocked, row.failed, row.other) = (success, blocked, failed, other)
        let total = success + blocked + failed + other
        row.bytesIn = total * 10
        row.bytesOut = total * 100
        row.apiTimeSum = total * microseconds
        row.apiTimeMin = microseconds / 2
        row.apiTimeMax = microseconds * 2
        row.serviceCalls = success
        row.serviceTimeSum = success * microseconds / 4
        row.serviceTimeMin = success > 0 ? microseconds / 4 : nil
        row.serviceTimeMax = success > 0 ? microseconds / 4 : 0
        return row
    }

    private static let ledger = [
        call(
            day, api: "A", operation: "o", product: "p", subscription: "s", user: "u", success: 3, failed: 1,
            microseconds: 1500),
        call(day + 900, api: "a", operation: "O", product: "p", subscription: "s", user: "u", success: 1, other: 2),
        call(day + 3600, api: "a", operation: "o", subscription: "t", success: 2, microseconds: 123_456),
        call(day + 3600, api: "a", blocked: 5, microseconds: 1),
        call(day + 7200, api: "gone", operation: "x", product: "old", subscription: "left", user: "moved", success: 1),
    ]

    private static func with(_ body: (ResourceStore) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let store = try ResourceStore(path: folder.appending(path: "store.db").path())
        _ = try await store.write(by: .controller) { writer in
            for (path, kind, properties) in [
                ("/apis/a", "apis", ["displayName": "API a"]), ("/apis/idle", "apis", ["displayName": "Idle"]),
                ("/apis/a/operations/o", "apis/operations", ["displayName": "Op"]),
                ("/products/p", "products", ["displayName": "Prod"]),
                ("/users/1", "users", ["firstName": "Admin", "lastName": ""]),
                ("/users/u", "users", ["firstName": "Ann", "lastName": "Lee"]),
                (
                    "/subscriptions/s", "subscriptions",
                    ["displayName": "Sub", "scope": "/products/p", "ownerId": "/users/u"]
                ),
                ("/subscriptions/t", "subscriptions", ["displayName": "All", "scope": "/apis"]),
            ] as [(String, String, JSONValue)] {
                try writer.put(ResourceID(path: path), kind: kind, properties: properties)
            }
            _ = try writer.addUsageBatch(node: "n", epoch: 1, sequence: 1, rows: ledger)
        }
        try await body(store)
        try store.close()
    }

    private static func rows(
        _ store: ResourceStore, _ report: Report, from: Int64 = day, to: Int64 = 2 * day, interval: Int64 = 900,
        _ filter: [UsageColumn: String] = [:]
    ) async throws -> [JSONObject] {
        var query = ReportQuery(report: report, from: from, to: to)
        query.filter = filter
        query.interval = interval
        let wanted = query
        return try await store.read { try ReportRows.rows(wanted, $0).map(\.object) }
    }

    /// Some columns of each row.
    private static func columns(_ rows: [JSONObject], _ names: String...) -> [[JSONValue]] {
        rows.map { row in names.map { row[$0] ?? "absent" } }
    }

    @Test func columnsAreThoseOfTheReference() async throws {
        try await Self.with { store in
            let common = [
                "callCountSuccess", "callCountBlocked", "callCountFailed", "callCountOther", "callCountTotal",
                "bandwidth", "cacheHitCount", "cacheMissCount", "apiTimeAvg", "apiTimeMin", "apiTimeMax",
                "serviceTimeAvg", "serviceTimeMin", "serviceTimeMax",
            ]
            let own: [Report: [String]] = [
                .byApi: ["name", "apiId"], .byOperation: ["name", "apiId", "operationId"],
                .byProduct: ["name", "productId"], .byUser: ["name", "userId"],
                .bySubscription: ["name", "userId", "productId", "subscriptionId"],
                .byTime: ["timestamp", "interval"], .byGeo: ["country", "region", "zip"],
            ]
            for report in Report.allCases {
                let rows = try await Self.rows(store, report)
                #expect(!rows.isEmpty)
                for row in rows { #expect(row.names == (own[report] ?? []) + common, "\(report)") }
            }
        }
    }

    @Test func aRowCountsAndTimesAsTheReferenceSays() async throws {
        try await Self.with { store in
            let rows = try await Self.rows(store, .byApi)
            #expect(
                Self.columns(rows, "name", "apiId", "callCountTotal") == [
                    ["API a", "/apis/a", 14], ["gone", "/apis/gone", 1], ["Idle", "/apis/idle", 0],
                ])
            let api = try #require(rows.first)
            #expect(
                Self.columns([api], "callCountSuccess", "callCountBlocked", "callCountFailed", "callCountOther")
                    == [[6, 5, 1, 2]])
            #expect(api["bandwidth"] == .int(14 * 110))
            // (4 × 1500 + 3 × 1000 + 2 × 123456 + 5 × 1) µs over 14 calls.
            #expect(api["apiTimeAvg"] == .number("18.2798") && api["apiTimeMin"] == .number("0.0"))
            #expect(api["apiTimeMax"] == .number("246.912"))
            #expect(api["serviceTimeMin"] == .number("0.25") && api["serviceTimeMax"] == .number("30.864"))
            let idle = try #require(rows.last)
            for name in ["apiTimeAvg", "apiTimeMin", "apiTimeMax", "serviceTimeAvg", "serviceTimeMin"] {
                #expect(idle[name] == .number("0.0"), "\(name)")
            }
        }
    }

    @Test func operationsProductsUsersAndSubscriptionsHaveRowsAtZeroAndAfterTheyWent() async throws {
        try await Self.with { store in
            let operations = try await Self.rows(store, .byOperation)
            #expect(
                Self.columns(operations, "name", "operationId", "callCountTotal") == [
                    ["-", "/apis/a/operations/-", 5], ["Op", "/apis/a/operations/o", 9],
                    ["x", "/apis/gone/operations/x", 1],
                ])
            let products = try await Self.rows(store, .byProduct)
            #expect(
                Self.columns(products, "name", "productId", "callCountTotal") == [
                    ["old", "/products/old", 1], ["Prod", "/products/p", 7],
                ])
            let users = try await Self.rows(store, .byUser)
            #expect(
                Self.columns(users, "name", "callCountTotal") == [
                    ["Admin", 0], ["Ann Lee", 7], ["Anonymous", 7], ["moved", 1],
                ])
            let subscriptions = try await Self.rows(store, .bySubscription)
            #expect(
                Self.columns(subscriptions, "name", "subscriptionId", "productId", "userId", "callCountTotal") == [
                    ["All", "/subscriptions/t", "", "", 2], ["left", "/subscriptions/left", "", "", 1],
                    ["Sub", "/subscriptions/s", "/products/p", "/users/u", 7],
                ])
        }
    }

    @Test func filtersNarrowWhatIsCountedAndWhatHasARow() async throws {
        try await Self.with { store in
            let api = try await Self.rows(store, .byApi, [.api: "IDLE"])
            #expect(Self.columns(api, "apiId", "callCountTotal") == [["/apis/idle", 0]])
            let user = try await Self.rows(store, .byApi, [.user: "u"])
            #expect(Self.columns(user, "apiId", "callCountTotal") == [["/apis/a", 7], ["/apis/idle", 0]])
            let nobody = try await Self.rows(store, .byUser, [.user: ""])
            #expect(Self.columns(nobody, "name", "callCountTotal") == [["Anonymous", 7]])
            let product = try await Self.rows(store, .bySubscription, [.product: "p"])
            #expect(Self.columns(product, "name", "callCountTotal") == [["Sub", 7]])
            let geo = try await Self.rows(store, .byGeo, [.operation: "o", .api: "a"])
            #expect(Self.columns(geo, "country", "callCountTotal") == [["", 9]])
            let none = try await Self.rows(store, .byGeo, [.api: "nothing"])
            #expect(Self.columns(none, "callCountTotal") == [[0]])
        }
    }

    @Test func timesAreCountedFromTheEpochInWholeIntervals() async throws {
        try await Self.with { store in
            let quarters = try await Self.rows(store, .byTime)
            #expect(
                Self.columns(quarters, "timestamp", "interval", "callCountTotal") == [
                    ["1970-01-02T00:00:00Z", "PT15M", 4], ["1970-01-02T00:15:00Z", "PT15M", 3],
                    ["1970-01-02T01:00:00Z", "PT15M", 7], ["1970-01-02T02:00:00Z", "PT15M", 1],
                ])
            let hours = try await Self.rows(store, .byTime, interval: 3600)
            #expect(
                Self.columns(hours, "interval", "callCountTotal") == [["PT1H", 7], ["PT1H", 7], ["PT1H", 1]])
            let odd = try await Self.rows(store, .byTime, interval: 5400)
            #expect(
                Self.columns(odd, "timestamp", "interval", "callCountTotal") == [
                    ["1970-01-02T00:00:00Z", "PT1H30M", 14], ["1970-01-02T01:30:00Z", "PT1H30M", 1],
                ])
        }
    }

    @Test func boundsTakeTheBucketsThatBeginWithin() async throws {
        try await Self.with { store in
            func total(_ from: Int64, _ to: Int64) async throws -> JSONValue? {
                try await Self.rows(store, .byGeo, from: from, to: to).first?["callCountTotal"]
            }
            let day = Self.day
            let found = [
                try await total(day, day), try await total(day + 1, day + 899), try await total(day + 1, day + 900),
                try await total(0, day - 1), try await total(0, .max), try await total(.min, .max),
            ]
            #expect(found == [4, 0, 3, 0, 15, 15])
            let backwards = try await Self.rows(store, .byApi, from: day + 1, to: day)
            #expect(backwards.isEmpty)
        }
    }

    @Test func twoEqualQueriesAreEqualAndReportsAddUpToTheSame() async throws {
        try await Self.with { store in
            for report in Report.allCases {
                let first = try await Self.rows(store, report)
                let second = try await Self.rows(store, report)
                #expect(first.map(\.names) == second.map(\.names) && first == second)
                let total = first.reduce(0) { $0 + ($1["callCountTotal"]?.integer ?? 0) }
                // What was called without product or without subscription has no row in these two.
                let wanted: [Report: Int64] = [.byProduct: 8, .bySubscription: 10]
                #expect(total == wanted[report] ?? 15, "\(report)")
            }
        }
    }
}
