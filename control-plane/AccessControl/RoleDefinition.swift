// Role definitions: what a role allows, built in and custom.

/// What is allowed by one permission of a role: actions less notActions.
package struct RolePermission: Hashable, Sendable {
    package var actions: [String]
    package var notActions: [String]
    package var dataActions: [String]
    package var notDataActions: [String]

    package init(
        actions: [String], notActions: [String] = [], dataActions: [String] = [], notDataActions: [String] = []
    ) {
        self.actions = actions
        self.notActions = notActions
        self.dataActions = dataActions
        self.notDataActions = notDataActions
    }

    func grants(_ action: String) -> Bool {
        actions.contains { ActionPattern($0).covers(action) }
            && !notActions.contains { ActionPattern($0).covers(action) }
    }

    /// Whether everything that `wanted` allows is allowed here.
    func grantsAll(of wanted: String, less exceptions: [String]) -> Bool {
        let pattern = ActionPattern(wanted)
        guard actions.contains(where: { ActionPattern($0).coversAll(of: pattern) }) else { return false }
        return notActions.allSatisfy { taken in
            let taken = ActionPattern(taken)
            return !taken.meets(pattern) || exceptions.contains { ActionPattern($0).coversAll(of: taken) }
        }
    }
}

/// A role.
package struct RoleDefinition: Hashable, Sendable {
    /// GUID.
    package var name: String
    package var roleName: String
    package var description: String
    package var isBuiltIn: Bool
    package var permissions: [RolePermission]
    package var assignableScopes: [String]
    package var createdOn: String
    package var updatedOn: String

    package init(
        name: String, roleName: String, description: String, isBuiltIn: Bool, permissions: [RolePermission],
        assignableScopes: [String], createdOn: String, updatedOn: String
    ) {
        self.name = name
        self.roleName = roleName
        self.description = description
        self.isBuiltIn = isBuiltIn
        self.permissions = permissions
        self.assignableScopes = assignableScopes
        self.createdOn = createdOn
        self.updatedOn = updatedOn
    }

    package func grants(_ action: String) -> Bool { permissions.contains { $0.grants(action) } }

    /// Whether it allows to change who may do what.
    package var changesAccess: Bool {
        permissions.contains { permission in
            // The one action among them is elevateAccess: a role that leaves it out, as Contributor does, has none.
            [("*/write", "*/write"), ("*/delete", "*/delete"), ("*/action", "elevateAccess/action")].contains {
                all, known in
                let changes = ActionPattern("Microsoft.Authorization/\(all)")
                let least = ActionPattern("Microsoft.Authorization/\(known)")
                return permission.actions.contains { ActionPattern($0).meets(changes) }
                    && !permission.notActions.contains { ActionPattern($0).coversAll(of: least) }
            }
        }
    }
}

/// The built-in roles (resources.md section 7).
package enum BuiltInRoles {
    package static let owner = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
    package static let contributor = "b24988ac-6180-42a0-ab88-20f7382dd24c"
    package static let reader = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
    package static let userAccessAdministrator = "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"
    package static let accessControlAdministrator = "f58310d9-a9f6-439a-9e8d-f62e7b41a168"

    private static let service = "Microsoft.ApiManagement/service/"
    private static let authorization = "Microsoft.Authorization/*/read"
    private static let base = [
        authorization, "Microsoft.Insights/alertRules/*", "Microsoft.ResourceHealth/availabilityStatuses/read",
        "Microsoft.Resources/deployments/*", "Microsoft.Resources/subscriptions/resourceGroups/read",
        "Microsoft.Support/*",
    ]
    private static let workspaceDeveloper =
        [
            "read", "tags/read", "tags/apiLinks/*", "tags/operationLinks/*", "tags/productLinks/*", "products/read",
            "products/apiLinks/*", "authorizationServers/read",
        ].map { service + $0 } + [authorization]

    package static let all: [RoleDefinition] = [
        role(owner, "Owner", "Everything, and who may do it.", ["*"]),
        role(
            contributor, "Contributor", "Everything but who may do it.", ["*"],
            not: [
                "Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write",
                "Microsoft.Authorization/elevateAccess/Action",
            ]),
        role(reader, "Reader", "Reads everything but secrets.", ["*/read"]),
        role(
            userAccessAdministrator, "User Access Administrator", "Decides who may do what.",
            ["*/read", "Microsoft.Authorization/*", "Microsoft.Support/*"]),
        role(
            accessControlAdministrator, "Role Based Access Control Administrator", "Assigns roles.",
            [
                "Microsoft.Authorization/roleAssignments/write", "Microsoft.Authorization/roleAssignments/delete",
                "*/read", "Microsoft.Support/*",
            ]),
        role(
            "312a565d-c81f-4fd8-895a-4e21e48d571c", "API Management Service Contributor",
            "Manages the service and its APIs.", [service + "*"] + base),
        role(
            "e022efe7-f5ba-4159-bbe4-b44f577e9b61", "API Management Service Operator Role",
            "Manages the service, not its APIs.",
            [
                "*/read", "read", "write", "delete", "backup/action", "restore/action", "managedeployments/action",
                "updatecertificate/action", "updatehostname/action",
            ].map { service + $0 } + base, not: [service + "users/keys/read"]),
        role(
            "71522526-b88f-4d52-b57f-d31fc3546d0d", "API Management Service Reader Role",
            "Reads the service and its APIs.", [service + "*/read", service + "read"] + base,
            not: [service + "users/keys/read"]),
        role(
            "9565a273-41b9-4368-97d2-aeb0c976a9b3", "API Management Service Workspace API Developer",
            "Reads products and tags of the service, and links APIs of a workspace to them.", workspaceDeveloper),
        role(
            "d59a3e9c-6d52-4a5a-aeed-6bf3cf0e31da", "API Management Service Workspace API Product Manager",
            "As the workspace API developer, with users and groups.",
            workspaceDeveloper + ["users/read", "groups/read", "groups/users/*"].map { service + $0 }),
        role(
            "0c34c906-8d99-4cb7-8bb7-33f5b0a1a799", "API Management Workspace Contributor", "Manages a workspace.",
            [service + "workspaces/*", authorization]),
        role(
            "ef1c2c96-4a77-49e8-b9a4-6179fe1d2fd2", "API Management Workspace Reader", "Reads a workspace.",
            [service + "workspaces/*/read", authorization]),
        role(
            "56328988-075d-4c6a-8766-d93edd6725b6", "API Management Workspace API Developer",
            "Manages the APIs of a workspace.",
            ["workspaces/*/read"].map { service + $0 }
                + [
                    "apis", "apiVersionSets", "policies", "schemas", "products", "policyFragments", "namedValues",
                    "tags", "backends", "certificates", "diagnostics", "loggers",
                ].map { "\(service)workspaces/\($0)/*" } + [authorization]),
        role(
            "73c2c328-d004-4c5e-938c-35c6f5679a1f", "API Management Workspace API Product Manager",
            "Manages the products of a workspace.",
            ["workspaces/*/read"].map { service + $0 }
                + ["products", "subscriptions", "groups", "tags", "notifications"]
                .map { "\(service)workspaces/\($0)/*" } + [authorization]),
        role(
            "c031e6a8-4391-4de0-8d69-4706a7ed3729", "API Management Developer Portal Content Editor",
            "Edits the developer portal.",
            [
                "portalRevisions/read", "portalRevisions/write", "contentTypes/read", "contentTypes/write",
                "contentTypes/delete", "contentTypes/contentItems/read", "contentTypes/contentItems/write",
                "contentTypes/contentItems/delete",
            ].map { service + $0 }),
    ]

    private static func role(
        _ name: String, _ roleName: String, _ description: String, _ actions: [String], not: [String] = []
    ) -> RoleDefinition {
        RoleDefinition(
            name: name, roleName: roleName, description: description, isBuiltIn: true,
            permissions: [RolePermission(actions: actions, notActions: not)], assignableScopes: ["/"],
            createdOn: "2026-01-01T00:00:00Z", updatedOn: "2026-01-01T00:00:00Z")
    }
}
