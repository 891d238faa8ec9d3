// A directory of access rules made from a store, as the controller makes it.
import AccessControl
import Foundation
import JSONDocuments
import ResourceStore

enum DirectorySample {
    /// A custom role.
    struct Role {
        var name: String
        var actions: [String]
        var notActions: [String] = []
        var dataActions: [String] = []
    }

    /// Principals are named by their object ids; an assignment is (principal, role, scope).
    static func make(
        roles: [Role] = [], assignments: [(principal: String, role: String, scope: String)] = [],
        principals: [String] = []
    ) async throws -> AccessDirectory {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let store = try ResourceStore(path: folder.appending(path: "store.db").path())
        var rows: [(path: String, kind: String, properties: JSONValue)] = []
        for role in roles {
            let definition = RoleDefinition(
                name: role.name, roleName: role.name, description: "", isBuiltIn: false,
                permissions: [
                    RolePermission(
                        actions: role.actions, notActions: role.notActions, dataActions: role.dataActions)
                ], assignableScopes: ["/"], createdOn: "", updatedOn: "")
            rows.append(
                ("/authorization/roleDefinitions/\(role.name)", AccessDirectory.definitionKind, definition.stored))
        }
        for (index, assignment) in assignments.enumerated() {
            let stored = RoleAssignment(
                name: "a\(index)", scope: assignment.scope, roleDefinition: assignment.role,
                principalID: assignment.principal, principalType: "ServicePrincipal", description: nil, createdOn: "",
                createdBy: ""
            ).stored
            rows.append(("/authorization/roleAssignments/a\(index)", AccessDirectory.assignmentKind, stored))
        }
        for name in principals {
            rows.append(
                (
                    "/gatehouse/principals/\(name)", AccessDirectory.principalKind,
                    [
                        "displayName": .string(name), "clientId": .string("client-\(name)"),
                        "objectId": .string(name), "federated": [],
                    ]
                ))
        }
        let wanted = rows
        _ = try await store.write(by: .controller) { writer in
            for row in wanted {
                try writer.put(ResourceID(path: row.path), kind: row.kind, properties: row.properties)
            }
        }
        let directory = try await store.read { try AccessDirectory($0) }
        try store.close()
        return directory
    }

    static func caller(_ name: String, groups: [String] = []) -> Caller {
        Caller(objectID: name, applicationID: "", name: name, groups: groups)
    }
}
