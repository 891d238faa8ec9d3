// Keys and tokens of gateways.
internal import FoundationEssentials
internal import JSONDocuments
internal import Resources
internal import ResourceStore

enum GatewayRoutes {
    private static let service = "Microsoft.ApiManagement/service/gateways"

    static let all: [Route] = [
        Route("Gateway_ListKeys", .post, "gateways/{gatewayId}/listKeys", .action("\(service)/listKeys/action")) {
            call in
            let id = call.resource(2)
            let context = call.context
            return try await call.readSecret(of: id) { reader in
                guard let row = try reader.get(id) else { throw Refusal.notFound("Gateway") }
                return .json(
                    [
                        "primary": .optional(try context.secret(row.id, "primary", reader)),
                        "secondary": .optional(try context.secret(row.id, "secondary", reader)),
                    ], etag: row.etag)
            }
        },
        Route(
            "Gateway_RegenerateKey", .post, "gateways/{gatewayId}/regenerateKey",
            .action("\(service)/regenerateKey/action")
        ) {
            call in
            let id = call.resource(2)
            try await exists(id, call)
            let field = try keyType(call)
            let context = call.context
            let written = try await call.write(resource: context.armID(id)) { writer in
                try Gateways.regenerate(field, of: id, in: writer, context: context)
            }
            return await call.finished(.empty(204), revision: written.revision)
        },
        Route(
            "Gateway_GenerateToken", .post, "gateways/{gatewayId}/generateToken",
            .action("\(service)/generateToken/action")
        ) {
            call in
            let id = call.resource(2)
            try await exists(id, call)
            let field = try keyType(call)
            let now = call.management.now()
            guard let text = call.body?["expiry"]?.text, let expiry = Timestamp.read(text) else {
                throw Refusal.field("expiry", "'expiry' must be a time as in ISO 8601.")
            }
            let life = expiry.timeIntervalSince(now)
            guard life > 0, life <= Gateways.tokenLifeMax else {
                throw Refusal.field("expiry", "'expiry' must be ahead, by at most 30 days.")
            }
            let context = call.context
            return try await call.readSecret(of: id) { reader in
                guard let row = try reader.get(id), let key = try context.secret(row.id, field, reader) else {
                    throw Refusal.notFound("Gateway")
                }
                return .json(
                    ["value": .string(Gateways.token(gateway: row.name, key: key, expiry: expiry))], etag: row.etag)
            }
        },
    ]

    private static func exists(_ id: ResourceID, _ call: RouteCall) async throws {
        guard try await call.store.read({ try $0.exists(id) }) else { throw Refusal.notFound("Gateway") }
    }

    private static func keyType(_ call: RouteCall) throws -> String {
        guard let type = call.body?["keyType"]?.text?.lowercased(), ["primary", "secondary"].contains(type) else {
            throw Refusal.field("keyType", "'keyType' must be primary or secondary.")
        }
        return type
    }
}
