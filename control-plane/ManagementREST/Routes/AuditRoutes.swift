// The audit, newest first.
internal import JSONDocuments
internal import Resources
internal import ResourceStore

enum AuditRoutes {
    private static let fields = [
        FilterField("time", .comparisons), FilterField("principal"), FilterField("action"), FilterField("resource"),
        FilterField("principalId"), FilterField("resourceId"), FilterField("outcome"),
    ]
    /// Rows that a filter looks through at most for one page.
    private static let scanMax = 100_000

    static let all: [Route] = [
        Route("Audit_List", .get, "gatehouse/audit", .action("Microsoft.ApiManagement/service/gatehouse/audit/read")) {
            call in
            let query = try ListRequest(call.target, fields: fields)
            let before = query.after.isEmpty ? nil : Int64(query.after)
            if !query.after.isEmpty, before == nil {
                throw Refusal(.invalidQueryParameter, "$skiptoken must come from a nextLink.")
            }
            let found = try await call.store.read { reader in try Self.page(query, before: before, reader, call) }
            return try query.answer(found, call)
        }
    ]

    private static func page(_ query: ListRequest, before: Int64?, _ reader: StoreReader, _ call: RouteCall) throws
        -> ListPage
    {
        var rows: [JSONValue] = []
        var skipped = 0
        var place = before
        var last: Int64?
        var scanned = 0
        while rows.count <= query.top, scanned < scanMax {
            let batch = try reader.audit(before: place, limit: 1000)
            if batch.isEmpty { break }
            for row in batch {
                place = row.sequence
                scanned += 1
                if let filter = query.filter, !filter.matches({ value($0, row, call) }) { continue }
                if skipped < query.skip {
                    skipped += 1
                    continue
                }
                if rows.count == query.top {
                    return ListPage(rows: rows, count: rows.count, next: last.map(String.init))
                }
                rows.append(show(row, call))
                last = row.sequence
            }
        }
        return ListPage(rows: rows, count: rows.count, next: nil)
    }

    private static func value(_ field: String, _ row: AuditRow, _ call: RouteCall) -> JSONValue? {
        switch field {
        case "time": .string(Timestamp.text(seconds: row.time))
        case "principal", "principalId": .string(row.actor.principal)
        case "action": .string(row.action)
        case "resource", "resourceId": .string(row.resource)
        case "outcome": .string(row.outcome)
        default: nil
        }
    }

    private static func show(_ row: AuditRow, _ call: RouteCall) -> JSONValue {
        let text = { (value: String) in value.isEmpty ? JSONValue.null : .string(value) }
        return [
            "id": .string("\(call.context.serviceID)/gatehouse/audit/\(row.sequence)"),
            "name": .string(String(row.sequence)),
            "type": "Microsoft.ApiManagement/service/gatehouse/audit",
            "properties": [
                "time": .string(Timestamp.text(seconds: row.time)), "revision": row.revision.map { .int($0) } ?? .null,
                "principalId": text(row.actor.principal), "appId": text(row.actor.application),
                "action": text(row.action),
                "resourceId": text(row.resource), "outcome": text(row.outcome), "address": text(row.actor.address),
                "requestId": text(row.actor.request), "count": .int(row.count),
            ],
        ]
    }
}
