// What can be done with a resource of any kind: PUT, PATCH, DELETE and what is answered. The rules of a kind are the
// kind's; what is the same for all stands here once.
package import JSONDocuments
package import ResourceStore

/// A request to write a resource.
package struct WriteRequest: Sendable {
    package var id: ResourceID
    package var body: JSONValue
    package var condition: ETagCondition
    package var query: [String: String]
    package var isStrict: Bool
    /// Documents that the caller has read before the transaction (an import).
    package var attachments: [String: JSONValue] = [:]

    package init(
        id: ResourceID, body: JSONValue, condition: ETagCondition, query: [String: String] = [:], isStrict: Bool = false
    ) {
        self.id = id
        self.body = body
        self.condition = condition
        self.query = query
        self.isStrict = isStrict
    }
}

/// A resource that was written.
package struct WriteResult: Sendable {
    package var resource: StoredResource
    package var isNew: Bool
}

package enum ResourceOperations {
    /// Members beside `properties` that a body may have.
    private static let topLevel: Set<String> = ["id", "name", "type", "properties", "etag", "location", "tags"]

    /// Makes or replaces a resource inside a transaction.
    /// - Throws: `Refusal` with every fault of the body; nothing is changed then.
    package static func put(
        _ kind: Kind, _ request: WriteRequest, in writer: StoreWriter, context: ResourceContext
    ) throws -> WriteResult {
        let former = try writer.reader.get(request.id)
        try checkParent(kind, request.id, writer.reader)
        if former == nil, let problem = kind.id.problem(with: request.id.name) { throw Refusal.fields([problem]) }
        guard request.condition.allows(former?.etag) else { throw Refusal.modifiedSince }
        return try write(kind, request, body: request.body, former: former, writer, context)
    }

    /// Merges into a resource inside a transaction (RFC 7396: null removes).
    package static func patch(
        _ kind: Kind, _ request: WriteRequest, in writer: StoreWriter, context: ResourceContext
    ) throws -> WriteResult {
        try checkParent(kind, request.id, writer.reader)
        guard let former = try writer.reader.get(request.id) else { throw Refusal.notFound(kind.noun) }
        guard request.condition.allows(former.etag) else { throw Refusal.modifiedSince }
        var body = request.body
        if let given = body["properties"] {
            guard given.members != nil else { throw Refusal.field("properties", "'properties' must be an object.") }
            if request.isStrict { try checkStrictly(kind, given) }
            body["properties"] = merged(former.properties, given)
        } else {
            body["properties"] = former.properties
        }
        return try write(kind, request, body: body, former: former, writer, context)
    }

    /// Deletes a resource with all that goes with it, inside a transaction.
    /// - Returns: false where it was not there.
    package static func delete(
        _ kind: Kind, _ id: ResourceID, condition: ETagCondition, query: [String: String], in writer: StoreWriter,
        context: ResourceContext
    ) throws -> Bool {
        guard let resource = try writer.reader.get(id), resource.kind == kind.name else { return false }
        guard condition.allows(resource.etag) else { throw Refusal.modifiedSince }
        try kind.remove(Removal(context: context, writer: writer, resource: resource, query: query))
        for link in Kinds.links(to: kind) {
            for row in try writer.reader.named(resource.name, kind: link.name) { try writer.delete(row.id) }
        }
        try writer.delete(resource.id) { gone in
            try SubscriptionKeys.hashes(of: gone, writer.reader)
        }
        return true
    }

    /// The resource as an answer has it: `{id, type, name, properties}`.
    package static func show(
        _ kind: Kind, _ resource: StoredResource, _ viewing: Viewing, reader: StoreReader, context: ResourceContext
    ) throws -> JSONValue {
        var shown = Shown(
            kind: kind, context: context, reader: reader, resource: resource, viewing: viewing,
            properties: kind.properties.shown(resource.properties.members ?? JSONObject()))
        try kind.show(&shown)
        return .object(
            JSONObject([
                ("id", .string(context.armID(resource.id))),
                ("type", .string("Microsoft.ApiManagement/service/\(kind.name)")),
                ("name", .string(resource.name)),
                ("properties", .object(shown.properties)),
            ]))
    }

    /// 404 of the parent where it is missing.
    package static func checkParent(_ kind: Kind, _ id: ResourceID, _ reader: StoreReader) throws {
        guard !kind.parentName.isEmpty else { return }
        let parent = id.parent
        guard try reader.exists(parent) else {
            throw Refusal.notFound(Kinds.byName[kind.parentName]?.noun ?? "Resource")
        }
    }

    private static func write(
        _ kind: Kind, _ request: WriteRequest, body: JSONValue, former: StoredResource?, _ writer: StoreWriter,
        _ context: ResourceContext
    ) throws -> WriteResult {
        var shape = ShapeReader(isStrict: request.isStrict)
        if request.isStrict, let members = request.body.members {
            for (name, _) in members where !topLevel.contains(name) {
                shape.problems.append(FieldProblem(name, "'\(name)' is not a known property."))
            }
        }
        let properties = shape.object(body["properties"] ?? .emptyObject, kind.properties, at: "properties")
        var draft = Draft(
            kind: kind, context: context, writer: writer, id: former?.id ?? request.id, former: former,
            properties: properties, secrets: shape.secrets, transients: shape.transients, query: request.query)
        draft.problems = shape.problems
        draft.given = body["properties"]?.members ?? JSONObject()
        for (name, value) in request.attachments { draft.transients[name] = value }
        // Rules over fields make sense only where the fields do.
        if draft.problems.isEmpty {
            try kind.prepare(&draft)
        }
        guard draft.problems.isEmpty else { throw Refusal.fields(draft.problems) }
        return try store(draft, former: former)
    }

    private static func store(_ draft: Draft, former: StoredResource?) throws -> WriteResult {
        let writer = draft.writer
        var touches = false
        for (field, value) in draft.secrets {
            // What can't be opened any more is replaced.
            let held = former == nil ? nil : (try? draft.context.secret(draft.id, field, draft.reader)) ?? nil
            if held != value.text { touches = true }
        }
        let resource = try writer.put(
            draft.id, kind: draft.kind.name, properties: .object(draft.properties), touching: touches,
            detail: draft.detail)
        if touches {
            for (field, value) in draft.secrets {
                try writer.setSecret(
                    draft.id, field, try value.text.map { try draft.context.seal(draft.id, field, $0) })
            }
        }
        if resource.revision == writer.revision {
            try writer.setReferences(draft.id, draft.references)
            try writer.setHeldValues(draft.id, draft.heldValues)
        }
        for action in draft.afterwards { try action(writer) }
        return WriteResult(resource: resource, isNew: former == nil)
    }

    private static func checkStrictly(_ kind: Kind, _ given: JSONValue) throws {
        var shape = ShapeReader(isStrict: true)
        _ = shape.object(given, kind.properties, at: "properties")
        let unknown = shape.problems.filter { $0.message.hasSuffix("is not a known property.") }
        if !unknown.isEmpty { throw Refusal.fields(unknown) }
    }

    private static func merged(_ old: JSONValue, _ patch: JSONValue) -> JSONValue {
        guard let changes = patch.members, var result = old.members ?? Optional(JSONObject()) else { return patch }
        for (name, value) in changes {
            if value.isNull {
                // Kept as null, so that the walk sees that a required one is taken away and a secret is to go.
                result[name] = .null
            } else {
                result[name] = merged(result[name] ?? .emptyObject, value)
            }
        }
        return .object(result)
    }
}
