// Every route against nobody, against a principal without roles, and against each built-in role.
import AccessControl
import Foundation
import JSONDocuments
import Testing
import WebClient

@testable import ManagementREST

@Suite struct RoutePermissionTests {
    private static let routes = RouteTable.service + RouteTable.authorization

    /// The path of a route with a name in each place of a parameter.
    private static func path(_ route: Route) -> String {
        route.path.map { part in
            switch part {
            case .word(let word): "/\(word)"
            case .parameter: "/00000000-0000-0000-0000-000000000000"
            }
        }.joined()
    }

    private static func request(
        _ route: Route, _ live: LiveManagement, by caller: TestCaller?
    ) async throws -> TestAnswer {
        let isService = RouteTable.service.contains { $0.name == route.name }
        let base = isService ? LiveManagement.serviceID : "/providers/Microsoft.Authorization"
        let version = isService ? "2024-05-01" : "2022-04-01"
        let takesBody = [RouteMethod.put, .patch, .post].contains(route.method)
        return try await live.root(
            route.method.rawValue, "\(base)\(path(route))?api-version=\(version)", takesBody ? Array("{}".utf8) : nil,
            by: caller, fields: takesBody ? [WebField("Content-Type", "application/json")] : [])
    }

    @Test func G2_without_a_token_every_route_is_401() async throws {
        try await LiveManagement.run { live in
            for route in Self.routes {
                let answer = try await Self.request(route, live, by: nil)
                #expect(answer.status == 401, "\(route.name)")
                #expect(answer.head["WWW-Authenticate"]?.hasPrefix("Bearer ") == true, "\(route.name)")
                if route.method != .head { #expect(answer.code == "AuthenticationFailed", "\(route.name)") }
            }
        }
    }

    @Test func G2_what_is_open_is_what_the_list_says() async throws {
        try await LiveManagement.run { live in
            let tenant = LiveManagement.tenantID
            var open: [String] = []
            for path in [
                "/healthz", "/readyz", "/metadata/endpoints", "/\(tenant)/v2.0/.well-known/openid-configuration",
                "/\(tenant)/discovery/v2.0/keys", "/metrics", "/", "/subscriptions", "/tenants",
                "/\(tenant)/v2.0/nothing", LiveManagement.serviceID, "/healthz/x", "/other/discovery/v2.0/keys",
            ] where try await live.root("GET", path, by: nil).status != 401 { open.append(path) }
            #expect(
                open == [
                    "/healthz", "/readyz", "/metadata/endpoints", "/\(tenant)/v2.0/.well-known/openid-configuration",
                    "/\(tenant)/discovery/v2.0/keys",
                ])
            let ready = try await live.root("GET", "/readyz", by: nil)
            #expect(ready.text == "ok")
            // The same in other spellings opens no more.
            for path in ["/%68ealthz/../metrics", "/metrics/", "//metrics", "/METRICS", "/metrics;x"] {
                #expect(try await live.root("GET", path, by: nil).status == 401, "\(path)")
            }
        }
    }

    @Test func G1_without_a_role_every_route_is_403_whatever_is_there() async throws {
        try await LiveManagement.run { live in
            let nobody = try await live.caller("nobody", [])
            for route in Self.routes {
                let answer = try await Self.request(route, live, by: nobody)
                #expect(answer.status == 403, "\(route.name)")
                guard route.method != .head else { continue }
                #expect(answer.code == "AuthorizationFailed", "\(route.name)")
                #expect(answer.message.contains(nobody.objectID), "\(route.name)")
                if case .action(let action) = route.permission {
                    #expect(answer.message.contains("'\(action)'"), "\(route.name)")
                }
            }
        }
    }

    @Test func G1_the_built_in_roles_open_what_the_golden_table_says() async throws {
        try await LiveManagement.run { live in
            var callers: [TestCaller] = []
            for role in BuiltInRoles.all { callers.append(try await live.caller(role.name, role: role.name)) }
            let directory = live.management.access.directory
            var table: [String] = []
            for route in Self.routes.sorted(by: { $0.name < $1.name }) {
                guard case .action(let action) = route.permission else { continue }
                let marks = callers.map { caller in
                    let who = Caller(objectID: caller.objectID, applicationID: "", name: "")
                    return directory.allows(who, action, at: LiveManagement.serviceID) ? "x" : "."
                }
                table.append("\(marks.joined()) \(route.name) \(action)")
            }
            let golden = RoleMatrix.table.split(separator: "\n").map(String.init)
            // What differs is printed as the table would have it.
            #expect(table.filter { !golden.contains($0) } == [])
            #expect(golden.filter { !table.contains($0) } == [])
        }
    }

    @Test func G1_what_lies_beside_the_service_is_decided_as_well() async throws {
        try await LiveManagement.run { live in
            var callers: [TestCaller] = []
            for role in BuiltInRoles.all { callers.append(try await live.caller(role.name, [(role.name, "/")])) }
            let nobody = try await live.caller("nobody", [])
            for (path, golden) in [
                ("/metrics", "xxxxxxxx......."), ("/subscriptions/s0", "xxxxx.........."),
                ("/subscriptions/s0/resourceGroups/g", "xxxxxxxx......."), ("/", "xxxxx.........."),
                ("/anything", "xxxxx.........."), ("/subscriptions/other", "xxxxx.........."),
                ("/subscriptions/s0/providers/Microsoft.Other/things/x", "xxxxx.........."),
            ] {
                var marks = ""
                for caller in callers {
                    marks += try await live.root("GET", path, by: caller).status == 403 ? "." : "x"
                }
                #expect(marks == golden, "\(path)")
                #expect(try await live.root("GET", path, by: nobody).status == 403, "\(path)")
                #expect(try await live.root("DELETE", path, by: nobody).status == 403, "\(path)")
            }
            // Whoever is signed in may ask which subscriptions are his, and learns of none that is not.
            let list = try await live.root("GET", "/subscriptions", by: nobody)
            #expect(list.status == 200 && list.json["value"] == [])
        }
    }

    @Test func G7_a_change_of_rights_counts_from_the_next_request() async throws {
        try await LiveManagement.run { live in
            let caller = try await live.caller("c", [])
            let name = UUID().uuidString.lowercased()
            #expect(try await live.send("GET", "/apis", by: caller).status == 403)
            let scope = LiveManagement.serviceID
            let made = try await live.assign(
                BuiltInRoles.reader, to: caller.objectID, at: scope, by: live.owner, name: name)
            #expect(made.status == 201)
            #expect(try await live.send("GET", "/apis", by: caller).status == 200)
            let gone = try await live.authorization("DELETE", scope, "roleAssignments/\(name)", by: live.owner)
            #expect(gone.status == 200)
            #expect(try await live.send("GET", "/apis", by: caller).status == 403)
            let deleted = try await live.send("DELETE", "/gatehouse/principals/c")
            #expect(deleted.status == 200)
            #expect(try await live.send("GET", "/apis", by: caller).status == 401)
        }
    }

    @Test func G12_a_scope_covers_whole_segments_below_it() async throws {
        try await LiveManagement.run { live in
            for name in ["a", "ab", "a-b"] {
                try await live.put("/apis/\(name)", ["displayName": .string(name), "path": .string(name)])
            }
            try await live.put(
                "/apis/a/operations/o", ["displayName": "o", "method": "GET", "urlTemplate": "/"])
            let caller = try await live.caller("c", [(BuiltInRoles.contributor, LiveManagement.serviceID + "/apis/a")])
            let paths = ["/apis/a", "/apis/a/operations/o", "/apis/ab", "/apis", "/apis/a-b", "/Apis/A", ""]
            var statuses: [Int] = []
            for path in paths { statuses.append(try await live.send("GET", path, by: caller).status) }
            #expect(statuses == [200, 200, 403, 403, 403, 200, 403])
        }
    }

    @Test func G19_existence_is_told_to_readers_alone() async throws {
        try await LiveManagement.run { live in
            try await live.put("/apis/there", ["displayName": "t", "path": "t"])
            try await live.put("/subscriptions/there", ["displayName": "t", "scope": "/apis"])
            let nobody = try await live.caller("nobody", [])
            let reader = try await live.caller("reader", role: BuiltInRoles.reader)
            for (method, path) in [
                ("GET", "/apis/"), ("PUT", "/apis/"), ("DELETE", "/apis/"), ("HEAD", "/apis/"),
                ("POST", "/subscriptions/"),
            ] {
                let suffix = method == "POST" ? "/listSecrets" : ""
                let body: JSONValue? = method == "PUT" ? ["properties": [:]] : nil
                let one = try await live.send(method, "\(path)there\(suffix)", body, by: nobody)
                let other = try await live.send(method, "\(path)gone0\(suffix)", body, by: nobody)
                #expect(one.status == 403 && other.status == 403)
                #expect(one.text.replacing("/there", with: "/gone0") == other.text)
                if method == "HEAD" { #expect(one.bytes.isEmpty) }
            }
            #expect(try await live.send("GET", "/apis/there", by: reader).status == 200)
            #expect(try await live.send("GET", "/apis/gone0", by: reader).status == 404)
            for name in ["there", "gone0"] {
                #expect(try await live.send("PUT", "/apis/\(name)", ["properties": [:]], by: reader).status == 403)
            }
        }
    }

    @Test func G20_an_expansion_needs_the_read_of_what_it_shows() async throws {
        try await LiveManagement.run { live in
            try await live.put("/products/p", ["displayName": "p"])
            let role = try await live.role(["Microsoft.ApiManagement/service/products/read"])
            let caller = try await live.caller("c", role: role)
            #expect(try await live.send("GET", "/products", by: caller).status == 200)
            for path in ["/products?expandGroups=true", "/products/p?expandGroups=true", "/products/p/apis"] {
                #expect(try await live.send("GET", path, by: caller).status == 403, "\(path)")
            }
            #expect(try await live.send("GET", "/products/p?expandGroups=false", by: caller).status == 200)
        }
    }

    @Test func G25_other_methods_give_nothing_more() async throws {
        try await LiveManagement.run { live in
            try await live.put("/subscriptions/s", ["displayName": "s", "scope": "/apis"])
            let path = "/subscriptions/s/listSecrets"
            let head = try await live.send("HEAD", path)
            #expect(head.status == 405 && head.head["Allow"] == "POST")
            for method in ["OPTIONS", "TRACE", "PROPFIND", "GET"] {
                let answer = try await live.send(method, path, fields: [WebField("Origin", "https://evil.example")])
                #expect(answer.status == 405 && answer.head["Allow"] == "POST", "\(method)")
                #expect(!answer.text.contains("evil"))
                #expect(!answer.head.fields.contains { $0.name.lowercased().hasPrefix("access-control") })
            }
            let override = [
                WebField("X-HTTP-Method-Override", "DELETE"), WebField("X-HTTP-Method", "DELETE"),
                WebField("X-Method-Override", "DELETE"),
            ]
            #expect(try await live.send("POST", path + "?_method=DELETE", fields: override).status == 200)
            #expect(try await live.send("GET", "/subscriptions/s", fields: override).status == 200)
        }
    }

    @Test func whatIsNotBuiltIs501AndWhatIsNoTypeIs404() async throws {
        try await LiveManagement.run { live in
            let nobody = try await live.caller("nobody", [])
            for path in ["/workspaces", "/diagnostics/d", "/loggers/l", "/apis/a/releases", "/reports/byRequest"] {
                let answer = try await live.send("GET", path)
                #expect(answer.status == 501 && answer.code == "NotImplemented", "\(path)")
                #expect(try await live.send("GET", path, by: nobody).status == 403, "\(path)")
            }
            for path in ["/nonsense", "/apis/a/nonsense", "/apis/a/operations/o/nonsense/x"] {
                #expect(try await live.send("GET", path).status == 404, "\(path)")
                #expect(try await live.send("GET", path, by: nobody).status == 403, "\(path)")
            }
        }
    }
}
