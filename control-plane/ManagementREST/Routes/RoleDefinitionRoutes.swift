// Role definitions: built in ones are read, custom ones written by who holds all that they allow.
internal import AccessControl
internal import JSONDocuments
internal import Resources
internal import ResourceStore

enum RoleDefinitionRoutes {
    static func show(_ permission: RolePermission) -> JSONValue {
        let texts = { (values: [String]) in JSONValue.array(values.map(JSONValue.string)) }
        return [
            "actions": texts(permission.actions), "notActions": texts(permission.notActions),
            "dataActions": texts(permission.dataActions), "notDataActions": texts(permission.notDataActions),
        ]
    }

    static func show(_ definition: RoleDefinition) -> JSONValue {
        [
            "id": .string("/providers/Microsoft.Authorization/roleDefinitions/\(definition.name)"),
            "type": "Microsoft.Authorization/roleDefinitions", "name": .string(definition.name),
            "properties": [
                "roleName": .string(definition.roleName), "type": definition.isBuiltIn ? "BuiltInRole" : "CustomRole",
                "description": .string(definition.description),
                "assignableScopes": .array(definition.assignableScopes.map(JSONValue.string)),
                "permissions": .array(definition.permissions.map { show($0) }),
                "createdOn": .string(definition.createdOn),
                "updatedOn": .string(definition.updatedOn), "createdBy": nil, "updatedBy": nil,
            ],
        ]
    }

    /// Whether a definition may be assigned at the scope.
    private static func isVisible(_ definition: RoleDefinition, at scope: String) -> Bool {
        definition.isBuiltIn
            || definition.assignableScopes.contains { Scope.covers($0, scope) || Scope.covers(scope, $0) }
    }

    static func list(_ call: RouteCall) async throws -> Answer {
        let terms = try AuthorizationRoutes.terms(call.option("$filter"))
        let found = call.management.access.directory.definitions.values.filter { definition in
            isVisible(definition, at: call.scope)
                && terms.allSatisfy { term in
                    switch term.name {
                    case "rolename": definition.roleName.lowercased() == term.value.lowercased()
                    case "type": (definition.isBuiltIn ? "builtinrole" : "customrole") == term.value.lowercased()
                    default: true
                    }
                }
        }
        return .json(["value": .array(found.sorted { $0.roleName < $1.roleName }.map(show))])
    }

    static func get(_ call: RouteCall) async throws -> Answer {
        guard let definition = call.management.access.directory.definitions[call.segments[1].lowercased()],
            isVisible(definition, at: call.scope)
        else { throw Refusal(.roleDefinitionDoesNotExist, "The role definition does not exist.") }
        return .json(show(definition))
    }

    private static let actions = Shape.list(.text(1...1000), atMost: 1000)
    private static let properties: [Property] = [
        .required("roleName", .text(1...512)), .optional("description", .text(0...2000)),
        .optional("type", .text(0...100)),
        .required(
            "permissions",
            .list(
                .object([
                    .optional("actions", actions, absent: .value([])),
                    .optional("notActions", actions, absent: .value([])),
                    .optional("dataActions", actions, absent: .value([])),
                    .optional("notDataActions", actions, absent: .value([])),
                    .optional("condition", .any), .optional("conditionVersion", .any),
                ]), atMost: 10)),
        .required("assignableScopes", .list(.text(1...2000), atMost: 100)),
        .readOnly("createdOn"), .readOnly("updatedOn"), .readOnly("createdBy"), .readOnly("updatedBy"),
    ]

    static func put(_ call: RouteCall) async throws -> Answer {
        let name = try AuthorizationRoutes.guid(call).lowercased()
        let directory = call.management.access.directory
        if directory.definitions[name]?.isBuiltIn == true {
            throw call.management.forbidden(call.caller, call.action, AuthorizationRoutes.scopeText(call))
        }
        guard let body = call.body, body.members != nil else {
            throw Refusal(.malformedBody, "The body must be a JSON object.")
        }
        var shape = ShapeReader(isStrict: call.preferences.isStrict)
        let given = shape.object(body["properties"] ?? .emptyObject, properties, at: "properties")
        let row = StoredResource(
            id: AuthorizationStore.definition(name), kind: AccessDirectory.definitionKind, properties: .object(given),
            etag: "",
            created: 0, modified: 0, revision: 0)
        var definition = RoleDefinition(row)
        for scope in definition.assignableScopes where !scope.hasPrefix("/") {
            shape.problems.append(FieldProblem("properties.assignableScopes", "'\(scope.prefix(64))' is no scope."))
        }
        if definition.assignableScopes.isEmpty {
            shape.problems.append(
                FieldProblem("properties.assignableScopes", "'properties.assignableScopes' must not be empty."))
        }
        for permission in definition.permissions {
            for action in permission.actions + permission.notActions where action.filter({ $0 == "*" }).count > 8 {
                shape.problems.append(FieldProblem("properties.permissions", "An action has at most 8 stars."))
            }
        }
        guard shape.problems.isEmpty else { throw Refusal.fields(shape.problems) }
        // One that is there is changed by who may write it wherever it stands now; else a right at one scope would
        // change what others hold at another.
        for scope in directory.definitions[name]?.assignableScopes ?? []
        where !directory.allows(call.caller, call.action, at: scope) {
            throw call.management.forbidden(call.caller, call.action, scope)
        }
        // Written at each scope where it may be assigned, by who holds there all that it allows.
        for scope in definition.assignableScopes {
            guard directory.allows(call.caller, call.action, at: scope),
                directory.isOwner(call.caller, at: scope)
                    || directory.holdsAll(call.caller, of: definition.permissions, at: scope)
                        && !widens(definition, directory, call, scope)
            else { throw call.management.forbidden(call.caller, call.action, scope) }
        }
        definition.name = name
        let wanted = definition
        let written = try await call.write(
            resource: "\(call.scope)/providers/Microsoft.Authorization/roleDefinitions/\(name)"
        ) { writer in
            var definition = wanted
            try refuseTakenName(definition, writer.reader)
            let former = try writer.reader.get(AuthorizationStore.definition(name)).map(RoleDefinition.init)
            let now = Timestamp.text(seconds: writer.now)
            definition.createdOn = former?.createdOn ?? now
            definition.updatedOn = now
            try writer.put(
                AuthorizationStore.definition(name), kind: AccessDirectory.definitionKind, properties: definition.stored
            )
            return definition
        }
        try call.management.access.reload()
        return await call.finished(.json(show(written.value), status: 201), revision: written.revision)
    }

    private static func refuseTakenName(_ definition: RoleDefinition, _ reader: StoreReader) throws {
        let custom = try reader.list(ListQuery(kind: AccessDirectory.definitionKind)).map(RoleDefinition.init)
        let isTaken = (BuiltInRoles.all + custom).contains {
            $0.name != definition.name && $0.roleName.lowercased() == definition.roleName.lowercased()
        }
        if isTaken {
            throw Refusal(
                .roleDefinitionWithSameName, "A role definition with the name '\(definition.roleName)' exists.")
        }
    }

    /// A definition that lets its holders change access is Owner's to write.
    private static func widens(
        _ definition: RoleDefinition, _ directory: AccessDirectory, _ call: RouteCall, _ scope: String
    ) -> Bool {
        definition.changesAccess
    }

    static func delete(_ call: RouteCall) async throws -> Answer {
        let name = call.segments[1].lowercased()
        let directory = call.management.access.directory
        guard let definition = directory.definitions[name] else { return .empty(204) }
        if definition.isBuiltIn {
            throw call.management.forbidden(call.caller, call.action, AuthorizationRoutes.scopeText(call))
        }
        for scope in definition.assignableScopes where !directory.allows(call.caller, call.action, at: scope) {
            throw call.management.forbidden(call.caller, call.action, scope)
        }
        let written = try await call.write(
            resource: "\(call.scope)/providers/Microsoft.Authorization/roleDefinitions/\(name)"
        ) { writer in
            let isUsed = try writer.reader.list(ListQuery(kind: AccessDirectory.assignmentKind))
                .contains { RoleAssignment($0).roleDefinition == name }
            if isUsed {
                throw Refusal(
                    .roleDefinitionHasAssignments,
                    "There are existing role assignments referencing role (code: RoleDefinitionHasAssignments).")
            }
            try writer.delete(AuthorizationStore.definition(name))
        }
        try call.management.access.reload()
        return await call.finished(.json(show(definition)), revision: written.revision)
    }
}
