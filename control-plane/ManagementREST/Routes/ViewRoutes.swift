// Lists that show resources of one kind below another: subscriptions of a product and of a user, groups of a user.
internal import JSONDocuments
internal import Resources
internal import ResourceStore

enum ViewRoutes {
    static let all: [Route] = [
        Route(
            "ProductSubscriptions_List", .get, "products/{productId}/subscriptions",
            .action("Microsoft.ApiManagement/service/products/subscriptions/read")
        ) { call in try await subscriptions(call, noun: "Product") },
        Route(
            "UserSubscription_List", .get, "users/{userId}/subscriptions",
            .action("Microsoft.ApiManagement/service/users/subscriptions/read")
        ) { call in try await subscriptions(call, noun: "User") },
        Route(
            "UserSubscription_Get", .get, "users/{userId}/subscriptions/{sid}",
            .action("Microsoft.ApiManagement/service/users/subscriptions/read")
        ) { call in try await userSubscription(call) },
        Route(
            "ApiProduct_List", .get, "apis/{apiId}/products",
            .action("Microsoft.ApiManagement/service/apis/products/read")
        ) { call in try await products(call) },
        Route(
            "UserGroup_List", .get, "users/{userId}/groups",
            .action("Microsoft.ApiManagement/service/users/groups/read")
        ) { call in try await groups(call) },
        Route(
            "UserIdentities_List", .get, "users/{userId}/identities",
            .action("Microsoft.ApiManagement/service/users/identities/read")
        ) { call in
            let user = try await existing(call, noun: "User")
            let identities = user.properties["identities"]?.items ?? []
            return .json(["value": .array(identities), "count": .int(Int64(identities.count)), "nextLink": nil])
        },
    ]

    private static func existing(_ call: RouteCall, noun: String) async throws -> StoredResource {
        let id = call.resource(2)
        guard let resource = try await call.store.read({ try $0.get(id) }) else { throw Refusal.notFound(noun) }
        return resource
    }

    /// The resources of a kind that stand below another resource, in the order of names.
    private static func list(
        _ kind: Kind, below noun: String, _ call: RouteCall,
        rows: @escaping @Sendable (_ parent: StoredResource, _ reader: StoreReader) throws -> [StoredResource]
    ) async throws -> Answer {
        let parent = try await existing(call, noun: noun)
        let query = try ListRequest(call.target, fields: kind.filters)
        let context = call.context
        let shown = try await call.store.read { reader in
            try rows(parent, reader).sorted { $0.name.lowercased() < $1.name.lowercased() }.map { row in
                let shown = try ResourceOperations.show(
                    kind, row, Viewing(answer: .list), reader: reader, context: context)
                return (name: row.name, shown: below(parent, kind.name, row.name, shown, context))
            }
        }
        return try query.answer(query.page(shown), call)
    }

    private static func subscriptions(_ call: RouteCall, noun: String) async throws -> Answer {
        try await list(.subscription, below: noun, call) { parent, reader in
            try reader.referrers(of: parent.id).compactMap { try reader.get($0) }.filter { $0.kind == "subscriptions" }
        }
    }

    private static func userSubscription(_ call: RouteCall) async throws -> Answer {
        let user = try await existing(call, noun: "User")
        let id = ResourceID(path: "/subscriptions/\(call.segments[3])")
        let context = call.context
        return try await call.store.read { reader in
            guard let row = try reader.get(id), row.properties["ownerId"]?.text?.lowercased() == user.id.key else {
                throw Refusal.notFound("Subscription")
            }
            let shown = try ResourceOperations.show(
                .subscription, row, Viewing(answer: .get), reader: reader, context: context)
            return .json(shown, etag: row.etag)
        }
    }

    private static func products(_ call: RouteCall) async throws -> Answer {
        try await list(.product, below: "Api", call) { api, reader in
            try reader.named(api.name, kind: "products/apis").compactMap { try reader.get($0.id.parent) }
        }
    }

    private static func groups(_ call: RouteCall) async throws -> Answer {
        try await list(.group, below: "User", call) { user, reader in
            try Users.groups(of: user, reader).compactMap { try reader.get(ResourceID(path: "/groups/\($0)")) }
        }
    }

    /// Below a parent, id and type are the link's (fact 27).
    private static func below(
        _ parent: StoredResource, _ collection: String, _ name: String, _ shown: JSONValue, _ context: ResourceContext
    ) -> JSONValue {
        var shown = shown
        shown["id"] = .string("\(context.armID(parent.id))/\(collection)/\(name)")
        shown["type"] = .string("Microsoft.ApiManagement/service/\(parent.kind)/\(collection)")
        return shown
    }
}
