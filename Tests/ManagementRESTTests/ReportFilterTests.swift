// $filter and interval of reports, and reports over HTTP.
import Foundation
import JSONDocuments
import ResourceStore
import Resources
import Testing
import UsageReports

@testable import ManagementREST

@Suite struct ReportFilterTests {
    private static let time =
        "timestamp ge datetime'1970-01-01T00:15:00' and timestamp le datetime'1970-01-01T01:00:00'"

    @Test(arguments: [
        ("ge", "le", 900, 3600), ("gt", "lt", 901, 3599), ("ge", "lt", 900, 3599), ("gt", "le", 901, 3600),
    ])
    func boundsAreInclusiveOrNot(lower: String, upper: String, from: Int64, to: Int64) throws {
        let text =
            "timestamp \(lower) datetime'1970-01-01T00:15:00' and timestamp \(upper) datetime'1970-01-01T01:00:00'"
        let query = try ReportFilter.read(text, report: .byApi)
        #expect(query.from == from && query.to == to)
    }

    @Test(arguments: [
        ("apiId eq 'a'", [UsageColumn.api: "a"]), ("apiId eq '/apis/a'", [.api: "a"]),
        ("operationId eq '/apis/a/operations/o'", [.operation: "o", .api: "a"]), ("userId eq '/users/1'", [.user: "1"]),
        ("userId eq 'Anonymous'", [.user: ""]),
        ("productId eq '-' and subscriptionId eq 's'", [.product: "", .subscription: "s"]),
        ("apiRegion eq 'West'", [:]), ("properties/apiId eq 'a'", [.api: "a"]),
    ])
    func idsAreShortOrNames(text: String, filter: [UsageColumn: String]) throws {
        #expect(try ReportFilter.read("\(Self.time) and \(text)", report: .byApi).filter == filter)
    }

    @Test(arguments: [
        "", "timestamp ge datetime'1970-01-01T00:15:00'", "timestamp le datetime'1970-01-01T00:15:00'", "apiId eq 'a'",
        "timestamp eq datetime'1970-01-01T00:15:00'", "timestamp ge 'nonsense' and timestamp le 'nonsense'",
        "timestamp ge 5 and timestamp le 6", "not (apiId eq 'a')",
    ])
    func timeMustBeBounded(text: String) {
        #expect(throws: Refusal.self) { try ReportFilter.read(text, report: .byApi) }
    }

    @Test(arguments: [
        ("apiId eq 'a' or apiId eq 'b'", Report.byApi), ("apiId ne 'a'", .byApi), ("apiId gt 'a'", .byApi),
        ("apiId eq 'a'", .byProduct), ("operationId eq 'a'", .bySubscription), ("colour eq 'a'", .byApi),
        ("contains(apiId,'a')", .byApi),
    ])
    func whatAReportIsNotFilteredByIsRefused(text: String, report: Report) {
        #expect(throws: Refusal.self) { try ReportFilter.read("\(Self.time) and \(text)", report: report) }
    }

    @Test(arguments: [
        ("PT15M", 900), ("PT1H", 3600), ("P1D", 86_400), ("pt90m", 5400), ("P1DT1H30M", 91_800), ("PT900S", 900),
        ("", nil), ("15M", nil), ("PT15", nil), ("PT-15M", nil), ("PT1.5H", nil), ("P1M", nil), ("PT٣M", nil),
        ("PT99999999999999999999M", nil),
    ])
    func intervalsAreDurations(text: String, seconds: Int64?) {
        #expect(ReportRoutes.seconds(text) == seconds)
    }

    private static func fill(_ live: LiveManagement) async throws {
        for name in ["a", "b", "c"] {
            try await live.put("/apis/\(name)", ["displayName": .string("API \(name)"), "path": .string(name)])
        }
        var rows: [UsageRow] = []
        for (api, calls) in [("a", 2), ("b", 5)] as [(String, Int64)] {
            var row = UsageRow()
            row.bucket = 900
            row.api = api
            row.success = calls
            row.apiTimeSum = calls * 1000
            row.apiTimeMin = 1000
            row.apiTimeMax = 1000
            rows.append(row)
        }
        let counted = rows
        _ = try await live.store.write(by: .controller) { writer in
            _ = try writer.addUsageBatch(node: "n", epoch: 1, sequence: 1, rows: counted)
        }
    }

    @Test func aReportIsOrderedCutAndLinked() async throws {
        try await LiveManagement.run { live in
            try await Self.fill(live)
            let filter = RequestTarget.encode(Self.time)
            func names(_ query: String) async throws -> [String] {
                let answer = try await live.send("GET", "/reports/byApi?$filter=\(filter)\(query)")
                #expect(answer.status == 200 && answer.json["count"] == 3, "\(answer.text)")
                return answer.names
            }
            #expect(try await names("") == ["API a", "API b", "API c"])
            #expect(try await names("&$orderby=callCountTotal%20desc") == ["API b", "API a", "API c"])
            #expect(try await names("&$orderby=displayName%20desc&$top=1") == ["API c"])
            #expect(try await names("&$skip=9223372036854775807") == [])
            let page = try await live.send("GET", "/reports/byApi?$filter=\(filter)&$top=2")
            let link = try #require(page.json["nextLink"]?.text)
            #expect(link.hasPrefix(LiveManagement.publicURL))
            let next = try await live.root(
                "GET", String(link.dropFirst(LiveManagement.publicURL.count)), by: live.owner)
            #expect(next.names == ["API c"] && next.json["nextLink"] == nil)
            for path in [
                "/reports/byApi", "/reports/byApi?$filter=\(filter)&$orderby=colour",
                "/reports/byTime?$filter=\(filter)", "/reports/byTime?$filter=\(filter)&interval=PT10M",
                "/reports/byTime?$filter=\(filter)&interval=PT0M",
            ] {
                let answer = try await live.send("GET", path)
                #expect(answer.status == 400 && answer.code == "InvalidQueryParameter", "\(path)")
            }
            let time = try await live.send("GET", "/reports/byTime?$filter=\(filter)&interval=PT15M")
            #expect(time.json["value"]?.items?.map { $0["callCountTotal"] } == [7])
        }
    }
}
