import Foundation
import GatewayConfiguration
import HTTPEngine
import PolicyRuntime
import Testing

@testable import gatehouse_gateway

// Lines of must-hold part B about targets, from the caller's socket to the backend's.

private let notFound = "{ \"statusCode\": 404, \"message\": \"Resource not found\" }"

@Suite struct PathTests {
    private static func version(
        _ scheme: ApiConfiguration.Version.Scheme, _ name: String?, value: String?
    ) -> ApiConfiguration.Version { .init(scheme: scheme, parameterName: name, value: value) }

    /// A bench whose access log is read at the end.
    private func logged(
        _ change: (inout NodeSnapshot) throws -> Void = { _ in }, _ calls: (GatewayBench) throws -> Void
    ) throws -> [[String: Any]] {
        let file = FileManager.default.temporaryDirectory.appending(path: "log-\(UUID().uuidString)")
        try Data().write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let log = AccessLog(output: try #require(LogFile(path: file.path())), node: "test")
        let bench = try GatewayBench(log: log, change)
        try calls(bench)
        bench.server.cut()
        bench.server.wait()
        log.stop()
        return try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map {
            try #require(JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
        }
    }

    private static let spellings: [(target: String, rest: String)] = [
        ("/echo/x/../y", "/y"), ("/echo/x/%2e%2e/y", "/y"), ("/echo/x/.%2E/./y", "/y"), ("/echo/y/.", "/y/"),
        ("/echo/a%2Fb", "/a%2Fb"), ("/echo/a%5cb", "/a%5cb"), ("/echo/%252e%252e%252fx", "/%252e%252e%252fx"),
        ("/echo/%2541", "/%2541"), ("/echo/%c3%a4", "/%c3%a4"), ("/echo/a;x=1/b;y", "/a;x=1/b;y"),
        ("/echo;rev=1/a", "/a"), ("/echo//a///b", "/a/b"), ("/echo/a//../b", "/b"), ("/ECHO/a", "/a"),
        ("/%45cho/a", "/a"), ("/echo/AbC", "/AbC"), ("/echo/%7Eu%2d%5F", "/~u-_"), ("/echo?x=%zz", ""),
        ("/echo/a?q=/../%2e%2e/&%41", "/a"),
    ]

    @Test func B1_whatWasMatchedIsWhatIsSent() throws {
        var sent: [String] = []
        let lines = try logged { bench in
            for (target, rest) in Self.spellings {
                let response = try bench.get(target)
                let query = target.firstIndex(of: "?").map { String(target[$0...]) } ?? ""
                #expect(response.body == "/base\(rest)\(query)|", "\(target)")
                sent.append(response.body)
            }
        }
        #expect(lines.count == Self.spellings.count)
        for (line, (target, rest)) in zip(lines, Self.spellings) {
            let path = try #require(line["path"] as? String)
            // The log has the API's own path before the rest, as it was matched, and nothing of the query.
            #expect(path.hasSuffix(rest) && path.lowercased().hasPrefix("/echo"), "\(target): \(path)")
            #expect(path.dropLast(rest.utf8.count).split(separator: ";")[0].lowercased() == "/echo", "\(target)")
            #expect(line["operation"] as? String == "GET/*", "\(target)")
        }
    }

    @Test func B1_aPolicySeesTheNormalFormToo() throws {
        let bench = try GatewayBench { snapshot in
            snapshot.apis.append(
                GatewayBench.api(
                    "seen", backend: snapshot.apis[0].serviceUrl, needsKey: false,
                    policy: GatewayBench.policy("<rewrite-uri template=\"/{rest}\" />"),
                    operations: [("GET", "/{*rest}")]))
        }
        for (target, rest) in Self.spellings where !target.contains("?") && !target.contains(";rev") {
            let own = "/seen" + target.dropFirst(5)
            guard target.hasPrefix("/echo") else { continue }
            // rewrite-uri puts the matched rest back: a single segment is encoded anew, several are as received.
            let expected = rest.contains("%c3") || rest.contains("%5c") ? rest.uppercasedEscapes : rest
            #expect(try bench.get(own).body == "/base\(expected)|", "\(own)")
        }
    }

    @Test func B9_aFragmentIsNoPartOfARequest() throws {
        let bench = try GatewayBench()
        for target in ["/echo/admin#x", "/echo/#/../keyed", "/echo?a#b", "http://gw.test:81#x", "/echo#", "#"] {
            let client = bench.connect()
            client.send("GET \(target) HTTP/1.1\r\nHost: gw.test:81\r\n\r\nGET /echo/next HTTP/1.1\r\nHost: g\r\n\r\n")
            #expect(client.receiveResponse()?.status == 400, "\(target)")
            #expect(client.isEnded())
        }
        #expect(bench.backend.requests.isEmpty)
        // An encoded one is data, and stays encoded.
        #expect(try bench.get("/echo/a%23x?b=%23").body == "/base/a%23x?b=%23|")
    }

    @Test func B14_oneValueAloneChoosesTheVersion() throws {
        let bench = try GatewayBench { snapshot in
            let url = snapshot.apis[0].serviceUrl
            for (path, scheme, name) in [
                ("byquery", ApiConfiguration.Version.Scheme.query, "api-version"), ("byheader", .header, "x-version"),
                ("bypath", .segment, nil),
            ] {
                for value in ["v1", "v2"] {
                    var api = GatewayBench.api("\(path)-\(value)", backend: url, path: path, needsKey: false)
                    api.version = Self.version(scheme, name, value: value)
                    api.serviceUrl = url?.replacing("/base", with: "/\(value)")
                    snapshot.apis.append(api)
                }
            }
        }
        #expect(try bench.get("/byquery/a?api-version=v1").body == "/v1/a?api-version=v1|")
        #expect(try bench.get("/byheader/a", "X-Version: v2\r\n").body == "/v2/a|")
        #expect(try bench.get("/bypath/%76%31/a").body == "/v1/a|")
        let count = bench.backend.requests.count
        for (target, fields) in [
            ("/byquery/a?api-version=v1&api-version=v2", ""), ("/byquery/a?api-version=v1&api-version=v1", ""),
            ("/byquery/a?api-version=v1&API-Version=v2", ""), ("/byquery/a?api-version=v1&api%2Dversion=v2", ""),
            ("/byquery/a?api-version=v1,v2", ""), ("/byquery/a", ""), ("/byquery/a?api-version=", ""),
            ("/byheader/a", "X-Version: v1\r\nX-Version: v2\r\n"),
            ("/byheader/a", "X-Version: v1\r\nx-version: v1\r\n"),
            ("/byheader/a", "X-Version: v1, v2\r\n"), ("/byheader/a", ""), ("/byheader/a", "X_Version: v1\r\n"),
            ("/bypath/v1%2Fv2/a", ""), ("/bypath/a", ""), ("/bypath/%2576%2531/a", ""),
        ] {
            let response = try bench.get(target, fields)
            #expect(response.status == 404 && response.body == notFound, "\(target) \(fields)")
        }
        #expect(bench.backend.requests.count == count)
    }

    @Test func B24_fieldsThatReplaceTheTargetAreNotPassedOn() throws {
        let bench = try GatewayBench { snapshot in
            snapshot.apis[0].operations.append(
                OperationConfiguration(
                    name: "delete", displayName: "d", method: "DELETE", urlTemplate: "/*",
                    policy: PolicyText(
                        text: GatewayBench.policy("<return-response><set-status code=\"418\" /></return-response>"),
                        format: .rawxml), responses: []))
        }
        let fields =
            "X-Original-URL: /keyed\r\nX-Rewrite-URL: /keyed\r\nx_original_url: /keyed\r\nX-HTTP-Method-Override: DELETE\r\n"
        for trusted in ["", "127.0.0.1"] {
            let other = trusted.isEmpty ? bench : try GatewayBench(trusted: trusted)
            let response = try other.get("/echo/a", fields)
            #expect(response.status == 200 && response.body == "/base/a|")
            let head = TestResponse(head: try #require(other.backend.requests.last))
            #expect(head.head.hasPrefix("GET /base/a HTTP/1.1\r\n"))
            for name in ["X-Original-URL", "X-Rewrite-URL", "x_original_url"] { #expect(head.fields(name).isEmpty) }
            #expect(head.fields("X-HTTP-Method-Override") == ["DELETE"])
        }
    }

    @Test func B29_aValueStaysInItsPlace() throws {
        let bench = try GatewayBench { snapshot in
            snapshot.apis.append(
                GatewayBench.api(
                    "old", backend: snapshot.apis[0].serviceUrl, needsKey: false,
                    policy: GatewayBench.policy("<rewrite-uri template=\"/v2/{id}?u={u}\" />"),
                    operations: [("GET", "/x/{id}?u={u}")]))
        }
        for (id, u, expected) in [
            ("a%2Fb", "1", "/base/v2/a%2Fb?u=1"), ("a%3Fz=1", "1", "/base/v2/a%3Fz=1?u=1"),
            ("a%23b", "1", "/base/v2/a%23b?u=1"), ("a%20b", "1", "/base/v2/a%20b?u=1"),
            ("a%25b", "1", "/base/v2/a%25b?u=1"), ("a%252Fb", "1", "/base/v2/a%252Fb?u=1"),
            ("a%5Cb", "1", "/base/v2/a%5Cb?u=1"), ("a", "1%26admin=1", "/base/v2/a?u=1%26admin%3D1"),
            ("a", "a%0d%0aX:1", "/base/v2/a?u=a%0D%0AX:1"), ("a", "%23b", "/base/v2/a?u=%23b"),
            ("a", "1+2%2B3", "/base/v2/a?u=1%202%2B3"), ("a", "%00", "/base/v2/a?u=%00"),
        ] {
            #expect(try bench.get("/old/x/\(id)?u=\(u)").body == expected + "|", "\(id) \(u)")
        }
        for head in bench.backend.requests { #expect(!head.contains("\nX:") && !head.contains("\r\nX:")) }
        // Dot segments never become a value: they are gone before the template is looked at.
        #expect(try bench.get("/old/x/%2e%2e?u=1").status == 404)
        #expect(try bench.get("/old/x/y/%2e%2e/%2e%2e?u=1").status == 404)
    }
}

extension String {
    /// Escapes in upper case, as the gateway writes its own.
    fileprivate var uppercasedEscapes: String {
        replacing(/%[0-9a-fA-F]{2}/) { String($0.output).uppercased() }
    }
}
