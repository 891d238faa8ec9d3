// The routes that every kind has: list, GET, HEAD, PUT, PATCH and DELETE.
internal import FoundationEssentials
internal import AccessControl
internal import JSONDocuments
internal import Resources
internal import ResourceStore

enum KindRoutes {
    static func action(_ kind: Kind, _ verb: String) -> Permission {
        .action("Microsoft.ApiManagement/service/\(kind.name)/\(verb)")
    }

    static func routes(_ kind: Kind) -> [Route] {
        let words = kind.name.split(separator: "/")
        let parents = words.dropLast().map { "\($0)/{name}" }
        let list = (parents + [String(words.last ?? "")]).joined(separator: "/")
        let item = list + "/{name}"
        let isLink = kind.linkReading != nil
        let title = words.map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined(separator: "_")
        var routes = [
            Route("\(title)_List", .get, list, action(kind, "read")) { call in try await Self.list(kind, call) },
            Route("\(title)_GetEntityTag", .head, item, action(kind, "read")) { call in
                kind.linkReading == .existence
                    ? try await headLink(kind, call) : try await get(kind, call, isHead: true)
            },
            Route(
                "\(title)_CreateOrUpdate", .put, item, action(kind, "write"),
                bodyMax: kind.name == "apis" ? Route.importBody : Route.ordinaryBody, bodyIsOptional: isLink
            ) { call in try await put(kind, call, isLink: isLink) },
            Route("\(title)_Delete", .delete, item, action(kind, "delete")) { call in try await delete(kind, call) },
        ]
        if kind.linkReading != .existence {
            routes.append(Route("\(title)_Get", .get, item, action(kind, "read")) { call in try await get(kind, call) })
        }
        if kind.allowsPatch {
            routes.append(
                Route("\(title)_Update", .patch, item, action(kind, "write")) { call in try await patch(kind, call) })
        }
        return routes
    }

    /// - Throws: `Refusal` where the request asks to expand what the caller may not read (must-hold G20).
    static func viewing(_ kind: Kind, _ call: RouteCall, _ answer: Viewing.Answer, at id: ResourceID) throws -> Viewing
    {
        let secrets =
            kind.secretsAction.map { call.holds("Microsoft.ApiManagement/service/\(kind.name)/\($0)/action", at: id) }
            ?? false
        let writes = call.holds("Microsoft.ApiManagement/service/\(kind.name)/write", at: id)
        var viewing = Viewing(answer: answer, maySeeSecrets: secrets, mayWrite: writes)
        let prefix = "Microsoft.ApiManagement/service/"
        viewing.maySee = { kind, id in call.holds("\(prefix)\(kind)/read", at: id) }
        viewing.expandsGroups = call.option("expandGroups")?.lowercased() == "true"
        let read = "Microsoft.ApiManagement/service/groups/read"
        if viewing.expandsGroups, !call.holds(read, at: .service) {
            throw call.management.forbidden(call.caller, read, call.context.serviceID)
        }
        if Policies.level(of: kind.name) != nil || kind.name == "policyFragments", answer == .get || answer == .list {
            viewing.policyFormat = call.option("format")?.lowercased() == "rawxml" ? "rawxml" : "xml"
        }
        return viewing
    }

    private static func get(_ kind: Kind, _ call: RouteCall, isHead: Bool = false) async throws -> Answer {
        let id = call.resource()
        let viewing = try viewing(kind, call, .get, at: id)
        if let format = call.option("format"), viewing.policyFormat != nil,
            !["xml", "rawxml"].contains(format.lowercased())
        {
            throw Refusal(.invalidQueryParameter, "format must be xml or rawxml.")
        }
        let context = call.context
        let (resource, shown, etag) = try await call.store.read { reader in
            try ResourceOperations.checkParent(kind, id, reader)
            guard let resource = try reader.get(id), resource.kind == kind.name else {
                throw Refusal.notFound(kind.noun)
            }
            return (
                resource, try ResourceOperations.show(kind, resource, viewing, reader: reader, context: context),
                try Self.etag(kind, resource, reader)
            )
        }
        if kind.name == "apis", call.option("export")?.lowercased() == "true" {
            return try await ApiExport.answer(call, resource)
        }
        if let given = call.ifNoneMatch {
            switch try EntityTags.read(given) {
            case .any: return .empty(304, etag: etag)
            case .list(let strong, let weak):
                if (strong + weak).contains(etag) { return .empty(304, etag: etag) }
            }
        }
        return isHead ? .empty(200, etag: etag) : .json(shown, etag: etag)
    }

    private static func headLink(_ kind: Kind, _ call: RouteCall) async throws -> Answer {
        let id = call.resource()
        let isThere = try await call.store.read { try $0.exists(id) }
        return .empty(isThere ? 204 : 404)
    }

    private static func put(_ kind: Kind, _ call: RouteCall, isLink: Bool) async throws -> Answer {
        let id = call.resource()
        let body = call.body ?? .emptyObject
        guard body.members != nil else { throw Refusal(.malformedBody, "The body must be a JSON object.") }
        var request = WriteRequest(
            id: id, body: isLink ? .emptyObject : body, condition: isLink ? .none : try call.condition(required: false),
            query: call.target.options, isStrict: !isLink && call.preferences.isStrict)
        if kind.name == "apis" { request.attachments = try await ApiImports.read(body, call) }
        let context = call.context
        let written = try await call.write { [request] writer in
            let result = try ResourceOperations.put(kind, request, in: writer, context: context)
            return (result, try dropAssignments(of: writer, call))
        }
        let (result, dropped) = written.value
        if dropped { try call.management.access.reload() }
        return try await answer(kind, call, result, .put(isNew: result.isNew), revision: written.revision)
    }

    private static func patch(_ kind: Kind, _ call: RouteCall) async throws -> Answer {
        let id = call.resource()
        guard let body = call.body, body.members != nil else {
            throw Refusal(.malformedBody, "The body must be a JSON object.")
        }
        let request = WriteRequest(
            id: id, body: body, condition: try call.condition(required: true), query: call.target.options,
            isStrict: call.preferences.isStrict)
        let context = call.context
        let written = try await call.write { writer in
            try ResourceOperations.patch(kind, request, in: writer, context: context)
        }
        return try await answer(kind, call, written.value, .patch, revision: written.revision)
    }

    private static func answer(
        _ kind: Kind, _ call: RouteCall, _ result: WriteResult, _ answer: Viewing.Answer, revision: Revision
    ) async throws -> Answer {
        let viewing = try viewing(kind, call, answer, at: result.resource.id)
        let context = call.context
        let (shown, etag) = try await call.store.read { reader in
            (
                try ResourceOperations.show(kind, result.resource, viewing, reader: reader, context: context),
                try Self.etag(kind, result.resource, reader)
            )
        }
        let status = if case .put(isNew: true) = answer { 201 } else { 200 }
        var response = Answer.json(shown, status: status, etag: etag)
        let isLong = answer == .patch ? kind.patchIsLongRunning : kind.putIsLongRunning
        if isLong { response.headers += longRunning(kind, call, result.resource.id, revision, hasResult: true) }
        return await call.finished(response, revision: revision)
    }

    /// A link's answer has the ETag of what it leads to (fact 14).
    private static func etag(_ kind: Kind, _ resource: StoredResource, _ reader: StoreReader) throws -> String {
        guard kind.linkReading != nil else { return resource.etag }
        return try reader.get(kind.target(ofLink: resource.id))?.etag ?? resource.etag
    }

    static func longRunning(
        _ kind: Kind, _ call: RouteCall, _ id: ResourceID, _ revision: Revision, hasResult: Bool
    ) -> [(name: String, value: String)] {
        let ticket = OperationResults.Ticket(
            revision: revision, created: Int64(call.management.now().timeIntervalSince1970), resource: id.path,
            kind: kind.name)
        let operation = call.management.operations.id(of: ticket)
        let base = call.management.publicURL + call.context.serviceID
        var headers = [
            ("Azure-AsyncOperation", "\(base)/operationResults/\(operation)?api-version=\(call.apiVersion)"),
            ("Retry-After", "1"),
        ]
        if hasResult {
            let path = id.path.split(separator: "/").map { "/\(RequestTarget.encode(String($0)))" }.joined()
            headers.append(
                ("Location", "\(base)\(path)?api-version=\(call.apiVersion)&asyncId=\(operation)&asyncCode=201"))
        }
        return headers
    }

    private static func delete(_ kind: Kind, _ call: RouteCall) async throws -> Answer {
        let id = call.resource()
        let condition = try call.condition(required: kind.deleteNeedsIfMatch)
        let query = call.target.options
        let context = call.context
        let written = try await call.write { writer in
            let isGone = try ResourceOperations.delete(
                kind, id, condition: condition, query: query, in: writer, context: context)
            return (isGone, isGone ? try dropAssignments(of: writer, call) : false)
        }
        if written.value.1 { try call.management.access.reload() }
        guard written.value.0 else { return .empty(204) }
        let isLong = kind.deleteIsLongRunning && call.apiVersion >= ApiVersions.deleteIsLongRunningFrom
        var answer = Answer.empty(isLong ? 202 : 200)
        if isLong { answer.headers += longRunning(kind, call, id, written.revision, hasResult: false) }
        return await call.finished(answer, revision: written.revision)
    }

    /// Whatever this transaction deletes goes with the role assignments at it (must-hold G36): a product's subscriptions
    /// are not below it, and an import drops operations.
    private static func dropAssignments(of writer: StoreWriter, _ call: RouteCall) throws -> Bool {
        guard writer.hasChanged else { return false }
        var dropped = false
        for change in try writer.reader.changes(after: writer.revision - 1) where change.verb == .delete {
            if try AuthorizationStore.dropAssignments(below: call.context.armID(change.id), in: writer) {
                dropped = true
            }
        }
        return dropped
    }

    private static func list(_ kind: Kind, _ call: RouteCall) async throws -> Answer {
        let parent = ResourceID(path: call.segments.dropLast().map { "/\($0)" }.joined())
        let query = try ListRequest(call.target, fields: kind.filters)
        let viewing = try viewing(kind, call, .list, at: parent)
        let context = call.context
        let page = try await call.store.read { reader -> ListPage in
            if !kind.parentName.isEmpty, !(try reader.exists(parent)) {
                throw Refusal.notFound(Kinds.byName[kind.parentName]?.noun ?? "Resource")
            }
            let rows = ListQuery(kind: kind.name, parent: parent, name: query.filter?.nameCondition)
            let chosen = try chosen(kind, call, parent, reader)
            let show = { (resource: StoredResource) in
                try ResourceOperations.show(kind, resource, viewing, reader: reader, context: context)
            }
            if query.filter == nil, query.order == nil, chosen == nil {
                let found = try reader.page(rows, after: query.after, skipping: query.skip, limit: query.top + 1)
                return ListPage(
                    rows: try found.prefix(query.top).map(show), count: try reader.count(rows),
                    next: found.count > query.top ? found[query.top - 1].name : nil)
            }
            var kept: [(name: String, shown: JSONValue)] = []
            try reader.each(rows) { row in
                guard chosen?.contains(row.name.lowercased()) ?? true else { return }
                let shown = try show(row)
                if query.matches(row.name, shown) { kept.append((row.name, shown)) }
            }
            return query.page(kept)
        }
        return try query.answer(page, call)
    }

    /// The names that the query's options choose; nil where none of them does.
    private static func chosen(
        _ kind: Kind, _ call: RouteCall, _ parent: ResourceID, _ reader: StoreReader
    ) throws -> Set<String>? {
        var chosen: Set<String>?
        for (option, selection) in kind.selections {
            guard let value = call.option(option), let kept = try selection(value, parent, reader) else { continue }
            chosen = chosen?.intersection(kept) ?? kept
        }
        return chosen
    }
}
