// The token endpoint, and which tokens open the management port.
import AccessControl
import Cryptography
import Foundation
import JSONDocuments
import ResourceStore
import Testing
import WebClient

@testable import ManagementREST

@Suite struct TokenTests {
    private static let path = "/\(LiveManagement.tenantID)/oauth2/v2.0/token"
    private static let form = WebField("Content-Type", "application/x-www-form-urlencoded")

    private static func ask(
        _ live: LiveManagement, _ fields: [(String, String)], basic: (String, String)? = nil, query: String = ""
    ) async throws -> TestAnswer {
        let body = fields.map { "\(RequestTarget.encode($0))=\(RequestTarget.encode($1))" }.joined(separator: "&")
        var headers = [form]
        if let basic {
            let pair = "\(RequestTarget.encode(basic.0)):\(RequestTarget.encode(basic.1))"
            headers.append(WebField("Authorization", "Basic \(Data(pair.utf8).base64EncodedString())"))
        }
        return try await live.root("POST", path + query, Array(body.utf8), by: nil, fields: headers)
    }

    /// A principal's credentials.
    private static func rotate(_ live: LiveManagement, _ name: String) async throws -> (id: String, secret: String) {
        let answer = try await live.send("POST", "/gatehouse/principals/\(name)/rotateSecret")
        #expect(answer.status == 200 && answer.json["tenantId"]?.text == LiveManagement.tenantID)
        return (answer.json["clientId"]?.text ?? "", answer.json["clientSecret"]?.text ?? "")
    }

    private static let scope = ("scope", "https://management.azure.com/.default")
    private static let grant = ("grant_type", "client_credentials")

    @Test func G4_a_token_is_given_for_the_audiences_served_here() async throws {
        try await LiveManagement.run { live in
            let (id, secret) = try await Self.rotate(live, "owner")
            let client = [("client_id", id), ("client_secret", secret), Self.grant]
            for resource in [
                "https://management.azure.com", "https://management.azure.com/", "https://management.core.windows.net/",
                LiveManagement.publicURL, "https://azure-api.net/authorization-manager",
            ] {
                let answer = try await Self.ask(live, client + [("scope", resource + "/.default")])
                #expect(answer.status == 200 && answer.json["expires_in"] == 3600, "\(resource)")
                #expect(answer.head["Cache-Control"] == "no-store" && answer.head["Pragma"] == "no-cache")
                let token = answer.json["access_token"]?.text ?? ""
                let claims = try Self.claims(token)
                #expect(claims["aud"]?.text == resource && claims["tid"]?.text == LiveManagement.tenantID)
                let caller = TestCaller(name: "", objectID: "", clientID: "", token: token)
                let opens = resource != "https://azure-api.net/authorization-manager"
                #expect(try await live.send("GET", "/apis", by: caller).status == (opens ? 200 : 401), "\(resource)")
            }
            for scope in [
                "https://graph.microsoft.com/.default", "https://management.azure.com", "", "/.default",
                "https://management.azure.com/.default openid",
            ] {
                let answer = try await Self.ask(live, client + [("scope", scope)])
                #expect(answer.status == 400 && answer.json["error"] == "invalid_scope", "\(scope)")
            }
        }
    }

    private static func claims(_ token: String) throws -> JSONValue {
        let part = token.split(separator: ".").dropFirst().first ?? ""
        return try JSONReader.read(Base64URL.decode(part.utf8) ?? [])
    }

    @Test func G4_credentials_are_read_in_one_way() async throws {
        try await LiveManagement.run { live in
            let (id, secret) = try await Self.rotate(live, "owner")
            #expect(try await Self.ask(live, [Self.grant, Self.scope], basic: (id, secret)).status == 200)
            let both = [("client_id", id), ("client_secret", secret), Self.grant, Self.scope]
            #expect(try await Self.ask(live, both, basic: (id, secret)).status == 400)
            #expect(try await Self.ask(live, both + [("client_id", id)]).json["error"] == "invalid_request")
            #expect(try await Self.ask(live, [Self.grant, Self.scope]).json["error"] == "invalid_client")
            let inQuery = try await Self.ask(
                live, [Self.grant, Self.scope], query: "?client_id=\(id)&client_secret=\(secret)")
            #expect(inQuery.status == 400)
            let grant = try await Self.ask(live, [("client_id", id), ("client_secret", secret), Self.scope])
            #expect(grant.json["error"] == "unsupported_grant_type")
            let json = try await live.root(
                "POST", Self.path, Array("{}".utf8), by: nil, fields: [WebField("Content-Type", "application/json")])
            #expect(json.status == 400)
            let other = try await live.root(
                "POST", "/other/oauth2/v2.0/token", Array("a=b".utf8), by: nil, fields: [Self.form])
            #expect(other.status == 400 && other.json["error"] == "invalid_request")
        }
    }

    @Test func G5_a_wrong_secret_and_an_unknown_client_are_one_and_guessing_waits() async throws {
        try await LiveManagement.run { live in
            let (id, secret) = try await Self.rotate(live, "owner")
            let wrong = try await Self.ask(
                live, [("client_id", id), ("client_secret", "x"), Self.grant, Self.scope])
            let unknown = try await Self.ask(
                live, [("client_id", "nobody"), ("client_secret", "x"), Self.grant, Self.scope])
            #expect(wrong.status == 401 && wrong.json["error"] == "invalid_client" && wrong.bytes == unknown.bytes)
            for _ in 0..<9 {
                _ = try await Self.ask(live, [("client_id", id), ("client_secret", "x"), Self.grant, Self.scope])
            }
            let blocked = try await Self.ask(
                live, [("client_id", id), ("client_secret", secret), Self.grant, Self.scope])
            #expect(blocked.status == 429)
            #expect((Int(blocked.head["Retry-After"] ?? "") ?? 0) > 0)
        }
    }

    @Test func G7_a_rotated_secret_is_dead_at_once() async throws {
        try await LiveManagement.run { live in
            let (id, old) = try await Self.rotate(live, "owner")
            let (_, new) = try await Self.rotate(live, "owner")
            #expect(old != new)
            func status(_ secret: String) async throws -> Int {
                try await Self.ask(live, [("client_id", id), ("client_secret", secret), Self.grant, Self.scope]).status
            }
            #expect(try await status(old) == 401)
            #expect(try await status(new) == 200)
        }
    }

    @Test func G3_and_G6_nothing_but_our_own_token_opens_the_port() async throws {
        try await LiveManagement.run { live in
            let path = LiveManagement.serviceID + "/apis?api-version=2024-05-01"
            let token = live.owner.token
            let parts = token.split(separator: ".").map(String.init)
            let none = Base64URL.encode(Array(#"{"alg":"none","typ":"JWT"}"#.utf8))
            let principal = try #require(live.management.access.directory.principal(object: live.owner.objectID))
            let issuer = live.management.issuer
            let audience = "https://management.azure.com"
            func made(_ key: String, _ tenant: String, _ url: String, hours: Double = 0) throws -> String {
                try TokenIssuer(tenantID: tenant, publicURL: url, key: key, keyID: "k").token(
                    for: principal, audience: audience, now: Date().addingTimeInterval(hours * 3600))
            }
            let key = try LiveManagement.issuerKey.get()
            let bad = [
                "\(none).\(parts[1]).", "\(none).\(parts[1]).\(parts[2])", "\(parts[0]).\(parts[1])", "\(token)x", "x",
                try made(
                    try SignaturePrivateKey(newRSAWithBits: 2048).secretPEM, LiveManagement.tenantID,
                    LiveManagement.publicURL),
                try made(key, "other", LiveManagement.publicURL),
                try made(key, LiveManagement.tenantID, "https://other.example.test"),
                try made(key, LiveManagement.tenantID, LiveManagement.publicURL, hours: -1.2),
                try made(key, LiveManagement.tenantID, LiveManagement.publicURL, hours: 0.2),
                try issuer.token(for: principal, audience: TokenIssuer.authorizationManager, now: Date()),
                try issuer.token(for: principal, audience: "https://graph.microsoft.com", now: Date()),
            ]
            for token in bad {
                let answer = try await live.root(
                    "GET", path, by: nil, fields: [WebField("Authorization", "Bearer \(token)")])
                #expect(answer.status == 401 && answer.code == "InvalidAuthenticationToken", "\(token.prefix(20))")
                #expect(answer.head["WWW-Authenticate"]?.contains("invalid_token") == true)
            }
            let lower = try await live.root(
                "GET", path, by: nil, fields: [WebField("Authorization", "bearer \(token)")])
            #expect(lower.status == 200)
            let pair = Data("\(live.owner.clientID):x".utf8).base64EncodedString()
            for fields in [
                [WebField("Authorization", "SharedAccessSignature uid=1&sn=x")],
                [WebField("Authorization", "Basic \(pair)")], [WebField("Authorization", "Bearer ")],
                [WebField("Cookie", "access_token=\(token)")], [WebField("Ocp-Apim-Subscription-Key", "k")],
            ] {
                #expect(try await live.root("GET", path, by: nil, fields: fields).status == 401, "\(fields)")
            }
            #expect(try await live.root("GET", "\(path)&access_token=\(token)", by: nil).status == 401)
        }
    }

    @Test func metadataAndKeysAreForEverybody() async throws {
        try await LiveManagement.run { live in
            let metadata = try await live.root(
                "GET", "/\(LiveManagement.tenantID)/v2.0/.well-known/openid-configuration", by: nil)
            #expect(metadata.json["issuer"]?.text == "\(LiveManagement.publicURL)/\(LiveManagement.tenantID)/v2.0")
            #expect(metadata.head["Cache-Control"] == "public, max-age=3600")
            let keys = try await live.root("GET", "/\(LiveManagement.tenantID)/discovery/v2.0/keys", by: nil)
            let key = keys.json["keys"]?.items?.first
            #expect(key?["kty"] == "RSA" && key?["kid"] == "k" && key?["d"] == nil && key?["p"] == nil)
            let other = try await live.root("GET", "/other/discovery/v2.0/keys", by: nil)
            #expect(other.status == 401)
        }
    }

    /// Nobody is known yet, so what is hashed is bounded.
    @Test func G4_a_form_of_too_many_or_too_long_parameters_is_refused() async throws {
        try await LiveManagement.run { live in
            let long = "a" + String(repeating: "\u{301}\u{323}", count: 100)
            for form in [
                [(long, "1"), Self.grant], (0...64).map { ("p\($0)", "1") },
                [("client_id", long), ("client_secret", "x"), Self.grant, Self.scope],
            ] {
                let answer = try await Self.ask(live, form)
                #expect(answer.status == 400 || answer.status == 401)
                #expect(["invalid_request", "invalid_client"].contains(answer.json["error"]?.text))
            }
        }
    }
}
