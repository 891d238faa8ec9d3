// Who may do what, as one value: principals, role definitions and assignments, and the decision over them.
package import JSONDocuments
package import ResourceStore

/// A principal of the built-in issuer.
package struct Principal: Hashable, Sendable {
    /// A credential of another issuer that stands for this principal.
    package struct Federation: Hashable, Sendable {
        package var issuer: String
        package var subject: String
        package var audience: String
    }

    package var id: ResourceID
    package var displayName: String
    package var clientID: String
    package var objectID: String
    package var federated: [Federation]
}

/// A role given to a principal at a scope.
package struct RoleAssignment: Hashable, Sendable {
    /// GUID.
    package var name: String
    /// As written; compare `Scope.key`.
    package var scope: String
    package var roleDefinition: String
    package var principalID: String
    package var principalType: String
    package var description: String?
    package var createdOn: String
    package var createdBy: String

    package init(
        name: String, scope: String, roleDefinition: String, principalID: String, principalType: String,
        description: String?, createdOn: String, createdBy: String
    ) {
        self.name = name
        self.scope = scope
        self.roleDefinition = roleDefinition
        self.principalID = principalID
        self.principalType = principalType
        self.description = description
        self.createdOn = createdOn
        self.createdBy = createdBy
    }
}

/// Who asks, proved.
package struct Caller: Hashable, Sendable {
    package var objectID: String
    package var applicationID: String
    package var name: String
    /// Object ids of groups in its token.
    package var groups: [String]

    package init(objectID: String, applicationID: String, name: String, groups: [String] = []) {
        self.objectID = objectID
        self.applicationID = applicationID
        self.name = name
        self.groups = groups
    }
}

/// Scopes are paths of whole segments; each covers what is below it.
package enum Scope {
    /// Lower case, no slash at the end; the root is empty.
    package static func key(_ scope: String) -> String {
        var key = Substring(scope.lowercased())
        while key.hasSuffix("/") { key = key.dropLast() }
        return String(key)
    }

    package static func covers(_ scope: String, _ resource: String) -> Bool {
        let scope = key(scope)
        let resource = key(resource)
        return scope.isEmpty || resource == scope || resource.hasPrefix(scope + "/")
    }
}

/// A state of the store's access rules; a new one is made when they change.
package struct AccessDirectory: Sendable {
    package static let definitionKind = "authorization/roleDefinitions"
    package static let assignmentKind = "authorization/roleAssignments"
    package static let principalKind = "gatehouse/principals"

    package let definitions: [String: RoleDefinition]
    package let assignments: [RoleAssignment]
    package let principals: [String: Principal]
    private let byPrincipal: [String: [RoleAssignment]]
    private let byClient: [String: String]

    package init(_ reader: StoreReader) throws {
        var definitions = Dictionary(uniqueKeysWithValues: BuiltInRoles.all.map { ($0.name, $0) })
        for row in try reader.list(ListQuery(kind: Self.definitionKind)) {
            let definition = RoleDefinition(row)
            definitions[definition.name] = definition
        }
        self.definitions = definitions
        assignments = try reader.list(ListQuery(kind: Self.assignmentKind)).map(RoleAssignment.init)
        byPrincipal = Dictionary(grouping: assignments) { $0.principalID.lowercased() }
        let people = try reader.list(ListQuery(kind: Self.principalKind)).map(Principal.init)
        principals = Dictionary(people.map { ($0.objectID.lowercased(), $0) }) { first, _ in first }
        byClient = Dictionary(people.map { ($0.clientID.lowercased(), $0.objectID.lowercased()) }) { first, _ in first }
    }

    package func principal(client: String) -> Principal? { byClient[client.lowercased()].flatMap { principals[$0] } }

    package func principal(object: String) -> Principal? { principals[object.lowercased()] }

    /// The principal that a credential of another issuer stands for.
    package func principal(issuer: String, subject: String, audiences: [String]) -> Principal? {
        principals.values.first { principal in
            principal.federated.contains {
                $0.issuer == issuer && $0.subject == subject && audiences.contains($0.audience)
            }
        }
    }

    private func held(by caller: Caller, at scope: String) -> [RoleAssignment] {
        ([caller.objectID] + caller.groups).flatMap { byPrincipal[$0.lowercased()] ?? [] }
            .filter { Scope.covers($0.scope, scope) }
    }

    /// The decision (resources.md section 7): some assignment whose scope covers the resource has a definition that
    /// grants the action and does not exclude it. Nothing else: no.
    package func allows(_ caller: Caller, _ action: String, at scope: String) -> Bool {
        held(by: caller, at: scope).contains { definitions[$0.roleDefinition]?.grants(action) == true }
    }

    /// What the caller may do at the scope, for the list of permissions.
    package func permissions(of caller: Caller, at scope: String) -> [RolePermission] {
        held(by: caller, at: scope).flatMap { definitions[$0.roleDefinition]?.permissions ?? [] }
    }

    /// Whether the caller holds everything that the permissions allow, at the scope.
    package func holdsAll(_ caller: Caller, of wanted: [RolePermission], at scope: String) -> Bool {
        let mine = permissions(of: caller, at: scope)
        return wanted.allSatisfy { permission in
            permission.actions.allSatisfy { action in
                mine.contains { $0.grantsAll(of: action, less: permission.notActions) }
            } && (permission.dataActions.isEmpty || isOwner(caller, at: scope))
        }
    }

    package func isOwner(_ caller: Caller, at scope: String) -> Bool {
        permissions(of: caller, at: scope).contains { $0.grantsAll(of: "*", less: []) }
    }

    /// Whether the caller may give this role at the scope: the built-in conditions of resources.md section 7.
    package func mayGrant(_ caller: Caller, _ role: RoleDefinition, at scope: String) -> Bool {
        if isOwner(caller, at: scope) { return true }
        if role.changesAccess { return false }
        let administrators = [BuiltInRoles.userAccessAdministrator, BuiltInRoles.accessControlAdministrator]
        if held(by: caller, at: scope).contains(where: { administrators.contains($0.roleDefinition) }) { return true }
        return holdsAll(caller, of: role.permissions, at: scope)
    }

    /// Whether the caller holds all that a principal holds: only then may it touch its credentials.
    package func covers(_ caller: Caller, _ principal: Principal) -> Bool {
        (byPrincipal[principal.objectID.lowercased()] ?? []).allSatisfy { assignment in
            guard let role = definitions[assignment.roleDefinition] else { return true }
            return holdsAll(caller, of: role.permissions, at: assignment.scope)
        }
    }

    package func assignments(of role: String) -> [RoleAssignment] { assignments.filter { $0.roleDefinition == role } }
}

extension Principal {
    package init(_ row: StoredResource) {
        id = row.id
        let properties = row.properties
        displayName = properties["displayName"]?.text ?? ""
        clientID = properties["clientId"]?.text ?? ""
        objectID = properties["objectId"]?.text ?? ""
        federated = (properties["federated"]?.items ?? []).map {
            Federation(
                issuer: $0["issuer"]?.text ?? "", subject: $0["subject"]?.text ?? "",
                audience: $0["audience"]?.text ?? "")
        }
    }
}

extension RoleAssignment {
    package init(_ row: StoredResource) {
        let properties = row.properties
        name = row.name
        scope = properties["scope"]?.text ?? ""
        roleDefinition = properties["roleDefinition"]?.text ?? ""
        principalID = properties["principalId"]?.text ?? ""
        principalType = properties["principalType"]?.text ?? "ServicePrincipal"
        description = properties["description"]?.text
        createdOn = properties["createdOn"]?.text ?? ""
        createdBy = properties["createdBy"]?.text ?? ""
    }

    package var stored: JSONValue {
        [
            "scope": .string(scope), "roleDefinition": .string(roleDefinition), "principalId": .string(principalID),
            "principalType": .string(principalType), "description": .optional(description),
            "createdOn": .string(createdOn), "createdBy": .string(createdBy),
        ]
    }
}

extension RoleDefinition {
    package init(_ row: StoredResource) {
        let properties = row.properties
        let texts = { (value: JSONValue?) in (value?.items ?? []).compactMap(\.text) }
        self.init(
            name: row.name, roleName: properties["roleName"]?.text ?? "",
            description: properties["description"]?.text ?? "", isBuiltIn: false,
            permissions: (properties["permissions"]?.items ?? []).map {
                RolePermission(
                    actions: texts($0["actions"]), notActions: texts($0["notActions"]),
                    dataActions: texts($0["dataActions"]), notDataActions: texts($0["notDataActions"]))
            }, assignableScopes: texts(properties["assignableScopes"]), createdOn: properties["createdOn"]?.text ?? "",
            updatedOn: properties["updatedOn"]?.text ?? "")
    }

    package var stored: JSONValue {
        let texts = { (values: [String]) in JSONValue.array(values.map(JSONValue.string)) }
        return [
            "roleName": .string(roleName), "description": .string(description),
            "permissions": .array(
                permissions.map {
                    [
                        "actions": texts($0.actions), "notActions": texts($0.notActions),
                        "dataActions": texts($0.dataActions), "notDataActions": texts($0.notDataActions),
                    ]
                }), "assignableScopes": texts(assignableScopes), "createdOn": .string(createdOn),
            "updatedOn": .string(updatedOn),
        ]
    }
}
