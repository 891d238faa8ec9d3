import Cryptography
import Foundation
import JSONDocuments
import ResourceStore
import Resources
import Testing

@Suite struct KindRulesTests {
    private static let serviceID =
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.ApiManagement/service/local"

    /// A store with what a new service has.
    private struct Service: Sendable {
        let store: ResourceStore
        let context: ResourceContext

        init(_ folder: URL) async throws {
            store = try ResourceStore(path: folder.appending(path: "store.db").path())
            context = ResourceContext(
                serviceID: KindRulesTests.serviceID, sealing: SealingKey(),
                keyHash: try KeyedHash(pepper: SecureRandom.bytes(32)))
            let context = context
            _ = try await store.write(by: .controller) { writer in
                try Bootstrap.make(
                    service: ["properties": ["publisherEmail": "a@b", "publisherName": "x"]], administratorEmail: "a@b",
                    globalPolicy: "<policies><inbound /></policies>", in: writer, context: context)
            }
        }

        func put(_ kind: Kind, _ path: String, _ properties: JSONValue) async throws -> WriteResult {
            let context = context
            return try await store.write(by: .controller) { writer in
                try ResourceOperations.put(
                    kind, WriteRequest(id: ResourceID(path: path), body: ["properties": properties], condition: .none),
                    in: writer, context: context)
            }.value
        }

        func delete(_ kind: Kind, _ path: String, _ query: [String: String] = [:]) async throws -> Bool {
            let context = context
            return try await store.write(by: .controller) { writer in
                try ResourceOperations.delete(
                    kind, ResourceID(path: path), condition: .exists, query: query, in: writer, context: context)
            }.value
        }
    }

    private func withService(_ body: (Service) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try await body(try await Service(folder))
    }

    @Test func keysAreSealedHashedAndNobodyElses() async throws {
        try await withService { service in
            let made = try await service.put(
                .subscription, "/subscriptions/a",
                ["displayName": "a", "scope": "/apis", "primaryKey": "own key", "secondaryKey": "other"])
            #expect(made.resource.properties["primaryKey"] == nil)
            let context = service.context
            let (opened, sealed) = try await service.store.read { reader in
                (
                    try context.secret(made.resource.id, "primaryKey", reader),
                    try reader.secret(made.resource.id, "primaryKey")
                )
            }
            #expect(opened == "own key")
            let bytes = sealed?.bytes ?? []
            #expect(!String(decoding: bytes, as: UTF8.self).contains("own key"))
            await #expect(throws: Refusal.self) {
                try await service.put(
                    .subscription, "/subscriptions/b",
                    ["displayName": "b", "scope": "/apis", "secondaryKey": "own key"])
            }
            let revision = service.store.revision
            let again = try await service.put(
                .subscription, "/subscriptions/a", ["displayName": "a", "scope": "/apis"])
            #expect(again.resource.etag == made.resource.etag)
            #expect(service.store.revision == revision)
        }
    }

    @Test func G34_aProductGoesWithItsSubscriptionsAsOneRevisionOrNotAtAll() async throws {
        try await withService { service in
            _ = try await service.put(.product, "/products/p", ["displayName": "p"])
            _ = try await service.put(.subscription, "/subscriptions/s", ["displayName": "s", "scope": "/products/p"])
            let before = service.store.revision
            await #expect(throws: Refusal.self) { try await service.delete(.product, "/products/p") }
            #expect(service.store.revision == before)
            #expect(try await service.delete(.product, "/products/p", ["deleteSubscriptions": "true"]))
            #expect(service.store.revision == before + 1)
            #expect(try await service.store.read { try $0.get(ResourceID(path: "/subscriptions/s")) } == nil)
        }
    }

    @Test func G33_pathsAreOnePathInAnySpelling() async throws {
        try await withService { service in
            _ = try await service.put(.api, "/apis/a", ["displayName": "a", "path": "/Orders/"])
            for path in ["orders", "ORDERS", "/orders"] {
                await #expect(throws: Refusal.self) {
                    try await service.put(.api, "/apis/b", ["displayName": "b", "path": .string(path)])
                }
            }
        }
    }

    @Test func G60_aNamedValueThatWouldBreakItsDocumentsIsRefused() async throws {
        try await withService { service in
            _ = try await service.put(.namedValue, "/namedValues/v", ["displayName": "v", "value": "5"])
            _ = try await service.put(.product, "/products/p", ["displayName": "p"])
            let text = "<policies><inbound><rate-limit calls=\"{{v}}\" renewal-period=\"60\" /></inbound></policies>"
            _ = try await service.put(
                .productPolicy, "/products/p/policies/policy", ["format": "rawxml", "value": .string(text)])
            await #expect(throws: Refusal.self) {
                try await service.put(.namedValue, "/namedValues/v", ["displayName": "v", "value": "many"])
            }
            _ = try await service.put(.namedValue, "/namedValues/v", ["displayName": "v", "value": "6"])
            await #expect(throws: Refusal.self) { try await service.delete(.namedValue, "/namedValues/v") }
        }
    }

    @Test func G60_a_new_name_is_that_of_all_that_use_it_in_one_revision() async throws {
        try await withService { service in
            _ = try await service.put(
                .namedValue, "/namedValues/v", ["displayName": "a", "value": "5", "secret": true])
            _ = try await service.put(.namedValue, "/namedValues/w", ["displayName": "taken", "value": "x"])
            _ = try await service.put(
                .policyFragment, "/policyFragments/f",
                [
                    "format": "rawxml",
                    "value": "<fragment><set-header name=\"x\"><value>{{ a }}</value></set-header></fragment>",
                ])
            let limit =
                "<policies><inbound><rate-limit calls=\"{{a}}\" renewal-period=\"60\" />"
                + "<include-fragment fragment-id=\"f\" /><set-header name=\"y\"><value>{{taken}}-{{a}}</value>"
                + "</set-header></inbound></policies>"
            for number in 0..<40 {
                _ = try await service.put(.product, "/products/p\(number)", ["displayName": .string("p\(number)")])
                _ = try await service.put(
                    .productPolicy, "/products/p\(number)/policies/policy",
                    ["format": "rawxml", "value": .string(limit)])
            }
            _ = try await service.put(
                .backend, "/backends/b",
                [
                    "url": "https://b.example", "protocol": "http",
                    "credentials": ["header": ["x-key": ["{{a}}"]], "query": ["q": ["1{{a}}2"]]],
                ])
            let before = service.store.revision
            // Not to a name that another has, nor with a value that breaks a document.
            await #expect(throws: Refusal.self) {
                try await service.put(.namedValue, "/namedValues/v", ["displayName": "taken", "secret": true])
            }
            await #expect(throws: Refusal.self) {
                try await service.put(
                    .namedValue, "/namedValues/v", ["displayName": "b", "value": "many", "secret": true])
            }
            #expect(service.store.revision == before)
            _ = try await service.put(.namedValue, "/namedValues/v", ["displayName": "b", "secret": true])
            #expect(service.store.revision == before + 1)
            let context = service.context
            let (documents, backend, changed, users) = try await service.store.read { reader in
                (
                    try reader.list(ListQuery(kind: "products/policies"))
                        + reader.list(ListQuery(kind: "policyFragments")),
                    try ["credentials.header", "credentials.query"].map {
                        try context.secret(ResourceID(path: "/backends/b"), $0, reader) ?? ""
                    }, try reader.changes(after: before).count,
                    try reader.referrers(of: ResourceID(path: "/namedValues/v")).count
                )
            }
            #expect(documents.count == 41 && changed == 43 && users == 42)
            for document in documents {
                let text = document.properties["value"]?.text ?? ""
                #expect(text.contains("{{b}}") && !text.contains("a }}") && !text.contains("{{a"), "\(text)")
            }
            #expect(backend == [#"{"x-key":["{{b}}"]}"#, #"{"q":["1{{b}}2"]}"#])
            // The name that was given back is free, and the value went along.
            _ = try await service.put(.namedValue, "/namedValues/x", ["displayName": "a", "value": "v"])
            let value = try await service.store.read {
                try context.secret(ResourceID(path: "/namedValues/v"), "value", $0)
            }
            #expect(value == "5")
        }
    }

    @Test func G60_writers_at_the_same_time_never_see_a_name_that_nobody_has() async throws {
        try await withService { service in
            _ = try await service.put(.namedValue, "/namedValues/v", ["displayName": "n0", "value": "5"])
            _ = try await service.put(.product, "/products/p", ["displayName": "p"])
            let text: @Sendable (String) -> String = { name in
                "<policies><inbound><rate-limit calls=\"{{\(name)}}\" renewal-period=\"60\" /></inbound></policies>"
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for writer in 0..<4 {
                    group.addTask {
                        for number in 0..<30 {
                            let body: JSONValue = [
                                "format": "rawxml", "value": .string(text("n\((number + writer) % 20)")),
                            ]
                            // Refused where the name is not that of the moment.
                            _ = try? await service.put(.productPolicy, "/products/p/policies/policy", body)
                        }
                    }
                }
                group.addTask {
                    for number in 1..<20 {
                        _ = try await service.put(
                            .namedValue, "/namedValues/v", ["displayName": .string("n\(number)"), "value": "5"])
                    }
                }
                try await group.waitForAll()
            }
            let (name, policy, users) = try await service.store.read { reader in
                (
                    try reader.get(ResourceID(path: "/namedValues/v"))?.properties["displayName"]?.text,
                    try reader.get(ResourceID(path: "/products/p/policies/policy"))?.properties["value"]?.text,
                    try reader.referrers(of: ResourceID(path: "/namedValues/v")).count
                )
            }
            #expect(name == "n19")
            if let policy { #expect(policy == text("n19") && users == 1) }
        }
    }

    @Test func gatewayTokensSpeakForTheirGatewayUntilTheyEnd() async throws {
        try await withService { service in
            let context = service.context
            let now = Date()
            let (good, old, far) = try await service.store.read { reader in
                let key = try context.secret(ResourceID(path: "/gateways/default"), "primary", reader) ?? ""
                let token = { (hours: Double) in
                    Gateways.token(gateway: "default", key: key, expiry: now.addingTimeInterval(hours * 3600))
                }
                return (token(1), token(-1), token(24 * 31))
            }
            let renamed = good.replacingOccurrences(of: "default&", with: "other&")
            let cut = String(good.dropLast(3))
            let longer = good.replacingOccurrences(of: "&2", with: "&3")
            let found = try await service.store.read { reader in
                try [good, old, far, renamed, cut, longer, "", "&&", "a&b&c"].map {
                    try Gateways.gateway(ofToken: $0, now: now, reader: reader, context: context)
                }
            }
            #expect(found == ["default", nil, nil, nil, nil, nil, nil, nil, nil])
        }
    }
}
