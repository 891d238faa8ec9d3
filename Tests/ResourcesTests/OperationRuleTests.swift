// Templates of operations, imports that replace them, and policies that stand at them.
import JSONDocuments
import ResourceStore
import Resources
import Testing

@Suite struct OperationRuleTests {
    private static func parameter(_ name: String) -> JSONValue { ["name": .string(name), "type": "string"] }

    private static func put(
        _ service: TestService, _ template: String, _ parameters: [String] = [], method: String = "GET",
        name: String = "o"
    ) async throws {
        try await service.put(
            .operation, "/apis/a/operations/\(name)",
            [
                "displayName": "o", "method": .string(method), "urlTemplate": .string(template),
                "templateParameters": .array(parameters.map(parameter)),
            ])
    }

    @Test(arguments: [
        ("/", []), ("/{id}", ["id"]), ("/{id}/x/{Other}", ["ID", "other"]), ("/{*rest}", ["rest"]),
        ("/a?q={q}", ["q"]), ("*", []), ("/a.b", []),
    ])
    func templatesThatAreTaken(template: String, parameters: [String]) async throws {
        try await TestService.run { service in
            try await service.put(.api, "/apis/a", ["displayName": "a", "path": "a"])
            try await Self.put(service, template, parameters)
            let shown = try await service.shown(.operation, "/apis/a/operations/o")
            #expect(shown["templateParameters"]?.items?.allSatisfy { $0["required"] == true } == true)
            #expect(shown["responses"] == [] && shown[path: "request.headers"] == [])
        }
    }

    @Test(arguments: [
        ("/{id}", [], ""), ("/", ["id"], ""), ("/{id}", ["id", "id"], ""),
        ("/{a}/{a}", ["a"], "properties.urlTemplate"),
        ("/{", [], "properties.urlTemplate"), ("/}", [], "properties.urlTemplate"),
        ("/{{a}}", ["a"], "properties.urlTemplate"),
        ("/{}", [], "properties.urlTemplate"), ("/a/../b", [], "properties.urlTemplate"),
        ("/a#b", [], "properties.urlTemplate"),
        ("/a\nb", [], "properties.urlTemplate"),
    ])
    func templatesThatAreRefused(template: String, parameters: [String], target: String) async throws {
        try await TestService.run { service in
            try await service.put(.api, "/apis/a", ["displayName": "a", "path": "a"])
            let refusal = await service.refusal { try await Self.put(service, template, parameters) }
            #expect(refusal?.targets == [target], "\(String(describing: refusal))")
        }
    }

    @Test func methodsAreTokensOtherThanTwo() async throws {
        try await TestService.run { service in
            try await service.put(.api, "/apis/a", ["displayName": "a", "path": "a"])
            for method in ["TRACE", "connect", "GET ", "G/T", "GÉT", "GET\r\nX"] {
                let refusal = await service.refusal { try await Self.put(service, "/", method: method) }
                #expect(refusal?.targets == ["properties.method"], "\(method)")
            }
            try await Self.put(service, "/", method: "PURGE-ALL")
        }
    }

    @Test func templatesThatNoCallTellsApartAreOne() async throws {
        try await TestService.run { service in
            try await service.put(.api, "/apis/a", ["displayName": "a", "path": "a"])
            try await Self.put(service, "/pets/{id}", ["id"])
            for template in ["/Pets/{name}", "/pets/{x}/"] {
                let refusal = await service.refusal {
                    try await Self.put(service, template, [template.contains("name") ? "name" : "x"], name: "p")
                }
                #expect(refusal?.targets == ["properties.urlTemplate"], "\(template)")
            }
            try await Self.put(service, "/pets/{id}", ["id"], method: "PUT", name: "p")
            try await Self.put(service, "/pets/{id}/x", ["id"], name: "q")
        }
    }

    private static func imported(_ operations: [(name: String, method: String, template: String)]) -> JSONValue {
        [
            "displayName": "Title", "description": "From the document", "serviceUrl": "https://s.example",
            "protocols": ["https"],
            "operations": .array(
                operations.map {
                    [
                        "name": .string($0.name),
                        "properties": [
                            "displayName": .string($0.name), "method": .string($0.method),
                            "urlTemplate": .string($0.template),
                        ],
                    ]
                }), "schema": nil,
        ]
    }

    @Test func anImportReplacesTheOperationsAndKeepsPoliciesWhereTheyStand() async throws {
        try await TestService.run { service in
            let api: JSONValue = ["path": "a"]
            try await service.put(
                .api, "/apis/a", api,
                imported: Self.imported([("one", "GET", "/1"), ("two", "GET", "/2"), ("gone", "GET", "/3")]))
            #expect(try await service.names("apis/operations", below: "/apis/a") == ["gone", "one", "two"])
            let policy: JSONValue = ["format": "rawxml", "value": "<policies><inbound><base /></inbound></policies>"]
            for name in ["one", "gone"] {
                try await service.put(.operationPolicy, "/apis/a/operations/\(name)/policies/policy", policy)
            }
            let before = service.store.revision
            // Two change places, one goes, and one comes under another name in the place of what went.
            try await service.put(
                .api, "/apis/a", api,
                imported: Self.imported([("one", "GET", "/2"), ("two", "GET", "/1"), ("renamed", "GET", "/3")]))
            #expect(service.store.revision == before + 1)
            #expect(try await service.names("apis/operations", below: "/apis/a") == ["one", "renamed", "two"])
            #expect(try await service.shown(.operation, "/apis/a/operations/one")["urlTemplate"] == "/2")
            #expect(try await service.exists("/apis/a/operations/one/policies/policy"))
            #expect(try await service.exists("/apis/a/operations/renamed/policies/policy"))
            let shown = try await service.shown(.api, "/apis/a")
            #expect(shown["displayName"] == "Title" && shown["serviceUrl"] == "https://s.example")
            let same = await service.refusal { try await Self.put(service, "/1", name: "another") }
            #expect(same?.targets == ["properties.urlTemplate"])
        }
    }

    @Test func G56_aBadImportLeavesTheApiAsItWas() async throws {
        try await TestService.run { service in
            let made = try await service.put(
                .api, "/apis/a", ["path": "a"], imported: Self.imported([("one", "GET", "/1")]))
            let refusal = await service.refusal {
                try await service.put(
                    .api, "/apis/a", ["path": "a"],
                    imported: Self.imported((0..<50).map { ("o\($0)", "GET", "/\($0)") } + [("bad", "TRACE", "/x")]))
            }
            #expect(refusal?.targets == ["representation"])
            #expect(try await service.names("apis/operations", below: "/apis/a") == ["one"])
            let after = try await service.store.read { try $0.get(ResourceID(path: "/apis/a")) }
            #expect(after?.etag == made.resource.etag)
        }
    }

    @Test func aPolicysFaultsAreAllNamedWithTheirPlaces() async throws {
        try await TestService.run { service in
            try await service.put(.api, "/apis/a", ["displayName": "a", "path": "a"])
            let text = """
                <policies><inbound>
                <include-fragment fragment-id="none" />
                <set-backend-service backend-id="none" />
                </inbound></policies>
                """
            let refusal = await service.refusal {
                try await service.put(
                    .apiPolicy, "/apis/a/policies/policy", ["format": "rawxml", "value": .string(text)])
            }
            #expect(refusal?.targets == ["include-fragment", "set-backend-service"])
            #expect(refusal?.problems?.first?.message.contains("line 2") == true)
            let name = await service.refusal {
                try await service.put(.apiPolicy, "/apis/a/policies/other", ["value": "<policies />"])
            }
            #expect(name?.targets == ["id"])
            let unset = await service.refusal {
                try await service.put(
                    .globalPolicy, "/policies/policy",
                    [
                        "format": "rawxml",
                        "value":
                            "<policies><inbound><set-header name=\"x\"><value>{{none}}</value></set-header></inbound></policies>",
                    ])
            }
            #expect(unset != nil)
        }
    }
}
