import AccessControl
import Testing

@Suite struct AccessDirectoryTests {
    private static let service = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ApiManagement/service/x"
    private static let prefix = "Microsoft.ApiManagement/service/"

    @Test(arguments: [
        ("/", "/anything", true), ("", "/anything", true), ("/a", "/a", true), ("/a", "/A/b", true),
        ("/a", "/ab", false),
        ("/a/b", "/a", false), ("/a/", "/a", true), ("/a", "/a/", true), ("/", "/", true), ("/a", "/", false),
    ])
    func G12_scopes_cover_whole_segments(scope: String, resource: String, covered: Bool) {
        #expect(Scope.covers(scope, resource) == covered)
    }

    @Test func G10_someDefinitionMustGrantAndNotExclude() async throws {
        let action = Self.prefix + "subscriptions/listSecrets/action"
        let directory = try await DirectorySample.make(
            roles: [.init(name: "all", actions: ["*"], notActions: [action]), .init(name: "one", actions: [action])],
            assignments: [
                ("a", "all", "/"), ("b", "all", "/"), ("b", "one", "/"), ("c", "one", Self.service + "/apis/x"),
                ("d", "gone", "/"), ("grp", "one", "/"),
            ])
        func allows(_ name: String, _ scope: String = AccessDirectoryTests.service, groups: [String] = []) -> Bool {
            directory.allows(DirectorySample.caller(name, groups: groups), action, at: scope)
        }
        #expect(!allows("a") && allows("b") && !allows("c") && allows("c", Self.service + "/apis/x/operations/o"))
        #expect(!allows("d") && !allows("nobody") && !allows(""))
        #expect(allows("x", groups: ["GRP"]) && !allows("x", groups: ["other"]))
    }

    @Test func readersSeeNoSecret() async throws {
        let directory = try await DirectorySample.make(assignments: [("r", BuiltInRoles.reader, "/")])
        let reader = DirectorySample.caller("r")
        #expect(directory.allows(reader, Self.prefix + "apis/read", at: Self.service))
        for action in ["apis/write", "apis/delete", "subscriptions/listSecrets/action", "namedValues/listValue/action"]
        {
            #expect(!directory.allows(reader, Self.prefix + action, at: Self.service))
        }
    }

    @Test func G16_and_G18_who_may_grant_what() async throws {
        let authorization = "Microsoft.Authorization/"
        let directory = try await DirectorySample.make(
            roles: [
                .init(name: "apis", actions: [Self.prefix + "apis/*"]),
                .init(name: "apisRead", actions: [Self.prefix + "apis/read"]),
                .init(name: "most", actions: ["*"], notActions: [Self.prefix + "users/*"]),
                .init(name: "mostToo", actions: ["*"], notActions: [Self.prefix + "users/*", "x/*"]),
                .init(name: "users", actions: [Self.prefix + "users/read"]),
                .init(name: "data", actions: [], dataActions: ["*"]),
                .init(name: "grants", actions: [authorization + "roleAssignments/write"]),
                .init(name: "odd", actions: ["*/write"]),
                .init(name: "none", actions: []),
            ],
            assignments: [
                ("owner", BuiltInRoles.owner, "/"), ("uaa", BuiltInRoles.userAccessAdministrator, "/"),
                ("rbac", BuiltInRoles.accessControlAdministrator, Self.service), ("apis", "apis", Self.service),
                ("most", "most", "/"),
            ])
        func grants(_ who: String, _ role: String, _ scope: String = AccessDirectoryTests.service) -> Bool {
            guard let definition = directory.definitions[role] else { return false }
            return directory.mayGrant(DirectorySample.caller(who), definition, at: scope)
        }
        for role in directory.definitions.keys { #expect(grants("owner", role), "\(role)") }
        // Administrators of roles: everything that does not change access.
        for who in ["uaa", "rbac"] {
            for role in ["apis", "apisRead", "users", "none", BuiltInRoles.reader, BuiltInRoles.contributor] {
                #expect(grants(who, role))
            }
            for role in [
                BuiltInRoles.owner, BuiltInRoles.userAccessAdministrator, BuiltInRoles.accessControlAdministrator,
                "grants", "odd", "most",
            ] { #expect(!grants(who, role), "\(who) \(role)") }
        }
        #expect(!grants("rbac", "apis", "/"))
        // Others: what they hold at the scope.
        #expect(grants("apis", "apis") && grants("apis", "apisRead") && grants("apis", "none"))
        #expect(grants("apis", "apisRead", Self.service + "/apis/x") && !grants("apis", "apisRead", "/"))
        for role in ["users", "data", "grants", "odd", BuiltInRoles.reader] {
            #expect(!grants("apis", role), "\(role)")
        }
        // notActions of mine are no more than what the granted role leaves out, too.
        #expect(!grants("most", "users") && !grants("most", "most"), "it changes access: only Owner grants it")
        let caller = DirectorySample.caller("most")
        func holds(_ role: String) -> Bool {
            directory.holdsAll(caller, of: directory.definitions[role]?.permissions ?? [], at: "/")
        }
        #expect(holds("most") && holds("mostToo") && holds("apis") && !holds("users") && !holds(BuiltInRoles.owner))
        #expect(!holds("data"))
    }

    @Test func aCallerCoversAPrincipalWhoseRightsItHolds() async throws {
        let directory = try await DirectorySample.make(
            roles: [.init(name: "apis", actions: [Self.prefix + "apis/*"])],
            assignments: [
                ("owner", BuiltInRoles.owner, "/"), ("apis", "apis", Self.service),
                ("part", "apis", Self.service + "/apis/x"), ("dead", "gone", "/"),
            ], principals: ["owner", "apis", "part", "bare", "dead"])
        func covers(_ who: String, _ principal: String) throws -> Bool {
            directory.covers(
                DirectorySample.caller(who), try #require(directory.principal(object: principal)))
        }
        for name in ["owner", "apis", "part", "bare", "dead"] { #expect(try covers("owner", name)) }
        #expect(try covers("apis", "part") && covers("apis", "apis") && covers("apis", "bare"))
        #expect(try !covers("part", "apis") && !covers("apis", "owner") && covers("part", "bare"))
        #expect(directory.principal(client: "CLIENT-OWNER")?.objectID == "owner")
        #expect(directory.principal(client: "client-none") == nil && directory.principal(object: "") == nil)
    }

    @Test func builtInRolesAreAsTheReferenceHasThem() {
        #expect(BuiltInRoles.all.count == 15 && Set(BuiltInRoles.all.map(\.name)).count == 15)
        #expect(BuiltInRoles.all.allSatisfy { $0.isBuiltIn && $0.assignableScopes == ["/"] })
        #expect(BuiltInRoles.all.allSatisfy { $0.permissions.allSatisfy { $0.dataActions.isEmpty } })
        let changing = BuiltInRoles.all.filter(\.changesAccess).map(\.roleName)
        #expect(changing.contains("Owner") && changing.contains("User Access Administrator"))
        #expect(changing.contains("Role Based Access Control Administrator") && !changing.contains("Reader"))
        #expect(!changing.contains("Contributor"))
    }
}
