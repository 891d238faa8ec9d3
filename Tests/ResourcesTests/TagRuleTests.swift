import JSONDocuments
import ResourceStore
import Resources
import Testing

/// Tags and their assignments: rules, cascades, and what lists choose by them.
@Suite struct TagRuleTests {
    /// Two APIs, the first with two operations, and a product.
    private func shop(_ service: TestService) async throws {
        for name in ["orders", "bills"] {
            try await service.put(.api, "/apis/\(name)", ["displayName": .string(name), "path": .string(name)])
        }
        for name in ["get", "list"] {
            try await service.put(
                .operation, "/apis/orders/operations/\(name)",
                ["displayName": .string(name), "method": "GET", "urlTemplate": .string("/\(name)")])
        }
        try await service.put(.product, "/products/starter", ["displayName": "starter"])
        for name in ["red", "blue"] {
            try await service.put(.tag, "/tags/\(name)", ["displayName": .string("The \(name) one")])
        }
    }

    private func chosen(
        _ service: TestService, _ kind: Kind, _ option: String, _ value: String, below parent: String = ""
    ) async throws -> Set<String>? {
        try await service.store.read { try kind.selections[option]?(value, ResourceID(path: parent), $0) }
    }

    @Test func aTagHasADisplayNameThatNoOtherHas() async throws {
        try await TestService.run { service in
            try await service.put(.tag, "/tags/a", ["displayName": "Red"])
            try await service.put(.tag, "/tags/a", ["displayName": "Red"])
            for (properties, targets) in [
                ([:], ["properties.displayName"]), (["displayName": nil], ["properties.displayName"]),
                (["displayName": ""], ["properties.displayName"]),
                (["displayName": .string(String(repeating: "x", count: 161))], ["properties.displayName"]),
                (["displayName": 7], ["properties.displayName"]), (["displayName": "rED"], ["properties.displayName"]),
            ] as [(JSONValue, [String])] {
                let refusal = await service.refusal { try await service.put(.tag, "/tags/b", properties) }
                #expect(refusal?.targets == targets, "\(properties)")
            }
            try await service.put(.tag, "/tags/b", ["displayName": .string(String(repeating: "x", count: 160))])
            try await service.patch(.tag, "/tags/b", ["displayName": "Green"])
            #expect(try await service.shown(.tag, "/tags/b") == ["displayName": "Green"])
        }
    }

    @Test func G31_a_tags_name_is_a_name() async throws {
        try await TestService.run { service in
            for name in ["a#b", "a?", "a:b", "a%2F", "..", String(repeating: "x", count: 81), " a", "a\u{202E}b"] {
                let refusal = await service.refusal {
                    try await service.put(.tag, "/tags/\(name)", ["displayName": "d"])
                }
                #expect(refusal?.targets == ["id"], "\(name)")
            }
            try await service.put(.tag, "/tags/\(String(repeating: "x", count: 80))", ["displayName": "d"])
        }
    }

    @Test func anAssignmentNeedsBothEndsAndShowsTheTag() async throws {
        try await TestService.run { service in
            try await shop(service)
            let paths: [(Kind, String)] = [
                (.apiTag, "/apis/orders"), (.operationTag, "/apis/orders/operations/get"),
                (.productTag, "/products/starter"),
            ]
            for (kind, path) in paths {
                let noTag = await service.refusal { try await service.put(kind, "\(path)/tags/gone", [:]) }
                #expect(noTag?.code == .resourceNotFound && noTag?.message == "Tag not found.", "\(path)")
                let noParent = await service.refusal { try await service.put(kind, "\(path)x/tags/red", [:]) }
                #expect(noParent?.code == .resourceNotFound, "\(path)")
                #expect(try await service.put(kind, "\(path)/tags/RED", [:]).isNew)
                #expect(try await service.put(kind, "\(path)/tags/red", ["displayName": "other"]).isNew == false)
                #expect(try await service.shown(kind, "\(path)/tags/red") == ["displayName": "The red one"])
            }
        }
    }

    @Test func aTagInUseGoesWithItsAssignments() async throws {
        try await TestService.run { service in
            try await shop(service)
            for (kind, path) in [
                (Kind.apiTag, "/apis/orders"), (.operationTag, "/apis/orders/operations/get"),
                (.productTag, "/products/starter"),
            ] {
                for tag in ["red", "blue"] { try await service.put(kind, "\(path)/tags/\(tag)", [:]) }
            }
            let before = service.store.revision
            #expect(try await service.delete(.tag, "/tags/red"))
            #expect(service.store.revision == before + 1, "one commit is one revision")
            #expect(try await service.names("apis/tags", below: "/apis/orders") == ["blue"])
            #expect(try await service.names("apis/operations/tags", below: "/apis/orders/operations/get") == ["blue"])
            #expect(try await service.names("products/tags", below: "/products/starter") == ["blue"])
            #expect(try await service.delete(.tag, "/tags/red") == false)
        }
    }

    @Test func assignmentsGoWithWhatIsTaggedAndTheTagStays() async throws {
        try await TestService.run { service in
            try await shop(service)
            try await service.put(.apiTag, "/apis/orders/tags/red", [:])
            try await service.put(.operationTag, "/apis/orders/operations/get/tags/red", [:])
            try await service.put(.operationTag, "/apis/orders/operations/list/tags/red", [:])
            try await service.put(.productTag, "/products/starter/tags/red", [:])
            try await service.delete(.operation, "/apis/orders/operations/get")
            #expect(try await service.exists("/apis/orders/operations/get/tags/red") == false)
            #expect(try await service.exists("/apis/orders/operations/list/tags/red"))
            try await service.delete(.api, "/apis/orders")
            try await service.delete(.product, "/products/starter")
            #expect(try await chosen(service, .tag, "scope", "apis") == [])
            #expect(try await chosen(service, .tag, "scope", "products") == [])
            #expect(try await service.exists("/tags/red"))
        }
    }

    @Test func listsAreChosenByTagsWhateverTheyAreCalledBy() async throws {
        try await TestService.run { service in
            try await shop(service)
            try await service.put(.apiTag, "/apis/orders/tags/red", [:])
            try await service.put(.apiTag, "/apis/bills/tags/blue", [:])
            try await service.put(.operationTag, "/apis/orders/operations/get/tags/blue", [:])
            try await service.put(.productTag, "/products/starter/tags/red", [:])
            #expect(try await chosen(service, .api, "tags", "red") == ["orders"])
            #expect(try await chosen(service, .api, "tags", " RED , the blue one ") == ["orders", "bills"])
            #expect(try await chosen(service, .api, "tags", "gone,%,',") == [])
            #expect(try await chosen(service, .api, "tags", " , ") == nil, "names no tag")
            #expect(try await chosen(service, .operation, "tags", "blue", below: "/apis/orders") == ["get"])
            #expect(try await chosen(service, .operation, "tags", "blue", below: "/apis/bills") == [])
            #expect(try await chosen(service, .product, "tags", "red") == ["starter"])
        }
    }

    @Test func tagsAreChosenByWhatTheyAreAssignedTo() async throws {
        try await TestService.run { service in
            try await shop(service)
            try await service.put(.apiTag, "/apis/bills/tags/red", [:])
            try await service.put(.operationTag, "/apis/orders/operations/get/tags/blue", [:])
            for (scope, expected) in [
                ("apis", ["red", "blue"]), ("products", []), ("apis/orders", ["blue"]), ("/Apis/Bills", ["red"]),
                ("apis/gone", []), ("apis/order", []),
            ] as [(String, Set<String>)] {
                #expect(try await chosen(service, .tag, "scope", scope) == expected, "\(scope)")
            }
            #expect(try await chosen(service, .tag, "scope", "") == nil)
            for scope in ["users", "apis/a/operations", "tags/red", "../apis"] {
                await #expect(throws: Refusal.self, "\(scope)") { try await chosen(service, .tag, "scope", scope) }
            }
        }
    }
}
