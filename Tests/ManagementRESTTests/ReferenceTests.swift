// What names another resource names one that is there, and the same one for everybody.
import AccessControl
import JSONDocuments
import ResourceStore
import Testing
import WebClient

@testable import ManagementREST

@Suite struct ReferenceTests {
    @Test func G15_letters_fold_alike_for_the_store_and_for_decisions() async throws {
        try await LiveManagement.run { live in
            try await live.put("/apis/k", ["displayName": "k", "path": "k"])
            try await live.put("/apis/%C3%A9", ["displayName": "é", "path": "e"])
            #expect(try await live.send("GET", "/apis/K").json["name"] == "k")
            // KELVIN SIGN, and e with a combining accent: not in normal form, so no id at all.
            for path in ["/apis/%E2%84%AA", "/apis/e%CC%81"] {
                let answer = try await live.send("GET", path)
                #expect(answer.status == 400 && answer.targets == ["id"], "\(path)")
                let put = try await live.send("PUT", path, ["properties": ["displayName": "x", "path": "x"]])
                #expect(put.status == 400, "\(path)")
            }
            // What É names, it names for the store and for decisions: the right at one spelling is the right at both.
            let reader = try await live.caller("reader", [(BuiltInRoles.reader, LiveManagement.serviceID + "/apis/É")])
            let stored = try await live.send("GET", "/apis/%C3%89").status
            let decided = try await live.send("GET", "/apis/%C3%A9", by: reader).status
            #expect(stored == 200 && decided == 200)
            #expect(try await live.send("GET", "/apis/k", by: reader).status == 403)
            #expect(try await live.send("GET", "/apis/e", by: reader).status == 403)
            let elsewhere = try await live.assign(
                BuiltInRoles.reader, to: reader.objectID, at: LiveManagement.serviceID + "/apis/e%CC%81",
                by: live.owner)
            #expect(elsewhere.status == 400)
            for scope in ["/products/e\u{301}", "/apis/\u{212A}"] {
                let answer = try await live.send(
                    "PUT", "/subscriptions/s", ["properties": ["displayName": "s", "scope": .string(scope)]])
                #expect(answer.status == 400 && answer.targets == ["properties.scope"], "\(scope): \(answer.text)")
            }
            try await live.put("/backends/k", ["url": "http://127.0.0.1:1", "protocol": "http"])
            for (name, status) in [("k", 201), ("K", 200), ("\u{212A}", 400)] {
                let text =
                    "<policies><inbound><set-backend-service backend-id=\"\(name)\" /></inbound>"
                    + "<backend><forward-request /></backend><outbound /><on-error /></policies>"
                let answer = try await live.send(
                    "PUT", "/apis/k/policies/policy", ["properties": ["format": "rawxml", "value": .string(text)]])
                #expect(answer.status == status, "\(name)")
            }
        }
    }

    @Test func G35_no_reference_is_ever_left_without_its_target() async throws {
        try await LiveManagement.run { live in
            try await live.put("/apis/a", ["displayName": "a", "path": "a"])
            let cases: [(target: String, properties: JSONValue, policy: String)] = [
                (
                    "/backends/b", ["url": "http://127.0.0.1:1", "protocol": "http"],
                    "<set-backend-service backend-id=\"b\" />"
                ),
                (
                    "/policyFragments/f", ["value": "<fragment><set-method>GET</set-method></fragment>"],
                    "<include-fragment fragment-id=\"f\" />"
                ),
                (
                    "/namedValues/n", ["displayName": "n", "value": "v"],
                    "<set-header name=\"x\"><value>{{n}}</value></set-header>"
                ),
            ]
            for (target, properties, policy) in cases {
                let document: JSONValue = [
                    "format": "rawxml",
                    "value": .string(
                        "<policies><inbound>\(policy)</inbound><backend><forward-request /></backend><outbound /><on-error /></policies>"
                    ),
                ]
                let free: JSONValue = [
                    "format": "rawxml",
                    "value":
                        "<policies><inbound /><backend><forward-request /></backend><outbound /><on-error /></policies>",
                ]
                for _ in 0..<12 {
                    try await live.put("/apis/a/policies/policy", free)
                    try await live.put(target, properties)
                    async let put = live.send("PUT", "/apis/a/policies/policy", ["properties": document])
                    async let delete = live.send("DELETE", target, fields: [WebField("If-Match", "*")])
                    let (written, deleted) = try await (put, delete)
                    let isThere = try await live.send("GET", target).status == 200
                    let text = try await live.send("GET", "/apis/a/policies/policy").text
                    let isNamed =
                        text.contains("set-backend-service") || text.contains("include-fragment")
                        || text.contains("{{n}}")
                    #expect(!isNamed || isThere, "\(target): PUT \(written.status), DELETE \(deleted.status)")
                    #expect((written.status < 300) != (deleted.status < 300), "\(target)")
                    #expect([200, 201, 400].contains(written.status) && [200, 204, 400, 409].contains(deleted.status))
                }
            }
        }
    }

    @Test func G45_a_browser_that_holds_nothing_can_do_nothing() async throws {
        try await LiveManagement.run { live in
            let strange = [WebField("Origin", "https://evil.example.test"), WebField("Cookie", "session=1")]
            let form = [WebField("Content-Type", "application/x-www-form-urlencoded")]
            let null = [WebField("Origin", "null"), WebField("Host", "rebound.example.test")]
            for fields in [strange, strange + form, null] {
                for (method, path) in [
                    ("GET", "/apis"), ("PUT", "/apis/a"), ("POST", "/subscriptions/master/listSecrets"),
                    ("DELETE", "/apis/a"), ("OPTIONS", "/apis"), ("POST", "/gatehouse/principals/p/rotateSecret"),
                ] {
                    let body: [UInt8]? = method == "GET" || method == "OPTIONS" ? nil : Array("a=1".utf8)
                    let answer = try await live.root(
                        method, LiveManagement.serviceID + path + "?api-version=2024-05-01", body, by: nil,
                        fields: fields)
                    #expect(answer.status == 401, "\(method) \(path)")
                    Self.hasNothingForBrowsers(answer)
                }
            }
            for path in ["/healthz", "/\(LiveManagement.tenantID)/v2.0/.well-known/openid-configuration"] {
                let answer = try await live.root("GET", path, by: nil, fields: strange)
                #expect(answer.status == 200)
                Self.hasNothingForBrowsers(answer)
            }
            Self.hasNothingForBrowsers(try await live.send("GET", "/apis", fields: strange))
        }
    }

    private static func hasNothingForBrowsers(_ answer: TestAnswer) {
        for field in answer.head.fields {
            let name = field.name.lowercased()
            #expect(!name.hasPrefix("access-control-") && name != "set-cookie", "\(field)")
        }
    }

    @Test(arguments: ["wsdl", "wsdl-link", "wadl-xml", "wadl-link-json", "odata", "odata-link", "grpc", "graphql-link"])
    func G53_formats_that_are_not_built_are_refused_before_their_text_is_read(format: String) async throws {
        try await LiveManagement.run { live in
            let text =
                "<!DOCTYPE x [<!ENTITY a SYSTEM \"file:///etc/passwd\"><!ENTITY % p SYSTEM \"http://127.0.0.1:1/\">%p;]><x>&a;</x>"
            let before = try await live.store.read { try $0.newestRevision() }
            for value in [text, "http://127.0.0.1:1/x", "no description at all"] {
                let answer = try await live.send(
                    "PUT", "/apis/a",
                    [
                        "properties": [
                            "path": "a", "displayName": "a", "format": .string(format), "value": .string(value),
                        ]
                    ])
                #expect(answer.status == 501 && answer.code == "NotImplemented", "\(answer.text)")
                #expect(answer.message.contains(format) && !answer.text.contains("root:"), "\(answer.text)")
            }
            #expect(try await live.store.read { try $0.newestRevision() } == before)
        }
    }
}
