import ApiImport
import Foundation
import JSONDocuments
import Testing

/// What people bring on the first day: 69 real descriptions, and own ones that are broken or easy to read wrongly.
@Suite(.enabled(if: Corpus.isThere, "\(Corpus.absent)"))
struct DescriptionCorpusTests {
    /// Descriptions that are refused, and what the first fault says.
    private static let refused = [
        "ai-hub--realtime-websocket.json": "must begin with '/'",
        "camara--qos-provisioning.yaml": "leads to another file",
        "clair.json": "leads to another file",
        "digitalocean--root-of-many-files.yaml": "leads to another file",
        "docusign--click.json": "would answer the same calls",
        "ga4gh--task-execution.yaml": "leads to another host",
        "go-swagger--tabs.yaml": "stands twice in one mapping",
        "influxdata--quartz-oem.yaml": "has no parameter 'orgId'",
        "matrix--report-content.yaml": "leads to another file",
        "matrix--transactions.yaml": "leads to another file",
        "openapi-net--3-1-properties.yaml": "leads to another host",
        "rekor.yaml": "leads to another file",
        "spectral--yaml-directive.yaml": "leads to another file",
        "svix.json": "has no parameter 'app_id'",
        "swagger-parser--petstore-3-1-more.yaml": "it does not exist",
    ]
    /// Operations under x-ms-paths, and TRACE, which the gateway never answers.
    private static let moreOperations = [
        "ai-gateway--pass-through.json": -1, "autorest--paging.json": 3, "azure-api-management-client.json": 1,
    ]

    @Test func everyRealDescriptionIsTakenOrRefusedForAReason() throws {
        var table = ["file\tformat\toperations\tschemas\tservice URL\tfaults\tfirst fault"]
        for source in try Corpus.sources("openapi") {
            let file = source["file"] ?? ""
            do {
                let api = try ApiImporter.importDescription(try Corpus.bytes("openapi", file))
                #expect(Self.refused[file] == nil, "\(file) is taken")
                let expected = (Int(source["operations"] ?? "") ?? -1) + (Self.moreOperations[file] ?? 0)
                #expect(api.operations.count == expected, "\(file)")
                let ids = api.operations.map { $0.name.lowercased() }
                #expect(Set(ids).count == ids.count && ids.allSatisfy { (1...80).contains($0.count) }, "\(file)")
                let schemas = api.schema?.document[path: "components.schemas"] ?? api.schema?.document["definitions"]
                table.append(
                    "\(file)\t\(api.format)\t\(api.operations.count)\t\(schemas?.members?.count ?? 0)\t"
                        + "\(api.serviceUrl ?? "")\t0\t")
            } catch let failure as ImportFailure {
                let reason = Self.refused[file] ?? "(nothing)"
                #expect(failure.problems[0].message.contains(reason), "\(file): \(failure.problems[0])")
                #expect(failure.problems.allSatisfy { !$0.place.isEmpty || $0.message.contains("Lin:") }, "\(file)")
                table.append("\(file)\t\t\t\t\t\(failure.problems.count)\t\(failure.problems[0])")
            }
        }
        if let path = ProcessInfo.processInfo.environment["GATEHOUSE_IMPORT_TABLE"] {
            try (table.joined(separator: "\n") + "\n").write(toFile: path, atomically: true, encoding: .utf8)
        }
    }

    /// File → what the message must hold.
    private static let broken: [(file: String, parts: [String])] = [
        ("01-empty.yaml", ["empty", "openapi", "swagger"]),
        ("02-truncated.json", ["line 5", "too early", "/paths/~1pets/get/responses"]),
        ("03-array.json", ["root must be an object", "array"]),
        ("04-scalar.yaml", ["root must be an object", "text", "no OpenAPI document"]),
        ("05-html.yaml", ["neither JSON nor YAML", "HTML"]),
        ("06-no-version.yaml", ["openapi", "swagger", "3.0.x", "3.1.x"]),
        ("07-version-4.yaml", ["4.0.0", "2.0", "3.0.x", "3.1.x"]),
        ("08-swagger-1-2.json", ["Swagger 1.2", "/swaggerVersion", "convert"]),
        ("09-both-versions.yaml", ["'swagger'", "'openapi'", "must go"]),
        ("10-no-paths.yaml", ["'paths' is required in OpenAPI 3.0"]),
        ("11-paths-is-a-list.yaml", ["/paths", "must be an object", "array"]),
        ("12-no-title.yaml", ["/info/title", "required"]),
        ("13-path-without-slash.yaml", ["/paths/pets", "begin with '/'"]),
        ("14-unclosed-brace.yaml", ["/pets/{petId/photos", "character 7"]),
        ("15-empty-parameter.yaml", ["/pets/{}", "without a name"]),
        ("16-same-parameter-twice.yaml", ["/pets/{id}/toys/{id}", "'id' twice"]),
        ("17-path-characters.yaml", ["\\\\", "U+0007"]),
        ("18-path-parameter-undeclared.yaml", ["GET /pets/{petId}", "'getPet'", "'petId'", "in: path"]),
        ("19-same-template.yaml", ["GET /pets/{id}", "GET /Pets/{petId}/"]),
        ("20-unresolvable-ref.yaml", ["/paths/~1pets/get/parameters/0", "#/components/parameters/Limit", "'Limits'"]),
        ("21-cyclic-parameter.yaml", ["never ends", "parameters/A", "parameters/B"]),
        ("22-file-ref.yaml", ["./paths/pets.yaml", "file:///etc/passwd", "Bundle"]),
        ("23-remote-ref.json", ["169.254.169.254", "localhost:8080", "not followed"]),
        ("24-yaml-bomb.yaml", ["10 times"]),
        ("25-deep.json", ["64 levels"]),
        ("26-deep.yaml", ["64 levels"]),
        ("27-duplicate-keys.yaml", ["'get'", "lines 7 and 12"]),
        ("28-tabs.yaml", ["Lin: 6", "tabs for indentation"]),
        ("29-wrong-method.yaml", ["/paths/~1pets/fetch", "get, put, post"]),
        ("30-not-utf8.yaml", ["0xE9", "line 3, column 13"]),
    ]

    @Test func everyBrokenDescriptionIsToldWhatIsWrongAndWhere() throws {
        #expect(try Corpus.files("openapi-broken") == Self.broken.map(\.file))
        for (file, parts) in Self.broken {
            let bytes = try Corpus.bytes("openapi-broken", file)
            do {
                _ = try ApiImporter.importDescription(bytes)
                Issue.record("\(file) is taken")
            } catch {
                let failure = error
                #expect(failure.problems.count == 1, "\(file) has one fault")
                for part in parts { #expect(failure.description.contains(part), "\(file): \(failure)") }
                let isOneLine = failure.description.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
                #expect(isOneLine, "\(file)")
            }
        }
    }

    @Test func aDescriptionWithoutTitleIsTakenUnderTheNameOfTheRequest() throws {
        let api = try ApiImporter.importDescription(
            try Corpus.bytes("openapi-broken", "12-no-title.yaml"), options: ImportOptions(displayName: "Pets"))
        #expect(api.displayName == "Pets")
    }

    // MARK: Own descriptions

    private func own(_ file: String) throws -> ImportedApi {
        try ApiImporter.importDescription(try Corpus.bytes("openapi-own", file))
    }

    private func statuses(_ api: ImportedApi, _ name: String) -> [Int64] {
        let operation = api.operations.first { $0.name == name }
        return (operation?.properties["responses"]?.items ?? []).compactMap { $0["statusCode"]?.integer }
    }

    @Test func keysAreTextWhateverYAML11MakesOfThem() throws {
        let api = try own("yaml-1-1-keys.yaml")
        #expect(api.operations.map(\.name) == ["listSwitches"])
        #expect(statuses(api, "listSwitches") == [200, 404, 400, 500])
        let names = api.schema?.document[path: "components.schemas.Switch.properties"]?.members?.names
        #expect(
            names == [
                "on", "off", "yes", "no", "y", "n", "null", "true", "1.0", "0x1F", "017", "1_000", "12:30",
                "2020-01-01",
            ])
    }

    @Test func valuesAreAsWritten() throws {
        let api = try own("yaml-1-1-values.yaml")
        #expect(api.displayName == "2024-01-01" && api.version == "1.10" && api.description == "yes")
        let operation = try #require(api.operations.first)
        #expect(operation.name == "007" && operation.tags == ["on"] && operation.displayName == "no")
        #expect(operation.urlTemplate == "/countries/{code}?since={since}")
        let parameters = operation.properties["templateParameters"]?.items ?? []
        #expect(
            parameters.first?["values"]?.items?.compactMap(\.text) == [
                "NO", "SE", "on", "off", "yes", "0123", "1e3", "12:30", "2020-02-30",
            ])
        #expect(parameters.last?["defaultValue"] == "2020-01-01")
        let optional = operation.properties[path: "request.queryParameters"]?.items?.first
        #expect(optional?["defaultValue"] == "9007199254740993")
    }

    @Test func idsFollowTheRule() throws {
        let long = "aVeryLongOperationIdentifierThatNobodyWouldEverTypeByHandButGeneratorsWriteT"
        let api = try own("operation-ids.yaml")
        #expect(
            api.operations.map(\.name) == [
                "List-Pets", "list-pets-1", "list-pets-2", "Pets-Find", "pets-find-1", long, "\(long)-1", "get-c",
                "put-c",
                "get-c-id", "delete-c-id", "get",
            ])
        #expect(long.count == 76)
        for operation in api.operations { #expect(statuses(api, operation.name) == [400, 500], "\(operation.name)") }
        let named = api.operations.first { $0.name == "Pets-Find" }
        #expect(named?.displayName == "Find, a summary" && named?.properties["description"] == "Find, a summary")
    }

    @Test func segmentsAreKeptAsWritten() throws {
        let api = try own("segments.json")
        #expect(api.serviceUrl == "https://backend.example/v1/" && api.protocols == ["http", "https"])
        #expect(
            api.operations.map(\.name) == [
                "dot", "prefix", "literal", "whole", "colon", "parentheses", "suffix", "file", "folder", "umlaut",
                "encoded",
                "query-literal", "query-parameter",
            ])
        #expect(api.operations.last?.urlTemplate == "/search?kind=toys&page={page}")
    }

    @Test func serversBOMMergeKeysAndReferences() throws {
        #expect(try own("servers.yaml").serviceUrl == "https://eu.backend.example:8443/v1/")
        #expect(try own("bom-crlf.json").operations.count == 1)
        let merged = try own("merge-keys.yaml")
        #expect(merged.operations.map(\.name) == ["getA", "getB", "getA-1"])
        #expect(Set(statuses(merged, "getA")) == [401, 200, 500])
        let responses = merged.operations.first?.properties["responses"]?.items ?? []
        #expect(
            responses.first { $0["statusCode"] == 500 }?["description"] == "mine wins over the merged one")
        let references = try own("references.yaml")
        #expect(references.operations.map(\.name) == ["getPet", "deletePet", "getPet-1", "deletePet-1"])
        let get = try #require(references.operations.first)
        #expect(get.urlTemplate == "/pets/{id}?verbose={verbose}")
        #expect(get.properties["templateParameters"]?.items?.last?["values"] == ["short", "long"])
        let node = references.schema?.document[path: "components.schemas.Node.properties.parent"]
        #expect(node == ["$ref": "#/components/schemas/Node"], "the cycle stays")
    }
}
