import HTTPEngine
import Testing

@testable import PolicyRuntime

@Suite struct RewriteUriTests {
    private func target(
        _ policy: String, query: String? = nil, path: String = "/items/7",
        parameters: [(name: String, value: String)] = [("id", "7")], templateQuery: [String] = []
    ) throws -> String? {
        var exchange = Calls.exchange(path: path, query: query)
        exchange.matchedParameters = parameters
        exchange.templateQueryNames = templateQuery
        let outcome = try Calls.policy(policy).runInbound(&exchange)
        return outcome == .forward ? exchange.target : "\(exchange.response?.status ?? 0)"
    }

    @Test func P35_rewrites_path_and_query_as_in_the_case() throws {
        #expect(
            try target("<rewrite-uri template=\"/lookup?key={id}\" />", query: "page=2&page=3")
                == "/lookup?key=7&page=2&page=3")
        #expect(
            try target("<rewrite-uri template=\"/lookup?key={id}\" copy-unmatched-params=\"false\" />", query: "page=2")
                == "/lookup?key=7")
        #expect(
            try target("<rewrite-uri template=\"/lookup?page=9\" />", query: "page=2&size=5") == "/lookup?page=9&size=5"
        )
        #expect(try target("", query: "tag=a&tag=b&flt=a%20eq%20'x'&empty=&bare") == nil)
        #expect(
            try target("<rewrite-uri template=\"/l\" />", query: "tag=a&tag=b&flt=a%20eq%20'x'&empty=&bare")
                == "/l?tag=a&tag=b&flt=a%20eq%20'x'&empty=&bare")
    }

    @Test func parametersOfTheOperationsQueryAreUsedOrDropped() throws {
        let policy = "<rewrite-uri template=\"/put\" />"
        #expect(try target(policy, query: "a=b&c=d", parameters: [("a", "b")], templateQuery: ["a"]) == "/put?c=d")
        let dropping = "<rewrite-uri template=\"/put\" copy-unmatched-params=\"false\" />"
        #expect(try target(dropping, query: "a=b&c=d", templateQuery: ["a"]) == "/put")
    }

    @Test func aLoneQuestionMarkIsTheBasePath() throws {
        #expect(try target("<rewrite-uri template=\"?\" />") == "")
        #expect(try target("<rewrite-uri template=\"?\" />", query: "a=1") == "?a=1")
    }

    @Test func valuesAreEncodedWhereTheyStand() throws {
        let parameters = [(name: "id", value: "a/b ?#%ä&=")]
        #expect(
            try target("<rewrite-uri template=\"/x/{id}?q={id}\" />", parameters: parameters)
                == "/x/a%2Fb%20%3F%23%25%C3%A4&=?q=a/b%20?%23%25%C3%A4%26%3D")
    }

    @Test func aWildcardKeepsItsSlashesAndAnEncodedSlashStaysOne() throws {
        #expect(
            try target(
                "<rewrite-uri template=\"/v2/{rest}\" />", path: "/files/a%20b/c", parameters: [("rest", "a b/c")])
                == "/v2/a%20b/c")
        #expect(
            try target("<rewrite-uri template=\"/v2/{id}\" />", path: "/files/a%2Fc", parameters: [("id", "a/c")])
                == "/v2/a%2Fc")
        #expect(
            try target("<rewrite-uri template=\"/v2/{*REST}\" />", path: "/files/a/", parameters: [("*rest", "a/")])
                == "/v2/a/")
    }

    @Test func aPlaceholderWithoutMatchIsAnError() throws {
        #expect(try target("<rewrite-uri template=\"/x/{other}\" />") == "500")
    }

    @Test(arguments: ["..", ".", "%2e."])
    func aValueCannotClimb(value: String) throws {
        let result = try target("<rewrite-uri template=\"/x/{id}/y\" />", parameters: [("id", value)])
        #expect(result == (value == "%2e." ? "/x/%252e./y" : "500"))
    }

    @Test func theLastOneWins() throws {
        #expect(
            try target("<rewrite-uri template=\"/a?x=1\" /><rewrite-uri template=\"/b\" />", query: "q=1") == "/b?q=1")
    }
}
