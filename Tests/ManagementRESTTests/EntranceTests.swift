// Who gets in: which spellings of paths are open, which tokens, which credentials, and how guessing is held up.
import AccessControl
import Cryptography
import Foundation
import JSONDocuments
import ResourceStore
import Resources
import Testing
import WebClient

@testable import ManagementREST

@Suite struct EntranceTests {
    private static let tokenPath = "/\(LiveManagement.tenantID)/oauth2/v2.0/token"

    /// A request to the token endpoint from an address.
    private static func ask(
        _ live: LiveManagement, _ form: String, from source: String = "127.0.0.1", query: String = ""
    )
        async -> String
    {
        await RawConnection.exchange(
            live.port, from: source,
            "POST \(tokenPath)\(query) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                + "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: \(form.utf8.count)\r\n\r\n\(form)"
        )
    }

    private static func form(_ id: String, _ secret: String, _ more: String = "") -> String {
        let pair = "client_id=\(RequestTarget.encode(id))&client_secret=\(RequestTarget.encode(secret))"
        return "\(pair)&grant_type=client_credentials&\(more.isEmpty ? scope : more)"
    }

    private static let scope = "scope=https%3A%2F%2Fmanagement.azure.com%2F.default"

    private static func status(_ answer: String) -> Int {
        Int(answer.split(separator: " ").dropFirst().first ?? "") ?? 0
    }

    private static func body(_ answer: String) -> String {
        answer.range(of: "\r\n\r\n").map { String(answer[$0.upperBound...]) } ?? ""
    }

    private static func rotate(_ live: LiveManagement, _ name: String) async throws -> (id: String, secret: String) {
        let answer = try await live.send("POST", "/gatehouse/principals/\(name)/rotateSecret")
        return (answer.json["clientId"]?.text ?? "", answer.json["clientSecret"]?.text ?? "")
    }

    @Test func G2_every_route_in_every_spelling_is_401() async throws {
        try await LiveManagement.run { live in
            var paths: Set<String> = []
            for route in RouteTable.service + RouteTable.authorization {
                let path = route.path.map { part in
                    if case .word(let word) = part { "/\(word)" } else { "/n" }
                }.joined()
                let isService = RouteTable.service.contains { $0.name == route.name }
                paths.insert((isService ? LiveManagement.serviceID : "/providers/Microsoft.Authorization") + path)
            }
            #expect(paths.count > 60)
            for path in paths {
                for spelling in [path, path + "/", path + "//", path + "/%2e/", path + ";x", path.uppercased()] {
                    for method in ["GET", "POST"] {
                        let answer = try await live.root(method, spelling, by: nil)
                        #expect(answer.status == 401 && answer.code == "AuthenticationFailed", "\(method) \(spelling)")
                        #expect(answer.head["WWW-Authenticate"]?.hasPrefix("Bearer ") == true)
                    }
                }
            }
        }
    }

    @Test func G3_a_token_of_another_key_or_kind_opens_nothing_and_two_are_no_request() async throws {
        try await LiveManagement.run { live in
            let path = LiveManagement.serviceID + "/apis?api-version=2024-05-01"
            let principal = try #require(live.management.access.directory.principal(object: live.owner.objectID))
            let key = try LiveManagement.issuerKey.get()
            let unknown = try TokenIssuer(
                tenantID: LiveManagement.tenantID, publicURL: LiveManagement.publicURL, key: key, keyID: "none"
            ).token(for: principal, audience: "https://management.azure.com", now: Date())
            // Signed by a code over the public key, which everybody has.
            let claims = live.owner.token.split(separator: ".")[1]
            let published = try live.management.issuer.keys()["keys"]?.items?.first?.encoded() ?? []
            let head = Base64URL.encode(Array(#"{"alg":"HS512","typ":"JWT","kid":"k"}"#.utf8))
            let code = MessageAuthentication.sha512(Array("\(head).\(claims)".utf8), key: published)
            let before = live.store.revision
            for token in [unknown, "\(head).\(claims).\(Base64URL.encode(code))"] {
                let answer = try await live.root(
                    "GET", path, by: nil, fields: [WebField("Authorization", "Bearer \(token)")])
                #expect(answer.status == 401 && answer.code == "InvalidAuthenticationToken")
            }
            #expect(live.store.revision == before)
            let line = "Authorization: Bearer \(live.owner.token)\r\n"
            for lines in [line + line, line + "Authorization: Basic eDp5\r\n"] {
                let answer = await RawConnection.exchange(
                    live.port, "GET \(path) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\(lines)\r\n")
                #expect(Self.status(answer) == 400, "\(answer)")
            }
        }
    }

    @Test func G4_resources_are_named_in_one_way_and_credentials_never_in_the_query() async throws {
        try await LiveManagement.run { live in
            let (id, secret) = try await Self.rotate(live, "owner")
            for (more, status, error) in [
                ("resource=https%3A%2F%2Fbackend.example", 400, "invalid_target"),
                ("resource=https%3A%2F%2Fmanagement.azure.com&\(Self.scope)&resource=x", 400, "invalid_request"),
                ("resource=https%3A%2F%2Fmanagement.core.windows.net%2F&\(Self.scope)", 400, "invalid_target"),
                ("scope=https%3A%2F%2Fgraph.microsoft.com%2F.default", 400, "invalid_scope"),
                ("x=y", 400, "invalid_scope"),
                ("resource=https%3A%2F%2Fmanagement.azure.com", 200, ""),
                ("resource=https%3A%2F%2Fmanagement.azure.com&\(Self.scope)", 200, ""),
            ] {
                let answer = await Self.ask(live, Self.form(id, secret, more))
                #expect(
                    Self.status(answer) == status && (error.isEmpty || answer.contains(error)), "\(more): \(answer)")
            }
            let query = await Self.ask(
                live, "grant_type=client_credentials&client_id=\(id)&\(Self.scope)", query: "?client_secret=\(secret)")
            #expect(Self.status(query) == 400 && query.contains("invalid_request") && !query.contains(secret))
            let pair = Data("\(id):\(secret)".utf8).base64EncodedString()
            let both = try await live.root(
                "POST", Self.tokenPath, Array(Self.form(id, secret).utf8), by: nil,
                fields: [
                    WebField("Content-Type", "application/x-www-form-urlencoded"),
                    WebField("Authorization", "Basic \(pair)"),
                ])
            #expect(both.status == 400 && both.json["error"] == "invalid_request")
        }
    }

    @Test func G4_basic_credentials_are_decoded_as_forms_are() async throws {
        try await LiveManagement.run { live in
            // A client id and a secret with letters that Basic and forms read in their own way.
            let (id, secret) = ("a+b:c", "p:%q r")
            let hash = try SecretHash(of: secret)
            let context = live.management.context
            _ = try await live.store.write(by: .controller) { writer in
                let place = ResourceID(path: "/gatehouse/principals/odd")
                try writer.put(
                    place, kind: AccessDirectory.principalKind,
                    properties: ["displayName": "odd", "federated": [], "clientId": .string(id), "objectId": "odd"])
                try ClientSecrets.set(hash, of: place, in: writer, context: context)
            }
            try live.management.access.reload()
            func ask(_ pair: String) async throws -> TestAnswer {
                try await live.root(
                    "POST", Self.tokenPath, Array("grant_type=client_credentials&\(Self.scope)".utf8), by: nil,
                    fields: [
                        WebField("Content-Type", "application/x-www-form-urlencoded"),
                        WebField("Authorization", "Basic \(Data(pair.utf8).base64EncodedString())"),
                    ])
            }
            #expect(try await ask("a%2Bb%3Ac:p%3A%25q%20r").status == 200)
            #expect(try await ask("a%2Bb%3Ac:p%3A%25q+r").status == 200)
            #expect(try await ask("a%2Bb%3Ac:p:%q r").status == 401)
        }
    }

    @Test func G5_a_guesser_locks_out_itself_alone() async throws {
        try await LiveManagement.run { live in
            let (id, secret) = try await Self.rotate(live, "owner")
            var statuses: [Int] = []
            for _ in 0..<12 {
                statuses.append(Self.status(await Self.ask(live, Self.form(id, "wrong"), from: "127.0.0.2")))
            }
            #expect(statuses == Array(repeating: 401, count: 10) + [429, 429])
            // From there the right secret waits, too, and so does any other client; from elsewhere nobody does.
            for form in [Self.form(id, secret), Self.form("other", "x")] {
                let answer = await Self.ask(live, form, from: "127.0.0.2")
                #expect(Self.status(answer) == 429 && answer.contains("Retry-After: "), "\(answer)")
            }
            #expect(Self.status(await Self.ask(live, Self.form(id, secret), from: "127.0.0.3")) == 200)
        }
    }

    @Test func G5_an_unknown_client_costs_and_says_what_a_wrong_secret_does() async throws {
        try await LiveManagement.run { live in
            let (id, _) = try await Self.rotate(live, "owner")
            let wrong = await Self.ask(live, Self.form(id, "x"), from: "127.0.0.4")
            let unknown = await Self.ask(live, Self.form("nobody", "x"), from: "127.0.0.4")
            #expect(Self.status(wrong) == 401 && Self.body(wrong) == Self.body(unknown))
            // Nobody's secret is held against a hash, too, and no secret is the one of it.
            let context = live.management.context
            let found = try await live.store.read { reader in
                try ["", "x", String(repeating: "0", count: 64)].map {
                    try ClientSecrets.matches($0, of: nil, reader, context: context)
                }
            }
            #expect(found == [false, false, false])
        }
    }

    @Test func G6_no_other_credential_opens_the_port() async throws {
        try await LiveManagement.run { live in
            try await live.put("/subscriptions/s", ["displayName": "s", "scope": "/apis"])
            let keys = try await live.send("POST", "/subscriptions/s/listSecrets").json
            let gateway = try await live.send("POST", "/gateways/default/listKeys").json
            let (id, secret) = try await Self.rotate(live, "owner")
            let pair = Data("\(id):\(secret)".utf8).base64EncodedString()
            let path = LiveManagement.serviceID + "/groups/g?api-version=2024-05-01"
            let form = Array("access_token=\(live.owner.token)".utf8)
            for field in [
                WebField("Authorization", "Basic \(pair)"),
                WebField("Authorization", "SharedAccessSignature uid=integration&ex=2030-01-01&sn=\(secret)"),
                WebField("Authorization", "GatewayKey default&203001010000&\(gateway["primary"]?.text ?? "")"),
                WebField("Ocp-Apim-Subscription-Key", keys["primaryKey"]?.text ?? ""),
                WebField("Cookie", "access_token=\(live.owner.token)"), WebField("X-Client-Cert", live.owner.token),
                WebField("X-Access-Token", live.owner.token),
                WebField("Proxy-Authorization", "Bearer \(live.owner.token)"),
            ] {
                let answer = try await live.root("PUT", path, Array("{}".utf8), by: nil, fields: [field])
                #expect(answer.status == 401 && answer.code == "AuthenticationFailed", "\(field.name)")
            }
            let posted = try await live.root(
                "POST", path, form, by: nil, fields: [WebField("Content-Type", "application/x-www-form-urlencoded")])
            #expect(posted.status == 401)
            #expect(try await live.root("GET", "\(path)&access_token=\(live.owner.token)", by: nil).status == 401)
        }
    }
}
