// Role assignments and definitions in the store.
package import AccessControl
internal import JSONDocuments
internal import Resources
package import ResourceStore

package enum AuthorizationStore {
    package static func assignment(_ name: String) -> ResourceID {
        ResourceID(path: "/authorization/roleAssignments/\(name)")
    }
    package static func definition(_ name: String) -> ResourceID {
        ResourceID(path: "/authorization/roleDefinitions/\(name)")
    }

    /// The scope of held values under which (principal, role, scope) stands once.
    private static let held = "roleAssignments"

    private static func key(_ assignment: RoleAssignment) -> String {
        "\(Scope.key(assignment.scope))|\(assignment.principalID.lowercased())|\(assignment.roleDefinition)"
    }

    package static func holder(of assignment: RoleAssignment, _ reader: StoreReader) throws -> ResourceID? {
        try reader.holder(of: key(assignment), in: held)
    }

    package static func put(_ assignment: RoleAssignment, in writer: StoreWriter) throws -> StoredResource {
        let id = Self.assignment(assignment.name)
        let row = try writer.put(id, kind: AccessDirectory.assignmentKind, properties: assignment.stored)
        try writer.setHeldValues(id, [(held, key(assignment))])
        return row
    }

    /// A resource that goes takes the assignments at it and below it along (must-hold G36).
    static func dropAssignments(below armID: String, in writer: StoreWriter) throws -> Bool {
        let scope = Scope.key(armID)
        var dropped = false
        for (value, row) in try writer.reader.values(in: held, prefix: scope)
        where value.dropFirst(scope.count).first == "|" || value.dropFirst(scope.count).first == "/" {
            try writer.delete(row.id)
            dropped = true
        }
        return dropped
    }

    /// Refuses where no Owner of everything would be left.
    static func keepAnOwner(without gone: (RoleAssignment) -> Bool, in writer: StoreWriter) throws {
        let owners = try writer.reader.list(ListQuery(kind: AccessDirectory.assignmentKind)).map(RoleAssignment.init)
            .filter { $0.roleDefinition == BuiltInRoles.owner }
        let left = owners.filter { !gone($0) }
        // Owners of a part do not count: nobody could grant anything above it any more.
        guard owners.contains(where: gone) else { return }
        let widest = owners.filter(gone).map { Scope.key($0.scope) }.min { $0.count < $1.count } ?? ""
        guard left.contains(where: { Scope.covers($0.scope, widest) }) else {
            throw Refusal(.conflict, "Cannot delete the last RBAC admin assignment")
        }
    }
}
