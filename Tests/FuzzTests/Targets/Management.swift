// What callers of the management API write into a URL: the target, the query, `$filter`.
import JSONDocuments
@testable import ManagementREST
import Resources

extension FuzzTarget {
    static let filter = FuzzTarget("filter") { bytes in
        let text = String(decoding: bytes, as: UTF8.self)
        let filter: ListFilter
        do throws(Refusal) {
            filter = try ListFilter.read(text, fields: FilterRun.fields)
        } catch {
            try promise(!error.message.isEmpty, "a refusal has words")
            return
        }
        for row in FilterRun.rows {
            let holds = filter.matches { row[$0] }
            try promise(ListFilter.not(filter).matches { row[$0] } != holds, "a filter or its contrary holds")
            try promise(ListFilter.and(filter, filter).matches { row[$0] } == holds, "twice the same is the same")
        }
    }

    static let managementTarget = FuzzTarget("management-target") { bytes in
        let text = String(decoding: bytes, as: UTF8.self)
        let parts = text.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let target = RequestTarget(path: parts[0], query: parts.count > 1 ? parts[1] : nil)
        if let segments = target.segments {
            for segment in segments {
                try promise(segment != "." && segment != "..", "no dot segment")
                try promise(!segment.utf8.contains { $0 == 0 || "/\\%".utf8.contains($0) }, "no second reading")
            }
            let written = "/" + segments.map(RequestTarget.encode).joined(separator: "/")
            let again = RequestTarget(path: written, query: nil).segments
            // Empty segments at the start are dropped, as is one at the end.
            if segments.first?.isEmpty == false, segments.last?.isEmpty == false {
                try promise(again == segments, "the segments stay")
            }
        }
        let query = target.query.map { "\(RequestTarget.encode($0.name))=\(RequestTarget.encode($0.value))" }
        let again = RequestTarget(path: "/", query: query.joined(separator: "&")).query
        try promise(
            again.map(\.name) == target.query.map(\.name) && again.map(\.value) == target.query.map(\.value),
            "the query stays")
        let list = try? ListRequest(target, fields: FilterRun.fields)
        if let list {
            try promise((1...1000).contains(list.top) && list.skip >= 0, "a page is bounded")
            let rows = FilterRun.rows.map {
                (name: $0["name"]?.text ?? "", shown: JSONValue.object(JSONObject(Array($0))))
            }
            try promise(list.page(rows).rows.count <= rows.count, "a page is a part of the list")
        }
    }
}

private enum FilterRun {
    static let fields = [
        FilterField("name"), FilterField("displayName"), FilterField("state", .equality),
        FilterField("kind", .equalityAndDifference), FilterField("count", .comparisons), FilterField("tags"),
    ]
    static let rows: [[String: JSONValue]] = [
        [
            "name": "echo", "displayName": "Echo's API", "state": "active", "kind": "a", "count": 7,
            "tags": ["a", "b"],
        ],
        ["name": "É", "displayName": nil, "state": true, "count": .number("1e2"), "tags": []],
        [:],
    ]
}
