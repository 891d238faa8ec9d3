import AccessControl
import Testing

@Suite struct ActionCoverageTests {
    @Test(arguments: [
        (
            "Microsoft.ApiManagement/service/apis/*", "Microsoft.ApiManagement/service/apis/operations/policies/write",
            true
        ),
        ("Microsoft.ApiManagement/service/apis/*", "Microsoft.ApiManagement/service/apiVersionSets/read", false),
        ("*/read", "a/listSecrets/action", false),
        ("Microsoft.ApiManagement/*/write", "microsoft.apimanagement/x/WRITE", true),
        ("a/api?/read", "a/apis/read", false), ("a/api?/read", "a/api?/read", true),
        ("a/[a-z]*/read", "a/b/read", false),
        ("a*a", "a", false), ("a*a", "aa", true), ("*a*b*", "xxaxxbxx", true), ("*a*b*", "xxbxxaxx", false),
        ("a*bc*c", "abc", false), ("a*bc*c", "abcc", true), ("", "", true), ("", "a", false), ("*", "", true),
        ("**", "a", true), ("a**b", "axb", true),
    ])
    func G11_wildcards_match_text_whole_and_anchored(pattern: String, action: String, covered: Bool) {
        #expect(ActionPattern(pattern).covers(action) == covered)
    }

    @Test(arguments: [
        ("*", "*", true), ("*", "a/*/b", true), ("a/*", "a/b/*", true), ("a/*", "*", false), ("a/b", "a/*", false),
        ("*/read", "a/*/read", true), ("*/read", "a/*", false), ("a/*/read", "*/read", false), ("a*b", "a*b", true),
        ("a*b", "ab", true), ("a/*/*", "a/*", false), ("A/*", "a/B", true),
    ])
    func coveringAllOfAPattern(pattern: String, other: String, covered: Bool) {
        #expect(ActionPattern(pattern).coversAll(of: ActionPattern(other)) == covered)
    }

    @Test(arguments: [
        ("*", "a", true), ("a/*", "*/read", true), ("a/*", "b/*", false), ("a*b", "ab", true), ("a*b", "a", false),
        ("*/write", "*/read", false), ("a", "A", true), ("x*", "*y", true), ("", "", true), ("", "a", false),
        ("", "*", true), ("*a", "b*", true), ("ab", "a*c", false),
    ])
    func meetingIsMutual(left: String, right: String, meets: Bool) {
        #expect(ActionPattern(left).meets(ActionPattern(right)) == meets)
        #expect(ActionPattern(right).meets(ActionPattern(left)) == meets)
    }

    /// Every action of three letters, so that what the patterns say of all actions can be counted.
    @Test func whatPatternsSayOfEachOtherHoldsForEachAction() {
        let letters = ["a", "b", "*"]
        var patterns = [""]
        for _ in 0..<3 { patterns += patterns.flatMap { pattern in letters.map { pattern + $0 } } }
        patterns = Array(Set(patterns)).sorted()
        var actions = [""]
        for _ in 0..<4 { actions += actions.flatMap { action in ["a", "b"].map { action + $0 } } }
        actions = Array(Set(actions))
        for left in patterns.map(ActionPattern.init) {
            let mine = Set(actions.filter(left.covers))
            for right in patterns.map(ActionPattern.init) {
                let theirs = Set(actions.filter(right.covers))
                // Saying that it covers all must never be wrong; meeting must be exact.
                if left.coversAll(of: right) { #expect(theirs.isSubset(of: mine)) }
                if !left.meets(right) { #expect(mine.isDisjoint(with: theirs)) }
                if !mine.isDisjoint(with: theirs) { #expect(left.meets(right)) }
            }
        }
    }

    @Test func G11_manyStarsCostLittle() {
        let pattern = ActionPattern(String(repeating: "*a", count: 300))
        #expect(!pattern.covers(String(repeating: "a", count: 299)))
        #expect(pattern.covers(String(repeating: "a", count: 300)))
        #expect(!pattern.covers(String(repeating: "ab", count: 2000)))
        #expect(pattern.meets(ActionPattern("*a")))
    }
}
