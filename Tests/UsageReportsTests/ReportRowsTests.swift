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
}
