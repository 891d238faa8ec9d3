// Rights while they change, scopes of APIs and their revisions, and what a right at one place shows of another.
import AccessControl
import Foundation
import JSONDocuments
import ResourceStore
import Synchronization
import Testing
import WebClient

@testable import ManagementREST

private final class Flag: Sendable {
    private let value = Mutex(false)
    var isSet: Bool { value.withLock { $0 } }
    func set(_ new: Bool) { value.withLock { $0 = new } }
}

@Suite struct RightsTests {
    private static let service = LiveManagement.serviceID

    @Test func G7_no_request_behind_the_answer_has_the_former_right() async throws {
        try await LiveManagement.run { live in
            let caller = try await live.caller("c", [])
            let name = UUID().uuidString.lowercased()
            let isGone = Flag()
            for _ in 0..<5 {
                let made = try await live.assign(
                    BuiltInRoles.reader, to: caller.objectID, at: Self.service, by: live.owner, name: name)
                #expect(made.status == 201)
                isGone.set(false)
                try await withThrowingTaskGroup(of: Bool.self) { group in
                    for _ in 0..<4 {
                        group.addTask {
                            // Asks without a pause; what was begun behind the answer must be refused.
                            for _ in 0..<30 {
                                let wasGone = isGone.isSet
                                let status = try await live.send("GET", "/apis", by: caller).status
                                if wasGone ? status != 403 : ![200, 403].contains(status) { return false }
                            }
                            return true
                        }
                    }
                    group.addTask {
                        let gone = try await live.authorization(
                            "DELETE", Self.service, "roleAssignments/\(name)", by: live.owner)
                        isGone.set(true)
                        return gone.status == 200
                    }
                    for try await holds in group { #expect(holds) }
                }
            }
        }
    }

    @Test func G7_a_roles_new_content_and_a_principals_end_count_at_once() async throws {
        try await LiveManagement.run { live in
            let role = UUID().uuidString.lowercased()
            func define(_ action: String) async throws -> Int {
                try await live.authorization(
                    "PUT", Self.service, "roleDefinitions/\(role)",
                    [
                        "roleName": "changing", "assignableScopes": [.string(Self.service)],
                        "permissions": [["actions": [.string("Microsoft.ApiManagement/service/\(action)")]]],
                    ], by: live.owner
                ).status
            }
            #expect(try await define("apis/read") == 201)
            let caller = try await live.caller("c", [(role, Self.service)])
            #expect(try await live.send("GET", "/apis", by: caller).status == 200)
            #expect(try await define("groups/read") == 201)
            #expect(try await live.send("GET", "/apis", by: caller).status == 403)
            #expect(try await live.send("GET", "/groups", by: caller).status == 200)
            // A rotation ends the secret, not the tokens; the end of the principal ends them all.
            #expect(try await live.send("POST", "/gatehouse/principals/c/rotateSecret").status == 200)
            #expect(try await live.send("GET", "/groups", by: caller).status == 200)
            #expect(try await live.send("DELETE", "/gatehouse/principals/c").status == 200)
            #expect(try await live.send("GET", "/groups", by: caller).code == "InvalidAuthenticationToken")
        }
    }

    @Test func G8_a_federation_that_is_named_anew_begins_without_rights() async throws {
        try await LiveManagement.run { live in
            let properties: JSONValue = [
                "displayName": "p",
                "federated": [["issuer": "https://i.example", "subject": "s", "audience": "a"]],
            ]
            func object() -> String? {
                live.management.access.directory.principal(issuer: "https://i.example", subject: "s", audiences: ["a"])?
                    .objectID
            }
            let made = try await live.put("/gatehouse/principals/p", properties).json
            let old = try #require(made[path: "properties.objectId"]?.text)
            #expect(object() == old)
            #expect(try await live.assign(BuiltInRoles.owner, to: old, at: "/", by: live.owner).status == 201)
            let principal = try #require(live.management.access.directory.principal(object: old))
            let token = try live.management.issuer.token(
                for: principal, audience: "https://management.azure.com", now: Date())
            let former = TestCaller(name: "p", objectID: old, clientID: "", token: token)
            #expect(try await live.send("GET", "/apis", by: former).status == 200)
            #expect(try await live.send("DELETE", "/gatehouse/principals/p").status == 200)
            #expect(object() == nil)
            #expect(try await live.send("GET", "/apis", by: former).status == 401)
            try await live.put("/gatehouse/principals/p", properties)
            let new = try #require(object())
            #expect(new != old)
            let who = Caller(objectID: new, applicationID: "", name: "")
            #expect(live.management.access.directory.permissions(of: who, at: Self.service).isEmpty)
            #expect(try await live.send("GET", "/apis", by: former).status == 401)
        }
    }

    @Test func G12_a_description_is_for_who_may_read_its_api() async throws {
        try await LiveManagement.run { live in
            for name in ["a", "b"] {
                try await live.put("/apis/\(name)", ["displayName": .string(name), "path": .string(name)])
            }
            let reader = try await live.caller("reader", [(BuiltInRoles.reader, Self.service + "/apis/a")])
            let beside = try await live.caller("beside", [(BuiltInRoles.reader, Self.service + "/gatehouse")])
            let query = "?format=openapi%2Bjson-link"
            #expect(try await live.send("GET", "/gatehouse/exports/a\(query)", by: reader).status == 200)
            #expect(try await live.send("GET", "/gatehouse/exports/b\(query)", by: reader).status == 403)
            #expect(try await live.send("GET", "/gatehouse/exports/a\(query)", by: beside).status == 403)
        }
    }

    @Test func G13_one_api_is_one_scope_whatever_revision_is_named() async throws {
        try await LiveManagement.run { live in
            for name in ["a", "b"] {
                try await live.put("/apis/\(name)", ["displayName": .string(name), "path": .string(name)])
            }
            let body: JSONValue = ["properties": ["displayName": "x", "path": "x"]]
            let caller = try await live.caller("c", [(BuiltInRoles.contributor, Self.service + "/apis/a")])
            func status(_ method: String, _ path: String) async throws -> Int {
                try await live.send(method, path, method == "PUT" ? body : nil, by: caller).status
            }
            // Allowed, and then told that revisions are not built.
            #expect(try await status("PUT", "/apis/a;rev=2") == 501)
            #expect(try await status("PUT", "/apis/a%3Brev%3D2/operations/o") == 501)
            #expect(try await status("GET", "/apis/A;REV=2") == 501)
            #expect(try await status("GET", "/apis/b;rev=1") == 403)
            #expect(try await status("GET", "/apis/b;rev=x") == 403)
            for path in ["/apis/a;rev=2;rev=3", "/apis/a;rev=x", "/apis/a;rev=", "/apis/a;rev=-1", "/apis/a;rev=1%2e0"]
            {
                let answer = try await live.send("GET", path, by: caller)
                #expect(answer.status == 400 && answer.targets == ["id"], "\(path): \(answer.text)")
            }
            let assigned = try await live.assign(
                BuiltInRoles.reader, to: caller.objectID, at: Self.service + "/apis/a;rev=2", by: live.owner)
            #expect(assigned.status == 400 && assigned.targets == ["scope"], "\(assigned.text)")
        }
    }

    @Test func G17_a_definition_is_changed_by_who_may_write_it_wherever_it_stands() async throws {
        try await LiveManagement.run { live in
            let writes = try await live.role(["Microsoft.Authorization/roleDefinitions/write"])
            let apis = try await live.role(["Microsoft.ApiManagement/service/apis/*"])
            let caller = try await live.caller("c", [(writes, Self.service), (apis, Self.service)])
            func put(_ name: String, title: String, by who: TestCaller, scope: String) async throws -> TestAnswer {
                try await live.authorization(
                    "PUT", Self.service, "roleDefinitions/\(name)",
                    [
                        "roleName": .string(title), "assignableScopes": [.string(scope)],
                        "permissions": [["actions": ["Microsoft.ApiManagement/service/apis/read"]]],
                    ], by: who)
            }
            let wide = UUID().uuidString.lowercased()
            #expect(try await put(wide, title: "W", by: live.owner, scope: "/").status == 201)
            // Its holders at other scopes would lose it.
            #expect(try await put(wide, title: "W", by: caller, scope: Self.service).status == 403)
            #expect(live.management.access.directory.definitions[wide]?.assignableScopes == ["/"])
            let mine = UUID().uuidString.lowercased()
            #expect(try await put(mine, title: "R", by: caller, scope: Self.service).status == 201)
            for title in ["Owner", "owner", "W"] {
                let renamed = try await put(mine, title: title, by: caller, scope: Self.service)
                #expect(renamed.status == 409 && renamed.code == "RoleDefinitionWithSameNameExists", "\(title)")
            }
            #expect(live.management.access.directory.definitions[mine]?.roleName == "R")
            // Of two that take one name at once, one gets it.
            let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        try await put(
                            UUID().uuidString.lowercased(), title: "same", by: live.owner, scope: Self.service
                        ).status
                    }
                }
                var counts: [Int: Int] = [:]
                for try await status in group { counts[status, default: 0] += 1 }
                return counts
            }
            #expect(statuses == [201: 1, 409: 7])
        }
    }

    @Test func G20_a_list_is_given_whole_or_not_at_all() async throws {
        try await LiveManagement.run { live in
            try await live.put("/apis/a", ["displayName": "a", "path": "a"])
            let reader = try await live.caller("r", [(BuiltInRoles.reader, Self.service + "/apis/a")])
            let filter = RequestTarget.encode("name eq 'a'")
            for path in ["/apis", "/apis?$filter=\(filter)", "/apis?$top=1", "/tagResources", "/apis/a/products/x"] {
                #expect(try await live.send("GET", path, by: reader).status != 200, "\(path)")
            }
            #expect(try await live.send("GET", "/apis", by: reader).status == 403)
            #expect(try await live.send("GET", "/apis/a/operations", by: reader).status == 200)
        }
    }

    @Test func G20_the_answer_of_a_write_shows_what_its_writer_may_read() async throws {
        try await LiveManagement.run { live in
            try await live.put("/users/u", ["firstName": "f", "lastName": "l", "email": "private@u.example"])
            try await live.put("/groups/g", ["displayName": "hidden-group"])
            #expect(try await live.send("PUT", "/groups/g/users/u").status == 201)
            let role = try await live.role([
                "Microsoft.ApiManagement/service/subscriptions/write", "Microsoft.ApiManagement/service/users/write",
            ])
            let writer = try await live.caller("w", role: role)
            let body: JSONValue = ["properties": ["displayName": "s", "scope": "/apis", "ownerId": "/users/u"]]
            let made = try await live.send("PUT", "/subscriptions/s", body, by: writer)
            #expect(made.status == 201 && !made.text.contains("private@u.example"), "\(made.text)")
            let user: JSONValue = ["properties": ["firstName": "f", "lastName": "l", "email": "private@u.example"]]
            let put = try await live.send("PUT", "/users/u", user, by: writer)
            #expect(put.status == 200 && !put.text.contains("hidden-group"), "\(put.text)")
            let shown = try await live.send("PUT", "/subscriptions/s", body)
            #expect(shown.json[path: "properties.user.email"] == "private@u.example")
            #expect(try await live.send("PUT", "/users/u", user).text.contains("hidden-group"))
        }
    }

    @Test func G36_what_an_import_drops_takes_its_assignments_along() async throws {
        try await LiveManagement.run { live in
            func describe(_ operation: String) async throws -> Int {
                let text =
                    "{\"openapi\":\"3.0.1\",\"info\":{\"title\":\"T\",\"version\":\"1\"},\"paths\":{\"/x\":{\"get\":"
                    + "{\"operationId\":\"\(operation)\",\"responses\":{\"200\":{\"description\":\"x\"}}}}}}"
                let body: JSONValue = ["properties": ["path": "a", "format": "openapi+json", "value": .string(text)]]
                return try await live.send("PUT", "/apis/a", body).status
            }
            #expect(try await describe("one") == 201)
            let scope = "\(Self.service)/apis/a/operations/one"
            let caller = try await live.caller("c", [(BuiltInRoles.reader, scope)])
            #expect(try await live.send("GET", "/apis/a/operations/one", by: caller).status == 200)
            #expect(try await describe("two") == 200)
            #expect(!live.management.access.directory.assignments.contains { $0.scope == scope })
            #expect(try await describe("one") == 200)
            #expect(try await live.send("GET", "/apis/a/operations/one", by: caller).status == 403)
        }
    }

    @Test func G36_an_api_and_a_named_value_of_an_old_name_have_nothing_of_it() async throws {
        try await LiveManagement.run { live in
            let star = [WebField("If-Match", "*")]
            let policy: JSONValue = [
                "format": "rawxml",
                "value":
                    "<policies><inbound><set-header name=\"old\"><value>x</value></set-header></inbound></policies>",
            ]
            try await live.put("/apis/a", ["displayName": "a", "path": "a"])
            try await live.put("/apis/a/operations/o", ["displayName": "o", "method": "GET", "urlTemplate": "/"])
            try await live.put("/apis/a/policies/policy", policy)
            try await live.put("/namedValues/n", ["displayName": "n", "secret": true, "value": "old-secret"])
            let scopes = ["/apis/a", "/apis/a/operations/o", "/namedValues/n"].map { Self.service + $0 }
            let caller = try await live.caller("c", scopes.map { (BuiltInRoles.contributor, $0) })
            for path in ["/apis/a", "/namedValues/n"] {
                let gone = try await live.send("DELETE", path, fields: star)
                #expect([200, 202].contains(gone.status), "\(path)")
            }
            try await live.put("/apis/a", ["displayName": "a", "path": "b"])
            let bare = try await live.send(
                "PUT", "/namedValues/n", ["properties": ["displayName": "n", "secret": true]])
            #expect(bare.status == 400 && bare.targets == ["properties.value"], "the old value is gone")
            try await live.put("/namedValues/n", ["displayName": "n", "secret": true, "value": "new"])
            #expect(try await live.send("GET", "/apis/a/operations").names == [])
            #expect(try await live.send("GET", "/apis/a/policies/policy").status == 404)
            #expect(try await live.send("POST", "/namedValues/n/listValue").json["value"] == "new")
            for path in ["/apis/a", "/namedValues/n"] {
                #expect(try await live.send("GET", path, by: caller).status == 403, "\(path)")
            }
        }
    }
}
