// Who may give which role to whom, over HTTP.
import AccessControl
import Foundation
import JSONDocuments
import ResourceStore
import Testing

@testable import ManagementREST

@Suite struct GrantTests {
    private static let service = LiveManagement.serviceID
    private static let prefix = "Microsoft.ApiManagement/service/"

    @Test func G10_notActions_subtract_inside_their_definition_only() async throws {
        try await LiveManagement.run { live in
            for name in ["s1", "s2"] {
                try await live.put("/subscriptions/\(name)", ["displayName": .string(name), "scope": "/apis"])
            }
            let action = Self.prefix + "subscriptions/listSecrets/action"
            let all = try await live.role(["*"], not: [action])
            let one = try await live.role([action])
            let first = try await live.caller("a", role: all)
            let both = try await live.caller("ab", [(all, Self.service), (one, Self.service)])
            let part = try await live.caller("b", [(one, Self.service + "/subscriptions/s2")])
            var found: [Int] = []
            for (caller, name) in [(first, "s1"), (both, "s1"), (part, "s2"), (part, "s1")] {
                found.append(try await live.send("POST", "/subscriptions/\(name)/listSecrets", by: caller).status)
            }
            #expect(found == [403, 200, 200, 403])
        }
    }

    @Test func G16_nobody_grants_what_they_do_not_hold() async throws {
        try await LiveManagement.run { live in
            let grants = try await live.role(["Microsoft.Authorization/roleAssignments/write"])
            let contributor = "312a565d-c81f-4fd8-895a-4e21e48d571c"
            let caller = try await live.caller("c", [(grants, Self.service), (contributor, Self.service)])
            let held = try await live.role([Self.prefix + "subscriptions/listSecrets/action"])
            let more = try await live.role(["Microsoft.Compute/*"])
            let before = live.store.revision
            let audited = try await live.audit().count
            for (role, scope) in [
                (BuiltInRoles.owner, Self.service), (BuiltInRoles.contributor, Self.service), (more, Self.service),
                (BuiltInRoles.reader, "/"), (held, "/subscriptions/s0"),
                (BuiltInRoles.userAccessAdministrator, Self.service),
            ] {
                let answer = try await live.assign(role, to: caller.objectID, at: scope, by: caller)
                #expect(answer.status == 403 && answer.code == "AuthorizationFailed", "\(role) \(scope)")
            }
            #expect(live.store.revision == before)
            #expect(try await live.audit().count == audited + 6)
            #expect(try await live.assign(held, to: caller.objectID, at: Self.service, by: caller).status == 201)
            #expect(
                try await live.assign(held, to: "someone", at: Self.service + "/apis/a", by: caller).status == 201)
        }
    }

    @Test func G17_a_definition_cannot_grow_past_its_author() async throws {
        try await LiveManagement.run { live in
            let writes = try await live.role(["Microsoft.Authorization/roleDefinitions/write"])
            let apis = try await live.role([Self.prefix + "apis/*"])
            let caller = try await live.caller("c", [(writes, Self.service), (apis, Self.service)])
            let name = UUID().uuidString.lowercased()
            func put(
                _ name: String, _ actions: [JSONValue], scopes: [JSONValue] = [.string(GrantTests.service)],
                data: [JSONValue] = [], title: String = "R", by caller: TestCaller
            ) async throws -> TestAnswer {
                try await live.authorization(
                    "PUT", Self.service, "roleDefinitions/\(name)",
                    [
                        "roleName": .string(title), "assignableScopes": .array(scopes),
                        "permissions": [["actions": .array(actions), "dataActions": .array(data)]],
                    ], by: caller)
            }
            let read: JSONValue = .string(Self.prefix + "apis/read")
            #expect(try await put(name, [read], by: caller).status == 201)
            let before = live.management.access.directory.definitions[name]
            #expect(try await put(name, ["*"], by: caller).status == 403)
            #expect(try await put(name, ["Microsoft.Authorization/*"], by: caller).status == 403)
            #expect(try await put(name, [read], scopes: ["/"], by: caller).status == 403)
            #expect(try await put(name, [read], scopes: [.string(Self.service), "/"], by: caller).status == 403)
            #expect(try await put(name, [read], data: ["*"], by: caller).status == 403)
            #expect(try await put(BuiltInRoles.reader, [read], by: live.owner).status == 403)
            #expect(live.management.access.directory.definitions[name]?.permissions == before?.permissions)
            let other = UUID().uuidString.lowercased()
            let twin = try await put(other, [read], title: "OWNER", by: live.owner)
            #expect(twin.status == 409 && twin.code == "RoleDefinitionWithSameNameExists")
            let stars: JSONValue = .string(String(repeating: "*a", count: 300))
            #expect(try await put(other, [stars], title: "S", by: live.owner).status == 400)
            #expect(try await put("no-guid", [read], title: "S", by: live.owner).status == 400)
            #expect(try await put(other, [read], scopes: ["x"], title: "S", by: live.owner).status == 400)
            #expect(try await put(other, [read], scopes: [], title: "S", by: live.owner).status == 400)
        }
    }

    @Test func G18_the_administrators_of_roles_cannot_make_themselves_owner() async throws {
        try await LiveManagement.run { live in
            let administrator = try await live.caller("uaa", [(BuiltInRoles.userAccessAdministrator, "/")])
            let writes = try await live.role(["Microsoft.Authorization/*/write"])
            for role in [
                BuiltInRoles.owner, BuiltInRoles.userAccessAdministrator, BuiltInRoles.accessControlAdministrator,
                writes,
            ] {
                let answer = try await live.assign(role, to: administrator.objectID, at: "/", by: administrator)
                #expect(answer.status == 403, "\(role)")
            }
            let reader = try await live.assign(
                BuiltInRoles.reader, to: administrator.objectID, at: Self.service, by: administrator)
            #expect(reader.status == 201)
            // The last Owner stays, whoever asks.
            let first = try #require(
                live.management.access.directory.assignments(of: BuiltInRoles.owner).first { $0.scope == "/" })
            func drop(_ name: String, by caller: TestCaller) async throws -> Int {
                try await live.authorization("DELETE", "", "roleAssignments/\(name)", by: caller).status
            }
            #expect(try await drop(first.name, by: administrator) == 409)
            #expect(try await drop(first.name, by: live.owner) == 409)
            #expect(try await live.send("DELETE", "/gatehouse/principals/owner").status == 409)
            // An Owner of a part is no other Owner.
            _ = try await live.caller("part", [(BuiltInRoles.owner, Self.service)])
            #expect(try await drop(first.name, by: live.owner) == 409)
            let second = try await live.caller("second", [(BuiltInRoles.owner, "/")])
            let third = try await live.caller("third", [(BuiltInRoles.owner, "/")])
            #expect(try await drop(first.name, by: administrator) == 200)
            #expect(try await live.send("GET", "/apis").status == 403)
            let own = live.management.access.directory.assignments(of: BuiltInRoles.owner)
            let seconds = try #require(own.first { $0.principalID == second.objectID })
            let thirds = try #require(own.first { $0.principalID == third.objectID })
            #expect(try await drop(seconds.name, by: second) == 200)
            #expect(try await drop(thirds.name, by: third) == 409)
        }
    }

    @Test func G8_a_deleted_principals_rights_never_come_back() async throws {
        try await LiveManagement.run { live in
            let properties: JSONValue = ["displayName": "p", "objectId": "chosen", "clientId": "chosen"]
            let made = try await live.put("/gatehouse/principals/p", properties).json
            let object = try #require(made[path: "properties.objectId"]?.text)
            #expect(object != "chosen" && made[path: "properties.clientId"] != "chosen")
            #expect(made[path: "properties.tenantId"]?.text == LiveManagement.tenantID)
            #expect(try await live.assign(BuiltInRoles.owner, to: object, at: "/", by: live.owner).status == 201)
            let before = live.store.revision
            #expect(try await live.send("DELETE", "/gatehouse/principals/p").status == 200)
            #expect(live.store.revision == before + 1)
            #expect(!live.management.access.directory.assignments.contains { $0.principalID == object })
            let again = try await live.put("/gatehouse/principals/p", properties).json
            #expect(again[path: "properties.objectId"]?.text != object)
        }
    }

    @Test func nobodyTouchesTheCredentialsOfWhoHoldsMore() async throws {
        try await LiveManagement.run { live in
            let people = try await live.role(["Microsoft.Authorization/principals/*"])
            let caller = try await live.caller("c", role: people)
            let reader = try await live.put("/gatehouse/principals/r", ["displayName": "r"]).json
            let object = try #require(reader[path: "properties.objectId"]?.text)
            #expect(try await live.send("POST", "/gatehouse/principals/r/rotateSecret", by: caller).status == 200)
            #expect(
                try await live.assign(BuiltInRoles.reader, to: object, at: Self.service, by: live.owner).status == 201)
            let body: JSONValue = [
                "properties": [
                    "displayName": "r",
                    "federated": [["issuer": "https://i.example", "subject": "s", "audience": "a"]],
                ]
            ]
            for name in ["r", "owner"] {
                let path = "/gatehouse/principals/\(name)"
                #expect(try await live.send("POST", "\(path)/rotateSecret", by: caller).status == 403)
                #expect(try await live.send("PUT", path, body, by: caller).status == 403)
                #expect(try await live.send("DELETE", path, by: caller).status == 403)
            }
            // Nor is there a second way to the same credential.
            #expect(try await live.send("PUT", "/gatehouse/principals/r", body).status == 200)
            let twin = try await live.send("PUT", "/gatehouse/principals/twin", body, by: caller)
            #expect(twin.status == 400 && twin.targets == ["properties.federated"])
        }
    }

    @Test func assignmentsAreOneToAPrincipalRoleAndScopeAndNeverMove() async throws {
        try await LiveManagement.run { live in
            let name = UUID().uuidString.lowercased()
            let scope = Self.service
            let first = try await live.assign(BuiltInRoles.reader, to: "someone", at: scope, by: live.owner, name: name)
            #expect(first.status == 201 && first.json[path: "properties.scope"]?.text == scope)
            let same = try await live.assign(BuiltInRoles.reader, to: "SOMEONE", at: scope, by: live.owner, name: name)
            #expect(same.status == 200)
            let twin = try await live.assign(BuiltInRoles.reader, to: "someone", at: scope, by: live.owner)
            #expect(twin.status == 409 && twin.code == "RoleAssignmentExists")
            let moved = try await live.assign(BuiltInRoles.reader, to: "other", at: scope, by: live.owner, name: name)
            #expect(moved.status == 400 && moved.code == "RoleAssignmentUpdateNotPermitted")
            let missing = try await live.assign(UUID().uuidString, to: "someone", at: scope, by: live.owner)
            #expect(missing.status == 404 && missing.code == "RoleDefinitionDoesNotExist")
            let stranger = try await live.authorization(
                "PUT", scope, "roleAssignments/\(UUID().uuidString)",
                ["roleDefinitionId": .string("/x/\(BuiltInRoles.reader)"), "principalId": "nobody"], by: live.owner)
            #expect(stranger.status == 400 && stranger.code == "PrincipalNotFound")
            let condition = try await live.authorization(
                "PUT", scope, "roleAssignments/\(UUID().uuidString)",
                [
                    "roleDefinitionId": .string("/x/\(BuiltInRoles.reader)"), "principalId": "x",
                    "principalType": "User", "condition": "true",
                ], by: live.owner)
            #expect(condition.status == 400 && condition.targets == ["properties.condition"])
            let gone = try await live.authorization("DELETE", scope, "roleAssignments/\(name)", by: live.owner)
            #expect(gone.status == 200 && gone.json["name"]?.text == name)
            let again = try await live.authorization("DELETE", scope, "roleAssignments/\(name)", by: live.owner)
            #expect(again.status == 204)
        }
    }

    @Test func aRoleInUseStays() async throws {
        try await LiveManagement.run { live in
            let role = try await live.role(["*/read"])
            #expect(try await live.assign(role, to: "someone", at: "/", by: live.owner).status == 201)
            let used = try await live.authorization("DELETE", "", "roleDefinitions/\(role)", by: live.owner)
            #expect(used.status == 400 && used.code == "RoleDefinitionHasAssignments")
            let builtIn = try await live.authorization(
                "DELETE", "", "roleDefinitions/\(BuiltInRoles.reader)", by: live.owner)
            #expect(builtIn.status == 403)
        }
    }

    @Test func listsOfAuthorizationAreFiltered() async throws {
        try await LiveManagement.run { live in
            let caller = try await live.caller("c", [(BuiltInRoles.reader, Self.service + "/apis/a")])
            func names(_ scope: String, _ path: String, _ filter: String) async throws -> [String] {
                let answer = try await live.root(
                    "GET",
                    "\(scope)/providers/Microsoft.Authorization/\(path)?api-version=2022-04-01&$filter=\(RequestTarget.encode(filter))",
                    by: live.owner)
                #expect(answer.status == 200, "\(answer.text)")
                return (answer.json["value"]?.items ?? []).compactMap {
                    ($0[path: "properties.principalId"] ?? $0[path: "properties.roleName"])?.text
                }
            }
            #expect(try await names("", "roleAssignments", "principalId eq '\(caller.objectID)'") == [caller.objectID])
            #expect(try await names("", "roleAssignments", "atScope()") == [live.owner.objectID])
            #expect(
                try await names(Self.service, "roleAssignments", "atScope() and assignedTo('\(caller.objectID)')") == []
            )
            #expect(try await names("", "roleDefinitions", "roleName eq 'reader'") == ["Reader"])
            #expect(try await names("", "roleDefinitions", "type eq 'BuiltInRole'").count == 15)
            let permissions = try await live.authorization(
                "GET", Self.service + "/apis/a", "permissions", by: caller)
            #expect(permissions.json["value"]?.items?.first?["actions"] == ["*/read"])
            for filter in ["nonsense", "principalId ne 'x'", "roleName eq 'x' or type eq 'y'"] {
                let answer = try await live.root(
                    "GET",
                    "/providers/Microsoft.Authorization/roleDefinitions?api-version=2022-04-01&$filter=\(RequestTarget.encode(filter))",
                    by: live.owner)
                #expect(answer.status == 400, "\(filter)")
            }
        }
    }
}
