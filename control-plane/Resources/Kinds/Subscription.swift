// Subscriptions: a pair of keys, what they open, and whose they are.
internal import Cryptography
internal import JSONDocuments
package import ResourceStore

extension Kind {
    static let subscriptionProperties: [Property] = [
        .optional("ownerId", .text(1...2000)),
        .required("scope", .text(1...2000)),
        .required("displayName", .text(1...100)),
        .optional(
            "state", .oneOf(["suspended", "active", "expired", "submitted", "rejected", "cancelled"]),
            absent: .value("active")),
        .readOnly("createdDate"),
        .optional("startDate", .time, absent: .null),
        .optional("expirationDate", .time, absent: .null),
        .optional("endDate", .time, absent: .null),
        .optional("notificationDate", .time, absent: .null),
        .secret("primaryKey", .text(1...256)),
        .secret("secondaryKey", .text(1...256)),
        .optional("stateComment", .text(0...100_000), absent: .null),
        .optional("allowTracing", .boolean),
    ]

    /// A subscription.
    package static let subscription: Kind = {
        var kind = Kind(
            "subscriptions", noun: "Subscription", id: IDRule(lengthMax: 256), properties: subscriptionProperties)
        kind.filters =
            ["name", "displayName", "stateComment", "ownerId", "scope", "userId", "productId"].map { FilterField($0) }
            + [
                FilterField("state", .equality)
            ]
        kind.secretsAction = "listSecrets"
        kind.prepare = prepareSubscription
        kind.show = { shown in
            for name in ["ownerId", "scope"] {
                guard let text = shown.properties[name]?.text else { continue }
                shown.properties[name] = .string(shown.context.serviceID + text)
            }
            if case .put = shown.viewing.answer { try showOwner(&shown) }
            guard shown.viewing.maySeeSecrets else { return }
            switch shown.viewing.answer {
            case .put, .patch:
                for field in SubscriptionKeys.fields { shown.properties[field] = .optional(try shown.secret(field)) }
            case .get, .list: break
            }
        }
        return kind
    }()

    /// Fact 41: the answer of PUT has the owner whole.
    private static func showOwner(_ shown: inout Shown) throws {
        guard let path = shown.resource.properties["ownerId"]?.text,
            let user = try shown.reader.get(ResourceID(path: path)), shown.viewing.maySee("users", user.id)
        else { return }
        var owner = Kind.userProperties.shown(user.properties.members ?? JSONObject())
        owner["id"] = .string(shown.context.armID(user.id))
        shown.properties["user"] = .object(owner)
    }

    private static func prepareSubscription(_ draft: inout Draft) throws {
        try checkScope(&draft)
        try checkOwner(&draft)
        guard draft.problems.isEmpty else { return }
        try checkLimit(&draft)
        try takeKeys(&draft)
        draft.properties["createdDate"] =
            draft.former?.properties["createdDate"] ?? .string(Timestamp.text(seconds: draft.writer.now))
        // Dates are for audit (resources.md 2.1): the end is set where it ends.
        let state = draft.text("state") ?? "active"
        if ["cancelled", "expired"].contains(state), draft.properties["endDate"] == nil {
            draft.properties["endDate"] =
                draft.former?.properties["endDate"] ?? .string(Timestamp.text(seconds: draft.writer.now))
        }
    }

    private static func checkScope(_ draft: inout Draft) throws {
        let text = draft.text("scope") ?? ""
        guard let scope = draft.context.reference(text) else {
            return draft.refuse(
                "properties.scope",
                "'properties.scope' must be /apis, /apis/{api} or /products/{product} of this service.")
        }
        let segments = scope.segments.map { $0.lowercased() }
        if draft.former?.name.lowercased() == "master" || draft.id.key == "/subscriptions/master" {
            guard segments.isEmpty else {
                return draft.refuse("properties.scope", "The scope of the built-in subscription can't be changed.")
            }
            draft.properties["scope"] = "/"
            return
        }
        switch segments.first {
        case "apis" where segments.count == 1: draft.properties["scope"] = "/apis"
        case "apis" where segments.count == 2, "products" where segments.count == 2:
            guard let target = try draft.reader.get(scope) else {
                let noun = segments.first == "apis" ? "API" : "product"
                return draft.refuse(
                    "properties.scope", "'properties.scope' names the \(noun) '\(scope.name)', which does not exist.")
            }
            draft.properties["scope"] = .string(target.id.path)
            draft.references.append(target.id)
        default:
            draft.refuse(
                "properties.scope",
                "'properties.scope' must be /apis, /apis/{api} or /products/{product} of this service.")
        }
    }

    private static func checkOwner(_ draft: inout Draft) throws {
        guard let text = draft.text("ownerId") else { return }
        guard let id = draft.context.reference(text), id.segments.count == 2,
            id.segments.first?.lowercased() == "users", let owner = try draft.reader.get(id)
        else {
            return draft.refuse("properties.ownerId", "'properties.ownerId' names a user that does not exist.")
        }
        draft.properties["ownerId"] = .string(owner.id.path)
        draft.references.append(owner.id)
    }

    /// A user's subscriptions to a product with a limit; those without an owner count as one user's.
    private static func checkLimit(_ draft: inout Draft) throws {
        let ended: Set = ["cancelled", "rejected", "expired"]
        guard let scope = draft.text("scope"), scope.hasPrefix("/products/"),
            !ended.contains(draft.text("state") ?? ""),
            let product = try draft.reader.get(ResourceID(path: scope)),
            let limit = product.properties["subscriptionsLimit"]?.integer
        else { return }
        var held: Int64 = 0
        for other in try draft.reader.referrers(of: product.id) where other != draft.id {
            guard let resource = try draft.reader.get(other), resource.kind == "subscriptions" else { continue }
            if resource.properties["ownerId"]?.text?.lowercased() == draft.text("ownerId")?.lowercased(),
                !ended.contains(resource.properties["state"]?.text ?? "")
            {
                held += 1
            }
        }
        if held >= limit { throw Refusal.state("Subscriptions limit reached for same user") }
    }

    /// Keys that the body gives, those that are there, or new ones; no two subscriptions share one.
    private static func takeKeys(_ draft: inout Draft) throws {
        var keys: [String: String] = [:]
        for field in SubscriptionKeys.fields {
            if draft.secrets[field]?.isNull == true {
                draft.refuse("properties.\(field)", "'properties.\(field)' can't be taken away; regenerate it instead.")
                continue
            }
            let given = draft.secrets[field]?.text
            let kept =
                given != nil || draft.isNew ? nil : try draft.context.secret(draft.id, field, draft.reader)
            let key = given ?? kept ?? SubscriptionKeys.generate()
            keys[field] = key
            draft.secrets[field] = .string(key)
        }
        guard let primary = keys["primaryKey"], let secondary = keys["secondaryKey"] else { return }
        if primary == secondary {
            draft.refuse("properties.primaryKey", "The two keys of a subscription must differ.")
        }
        for (field, key) in [("primaryKey", primary), ("secondaryKey", secondary)] {
            try draft.claim(
                SubscriptionKeys.scope, SubscriptionKeys.hash(key, draft.context),
                otherwise: FieldProblem(
                    "properties.\(field)", "'properties.\(field)' can't be used; choose another value."))
        }
        let now = Set(draft.heldValues.filter { $0.scope == SubscriptionKeys.scope }.map(\.value))
        let before = try SubscriptionKeys.hashes(of: draft.id, draft.reader).split(separator: ",").map(String.init)
        draft.detail = now.union(before).sorted().joined(separator: ",")
    }
}

extension SubscriptionKeys {
    /// 128 random bits as 32 lower-case hexadecimal digits.
    package static func generate() -> String { Hexadecimal.encode(SecureRandom.bytes(16)) }

    /// Gives a subscription a new key in the place of one of its two. The former dies with the next snapshot.
    package static func regenerate(
        _ field: String, of id: ResourceID, in writer: StoreWriter, context: ResourceContext
    ) throws {
        guard let former = try writer.reader.get(id), former.kind == "subscriptions" else {
            throw Refusal.notFound("Subscription")
        }
        let key = generate()
        let kept = fields.first { $0 != field } ?? ""
        let before = try self.hashes(of: id, writer.reader).split(separator: ",").map(String.init)
        var hashes = [hash(key, context)]
        if let other = try context.secret(id, kept, writer.reader) { hashes.append(hash(other, context)) }
        try writer.setSecret(former.id, field, try context.seal(former.id, field, key))
        try writer.setHeldValues(former.id, hashes.map { (scope, $0) })
        let detail = Set(hashes + before).sorted().joined(separator: ",")
        try writer.put(former.id, kind: former.kind, properties: former.properties, touching: true, detail: detail)
    }
}

extension Removal {
    /// The subscriptions to the resource, or of it where it is a user.
    private func subscriptions() throws -> [ResourceID] {
        try reader.referrers(of: resource.id).filter { $0.segments.first?.lowercased() == "subscriptions" }
    }

    /// Refuses where there are subscriptions and the request does not ask to delete them.
    func refuseWhileSubscribed(_ message: String) throws {
        guard try subscriptions().isEmpty || asks("deleteSubscriptions") else { throw Refusal.state(message) }
    }

    func deleteSubscriptions() throws {
        for subscription in try subscriptions() {
            let hashes = try SubscriptionKeys.hashes(of: subscription, reader)
            try writer.delete(subscription) { _ in hashes }
        }
    }
}
