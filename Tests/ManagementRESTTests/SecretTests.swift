// What is secret leaves by its own doors alone, and each opening is in the audit.
import AccessControl
import Foundation
import JSONDocuments
import ResourceStore
import Testing
import WebClient

@testable import ManagementREST

@Suite struct SecretTests {
    private static let marker = "marker-3e9a51"

    private static func fill(_ live: LiveManagement) async throws {
        try await live.put(
            "/subscriptions/s",
            [
                "displayName": "s", "scope": "/apis", "primaryKey": .string(marker + "1"),
                "secondaryKey": .string(marker + "2"),
            ])
        try await live.put("/namedValues/n", ["displayName": "n", "secret": true, "value": .string(marker)])
        try await live.put(
            "/backends/b",
            [
                "url": "https://b.example", "protocol": "http",
                "credentials": [
                    "header": ["x-api-key": [.string(marker)], "x-ref": ["{{n}}"]],
                    "query": ["code": [.string(marker)]],
                    "authorization": ["scheme": "Bearer", "parameter": .string(marker)],
                ],
                "proxy": ["url": "http://p.example", "username": "u", "password": .string(marker)],
            ])
        try await live.put(
            "/policies/policy",
            [
                "format": "rawxml",
                "value":
                    "<policies><inbound><set-header name=\"a\"><value>{{n}}</value></set-header></inbound></policies>",
            ])
        try await live.put(
            "/users/u", ["firstName": "f", "lastName": "l", "email": "f@l", "password": .string(marker)])
    }

    @Test func G21_no_read_gives_a_secret() async throws {
        try await LiveManagement.run { live in
            try await Self.fill(live)
            let reader = try await live.caller("reader", role: BuiltInRoles.reader)
            let paths = [
                "/subscriptions", "/subscriptions/s", "/namedValues", "/namedValues/n", "/backends", "/backends/b",
                "/policies", "/policies/policy", "/policies/policy?format=rawxml", "/users", "/users/u",
                "/users/u?expandGroups=true", "/gatehouse/audit", "/gateways", "/gateways/default",
                "/gatehouse/principals", "/gatehouse/principals/owner", "/gatehouse/snapshots",
            ]
            for version in ApiVersions.apiManagement {
                for path in paths {
                    let answer = try await live.send("GET", path, by: reader, version: version)
                    #expect(answer.status == 200, "\(path)")
                    #expect(!answer.text.contains(Self.marker), "\(path)")
                    #expect(!answer.head.fields.contains { $0.value.contains(Self.marker) }, "\(path)")
                }
            }
            for path in ["/subscriptions/s", "/namedValues/n", "/backends/b", "/policies/policy", "/users/u"] {
                let head = try await live.send("HEAD", path, by: reader)
                #expect(head.status == 200 && head.bytes.isEmpty, "\(path)")
                #expect(!head.head.fields.contains { $0.value.contains(Self.marker) }, "\(path)")
            }
            let policy = try await live.send("GET", "/policies/policy?format=rawxml", by: reader)
            #expect(policy.text.contains("{{n}}"))
        }
    }

    @Test func G21_who_may_write_and_not_read_secrets_is_shown_none_by_any_answer() async throws {
        try await LiveManagement.run { live in
            try await Self.fill(live)
            let kinds = ["subscriptions", "namedValues", "users", "policies"]
            let role = try await live.role(["*/read"] + kinds.map { "Microsoft.ApiManagement/service/\($0)/write" })
            let writer = try await live.caller("writer", role: role)
            let bodies: [(String, JSONValue)] = [
                ("/subscriptions/s", ["displayName": "s", "scope": "/apis"]),
                ("/namedValues/n", ["displayName": "n", "secret": true]),
                ("/users/u", ["firstName": "f", "lastName": "l", "email": "f@l"]),
            ]
            let star = [WebField("If-Match", "*")]
            for (path, properties) in bodies {
                for (method, given) in [("PUT", properties), ("PATCH", properties), ("PATCH", [:])] {
                    let answer = try await live.send(
                        method, path, ["properties": given], by: writer, fields: method == "PATCH" ? star : [])
                    #expect(answer.status == 200, "\(method) \(path): \(answer.text)")
                    #expect(!answer.text.contains(Self.marker), "\(method) \(path)")
                    // What polls for the result gives no more than the answer did.
                    for name in ["Location", "Azure-AsyncOperation"] {
                        guard let link = answer.head[name]?.dropFirst(LiveManagement.publicURL.count) else { continue }
                        let result = try await live.root("GET", String(link), by: writer)
                        #expect(result.status == 200 && !result.text.contains(Self.marker), "\(link)")
                    }
                }
            }
            // A text that can't be with the secret's value in it is told without the value.
            let text = "<policies><inbound><rate-limit calls=\"{{n}}\" renewal-period=\"60\" /></inbound></policies>"
            let bad = try await live.send(
                "PUT", "/policies/policy", ["properties": ["format": "rawxml", "value": .string(text)]], by: writer)
            #expect(bad.status == 400 && !bad.text.contains(Self.marker), "\(bad.text)")
        }
    }

    @Test func G57_what_was_moved_or_changed_in_the_store_is_that_secrets_fault_alone() async throws {
        try await LiveManagement.run { live in
            try await Self.fill(live)
            try await live.put("/subscriptions/t", ["displayName": "t", "scope": "/apis"])
            let (s, t, n) = (
                ResourceID(path: "/subscriptions/s"), ResourceID(path: "/subscriptions/t"),
                ResourceID(path: "/namedValues/n")
            )
            _ = try await live.store.write(by: .controller) { writer in
                // Two rows change places; one has a bit turned; one names another key.
                let moved = try writer.reader.secret(t, "primaryKey")
                try writer.setSecret(t, "primaryKey", try writer.reader.secret(s, "primaryKey"))
                try writer.setSecret(s, "primaryKey", moved)
                var value = try writer.reader.secret(n, "value")
                value?.bytes[20] ^= 1
                try writer.setSecret(n, "value", value)
                var key = try writer.reader.secret(ResourceID(path: "/gateways/default"), "primary")
                key?.keyID = "another"
                try writer.setSecret(ResourceID(path: "/gateways/default"), "primary", key)
            }
            for (path, name) in [
                ("/subscriptions/s/listSecrets", "/subscriptions/s"),
                ("/subscriptions/t/listSecrets", "/subscriptions/t"),
                ("/namedValues/n/listValue", "/namedValues/n"), ("/gateways/default/listKeys", "/gateways/default"),
            ] {
                let answer = try await live.send("POST", path)
                #expect(answer.status == 500 && answer.code == "SecretUnreadable", "\(path): \(answer.text)")
                #expect(answer.message.contains(LiveManagement.serviceID + name), "\(answer.message)")
                #expect(!answer.text.contains(Self.marker))
            }
            #expect(try await live.send("POST", "/subscriptions/master/listSecrets").status == 200)
            #expect(try await live.send("GET", "/namedValues/n").status == 200)
            #expect(try await live.send("GET", "/backends/b").json[path: "properties.credentials.query"] != nil)
            // A new value mends it.
            let new: JSONValue = ["properties": ["displayName": "n", "secret": true, "value": "mended"]]
            #expect(try await live.send("PUT", "/namedValues/n", new).status == 200)
            #expect(try await live.send("POST", "/namedValues/n/listValue").json["value"] == "mended")
        }
    }

    @Test func G57_no_secret_stands_in_the_database_or_a_backup() async throws {
        try await LiveManagement.run { live in
            try await Self.fill(live)
            let rotated = try await live.send("POST", "/gatehouse/principals/owner/rotateSecret").json
            let secret = try #require(rotated["clientSecret"]?.text)
            let gateway = try #require(try await live.send("POST", "/gateways/default/listKeys").json["primary"]?.text)
            // Free pages, too.
            let star = [WebField("If-Match", "*")]
            #expect(try await live.send("DELETE", "/subscriptions/s", fields: star).status == 200)
            let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(at: folder) }
            _ = try ResourceStore.backup(from: live.store.path, to: folder.appending(path: "backup.db").path())
            let store = URL(filePath: live.store.path).deletingLastPathComponent()
            var files = 0
            for place in [folder, store] {
                for name in try FileManager.default.contentsOfDirectory(atPath: place.path()) {
                    let data = try Data(contentsOf: place.appending(path: name))
                    files += 1
                    for text in [Self.marker, secret, gateway] {
                        #expect(data.range(of: Data(text.utf8)) == nil, "\(name)")
                    }
                    #expect(data.count > 0 || name.hasSuffix("-journal") || name.hasSuffix("-wal"))
                }
            }
            #expect(files >= 4)
        }
    }

    @Test func G21_an_answer_of_a_write_gives_keys_to_those_who_may_list_them() async throws {
        try await LiveManagement.run { live in
            let role = try await live.role(["Microsoft.ApiManagement/service/subscriptions/write"])
            let writer = try await live.caller("writer", role: role)
            let body: JSONValue = ["properties": ["displayName": "s", "scope": "/apis"]]
            let hidden = try await live.send("PUT", "/subscriptions/s", body, by: writer)
            #expect(hidden.status == 201 && hidden.json[path: "properties.primaryKey"] == nil)
            let shown = try await live.send("PUT", "/subscriptions/s", body)
            #expect(shown.json[path: "properties.primaryKey"]?.text?.count == 32)
        }
    }

    @Test func G22_a_reader_sees_which_credentials_are_set_and_a_mask_keeps_them() async throws {
        try await LiveManagement.run { live in
            try await Self.fill(live)
            let reader = try await live.caller("reader", role: BuiltInRoles.reader)
            let read = try await live.send("GET", "/backends/b", by: reader).json[path: "properties.credentials"]
            #expect(read?["header"] == ["x-api-key": ["***"], "x-ref": ["{{n}}"]])
            #expect(read?["query"] == ["code": ["***"]])
            let full = try await live.send("GET", "/backends/b").json
            #expect(
                full[path: "properties.credentials.header"] == [
                    "x-api-key": [.string(Self.marker)], "x-ref": ["{{n}}"],
                ])
            #expect(full[path: "properties.credentials.authorization"] == ["scheme": "Bearer"])
            #expect(full[path: "properties.proxy.password"] == nil)
            // What a reader saw, sent back by one who may write, keeps what is stored.
            try await live.put(
                "/backends/b",
                [
                    "url": "https://b.example", "protocol": "http", "title": "t",
                    "credentials": ["header": ["x-api-key": ["***"], "x-ref": ["new"]], "query": ["code": ["***"]]],
                ])
            let kept = try await live.send("GET", "/backends/b").json[path: "properties.credentials"]
            #expect(kept?["header"] == ["x-api-key": [.string(Self.marker)], "x-ref": ["new"]])
            #expect(kept?["query"] == ["code": [.string(Self.marker)]])
            // A mask of what was never there is nothing.
            let stray = try await live.send(
                "PUT", "/backends/c",
                [
                    "properties": [
                        "url": "https://b.example", "protocol": "http", "credentials": ["header": ["y": ["***"]]],
                    ]
                ])
            #expect(stray.status == 400)
        }
    }

    /// `/subscriptions/s/listSecrets` → `/subscriptions/s`
    private static func resource(_ path: String) -> String {
        path.split(separator: "/").dropLast().map { "/\($0)" }.joined()
    }

    @Test func G23_a_secret_is_read_by_its_own_action_and_each_reading_is_audited() async throws {
        try await LiveManagement.run { live in
            try await Self.fill(live)
            let doors = [
                ("/subscriptions/s/listSecrets", "subscriptions/listSecrets/action"),
                ("/namedValues/n/listValue", "namedValues/listValue/action"),
                ("/gateways/default/listKeys", "gateways/listKeys/action"),
            ]
            let operatorRole = "e022efe7-f5ba-4159-bbe4-b44f577e9b61"
            for role in [BuiltInRoles.reader, operatorRole, try await live.role(["*/read"])] {
                let caller = try await live.caller(role, role: role)
                for (path, _) in doors {
                    #expect(try await live.send("POST", path, by: caller).status == 403, "\(role) \(path)")
                }
            }
            let anyAction = try await live.role(["*/action"])
            let opener = try await live.caller("opener", role: anyAction)
            for (path, action) in doors {
                let answer = try await live.send("POST", path, by: opener)
                #expect(answer.status == 200 && !answer.etag.isEmpty, "\(path)")
                let row = try #require(try await live.audit().first)
                #expect(row.actor.principal == opener.objectID && row.outcome == "Succeeded", "\(path)")
                #expect(row.action == "Microsoft.ApiManagement/service/\(action)", "\(path)")
                #expect(row.resource == LiveManagement.serviceID + Self.resource(path), "\(path)")
                #expect(row.revision == nil, "a reading is no revision")
            }
            #expect(try await live.send("POST", "/subscriptions/none/listSecrets").status == 404)
        }
    }

    @Test func aSecretNamedValueIsMadePlainOnlyByWhoGivesItsValue() async throws {
        try await LiveManagement.run { live in
            try await Self.fill(live)
            let role = try await live.role(["*/read", "Microsoft.ApiManagement/service/namedValues/write"])
            let writer = try await live.caller("writer", role: role)
            let star = [WebField("If-Match", "*")]
            let bare = try await live.send(
                "PATCH", "/namedValues/n", ["properties": ["secret": false]], by: writer, fields: star)
            #expect(bare.status == 400 && bare.targets == ["properties.value"])
            let whole = try await live.send(
                "PUT", "/namedValues/n", ["properties": ["displayName": "n", "secret": false]], by: writer)
            #expect(whole.status == 400)
            #expect(try await !live.send("GET", "/namedValues/n", by: writer).text.contains(Self.marker))
            let kept = try await live.send(
                "PATCH", "/namedValues/n", ["properties": ["tags": ["t"]]], by: writer, fields: star)
            #expect(kept.status == 200)
            #expect(try await live.send("POST", "/namedValues/n/listValue").json["value"] == .string(Self.marker))
            let given = try await live.send(
                "PATCH", "/namedValues/n", ["properties": ["secret": false, "value": "plain"]], by: writer,
                fields: star)
            #expect(given.status == 200 && given.json[path: "properties.value"] == "plain")
        }
    }

    @Test func G36_a_new_resource_under_an_old_id_starts_empty() async throws {
        try await LiveManagement.run { live in
            try await live.put("/products/p", ["displayName": "p"])
            try await live.put("/subscriptions/s", ["displayName": "s", "scope": "/products/p", "primaryKey": "K1"])
            let scope = "\(LiveManagement.serviceID)/subscriptions/s"
            let caller = try await live.caller("c", [(BuiltInRoles.contributor, scope)])
            #expect(try await live.send("POST", "/subscriptions/s/listSecrets", by: caller).status == 200)
            let star = [WebField("If-Match", "*")]
            // It goes with its product; so does what stands at its scope.
            let gone = try await live.send("DELETE", "/products/p?deleteSubscriptions=true", fields: star)
            #expect(gone.status == 200)
            try await live.put("/subscriptions/s", ["displayName": "s", "scope": "/apis"])
            #expect(try await live.send("POST", "/subscriptions/s/listSecrets", by: caller).status == 403)
            #expect(try await live.send("POST", "/subscriptions/s/listSecrets").json["primaryKey"] != "K1")
        }
    }

    @Test func G37_keys_are_regenerated_once_and_are_unique() async throws {
        try await LiveManagement.run { live in
            let tag = try await live.put("/subscriptions/s", ["displayName": "s", "scope": "/apis"]).etag
            let second = try await live.send("POST", "/subscriptions/s/listSecrets").json["secondaryKey"]
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<60 {
                    group.addTask { try await live.send("POST", "/subscriptions/s/regeneratePrimaryKey").status }
                }
                for try await status in group { #expect(status == 204) }
            }
            let secrets = try await live.send("POST", "/subscriptions/s/listSecrets").json
            let key = try #require(secrets["primaryKey"]?.text)
            #expect(key.count == 32 && key.allSatisfy(\.isHexDigit) && secrets["secondaryKey"] == second)
            let held = try await live.store.read {
                try $0.values(in: "subscriptions.key", of: ResourceID(path: "/subscriptions/s"))
            }
            #expect(held.count == 2)
            let late = try await live.send(
                "PUT", "/subscriptions/s", ["properties": ["displayName": "t", "scope": "/apis"]],
                fields: [WebField("If-Match", tag)])
            #expect(late.status == 412)
        }
    }
}
