// Lists: pages that lose and double nothing, bounds of the numbers, filters over HTTP.
import Foundation
import JSONDocuments
import ResourceStore
import Testing

@testable import ManagementREST

@Suite struct ListPagingTests {
    private static func fill(_ live: LiveManagement, _ names: [String]) async throws {
        _ = try await live.store.write(by: .controller) { writer in
            for name in names {
                try writer.put(
                    ResourceID(path: "/groups/\(name)"), kind: "groups", properties: ["displayName": .string(name)])
            }
        }
    }

    /// The path and query of a nextLink.
    private static func path(_ link: String) -> String {
        String(link.dropFirst(LiveManagement.publicURL.count))
    }

    @Test(arguments: ["", "&$filter=startswith(name,'row')", "&$orderby=name%20desc"])
    func G38_each_row_that_was_there_all_along_comes_once(query: String) async throws {
        try await LiveManagement.run { live in
            let names = (0..<250).map { "row-\(1000 + $0 * 2)" }
            try await Self.fill(live, names)
            var path: String? = "\(LiveManagement.serviceID)/groups?api-version=2024-05-01&$top=20\(query)"
            var seen: [String] = []
            var pages = 0
            while let next = path {
                let answer = try await live.root("GET", next, by: live.owner)
                #expect(answer.status == 200)
                seen += answer.names
                // Somebody inserts before the place and deletes what was given already.
                let last = answer.names.last ?? ""
                let page = pages
                _ = try await live.store.write(by: .controller) { writer in
                    try writer.put(
                        ResourceID(path: "/groups/row-1000-\(page)"), kind: "groups",
                        properties: ["displayName": .string("x\(page)")])
                    try writer.delete(ResourceID(path: "/groups/\(last)"))
                }
                pages += 1
                path = answer.json["nextLink"]?.text.map(Self.path)
                if pages > 30 { break }
            }
            let counts = Dictionary(grouping: seen.filter(names.contains)) { $0 }.mapValues(\.count)
            #expect(counts.count == names.count && counts.values.allSatisfy { $0 == 1 })
        }
    }

    @Test func G38_numbers_are_bounded() async throws {
        try await LiveManagement.run { live in
            for query in [
                "$skip=-1", "$skip=1e3", "$skip=%2B1", "$skip=%D9%A3", "$skip=9223372036854775808", "$skip=", "$top=0",
                "$top=1001", "$top=-1", "$top=5&$top=5", "$skip=1&$skip=2", "$skiptoken=%25", "$orderby=colour",
                "$orderby=name%20sideways", "$orderby=primaryKey", "$filter=a&$filter=b",
            ] {
                let answer = try await live.send("GET", "/groups?\(query)")
                #expect(answer.status == 400 && answer.code == "InvalidQueryParameter", "\(query)")
            }
            let far = try await live.send("GET", "/groups?$skip=9223372036854775807")
            #expect(far.status == 200 && far.json["value"] == [] && far.json["count"] == 3)
            let filtered = try await live.send("GET", "/groups?$skip=9223372036854775807&$filter=name%20ne%20'x'")
            #expect(filtered.status == 200 && filtered.json["count"] == 3)
        }
    }

    @Test func aListSaysItsWholeCountAndHasALinkOnlyWhereThereIsMore() async throws {
        try await LiveManagement.run { live in
            try await Self.fill(live, ["b1", "b2", "b3"])
            let all = try await live.send("GET", "/groups")
            #expect(all.names == ["administrators", "b1", "b2", "b3", "developers", "guests"])
            #expect(all.json["count"] == 6 && all.json["nextLink"] == nil)
            let some = try await live.send("GET", "/groups?$top=2&$skip=1&$filter=startswith(name,'b')")
            #expect(some.names == ["b2", "b3"] && some.json["count"] == 3 && some.json["nextLink"] == nil)
            let exact = try await live.send("GET", "/groups?$top=6")
            #expect(exact.json["nextLink"] == nil)
            let cut = try await live.send("GET", "/groups?$top=5")
            #expect(cut.json["nextLink"]?.text?.contains("skiptoken") == true)
        }
    }

    @Test func G39_a_filter_is_no_oracle() async throws {
        try await LiveManagement.run { live in
            let nothing = try await live.send(
                "GET", "/groups?$filter=\(RequestTarget.encode("name eq 'a'' or ''1'' eq ''1'"))")
            #expect(nothing.status == 200 && nothing.json["value"] == [])
            for (path, filter) in [
                ("/groups", "name eq 'a') or (1 eq 1"), ("/subscriptions", "startswith(properties/primaryKey,'a')"),
                ("/namedValues", "value eq 'x'"), ("/namedValues", "properties/secret eq true"),
                ("/groups", "displayName eq \"x\""),
            ] {
                let answer = try await live.send("GET", "\(path)?$filter=\(RequestTarget.encode(filter))")
                #expect(answer.status == 400 && answer.code == "InvalidQueryParameter", "\(filter)")
                #expect(answer.message.contains("name"), "\(filter)")
            }
        }
    }
}
