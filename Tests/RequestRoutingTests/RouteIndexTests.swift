import GatewayConfiguration
import Testing

@testable import RequestRouting

@Suite struct RouteIndexTests {
    static func api(
        _ name: String, path: String, revision: String = "1", isCurrent: Bool = true,
        version: ApiConfiguration.Version? = nil, protocols: [String] = ["http", "https"], operations: [String]
    ) -> ApiConfiguration {
        ApiConfiguration(
            name: name, displayName: name, revision: revision, isCurrent: isCurrent, path: path, version: version,
            protocols: protocols, serviceUrl: nil, subscriptionRequired: false, keyHeaderName: "k",
            keyQueryName: "q", forwardsSubscriptionKey: false, policy: nil,
            operations: operations.map { text in
                let parts = text.split(separator: " ").map(String.init)
                return OperationConfiguration(
                    name: text, displayName: text, method: parts[0], urlTemplate: parts[1], policy: nil, responses: [])
            })
    }

    struct Found: Equatable {
        var api: String
        var operation: String
        var parameters: [String]
        var rest: String
    }

    static func find(
        _ apis: [ApiConfiguration], _ method: String, _ target: String, scheme: String = "https",
        headers: [String: [String]] = [:]
    ) -> Found? {
        let parts = target.split(separator: "?", maxSplits: 1).map(String.init)
        let path = Array(parts[0].utf8)
        let route = RouteIndex(apis).route(
            method: Array(method.utf8), scheme: scheme, path: path,
            query: parts.count > 1 ? Array(parts[1].utf8) : nil
        ) { name in (headers[name] ?? []).map { Array($0.utf8)[...] } }
        guard let route else { return nil }
        let api = apis[route.api]
        return Found(
            api: api.name + (api.isCurrent ? "" : ";\(api.revision)"),
            operation: route.operation.map { api.operations[$0].name } ?? "",
            parameters: route.parameters.map { "\($0.name)=\($0.value)" },
            rest: String(decoding: path[route.remainingStart...], as: UTF8.self))
    }

    @Test func theLongestPathOfWholeSegmentsWins() {
        let apis = [
            Self.api("root", path: "", operations: ["GET /*"]), Self.api("a", path: "a", operations: ["GET /*"]),
            Self.api("ab", path: "a/b", operations: ["GET /*"]),
        ]
        #expect(Self.find(apis, "GET", "/a/b/c")?.api == "ab")
        #expect(Self.find(apis, "GET", "/A/B")?.api == "ab")
        #expect(Self.find(apis, "GET", "/a/bc")?.api == "a")
        #expect(Self.find(apis, "GET", "/ab")?.api == "root")
        #expect(Self.find(apis, "GET", "/a/b/c")?.rest == "/c")
        #expect(Self.find(Array(apis.dropFirst()), "GET", "/x") == nil)
    }

    @Test func B10_aRevisionStandsBehindTheApiPath() {
        let apis = [
            Self.api("echo", path: "echo", operations: ["GET /*"]),
            Self.api("echo", path: "echo", revision: "2", isCurrent: false, operations: ["GET /*"]),
        ]
        #expect(Self.find(apis, "GET", "/echo/a")?.api == "echo")
        #expect(Self.find(apis, "GET", "/echo;rev=1/a")?.api == "echo")
        #expect(
            Self.find(apis, "GET", "/echo;rev=2/a")
                == Found(api: "echo;2", operation: "GET /*", parameters: ["*=a"], rest: "/a"))
        #expect(Self.find(apis, "GET", "/echo/a;x=1/b;y")?.rest == "/a;x=1/b;y")
        for path in [
            "/echo;rev=9/a", "/echo;rev=1;rev=2/a", "/echo;rev=+1/a", "/echo;rev=01/a", "/echo%3Brev=2/a",
            "/echo;x=1/a",
        ] {
            #expect(Self.find(apis, "GET", path) == nil, "\(path)")
        }
    }

    @Test func aVersionIsChosenBySegmentHeaderOrQuery() {
        for scheme in [ApiConfiguration.Version.Scheme.segment, .query, .header] {
            let apis = [
                Self.api(
                    "old", path: "e", version: .init(scheme: scheme, parameterName: "api-version", value: nil),
                    operations: ["GET /x"]),
                Self.api(
                    "one", path: "e", version: .init(scheme: scheme, parameterName: "api-version", value: "v1"),
                    operations: ["GET /x"]),
            ]
            switch scheme {
            case .segment:
                #expect(Self.find(apis, "GET", "/e/V1/x")?.api == "one")
                #expect(Self.find(apis, "GET", "/e/v1;rev=1/x")?.rest == "/x")
                #expect(Self.find(apis, "GET", "/e/x")?.api == "old")
            case .query:
                #expect(Self.find(apis, "GET", "/e/x?api-version=v1")?.api == "one")
                #expect(Self.find(apis, "GET", "/e/x?API-Version=V1")?.api == "one")
                #expect(Self.find(apis, "GET", "/e/x")?.api == "old")
                #expect(Self.find(apis, "GET", "/e/x?api-version=v2") == nil)
                #expect(Self.find(apis, "GET", "/e/x?api-version=v1&api-version=v2") == nil)
            case .header:
                #expect(Self.find(apis, "GET", "/e/x", headers: ["api-version": ["v1"]])?.api == "one")
                #expect(Self.find(apis, "GET", "/e/x")?.api == "old")
                #expect(Self.find(apis, "GET", "/e/x", headers: ["api-version": ["v1", "v1"]]) == nil)
                #expect(Self.find(apis, "GET", "/e/x", headers: ["api-version": ["v1, v2"]]) == nil)
            }
        }
    }

    @Test func aMissingVersionWithoutOriginalIsNothing() {
        let apis = [
            Self.api(
                "one", path: "e", version: .init(scheme: .header, parameterName: "v", value: "v1"),
                operations: ["GET /x"])
        ]
        #expect(Self.find(apis, "GET", "/e/x") == nil)
    }

    @Test(arguments: [
        ("/users/admin", "GET /users/admin", []), ("/users/admin/", "GET /users/admin", []),
        ("/USERS/Admin", "GET /users/admin", []), ("/users/7", "GET /users/{id}", ["id=7"]),
        ("/users/a%2Fdmin", "GET /users/{id}", ["id=a/dmin"]), ("/users/7.json", "GET /users/{name}.json", ["name=7"]),
        ("/users/.json", "GET /users/{id}", ["id=.json"]), ("/users/7/x", "GET /users/{id}/x", ["id=7"]),
        ("/users/admin/x", "GET /users/{id}/x", ["id=admin"]), ("/files/a/b", "GET /files/{*rest}", ["*rest=a/b"]),
        ("/files", "GET /files/{*rest}", ["*rest="]), ("/a-1-2", "GET /a-{x}-{y}", ["x=1", "y=2"]), ("/users", "", []),
        ("/", "", []),
    ])
    func B13_aLiteralBeatsMixedBeatsParameterBeatsWildcard(path: String, operation: String, parameters: [String]) {
        let api = Self.api(
            "u", path: "",
            operations: [
                "GET /users/{id}", "GET /users/admin", "GET /users/{name}.json", "GET /users/{id}/x",
                "GET /files/{*rest}",
                "GET /a-{x}-{y}",
            ])
        let found = Self.find([api], "GET", path)
        #expect(found?.operation == operation)
        #expect(found?.parameters == parameters)
    }

    @Test func moreQueryParametersWin() {
        let api = Self.api("q", path: "q", operations: ["GET /s", "GET /s?code={code}", "GET /s?code={code}&kind=x"])
        #expect(Self.find([api], "GET", "/q/s")?.operation == "GET /s")
        #expect(Self.find([api], "GET", "/q/s?code=a%20b&z=1")?.parameters == ["code=a b"])
        #expect(Self.find([api], "GET", "/q/s?kind=x&code=1")?.operation == "GET /s?code={code}&kind=x")
        #expect(Self.find([api], "GET", "/q/s?kind=y&code=1")?.operation == "GET /s?code={code}")
    }

    @Test func aMethodIsComparedByteForByteAndHeadIsItsOwn() {
        let api = Self.api("m", path: "m", operations: ["GET /x"])
        for method in ["get", "HEAD", "POST"] { #expect(Self.find([api], method, "/m/x")?.operation == "") }
    }

    @Test func aSchemeOutsideOfProtocolsIsNoApi() {
        let api = Self.api("s", path: "s", protocols: ["https"], operations: ["GET /x"])
        #expect(Self.find([api], "GET", "/s/x", scheme: "http") == nil)
        #expect(Self.find([api], "GET", "/s/x", scheme: "https") != nil)
    }

    @Test func case_H01_anEncodedSlashIsOneSegment() {
        let api = Self.api("pulp", path: "pulp", operations: ["POST /{href}/sync/"])
        let found = Self.find([api], "POST", "/pulp/rpm%2Frepo%2F018c/sync/")
        #expect(found?.parameters == ["href=rpm/repo/018c"])
        #expect(found?.rest == "/rpm%2Frepo%2F018c/sync/")
        #expect(Self.find([api], "POST", "/pulp/rpm/repo/018c/sync/")?.operation == "")
        #expect(Self.find([api], "POST", "/pulp/rpm%2frepo/sync")?.operation == "POST /{href}/sync/")
    }

    @Test func B12_onlyASCIILettersAreFolded() {
        let api = Self.api("k", path: "keyed", operations: ["GET /*"])
        #expect(Self.find([api], "GET", "/KEYED/x") != nil)
        #expect(Self.find([api], "GET", "/%E2%84%AAeyed/x") == nil)
    }

    @Test func M04_aRequiredQueryParameterIsPartOfTheTemplate() {
        let api = Self.api("quotes", path: "", operations: ["GET /quotes?code={code}"])
        #expect(Self.find([api], "GET", "/quotes")?.operation == "")
        #expect(Self.find([api], "GET", "/quotes?code=a")?.operation == "GET /quotes?code={code}")
    }

    @Test func fiveThousandApisAreFound() {
        let apis = (0..<5_000).map { Self.api("a\($0)", path: "group/a\($0)", operations: ["GET /x/{id}"]) }
        #expect(Self.find(apis, "GET", "/group/a4321/x/1")?.api == "a4321")
        #expect(Self.find(apis, "GET", "/group/a5000/x/1") == nil)
    }
}
