import Resources
import Testing

@Suite struct IDRuleTests {
    @Test(arguments: ["echo", "a.b", "Ärger", "a b", "'; DROP TABLE resource;--", "😀😀"])
    func G31_takesWhatPrints(name: String) {
        #expect(IDRule(lengthMax: 80).problem(with: name) == nil)
    }

    @Test(arguments: [
        "", ".", "..", "a/b", "a\\b", "a%2Fb", "a*b", "a#b", "a&b", "a+b", "a:b", "a<b", "a>b", "a?b", "a\u{0}",
        "a\u{202E}b",
        "a\u{200B}b", "a ", " a", "a\r\nb", String(repeating: "a", count: 81),
    ])
    func G31_refusesWhatHidesOrClimbs(name: String) {
        #expect(IDRule(lengthMax: 80).problem(with: name)?.target == "id")
    }

    @Test func aFragmentsNameIsOfWordCharacters() {
        let rule = IDRule(lengthMax: 80, characters: .fragment)
        #expect(rule.problem(with: "a-b_c1") == nil)
        for name in ["a.b", "-a", "a-", "a b"] { #expect(rule.problem(with: name) != nil, "\(name)") }
    }
}
