// Groups and their members.
internal import JSONDocuments
internal import ResourceStore

extension Kind {
    static let groupProperties: [Property] = [
        .required("displayName", .text(1...300)),
        .optional("description", .text(0...1000), absent: .null),
        .readOnly("builtIn", absent: .value(false)),
        .optional("type", .oneOf(["custom", "external", "system"]), absent: .value("custom")),
        .optional("externalId", .text(0...1000), absent: .null),
    ]

    /// A group of users.
    package static let group: Kind = {
        var kind = Kind("groups", noun: "Group", id: IDRule(lengthMax: 256), properties: groupProperties)
        kind.filters =
            ["name", "displayName", "description"].map { FilterField($0) } + [FilterField("externalId", .equality)]
        kind.prepare = { draft in
            if Groups.isBuiltIn(draft.former) { throw Groups.immutable(["GET", "HEAD"]) }
            if draft.text("type") == "system" {
                draft.refuse(
                    "properties.type", "'properties.type' must be custom or external; system groups are built in.")
            }
            draft.properties["builtIn"] = false
            let name = (draft.text("displayName") ?? "").lowercased()
            try draft.claim(
                "groups.displayName", name,
                otherwise: FieldProblem("properties.displayName", "Group with the same name already exists"))
        }
        kind.remove = { removal in
            if Groups.isBuiltIn(removal.resource) { throw Groups.immutable(["GET", "HEAD"]) }
        }
        return kind
    }()

    /// A member of a group.
    package static let groupUser: Kind = {
        var kind = Kind.link("groups/users", noun: "User", id: IDRule(lengthMax: 80), shows: userProperties)
        kind.filters =
            ["name", "firstName", "lastName", "email", "note"].map { FilterField($0) } + [
                FilterField("registrationDate", .comparisons)
            ]
        let (prepare, show) = (kind.prepare, kind.show)
        kind.prepare = { draft in
            if Groups.isBuiltIn(try draft.reader.get(draft.id.parent)) { throw Groups.immutable(["GET", "HEAD"]) }
            try prepare(&draft)
        }
        kind.remove = { removal in
            if Groups.isBuiltIn(try removal.reader.get(removal.resource.id.parent)) {
                throw Groups.immutable(["GET", "HEAD"])
            }
        }
        kind.show = { shown in
            try show(&shown)
            if case .put = shown.viewing.answer { shown.properties["groups"] = [] }
        }
        return kind
    }()
}

/// The groups that are there from the start, and what answers say of groups.
package enum Groups {
    /// Name, display name, description: as the real service has them.
    package static let builtIn: [(name: String, displayName: String, description: String)] = [
        (
            "administrators", "Administrators",
            "Administrators is a built-in group containing the admin email account provided at the time of service creation. Its membership is managed by the system."
        ),
        (
            "developers", "Developers",
            "Developers is a built-in group. Its membership is managed by the system. Signed-in users fall into this group."
        ),
        (
            "guests", "Guests",
            "Guests is a built-in group. Its membership is managed by the system. Unauthenticated users visiting the developer portal fall into this group."
        ),
    ]

    static func isBuiltIn(_ group: StoredResource?) -> Bool { group?.properties["builtIn"]?.boolean == true }

    static func immutable(_ allowed: [String]) -> Refusal {
        .notAllowed("Built-in groups and their members are managed by the system.", allowed: allowed)
    }

    /// A group inside an answer's `groups`.
    static func summary(_ name: String, _ shown: Shown) throws -> JSONValue? {
        let id = ResourceID(path: "/groups/\(name)")
        guard let group = try shown.reader.get(id), let members = group.properties.members,
            shown.viewing.maySee("groups", id)
        else { return nil }
        return .object(
            JSONObject([
                ("id", .string(shown.context.armID(group.id))), ("name", members["displayName"] ?? .null),
                ("description", members["description"] ?? .null), ("builtIn", members["builtIn"] ?? false),
                ("type", members["type"] ?? "custom"), ("externalId", members["externalId"] ?? .null),
            ]))
    }
}
