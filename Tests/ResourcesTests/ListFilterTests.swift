import JSONDocuments
import ResourceStore
import Resources
import Testing

@Suite struct ListFilterTests {
    private let fields = [
        FilterField("name"), FilterField("displayName"), FilterField("state", .equality),
        FilterField("count", .comparisons),
        FilterField("tags"),
    ]
    private let row: [String: JSONValue] = [
        "name": "echo", "displayName": "Echo's API", "state": "active", "count": 7, "tags": ["a", "b"],
    ]

    private func holds(_ text: String) throws -> Bool {
        try ListFilter.read(text, fields: fields).matches { row[$0] }
    }

    @Test(arguments: [
        "name eq 'ECHO'", "properties/displayName eq 'echo''s api'", "not name eq 'x'", "name ne 'x' and count gt 6",
        "name eq 'x' or (count le 7 and count ge 7)", "contains(displayName,'API')", "startswith(name,'e')",
        "endswith(name,'HO')", "substringof('ch',name)", "tags/any(t: t eq 'a')", "not tags/all(t: t eq 'a')",
        "state eq 'Active'", "contains(name,'')",
    ])
    func whatHoldsForTheRow(text: String) throws {
        #expect(try holds(text))
    }

    @Test(arguments: [
        "name eq 'a' or '1' eq '1'", "name eq 'x'", "contains(name,'%')", "contains(name,'_')", "count gt 7",
        "tags/all(t: t eq 'a')", "missing eq null and name eq 'x'",
    ])
    func G39_whatDoesNotHoldOrIsRefused(text: String) {
        #expect((try? holds(text)) != true)
    }

    @Test(arguments: [
        "", "nonsense(", "colour eq 'red'", "name eq 'x", "name eq x", "name eq \"x\"", "name", "name eq", "eq 'x'",
        "name eq 'x')", "(name eq 'x'", "state gt 'a'", "contains(state,'a')", "startswith(count,'7')",
        "name/any(t: t eq 'a')",
        "name eq 'x' and", "primaryKey eq 'x'",
    ])
    func faultsNameTheFields(text: String) {
        do {
            _ = try ListFilter.read(text, fields: fields)
            Issue.record("'\(text)' was taken")
        } catch {
            #expect(error.code == .invalidQueryParameter)
            #expect(error.message.contains("displayName"))
        }
    }

    @Test(
        arguments: [
            ("name eq 'ECHO'", .equals("echo")), ("startswith(name,'Ec')", .begins("ec")),
            ("contains(properties/name,'c')", .contains("c")), ("substringof('c',name)", .contains("c")),
            ("endswith(name,'o') and count gt 6", .ends("o")), ("count gt 6 and name eq 'echo'", .equals("echo")),
            ("contains(name,'c') and name eq 'echo'", .equals("echo")), ("name eq 'x' or name eq 'echo'", nil),
            ("not name eq 'x'", nil), ("contains(name,'')", nil), ("name eq 'é'", nil), ("displayName eq 'x'", nil),
            ("name ne 'x'", nil),
        ] as [(String, NameCondition?)])
    func namesAreNarrowedOnlyWhereAllThatMatchIsCalledSo(text: String, condition: NameCondition?) throws {
        #expect(try ListFilter.read(text, fields: fields).nameCondition == condition)
    }

    @Test func G40_lengthAndDepthAreBounded() {
        let long = "contains(name,'\(String(repeating: "a", count: 5000))')"
        let nots = String(repeating: "not ", count: 2000) + "name eq 'x'"
        let brackets = String(repeating: "(", count: 2000) + "name eq 'x'"
        let terms = { (count: Int) in Array(repeating: "count eq 1", count: count).joined(separator: " or ") }
        #expect(throws: Never.self) { try ListFilter.read(terms(256), fields: fields) }
        let exact = 4096 - "contains(name,'')".count
        let most = [
            "contains(name,'\(String(repeating: "a", count: exact))')",
            String(repeating: "not ", count: 31) + "name eq 'x'",
            String(repeating: "(", count: 31) + "name eq 'x'" + String(repeating: ")", count: 31),
        ]
        for text in most { #expect(throws: Never.self) { try ListFilter.read(text, fields: fields) } }
        for text in [
            "contains(name,'\(String(repeating: "a", count: exact + 1))')",
            String(repeating: "not ", count: 32) + "name eq 'x'",
            String(repeating: "(", count: 32) + "name eq 'x'" + String(repeating: ")", count: 32),
        ] { #expect(throws: Refusal.self) { try ListFilter.read(text, fields: fields) } }
        for text in [long, nots, brackets, terms(257)] {
            #expect(throws: Refusal.self) { try ListFilter.read(text, fields: fields) }
        }
    }

    @Test func noMutationTraps() {
        let seeds = ["name eq 'a''b' and not (count gt 7 or startswith(name,'x'))", "tags/any(t: t eq 'a')"]
        var state: UInt64 = 11
        func random(_ below: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % below
        }
        let letters = Array("'()/:, eqandnotorx\u{301}é\u{0}😀9")
        for _ in 0..<5000 {
            var text = Array(seeds[random(2)])
            for _ in 0..<3 { text[random(text.count)] = letters[random(letters.count)] }
            if let filter = try? ListFilter.read(String(text.prefix(random(text.count + 1))), fields: fields) {
                _ = filter.matches { row[$0] }
            }
        }
    }
}
