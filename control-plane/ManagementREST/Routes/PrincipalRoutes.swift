// Principals of the built-in issuer (contract-details.md 2). Their secrets come by rotateSecret alone.
internal import AccessControl
package import Cryptography
internal import Foundation
internal import JSONDocuments
package import Resources
package import ResourceStore

enum PrincipalRoutes {
    private static func action(_ verb: String) -> Permission { .action("Microsoft.Authorization/principals/\(verb)") }

    static let all: [Route] = [
        Route("Principal_List", .get, "gatehouse/principals", action("read")) { call in
            let query = try ListRequest(call.target, fields: [FilterField("name"), FilterField("displayName")])
            let rows = try await call.store.read { try $0.list(ListQuery(kind: AccessDirectory.principalKind)) }
            return try query.answer(query.page(rows.map { (name: $0.name, shown: show($0, call)) }), call)
        },
        Route("Principal_Get", .get, "gatehouse/principals/{name}", action("read")) { call in
            let row = try await existing(call)
            return .json(show(row, call), etag: row.etag)
        },
        Route("Principal_CreateOrUpdate", .put, "gatehouse/principals/{name}", action("write")) { call in
            try await put(call)
        },
        Route("Principal_Delete", .delete, "gatehouse/principals/{name}", action("delete")) { call in
            try await delete(call)
        },
        Route("Principal_RotateSecret", .post, "gatehouse/principals/{name}/rotateSecret", action("secrets/write")) {
            call in
            try await rotate(call)
        },
    ]

    private static let properties: [Property] = [
        .required("displayName", .text(1...256)),
        .optional(
            "federated",
            .list(
                .object([
                    .required("issuer", .text(1...2000)), .required("subject", .text(1...1000)),
                    .required("audience", .text(1...1000)),
                ]), atMost: 20), absent: .value([])),
        .readOnly("clientId"), .readOnly("objectId"), .readOnly("tenantId"),
    ]

    private static func show(_ row: StoredResource, _ call: RouteCall) -> JSONValue {
        var shown = properties.shown(row.properties.members ?? JSONObject())
        shown["tenantId"] = .string(call.management.issuer.tenantID)
        return [
            "id": .string(call.context.armID(row.id)), "name": .string(row.name),
            "type": "Microsoft.ApiManagement/service/gatehouse/principals", "properties": .object(shown),
        ]
    }

    private static func existing(_ call: RouteCall) async throws -> StoredResource {
        let id = call.resource(3)
        guard let row = try await call.store.read({ try $0.get(id) }), row.kind == AccessDirectory.principalKind else {
            throw Refusal.notFound("Principal")
        }
        return row
    }

    /// Nobody touches the credentials of a principal that holds what they do not.
    private static func mustCover(_ row: StoredResource, _ call: RouteCall) throws {
        guard call.management.access.directory.covers(call.caller, Principal(row)) else {
            throw call.management.forbidden(call.caller, call.action, call.context.armID(row.id))
        }
    }

    private static func put(_ call: RouteCall) async throws -> Answer {
        guard let body = call.body, body.members != nil else {
            throw Refusal(.malformedBody, "The body must be a JSON object.")
        }
        let id = call.resource()
        if let former = try await call.store.read({ try $0.get(id) }) { try mustCover(former, call) }
        let condition = try call.condition(required: false)
        let strict = call.preferences.isStrict
        let written = try await call.write { writer in
            let former = try writer.reader.get(id)
            if former == nil, let problem = IDRule(lengthMax: 128).problem(with: id.name) {
                throw Refusal.fields([problem])
            }
            guard condition.allows(former?.etag) else { throw Refusal.modifiedSince }
            var shape = ShapeReader(isStrict: strict)
            var checked = shape.object(body["properties"] ?? .emptyObject, properties, at: "properties")
            if shape.problems.isEmpty, try isTaken(checked["federated"], besides: id, writer.reader) {
                shape.problems.append(
                    FieldProblem("properties.federated", "Another principal has the same issuer, subject and audience.")
                )
            }
            guard shape.problems.isEmpty else { throw Refusal.fields(shape.problems) }
            checked["clientId"] = former?.properties["clientId"] ?? .string(UUID().uuidString.lowercased())
            checked["objectId"] = former?.properties["objectId"] ?? .string(UUID().uuidString.lowercased())
            return (
                try writer.put(id, kind: AccessDirectory.principalKind, properties: .object(checked)), former == nil
            )
        }
        try call.management.access.reload()
        let answer = Answer.json(
            show(written.value.0, call), status: written.value.1 ? 201 : 200, etag: written.value.0.etag)
        return await call.finished(answer, revision: written.revision)
    }

    /// Whether a credential of another issuer stands for another principal already: it proves one alone.
    private static func isTaken(_ federated: JSONValue?, besides id: ResourceID, _ reader: StoreReader) throws -> Bool {
        let names = ["issuer", "subject", "audience"]
        let keys = { (value: JSONValue?) in
            Set((value?.items ?? []).map { item in names.map { item[$0]?.text ?? "" } })
        }
        let wanted = keys(federated)
        guard !wanted.isEmpty else { return false }
        return try reader.list(ListQuery(kind: AccessDirectory.principalKind))
            .contains { $0.id != id && !keys($0.properties["federated"]).isDisjoint(with: wanted) }
    }

    private static func delete(_ call: RouteCall) async throws -> Answer {
        let id = call.resource()
        guard let row = try await call.store.read({ try $0.get(id) }) else { return .empty(204) }
        try mustCover(row, call)
        let condition = try call.condition(required: false)
        let object = Principal(row).objectID
        let written = try await call.write { writer in
            guard let former = try writer.reader.get(id) else { return false }
            guard condition.allows(former.etag) else { throw Refusal.modifiedSince }
            try AuthorizationStore.keepAnOwner(
                without: { $0.principalID.lowercased() == object.lowercased() }, in: writer)
            for assignment in try writer.reader.list(ListQuery(kind: AccessDirectory.assignmentKind))
            where RoleAssignment(assignment).principalID.lowercased() == object.lowercased() {
                try writer.delete(assignment.id)
            }
            try writer.delete(former.id)
            return true
        }
        try call.management.access.reload()
        return await call.finished(.empty(written.value ? 200 : 204), revision: written.revision)
    }

    private static func rotate(_ call: RouteCall) async throws -> Answer {
        let row = try await existing(call)
        try mustCover(row, call)
        let secret = SecretHash.newSecret()
        let hash = try SecretHash(of: secret)
        let context = call.context
        let written = try await call.write(resource: context.armID(row.id)) { writer in
            guard let former = try writer.reader.get(row.id) else { throw Refusal.notFound("Principal") }
            try ClientSecrets.set(hash, of: former.id, in: writer, context: context)
            try writer.put(former.id, kind: former.kind, properties: former.properties, touching: true)
        }
        let answer = Answer.json([
            "clientId": row.properties["clientId"] ?? .null, "clientSecret": .string(secret),
            "tenantId": .string(call.management.issuer.tenantID),
        ])
        return await call.finished(answer, revision: written.revision)
    }
}

/// Hashes of client secrets, sealed beside their principal.
package enum ClientSecrets {
    private static let field = "clientSecretHash"

    package static func set(
        _ hash: SecretHash, of principal: ResourceID, in writer: StoreWriter, context: ResourceContext
    ) throws {
        let text = "\(Hexadecimal.encode(hash.salt)):\(Hexadecimal.encode(hash.hash))"
        try writer.setSecret(principal, field, try context.seal(principal, field, text))
    }

    /// Whether the secret is the principal's. One that is not there, or has no secret, costs what one with a wrong secret
    /// costs: its secret is held against a hash that nothing has (must-hold G5).
    package static func matches(
        _ secret: String, of principal: ResourceID?, _ reader: StoreReader, context: ResourceContext
    ) throws -> Bool {
        let kept = try principal.flatMap { try context.secret($0, field, reader) }
        let opened = try kept ?? decoy(context)
        let parts = opened.split(separator: ":").map(String.init)
        guard parts.count == 2, let salt = Hexadecimal.decode(parts[0]), let hash = Hexadecimal.decode(parts[1]) else {
            return false
        }
        return try SecretHash(salt: salt, hash: hash).matches(secret) && kept != nil
    }

    /// A hash sealed and opened as a kept one is.
    private static func decoy(_ context: ResourceContext) throws -> String {
        let nobody = ResourceID(path: "/~/nobody")
        let text = "\(String(repeating: "0", count: 32)):\(String(repeating: "0", count: 64))"
        let sealed = try context.seal(nobody, field, text)
        return try context.open(sealed, of: nobody, field)
    }
}
