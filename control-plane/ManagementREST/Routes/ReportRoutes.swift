// Reports over the usage ledger.
internal import Foundation
internal import JSONDocuments
internal import Resources
internal import ResourceStore
internal import UsageReports

enum ReportRoutes {
    static let all: [Route] =
        Report.allCases.map { report in
            Route(
                "Reports_List\(report.rawValue.prefix(1).uppercased())\(report.rawValue.dropFirst())", .get,
                "reports/\(report.rawValue)", .action("Microsoft.ApiManagement/service/reports/read")
            ) { call in try await answer(report, call) }
        } + [
            Route(
                "Reports_ListByRequest", .get, "reports/byRequest",
                .action("Microsoft.ApiManagement/service/reports/read")
            ) { _ in throw Refusal(.notImplemented, "The report byRequest is not built yet.") }
        ]

    private static func answer(_ report: Report, _ call: RouteCall) async throws -> Answer {
        var query = try ReportFilter.read(call.option("$filter") ?? "", report: report)
        if report == .byTime { query.interval = try interval(call.option("interval")) }
        let list = try ReportPage(call)
        let wanted = query
        let rows = try await call.store.read { try ReportRows.rows(wanted, $0) }
        return list.answer(rows, call)
    }

    /// A multiple of 15 minutes, as ISO 8601 duration.
    private static func interval(_ text: String?) throws -> Int64 {
        guard let text, let seconds = Self.seconds(text), seconds > 0, seconds % 900 == 0 else {
            throw Refusal(
                .invalidQueryParameter, "interval must be a duration as in ISO 8601, a multiple of 15 minutes (PT15M).")
        }
        return seconds
    }

    static func seconds(_ text: String) -> Int64? {
        guard
            let match = text.uppercased().wholeMatch(
                of: /P(?:([0-9]{1,4})D)?(?:T(?:([0-9]{1,5})H)?(?:([0-9]{1,6})M)?(?:([0-9]{1,8})S)?)?/)
        else {
            return nil
        }
        let number = { (part: Substring?) in part.flatMap { Int64($0) } ?? 0 }
        return number(match.1) * 86_400 + number(match.2) * 3600 + number(match.3) * 60 + number(match.4)
    }
}

/// `$top`, `$skip` and `$orderby` of a report.
private struct ReportPage {
    let request: ListRequest

    init(_ call: RouteCall) throws {
        // The filter is read apart; here it is left out.
        let target = RequestTarget(
            path: call.target.rawPath,
            query: call.target.query.filter { $0.name.lowercased() != "$filter" }
                .map { "\(RequestTarget.encode($0.name))=\(RequestTarget.encode($0.value))" }.joined(separator: "&"))
        request = try ListRequest(target, fields: [], orders: Report.orders)
    }

    func answer(_ rows: [ReportRow], _ call: RouteCall) -> Answer {
        var rows = rows
        if let order = request.order {
            let column = order.field == "displayName" ? "name" : order.field
            rows = ReportRow.sorted(rows, by: column, descending: order.descending)
        }
        // A report is a table of its own: its place is a number.
        let page = rows.dropFirst(request.skip).prefix(request.top)
        var body = JSONObject([("value", .array(page.map { .object($0.object) })), ("count", .int(Int64(rows.count)))])
        let next = request.skip + page.count
        if next < rows.count {
            let kept = call.target.query.filter { $0.name.lowercased() != "$skip" } + [("$skip", String(next))]
            let query = kept.map { "\(RequestTarget.encode($0.name))=\(RequestTarget.encode($0.value))" }.joined(
                separator: "&")
            body["nextLink"] = .string("\(call.management.publicURL)\(call.target.rawPath)?\(query)")
        }
        return .json(.object(body))
    }
}

/// `timestamp ge datetime'…' and timestamp le datetime'…' and apiId eq '…'`.
enum ReportFilter {
    static func read(_ text: String, report: Report) throws(Refusal) -> ReportQuery {
        let fields =
            [FilterField("timestamp", .comparisons), FilterField("apiRegion", .equality)]
            + report.filters.map { FilterField($0.filterName, .equality) }
        guard !text.isEmpty else { throw bounds }
        var query = ReportQuery(report: report, from: .min, to: .max)
        for term in try terms(try ListFilter.read(text, fields: fields)) {
            switch term {
            case .compare("timestamp", let comparison, .string(let time)):
                guard let date = Timestamp.read(time) else { throw bounds }
                let seconds = date.timeIntervalSince1970
                switch comparison {
                case .ge: query.from = max(query.from, Int64(seconds.rounded(.up)))
                case .gt: query.from = max(query.from, Int64(seconds.rounded(.down)) + 1)
                case .le: query.to = min(query.to, Int64(seconds.rounded(.down)))
                case .lt: query.to = min(query.to, Int64(seconds.rounded(.up)) - 1)
                case .eq, .ne: throw bounds
                }
            case .compare("apiRegion", .eq, _): break
            case .compare(let name, .eq, .string(let value)):
                guard let column = report.filters.first(where: { $0.filterName == name }) else { throw bounds }
                // The short ids that reports give, or the name alone.
                let last = value.split(separator: "/").last.map(String.init) ?? ""
                query.filter[column] = column == .user && last.lowercased() == "anonymous" || last == "-" ? "" : last
                if column == .operation, value.lowercased().hasPrefix("/apis/"), value.split(separator: "/").count == 4
                {
                    query.filter[.api] = String(value.split(separator: "/")[1])
                }
            default:
                throw Refusal(
                    .invalidQueryParameter,
                    "$filter of a report joins comparisons by and: timestamp by ge and le, ids by eq.")
            }
        }
        guard query.from > .min, query.to < .max else { throw bounds }
        return query
    }

    private static let bounds = Refusal(
        .invalidQueryParameter,
        "$filter is required and must bound time: timestamp ge datetime'2026-01-01T00:00:00' and timestamp le datetime'2026-01-02T00:00:00'."
    )

    private static func terms(_ filter: ListFilter) throws(Refusal) -> [ListFilter] {
        switch filter {
        case .and(let left, let right): try terms(left) + terms(right)
        case .compare: [filter]
        default: throw Refusal(.invalidQueryParameter, "$filter of a report joins comparisons by and alone.")
        }
    }
}
