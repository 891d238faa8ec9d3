import Foundation
import JSONDocuments
import ResourceStore
import Testing
import UsageReports

@Suite struct ReportRowsTests {
    @Test func eachApiHasARowAlsoWithoutCallsAndADeletedOneKeepsItsUsage() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let store = try ResourceStore(path: folder.appending(path: "store.db").path())
        var counted = UsageRow()
        counted.bucket = 900
        counted.api = "gone"
        counted.success = 2
        counted.blocked = 1
        counted.apiTimeSum = 3000
        counted.apiTimeMin = 500
        counted.apiTimeMax = 2000
        let rows = [counted]
        _ = try await store.write(by: .controller) { writer in
            try writer.put(ResourceID(path: "/apis/a"), kind: "apis", properties: ["displayName": "A"])
            _ = try writer.addUsageBatch(node: "n", epoch: 1, sequence: 1, rows: rows)
        }
        let report = try await store.read { try ReportRows.rows(ReportQuery(report: .byApi, from: 0, to: 1800), $0) }
        #expect(report.map { $0["apiId"] } == ["/apis/a", "/apis/gone"])
        #expect(report.map { $0["callCountTotal"] } == [0, 3])
        #expect(report.last?["apiTimeAvg"] == .number("1.0"))
        #expect(report.last?["apiTimeMin"] == .number("0.5"))
    }

    /// Nothing that an enrolled node may send ends the controller or closes the reports.
    @Test func countersAtTheirLimitOverflowNothing() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let store = try ResourceStore(path: folder.appending(path: "store.db").path())
        let limit: Int64 = 1 << 53
        let rows = (0..<1100).map { number in
            var row = UsageRow()
            row.bucket = 900
            row.subscription = "s\(number)"
            (row.success, row.blocked, row.bytesIn, row.bytesOut) = (limit, limit, limit, limit)
            (row.apiTimeSum, row.apiTimeMin, row.apiTimeMax) = (limit, 1, limit)
            return row
        }
        for sequence in 1...3 as ClosedRange<Int64> {
            _ = try await store.write(by: .controller) { writer in
                try writer.addUsageBatch(node: "n", epoch: 1, sequence: sequence, rows: rows)
            }
        }
        let one = try await store.read { reader in
            try reader.usage(buckets: 0...1800, filter: [.subscription: "s0"], groups: [], byBucket: false)
        }
        #expect(one.map(\.success) == [limit], "one key stays at its limit")
        let all = try await store.read { reader in
            try reader.usage(buckets: 0...1800, filter: [:], groups: [], byBucket: false)
        }
        #expect(all.map(\.success) == [.max] && all.map(\.failed) == [0])
        for report in [Report.bySubscription, .byUser, .byApi, .byGeo] {
            let shown = try await store.read { try ReportRows.rows(ReportQuery(report: report, from: 0, to: 1800), $0) }
            #expect(shown.allSatisfy { $0["callCountTotal"]?.integer.map { $0 >= 0 } == true })
        }
    }

    @Test func sumsOfLargeCountersAreExact() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let store = try ResourceStore(path: folder.appending(path: "store.db").path())
        let values: [Int64] = [(1 << 53) - 1, (1 << 53) - 3, (1 << 20) - 1, 1, 7]
        let rows = values.enumerated().map { number, value in
            var row = UsageRow()
            row.bucket = 900
            row.user = "u\(number)"
            row.bytesOut = value
            return row
        }
        _ = try await store.write(by: .controller) { writer in
            try writer.addUsageBatch(node: "n", epoch: 1, sequence: 1, rows: rows)
        }
        let all = try await store.read { try $0.usage(buckets: 0...900, filter: [:], groups: [], byBucket: false) }
        #expect(all.map(\.bytesOut) == [values.reduce(0, +)])
    }
}
