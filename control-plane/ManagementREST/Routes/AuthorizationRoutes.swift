// Microsoft.Authorization: role definitions, role assignments, the caller's permissions.
internal import AccessControl
internal import JSONDocuments
internal import Resources
internal import ResourceStore

enum AuthorizationRoutes {
    private static func action(_ kind: String, _ verb: String) -> Permission {
        .action("Microsoft.Authorization/\(kind)/\(verb)")
    }

    static let all: [Route] = [
        Route("RoleAssignments_List", .get, "roleAssignments", action("roleAssignments", "read")) { call in
            try await RoleAssignmentRoutes.list(call)
        },
        Route("RoleAssignments_Get", .get, "roleAssignments/{name}", action("roleAssignments", "read")) { call in
            try await RoleAssignmentRoutes.get(call)
        },
        Route("RoleAssignments_Create", .put, "roleAssignments/{name}", action("roleAssignments", "write")) { call in
            try await RoleAssignmentRoutes.put(call)
        },
        Route("RoleAssignments_Delete", .delete, "roleAssignments/{name}", action("roleAssignments", "delete")) {
            call in try await RoleAssignmentRoutes.delete(call)
        },
        Route("RoleDefinitions_List", .get, "roleDefinitions", action("roleDefinitions", "read")) { call in
            try await RoleDefinitionRoutes.list(call)
        },
        Route("RoleDefinitions_Get", .get, "roleDefinitions/{name}", action("roleDefinitions", "read")) { call in
            try await RoleDefinitionRoutes.get(call)
        },
        Route("RoleDefinitions_CreateOrUpdate", .put, "roleDefinitions/{name}", action("roleDefinitions", "write")) {
            call in try await RoleDefinitionRoutes.put(call)
        },
        Route("RoleDefinitions_Delete", .delete, "roleDefinitions/{name}", action("roleDefinitions", "delete")) {
            call in try await RoleDefinitionRoutes.delete(call)
        },
        Route("Permissions_List", .get, "permissions", action("permissions", "read")) { call in
            let permissions = call.management.access.directory.permissions(of: call.caller, at: call.scope)
            return .json(["value": .array(permissions.map { RoleDefinitionRoutes.show($0) })])
        },
    ]

    /// Terms joined by `and`: `atScope()`, `principalId eq 'x'`, …; nil for one that is not known.
    static func terms(_ filter: String?) throws -> [(name: String, value: String)] {
        guard let filter, !filter.isEmpty else { return [] }
        return try filter.split(separator: /\s+and\s+/.ignoresCase()).map { part in
            let text = part.trimmingPrefix(while: \.isWhitespace)
            if let match = text.wholeMatch(of: /(\w+)\(\s*(?:'([^']*)')?\s*\)\s*/) {
                return (String(match.1).lowercased(), match.2.map(String.init) ?? "")
            }
            if let match = text.wholeMatch(of: /(\w+)\s+(?i:eq)\s+'((?:[^']|'')*)'\s*/) {
                return (String(match.1).lowercased(), String(match.2).replacing("''", with: "'"))
            }
            throw Refusal(
                .invalidQueryParameter,
                "$filter takes atScope(), atScopeAndBelow(), assignedTo('id'), principalId eq 'id', roleName eq 'x' and type eq 'x', joined by and."
            )
        }
    }

    static func guid(_ call: RouteCall) throws -> String {
        let name = call.segments[1]
        if let problem = IDRule(lengthMax: 36, characters: .guid).problem(with: name) {
            throw Refusal.fields([problem])
        }
        return name
    }

    static func scopeText(_ call: RouteCall) -> String { call.scope.isEmpty ? "/" : call.scope }
}

enum RoleAssignmentRoutes {
    static func show(_ assignment: RoleAssignment) -> JSONValue {
        let base = assignment.scope == "/" ? "" : assignment.scope
        return [
            "id": .string("\(base)/providers/Microsoft.Authorization/roleAssignments/\(assignment.name)"),
            "type": "Microsoft.Authorization/roleAssignments", "name": .string(assignment.name),
            "properties": [
                "roleDefinitionId": .string(
                    "/providers/Microsoft.Authorization/roleDefinitions/\(assignment.roleDefinition)"),
                "principalId": .string(assignment.principalID), "principalType": .string(assignment.principalType),
                "scope": .string(assignment.scope), "description": .optional(assignment.description), "condition": nil,
                "conditionVersion": nil, "createdOn": .string(assignment.createdOn),
                "updatedOn": .string(assignment.createdOn),
                "createdBy": .string(assignment.createdBy), "updatedBy": .string(assignment.createdBy),
                "delegatedManagedIdentityResourceId": nil,
            ],
        ]
    }

    static func list(_ call: RouteCall) async throws -> Answer {
        let terms = try AuthorizationRoutes.terms(call.option("$filter"))
        let scope = Scope.key(call.scope)
        let found = call.management.access.directory.assignments.filter { assignment in
            let key = Scope.key(assignment.scope)
            let isAbove = Scope.covers(key, scope)
            let isBelow = Scope.covers(scope, key)
            return (isAbove || isBelow && !terms.contains { $0.name == "atscope" })
                && terms.allSatisfy { term in
                    switch term.name {
                    case "principalid", "assignedto": assignment.principalID.lowercased() == term.value.lowercased()
                    default: true
                    }
                }
        }
        return .json(["value": .array(found.sorted { $0.name < $1.name }.map(show))])
    }

    static func get(_ call: RouteCall) async throws -> Answer {
        let row = try await call.store.read { try $0.get(AuthorizationStore.assignment(call.segments[1])) }
        guard let assignment = row.map(RoleAssignment.init), Scope.key(assignment.scope) == Scope.key(call.scope) else {
            throw Refusal.notFound("Role assignment")
        }
        return .json(show(assignment))
    }

    private static let properties: [Property] = [
        .required("roleDefinitionId", .text(1...2000)), .required("principalId", .text(1...100)),
        .optional("principalType", .oneOf(["User", "Group", "ServicePrincipal", "ForeignGroup", "Device"])),
        .optional("description", .text(0...2000)), .optional("condition", .any), .optional("conditionVersion", .any),
        .optional("delegatedManagedIdentityResourceId", .any), .readOnly("scope"), .readOnly("createdOn"),
        .readOnly("createdBy"),
        .readOnly("updatedOn"), .readOnly("updatedBy"),
    ]

    static func put(_ call: RouteCall) async throws -> Answer {
        let name = try AuthorizationRoutes.guid(call)
        guard let body = call.body, body.members != nil else {
            throw Refusal(.malformedBody, "The body must be a JSON object.")
        }
        var shape = ShapeReader(isStrict: call.preferences.isStrict)
        let given = shape.object(body["properties"] ?? .emptyObject, properties, at: "properties")
        for field in ["condition", "delegatedManagedIdentityResourceId"] {
            if let value = given[field], !value.isNull {
                shape.problems.append(FieldProblem("properties.\(field)", "'properties.\(field)' is not supported."))
            }
        }
        guard shape.problems.isEmpty else { throw Refusal.fields(shape.problems) }
        let role = (given["roleDefinitionId"]?.text ?? "").split(separator: "/").last.map { $0.lowercased() } ?? ""
        let scope = AuthorizationRoutes.scopeText(call)
        if ApiRevision.isRevision(scope) {
            throw Refusal.field("scope", "A revision is no scope of its own; assign at its API.")
        }
        let directory = call.management.access.directory
        guard let definition = directory.definitions[role] else {
            throw Refusal(
                .roleDefinitionDoesNotExist,
                "The specified role definition with ID '\(role.prefix(64))' does not exist.")
        }
        guard directory.mayGrant(call.caller, definition, at: call.scope) else {
            throw call.management.forbidden(call.caller, call.action, scope)
        }
        let principal = given["principalId"]?.text ?? ""
        if given["principalType"] == nil, directory.principal(object: principal) == nil {
            throw Refusal(.principalNotFound, "Principal \(principal.prefix(64)) does not exist in the directory.")
        }
        let by = call.caller.objectID
        let written = try await call.write(
            resource: "\(call.scope)/providers/Microsoft.Authorization/roleAssignments/\(name)"
        ) { writer in
            let former = try writer.reader.get(AuthorizationStore.assignment(name)).map(RoleAssignment.init)
            let assignment = RoleAssignment(
                name: former?.name ?? name, scope: former?.scope ?? scope, roleDefinition: role, principalID: principal,
                principalType: given["principalType"]?.text ?? former?.principalType ?? "ServicePrincipal",
                description: given["description"]?.text,
                createdOn: former?.createdOn ?? Timestamp.text(seconds: writer.now), createdBy: former?.createdBy ?? by)
            if let former {
                guard former.roleDefinition == role, former.principalID.lowercased() == principal.lowercased(),
                    Scope.key(former.scope) == Scope.key(scope)
                else {
                    throw Refusal(
                        .roleAssignmentUpdateNotPermitted,
                        "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.")
                }
            } else if try AuthorizationStore.holder(of: assignment, writer.reader) != nil {
                throw Refusal(.roleAssignmentExists, "The role assignment already exists.")
            }
            _ = try AuthorizationStore.put(assignment, in: writer)
            return (assignment, former == nil)
        }
        try call.management.access.reload()
        return await call.finished(
            .json(show(written.value.0), status: written.value.1 ? 201 : 200), revision: written.revision)
    }

    static func delete(_ call: RouteCall) async throws -> Answer {
        let name = call.segments[1]
        let scope = Scope.key(call.scope)
        let id = AuthorizationStore.assignment(name)
        let written = try await call.write(
            resource: "\(call.scope)/providers/Microsoft.Authorization/roleAssignments/\(name)"
        ) {
            writer -> RoleAssignment? in
            guard let row = try writer.reader.get(id), Scope.key(RoleAssignment(row).scope) == scope else { return nil }
            let assignment = RoleAssignment(row)
            try AuthorizationStore.keepAnOwner(without: { $0.name == assignment.name }, in: writer)
            try writer.delete(row.id)
            return assignment
        }
        try call.management.access.reload()
        guard let gone = written.value else { return .empty(204) }
        return await call.finished(.json(show(gone)), revision: written.revision)
    }
}
