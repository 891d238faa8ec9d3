// Keys of subscriptions: listed, regenerated.
internal import JSONDocuments
internal import Resources
internal import ResourceStore

enum SubscriptionRoutes {
    private static let service = "Microsoft.ApiManagement/service/subscriptions"

    static let all: [Route] = [
        Route(
            "Subscription_ListSecrets", .post, "subscriptions/{sid}/listSecrets",
            .action("\(service)/listSecrets/action")
        ) { call in
            let id = call.resource(2)
            let context = call.context
            return try await call.readSecret(of: id) { reader in
                guard let row = try reader.get(id) else { throw Refusal.notFound("Subscription") }
                return .json(
                    [
                        "primaryKey": .optional(try context.secret(row.id, "primaryKey", reader)),
                        "secondaryKey": .optional(try context.secret(row.id, "secondaryKey", reader)),
                    ], etag: row.etag)
            }
        },
        Route(
            "Subscription_RegeneratePrimaryKey", .post, "subscriptions/{sid}/regeneratePrimaryKey",
            .action("\(service)/regeneratePrimaryKey/action")
        ) { call in try await regenerate("primaryKey", call) },
        Route(
            "Subscription_RegenerateSecondaryKey", .post, "subscriptions/{sid}/regenerateSecondaryKey",
            .action("\(service)/regenerateSecondaryKey/action")
        ) { call in try await regenerate("secondaryKey", call) },
    ]

    private static func regenerate(_ field: String, _ call: RouteCall) async throws -> Answer {
        let id = call.resource(2)
        let context = call.context
        let written = try await call.write(resource: context.armID(id)) { writer in
            try SubscriptionKeys.regenerate(field, of: id, in: writer, context: context)
        }
        return await call.finished(.empty(204), revision: written.revision)
    }
}

enum NamedValueRoutes {
    static let all: [Route] = [
        Route(
            "NamedValue_ListValue", .post, "namedValues/{namedValueId}/listValue",
            .action("Microsoft.ApiManagement/service/namedValues/listValue/action")
        ) { call in
            let id = call.resource(2)
            let context = call.context
            return try await call.readSecret(of: id) { reader in
                guard let row = try reader.get(id) else { throw Refusal.notFound("Property") }
                return .json(["value": .optional(try NamedValues.value(of: row, reader, context))], etag: row.etag)
            }
        }
    ]
}
