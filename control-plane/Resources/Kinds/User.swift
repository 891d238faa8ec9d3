// Users: people who own subscriptions.
internal import JSONDocuments
package import ResourceStore

extension Kind {
    static let userProperties: [Property] = [
        .required("firstName", .text(1...100)),
        .required("lastName", .text(1...100)),
        .required("email", .text(1...254)),
        .optional("state", .oneOf(["active", "blocked", "pending", "deleted"]), absent: .value("active")),
        .readOnly("registrationDate"),
        .optional("note", .text(0...100_000), absent: .null),
        .optional(
            "identities",
            .list(.object([.optional("provider", .text(0...256)), .optional("id", .text(0...1000))]), atMost: 100)),
        .secret("password", .text(1...1000)),
        .transient("confirmation", .oneOf(["signup", "invite"])),
        .transient("appType", .oneOf(["portal", "developerPortal"])),
    ]

    /// A user.
    package static let user: Kind = {
        var kind = Kind("users", noun: "User", id: IDRule(lengthMax: 80), properties: userProperties)
        kind.filters =
            ["name", "firstName", "lastName", "email", "note"].map { FilterField($0) } + [
                FilterField("registrationDate", .comparisons), FilterField("state", .equality),
            ]
        kind.deleteIsLongRunning = true
        kind.prepare = prepareUser
        kind.remove = removeUser
        kind.show = { shown in
            switch shown.viewing.answer {
            case .put:
                shown.properties["groups"] = .array(
                    try Users.groups(of: shown.resource, shown.reader).compactMap { try Groups.summary($0, shown) })
            case .patch: shown.properties["groups"] = []
            case .get, .list:
                guard shown.viewing.expandsGroups else { break }
                let groups = try Users.groups(of: shown.resource, shown.reader)
                shown.properties["groups"] = .array(try groups.compactMap { try Groups.summary($0, shown) })
            }
        }
        return kind
    }()

    private static func prepareUser(_ draft: inout Draft) throws {
        let email = draft.text("email") ?? ""
        if !email.contains("@") || email.unicodeScalars.contains(where: { $0.value <= 0x20 }) {
            draft.refuse("properties.email", "'properties.email' must be an e-mail address.")
        }
        try draft.claim(
            "users.email", email.lowercased(),
            otherwise: FieldProblem("properties.email", "User with the same email already exists"))
        draft.properties["registrationDate"] =
            draft.former?.properties["registrationDate"] ?? .string(Timestamp.text(seconds: draft.writer.now))
        let given = draft.properties["identities"]?.items ?? []
        let former = draft.former?.properties["email"]?.text
        if given.isEmpty || given == [["provider": "Basic", "id": .optional(former)]] {
            draft.properties["identities"] = [["provider": "Basic", "id": .string(email)]]
        }
        // Whether the owner is blocked is part of what each key opens.
        let wasBlocked = draft.former?.properties["state"]?.text == "blocked"
        if !draft.isNew, wasBlocked != (draft.text("state") == "blocked") {
            let user = draft.id
            draft.afterwards.append { writer in
                for subscription in try writer.reader.referrers(of: user) {
                    guard let resource = try writer.reader.get(subscription), resource.kind == "subscriptions" else {
                        continue
                    }
                    let hashes = try SubscriptionKeys.hashes(of: subscription, writer.reader)
                    try writer.addChange(resource.id, kind: resource.kind, verb: .put, detail: hashes)
                }
            }
        }
    }

    private static func removeUser(_ removal: Removal) throws {
        guard removal.resource.name != "1" else {
            throw Refusal.notAllowed(
                "The administrator's account can't be deleted.", allowed: ["GET", "HEAD", "PUT", "PATCH"])
        }
        try removal.refuseWhileSubscribed(
            "User cannot be deleted since it has existing subscriptions. Delete subscriptions before deleting the user or pass in deleteSubscriptions=true as query param"
        )
        try removal.deleteSubscriptions()
    }
}

package enum Users {
    /// Names of the groups that a user is in: built-in ones first.
    package static func groups(of user: StoredResource, _ reader: StoreReader) throws -> [String] {
        let system = user.name == "1" ? "administrators" : "developers"
        return [system] + (try reader.named(user.name, kind: "groups/users").map(\.id.parent.name))
    }
}
