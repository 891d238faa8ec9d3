// What fields may hold, kind by kind: required, bounds, spellings, defaults and nulls.
import JSONDocuments
import ResourceStore
import Resources
import Testing

@Suite struct FieldRuleTests {
    private static let kinds: [(kind: Kind, path: String, good: JSONValue)] = [
        (.api, "/apis/a", ["displayName": "a", "path": "a"]),
        (.product, "/products/p", ["displayName": "p"]),
        (.user, "/users/u", ["firstName": "f", "lastName": "l", "email": "f@l"]),
        (.group, "/groups/g", ["displayName": "g"]),
        (.subscription, "/subscriptions/s", ["displayName": "s", "scope": "/apis"]),
        (.namedValue, "/namedValues/n", ["displayName": "n", "value": "v"]),
        (.backend, "/backends/b", ["url": "https://b.example", "protocol": "http"]),
        (.gateway, "/gateways/g", ["locationData": ["name": "l"]]),
        (.policyFragment, "/policyFragments/f", ["value": "<fragment />"]),
    ]

    @Test func whatIsRequiredIsNamedAndNothingElseIs() async throws {
        let required: [String: [String]] = [
            "apis": ["path"], "products": ["displayName"], "users": ["firstName", "lastName", "email"],
            "groups": ["displayName"], "subscriptions": ["scope", "displayName"], "namedValues": ["displayName"],
            "backends": [], "gateways": ["locationData"], "policyFragments": ["value"],
        ]
        try await TestService.run { service in
            for (kind, path, good) in Self.kinds {
                let refusal = await service.refusal { try await service.put(kind, path, [:]) }
                let wanted = (required[kind.name] ?? []).map { "properties.\($0)" }
                if kind.name == "backends" {
                    #expect(refusal?.targets == ["properties.url", "properties.protocol"])
                } else {
                    #expect(refusal?.targets == wanted, "\(kind.name)")
                }
                #expect(refusal?.code == .validationError, "\(kind.name)")
                let first = try await service.put(kind, path, good)
                let second = try await service.put(kind, path, good)
                #expect(first.isNew && !second.isNew, "\(kind.name)")
            }
        }
    }

    @Test(arguments: ["a;rev=2", "a;REV=1", ";rev=1"])
    func G13_theNameOfARevisionIsNotTheNameOfAnApi(name: String) async throws {
        try await TestService.run { service in
            let refusal = await service.refusal {
                _ = try await service.put(.api, "/apis/\(name)", ["displayName": "a", "path": "a"])
            }
            #expect(refusal?.code == .notImplemented)
            let exists = try await service.exists("/apis/\(name)")
            #expect(!exists)
        }
    }

    @Test func wrongTypesAreAllNamedAtOnce() async throws {
        try await TestService.run { service in
            for (kind, path, good) in Self.kinds {
                var bad = JSONObject()
                for (name, _) in good.members ?? JSONObject() { bad[name] = .array([.bool(true)]) }
                let refusal = await service.refusal { try await service.put(kind, path, .object(bad)) }
                #expect(
                    Set(refusal?.targets ?? []) == Set(bad.names.map { "properties.\($0)" }), "\(kind.name)")
            }
        }
    }

    @Test(arguments: [
        ("displayName", 300), ("description", 1000), ("terms", 5000),
    ])
    func G31_lengthsCountUnicodeScalars(field: String, most: Int) async throws {
        try await TestService.run { service in
            for (count, good) in [(min(most, 2000), true), (most + 1, most > 1000)] {
                // Marks that join to the letter before: one character, many scalars.
                var properties: JSONValue = ["displayName": .string("p\(count)")]
                properties[field] = .string(
                    String(String.UnicodeScalarView(["a"] + Array(repeating: "\u{301}", count: count - 1))))
                let refusal = await service.refusal {
                    try await service.put(.product, "/products/p\(count)", properties)
                }
                #expect((refusal == nil) == good, "\(field) \(count)")
                if good {
                    let shown = try await service.shown(.product, "/products/p\(count)")
                    #expect(shown[field]?.text?.unicodeScalars.count == count)
                }
            }
        }
    }

    @Test func defaultsAndNullsAreAsTheRealServiceHasThem() async throws {
        try await TestService.run { service in
            for (kind, path, good) in Self.kinds { try await service.put(kind, path, good) }
            let api = try await service.shown(.api, "/apis/a")
            #expect(api["protocols"] == ["https"] && api["subscriptionRequired"] == true && api["isCurrent"] == true)
            #expect(api["apiRevision"] == "1" && api["serviceUrl"] == .null && api["description"] == .null)
            #expect(api[path: "subscriptionKeyParameterNames.header"] == "Ocp-Apim-Subscription-Key")
            let product = try await service.shown(.product, "/products/p")
            #expect(product["state"] == "notPublished" && product["subscriptionRequired"] == true)
            #expect(product["approvalRequired"] == false && product["subscriptionsLimit"] == .null)
            let subscription = try await service.shown(.subscription, "/subscriptions/s")
            #expect(subscription["state"] == "active" && subscription["startDate"] == .null)
            #expect(subscription["scope"]?.text == TestService.id + "/apis")
            let group = try await service.shown(.group, "/groups/g")
            #expect(group["type"] == "custom" && group["builtIn"] == false && group["externalId"] == .null)
            let user = try await service.shown(.user, "/users/u")
            #expect(user["state"] == "active" && user["identities"] == [["provider": "Basic", "id": "f@l"]])
            let value = try await service.shown(.namedValue, "/namedValues/n")
            #expect(value["secret"] == false && value["tags"] == [] && value["value"] == "v")
            // PUT replaces: what is left out goes back to its default.
            try await service.put(.product, "/products/p", ["displayName": "p", "state": "PUBLISHED", "terms": "t"])
            #expect(try await service.shown(.product, "/products/p")["state"] == "published")
            try await service.put(.product, "/products/p", ["displayName": "p"])
            let again = try await service.shown(.product, "/products/p")
            #expect(again["state"] == "notPublished" && again["terms"] == .null)
        }
    }

    @Test func pathsAndProtocolsOfAnApiHaveOneForm() async throws {
        try await TestService.run { service in
            try await service.put(
                .api, "/apis/a", ["displayName": "a", "path": "//x/y/", "protocols": ["https", "http", "HTTPS"]])
            let shown = try await service.shown(.api, "/apis/a")
            #expect(shown["path"] == "x/y" && shown["protocols"] == ["http", "https"])
            for path in ["a//b", "a/../b", ".", "a?b", "a#b", "a b", "a;b", "a\\b"] {
                let refusal = await service.refusal {
                    try await service.put(.api, "/apis/b", ["displayName": "b", "path": .string(path)])
                }
                #expect(refusal?.targets.contains("properties.path") == true, "\(path)")
            }
            for url in ["ftp://x", "x", "https://", "https://u:p@x", "https://x y", "/x"] {
                let refusal = await service.refusal {
                    try await service.put(
                        .api, "/apis/b", ["displayName": "b", "path": "b", "serviceUrl": .string(url)])
                }
                #expect(refusal?.targets == ["properties.serviceUrl"], "\(url)")
            }
        }
    }

    @Test func G30_strictHandlingNamesUnknownMembers() async throws {
        try await TestService.run { service in
            let properties: JSONValue = ["displayName": "g", "x": ["y": 1], "builtIn": true]
            let refusal = await service.refusal {
                try await service.put(.group, "/groups/g", properties, isStrict: true)
            }
            #expect(refusal?.targets == ["properties.x"])
            try await service.put(.group, "/groups/g", properties)
            #expect(try await service.shown(.group, "/groups/g")["builtIn"] == false)
        }
    }

    @Test func noBodyTraps() async throws {
        try await TestService.run { service in
            var state: UInt64 = 3
            func random(_ below: Int) -> Int {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return Int(state >> 33) % below
            }
            let values: [JSONValue] = [
                nil, true, 0, -1, .int(.max), .number("1e400"), "", "x", "{{n}}", "{{", "/apis/a", "//", "&", "\u{0}",
                [],
                [nil], ["a", 1], [:], ["a": ["b": ["c"]]], .string(String(repeating: "é", count: 400)), "9999-99-99",
                "1e9",
            ]
            for round in 0..<300 {
                let (kind, path, good) = Self.kinds[random(Self.kinds.count)]
                var properties = good
                for _ in 0..<(1 + random(3)) {
                    let property = kind.properties[random(kind.properties.count)]
                    properties[property.name] = values[random(values.count)]
                }
                do {
                    try await service.put(kind, "\(path)\(round % 5)", properties)
                } catch {
                    #expect(error is Refusal, "\(kind.name) \(error)")
                }
            }
        }
    }
}
