// References, uniqueness, delete rules and cascades.
import JSONDocuments
import ResourceStore
import Resources
import Testing

@Suite struct ReferenceRuleTests {
    private static func fill(_ service: TestService) async throws {
        try await service.put(.api, "/apis/a", ["displayName": "a", "path": "a"])
        try await service.put(
            .operation, "/apis/a/operations/o", ["displayName": "o", "method": "GET", "urlTemplate": "/o"])
        try await service.put(.product, "/products/p", ["displayName": "p"])
        try await service.put(.productApi, "/products/p/apis/a", [:])
        try await service.put(.user, "/users/u", ["firstName": "f", "lastName": "l", "email": "f@l"])
        try await service.put(.group, "/groups/g", ["displayName": "g"])
        try await service.put(.groupUser, "/groups/g/users/u", [:])
        try await service.put(.productGroup, "/products/p/groups/g", [:])
        try await service.put(
            .subscription, "/subscriptions/s", ["displayName": "s", "scope": "/apis/a", "ownerId": "/users/u"])
        try await service.put(.backend, "/backends/b", ["url": "https://b.example", "protocol": "http"])
        try await service.put(.policyFragment, "/policyFragments/f", ["value": "<fragment />"])
    }

    @Test(arguments: [
        "/apis/A", "apis/a", "\(TestService.id)/apis/a", "/products/p", "/apis", "apis", "\(TestService.id)/apis",
    ])
    func scopesComeInThreeSpellings(scope: String) async throws {
        try await TestService.run { service in
            try await Self.fill(service)
            try await service.put(.subscription, "/subscriptions/t", ["displayName": "t", "scope": .string(scope)])
            let shown = try await service.shown(.subscription, "/subscriptions/t")["scope"]?.text ?? ""
            #expect(shown.hasPrefix(TestService.id + "/") && shown == shown.replacing("/apis/A", with: "/apis/a"))
        }
    }

    @Test(arguments: [
        "/", "", "/apis/none", "/products/none", "/products", "/groups/g", "/apis/a/operations/o",
        "/subscriptions/x/resourceGroups/g/providers/Microsoft.ApiManagement/service/other/apis/a", "/apis/",
        "nonsense",
    ])
    func aScopeThatIsNoneIsRefused(scope: String) async throws {
        try await TestService.run { service in
            try await Self.fill(service)
            let refusal = await service.refusal {
                try await service.put(.subscription, "/subscriptions/t", ["displayName": "t", "scope": .string(scope)])
            }
            #expect(refusal?.targets == ["properties.scope"])
        }
    }

    @Test func aChildNeedsItsParentAndALinkItsTarget() async throws {
        try await TestService.run { service in
            try await Self.fill(service)
            let operation: JSONValue = ["displayName": "o", "method": "GET", "urlTemplate": "/o"]
            for (kind, path, properties, noun) in [
                (Kind.operation, "/apis/none/operations/o", operation, "Api"),
                (.productApi, "/products/none/apis/a", [:], "Product"),
                (.productApi, "/products/p/apis/none", [:], "Api"),
                (.productGroup, "/products/p/groups/none", [:], "Group"),
                (.groupUser, "/groups/g/users/none", [:], "User"),
                (.gatewayApi, "/gateways/default/apis/none", [:], "Api"),
                (.apiPolicy, "/apis/none/policies/policy", ["value": "<policies />"], "Api"),
            ] as [(Kind, String, JSONValue, String)] {
                let refusal = await service.refusal { try await service.put(kind, path, properties) }
                #expect(refusal?.code == .resourceNotFound && refusal?.message == "\(noun) not found.", "\(path)")
            }
        }
    }

    @Test func G33_whatIsUniqueIsHeldByOne() async throws {
        try await TestService.run { service in
            try await Self.fill(service)
            try await service.put(.namedValue, "/namedValues/n", ["displayName": "n", "value": "v"])
            for (kind, path, properties, target) in [
                (Kind.api, "/apis/b", ["displayName": "b", "path": "/A/"], "path"),
                (.product, "/products/q", ["displayName": "P"], "name"),
                (.user, "/users/v", ["firstName": "f", "lastName": "l", "email": "F@L"], "properties.email"),
                (.group, "/groups/h", ["displayName": "G"], "properties.displayName"),
                (.namedValue, "/namedValues/m", ["displayName": "N", "value": "v"], "name"),
                (
                    .operation, "/apis/a/operations/p",
                    ["displayName": "p", "method": "GET", "urlTemplate": "/O/"], "properties.urlTemplate"
                ),
            ] as [(Kind, String, JSONValue, String)] {
                let refusal = await service.refusal { try await service.put(kind, path, properties) }
                #expect(refusal?.targets == [target], "\(path): \(String(describing: refusal))")
            }
            // A name that was given back is free.
            try await service.put(.group, "/groups/g", ["displayName": "other"])
            try await service.put(.group, "/groups/h", ["displayName": "G"])
        }
    }

    @Test func G33_ofConcurrentWritersOneWins() async throws {
        try await TestService.run { service in
            let made = await withTaskGroup(of: Bool.self) { group in
                for (index, path) in (Array(repeating: ["Orders", "orders", "/orders/"], count: 8).flatMap { $0 })
                    .enumerated()
                {
                    group.addTask {
                        (try? await service.put(.api, "/apis/a\(index)", ["displayName": "a", "path": .string(path)]))
                            != nil
                    }
                }
                return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(made == 1)
        }
    }

    @Test func G33_ofConcurrentNamesAndKeysOneWinsAndNoRefusalNamesAnother() async throws {
        try await TestService.run { service in
            func made(_ write: @escaping @Sendable (Int) async throws -> Void) async -> (count: Int, texts: Set<String>)
            {
                await withTaskGroup(of: String?.self) { group in
                    for number in 0..<32 {
                        group.addTask {
                            do {
                                try await write(number)
                                return nil
                            } catch {
                                let refusal = error as? Refusal
                                return (refusal?.problems ?? []).map { "\($0.target): \($0.message)" }.joined()
                            }
                        }
                    }
                    var (count, texts): (Int, Set<String>) = (0, [])
                    for await text in group { if let text { texts.insert(text) } else { count += 1 } }
                    return (count, texts)
                }
            }
            let names = await made { number in
                try await service.put(
                    .namedValue, "/namedValues/n\(number)",
                    ["displayName": number.isMultiple(of: 2) ? "Same" : "same", "value": "v"])
            }
            #expect(names.count == 1 && names.texts == ["name: Property with the same name already exist."])
            let keys = await made { number in
                var properties: JSONValue = ["displayName": "s", "scope": "/apis"]
                properties[number == 7 ? "secondaryKey" : "primaryKey"] = "the one key"
                try await service.put(.subscription, "/subscriptions/s\(number)", properties)
            }
            #expect(keys.count == 1 && !keys.texts.isEmpty)
            for text in keys.texts { #expect(text.hasSuffix("can't be used; choose another value."), "\(text)") }
        }
    }

    @Test func whatIsUsedStays() async throws {
        try await TestService.run { service in
            try await Self.fill(service)
            try await service.put(.namedValue, "/namedValues/n", ["displayName": "n", "value": "v"])
            let text = """
                <policies><inbound><include-fragment fragment-id="f" /><set-backend-service backend-id="b" />\
                <set-header name="x"><value>{{n}}</value></set-header></inbound></policies>
                """
            try await service.put(
                .apiPolicy, "/apis/a/policies/policy", ["format": "rawxml", "value": .string(text)])
            for (kind, path) in [
                (Kind.backend, "/backends/b"), (.policyFragment, "/policyFragments/f"), (.namedValue, "/namedValues/n"),
            ] {
                let refusal = await service.refusal { try await service.delete(kind, path) }
                #expect(refusal?.code == .validationError && refusal?.problems == nil, "\(path)")
                #expect(refusal?.message.contains("/apis/a/policies/policy\r\n") == true, "\(path)")
            }
            #expect(try await service.delete(.apiPolicy, "/apis/a/policies/policy"))
            for (kind, path) in [
                (Kind.backend, "/backends/b"), (.policyFragment, "/policyFragments/f"), (.namedValue, "/namedValues/n"),
            ] { #expect(try await service.delete(kind, path), "\(path)") }
        }
    }

    @Test func aNamedValueOfABackendsCredentialsStaysWhileTheyAreKept() async throws {
        try await TestService.run { service in
            try await service.put(.namedValue, "/namedValues/n", ["displayName": "n", "value": "v"])
            try await service.put(
                .backend, "/backends/b",
                ["url": "https://b.example", "protocol": "http", "credentials": ["header": ["x": ["{{n}}"]]]])
            // A change that does not name the credentials keeps them, and what they refer to.
            try await service.patch(.backend, "/backends/b", ["title": "t"])
            let used = await service.refusal { try await service.delete(.namedValue, "/namedValues/n") }
            #expect(used != nil)
            try await service.patch(.backend, "/backends/b", ["credentials": ["header": nil]])
            #expect(try await service.delete(.namedValue, "/namedValues/n"))
            let missing = await service.refusal {
                try await service.put(
                    .backend, "/backends/c",
                    ["url": "https://b.example", "protocol": "http", "credentials": ["query": ["x": ["{{gone}}"]]]])
            }
            #expect(missing?.targets == ["credentials"])
        }
    }

    @Test func G34_anApiGoesWithAllThatIsOfItAsOneRevision() async throws {
        try await TestService.run { service in
            try await Self.fill(service)
            try await service.put(.gatewayApi, "/gateways/default/apis/a", [:])
            let before = service.store.revision
            #expect(try await service.delete(.api, "/apis/A"))
            #expect(service.store.revision == before + 1)
            for path in [
                "/apis/a", "/apis/a/operations/o", "/products/p/apis/a", "/gateways/default/apis/a", "/subscriptions/s",
            ] { #expect(try await !service.exists(path), "\(path)") }
            #expect(try await service.exists("/products/p"))
            let hashes = try await service.store.read { reader in
                try reader.changes(after: before).filter { $0.kind == "subscriptions" }.map(\.detail)
            }
            #expect(hashes.first?.split(separator: ",").count == 2, "the publisher learns which keys are gone")
            #expect(hashes.count == 1)
        }
    }

    @Test func aUserGoesWithItsSubscriptionsWhereThatIsAsked() async throws {
        try await TestService.run { service in
            try await Self.fill(service)
            let refusal = await service.refusal { try await service.delete(.user, "/users/u") }
            #expect(refusal?.message.contains("deleteSubscriptions=true") == true)
            let before = service.store.revision
            #expect(try await service.delete(.user, "/users/u", ["deleteSubscriptions": "true"]))
            #expect(service.store.revision == before + 1)
            for path in ["/subscriptions/s", "/groups/g/users/u"] { #expect(try await !service.exists(path)) }
        }
    }

    @Test func whatIsBuiltInStays() async throws {
        try await TestService.run { service in
            for (kind, path) in [
                (Kind.user, "/users/1"), (.group, "/groups/guests"), (.gateway, "/gateways/default"),
            ] {
                let refusal = await service.refusal { try await service.delete(kind, path) }
                #expect(refusal?.code == .methodNotAllowed && refusal?.allowed.contains("GET") == true, "\(path)")
            }
            let group = await service.refusal { try await service.put(.group, "/groups/guests", ["displayName": "x"]) }
            #expect(group?.code == .methodNotAllowed)
            let master = try await service.delete(.subscription, "/subscriptions/master")
            #expect(master)
            let managed = await service.refusal {
                try await service.put(.gateway, "/gateways/managed", ["locationData": ["name": "x"]])
            }
            #expect(managed?.targets == ["id"])
        }
    }

    @Test func aGroupGoesWithItsLinks() async throws {
        try await TestService.run { service in
            try await Self.fill(service)
            #expect(try await service.delete(.group, "/groups/g"))
            #expect(try await service.names("products/groups", below: "/products/p") == ["administrators"])
            #expect(try await service.exists("/users/u"))
        }
    }

    @Test func aProductsLimitCountsWhatIsOpenOfOneUser() async throws {
        try await TestService.run { service in
            try await Self.fill(service)
            try await service.put(.product, "/products/p", ["displayName": "p", "subscriptionsLimit": 1])
            let mine: JSONValue = ["displayName": "x", "scope": "/products/p", "ownerId": "/users/u"]
            try await service.put(.subscription, "/subscriptions/x", mine)
            let second = await service.refusal { try await service.put(.subscription, "/subscriptions/y", mine) }
            #expect(second?.message == "Subscriptions limit reached for same user")
            try await service.put(.subscription, "/subscriptions/z", ["displayName": "z", "scope": "/products/p"])
            try await service.patch(.subscription, "/subscriptions/x", ["state": "cancelled"])
            try await service.put(.subscription, "/subscriptions/y", mine)
            #expect(try await service.shown(.subscription, "/subscriptions/x")["endDate"] != .null)
        }
    }

    @Test func anApiIsInOneOpenProduct() async throws {
        try await TestService.run { service in
            try await Self.fill(service)
            let open: JSONValue = ["displayName": "open", "subscriptionRequired": false]
            try await service.put(.product, "/products/open", open)
            try await service.put(.productApi, "/products/open/apis/a", [:])
            try await service.put(.product, "/products/two", ["displayName": "two", "subscriptionRequired": false])
            let second = await service.refusal { try await service.put(.productApi, "/products/two/apis/a", [:]) }
            #expect(second != nil)
            let opened = await service.refusal {
                try await service.put(.product, "/products/p", ["displayName": "p", "subscriptionRequired": false])
            }
            #expect(opened != nil)
        }
    }
}
