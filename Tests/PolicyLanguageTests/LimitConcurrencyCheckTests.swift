import PolicyLanguage
import Testing

/// What limit-concurrency may be and hold; it is the first policy around policies.
@Suite struct LimitConcurrencyCheckTests {
    private static let inside = "<set-header name=\"a\" exists-action=\"delete\" />"

    private func block(_ inside: String = Self.inside, _ attributes: String = "key=\"k\" max-count=\"3\"") -> String {
        "<limit-concurrency \(attributes)>\(inside)</limit-concurrency>"
    }

    private func problems(_ policies: String, in section: PolicySection = .inbound) -> [PolicyProblem] {
        Checks.problems(Checks.document(policies, in: section))
    }

    @Test func itStandsInEverySectionAndScope() throws {
        for section in PolicySection.allCases {
            for level in PolicyLevel.allCases {
                let inside =
                    section == .backend ? "<forward-request />" : "<set-header name=\"a\"><value>1</value></set-header>"
                let text = "<policies><\(section.rawValue)>\(block(inside))</\(section.rawValue)></policies>"
                #expect(Checks.problems(text, level: level) == [], "\(section) \(level)")
            }
        }
    }

    @Test func whatItHoldsIsCheckedLikeASection() throws {
        let document = try Checks.document(Checks.document(block(Self.inside + block() + Self.inside), in: .inbound))
        let policy = try #require(document.sections[.inbound]?.first)
        #expect(
            policy.children.map(\.path) == [
                "limit-concurrency[1]/set-header[1]", "limit-concurrency[1]/limit-concurrency[1]",
                "limit-concurrency[1]/set-header[2]",
            ])
        #expect(policy.children[1].children.map(\.path) == ["limit-concurrency[1]/limit-concurrency[1]/set-header[1]"])
        #expect(policy.literal("key") == "k" && policy.integer("max-count") == 3)
    }

    @Test(arguments: [
        ("", "The required attribute 'key' is missing."),
        ("key=\"k\"", "The required attribute 'max-count' is missing."),
        ("key=\"k\" max-count=\"0\"", "must be an integer from 1"),
        ("key=\"k\" max-count=\"-1\"", "must be an integer from 1"),
        ("key=\"k\" max-count=\"1.5\"", "must be an integer from 1"),
        ("key=\"k\" max-count=\"99999999999999999999\"", "must be an integer from 1"),
        ("key=\"@(context.Subscription.Id)\" max-count=\"1\"", "Policy expressions are not supported yet"),
        ("key=\"k\" max-count=\"@(1)\"", "Policy expressions are not allowed in attribute 'max-count'."),
        ("key=\"k\" max-count=\"1\" timeout=\"3\"", "The 'timeout' attribute is not declared."),
        ("key=\"\(String(repeating: "k", count: 257))\" max-count=\"1\"", "must have at most 256 bytes"),
        ("key=\"{{gone}}\" max-count=\"1\"", "Cannot find a property 'gone'"),
    ])
    func aWrongAttributeIsRefused(_ attributes: String, _ message: String) {
        let found = problems(block(Self.inside, attributes))
        #expect(found.contains { $0.target == "limit-concurrency" && $0.message.contains(message) }, "\(found)")
    }

    @Test(arguments: [
        ("", "limit-concurrency", "The element must hold a policy."),
        ("text", "limit-concurrency", "The element may not hold text."),
        ("<base />", "base", "<base /> may not stand in another policy."),
        ("<inbound />", "inbound", "A section may not stand here."),
        ("<choose />", "choose", "The policy 'choose' is not supported yet."),
        ("<forward-request />", "forward-request", "Policy is not allowed in the specified section"),
        ("<value>1</value>", "value", "is not a policy."),
        ("<include-fragment fragment-id=\"gone\" />", "include-fragment", "could not be found."),
        ("<rate-limit calls=\"0\" renewal-period=\"1\" />", "rate-limit", "must be an integer from 1"),
    ])
    func I11_whatMayNotStandInsideIsRefused(_ inside: String, _ target: String, _ message: String) {
        let found = problems(block(inside))
        #expect(found.contains { $0.target == target && $0.message.contains(message) }, "\(found)")
    }

    @Test func I11_whatStandsInsideIsWhatStandsOutside() {
        for declaration in Policies.all where declaration.element != "base" {
            for section in PolicySection.allCases {
                for level in PolicyLevel.allCases {
                    let policy = "<\(declaration.element) />"
                    let placed = [policy, block(policy)].map { text in
                        Checks.problems(Checks.document(text, in: section), level: level)
                            .filter { $0.target == declaration.element && $0.message.contains("is not allowed in the") }
                    }
                    let isAllowed = declaration.sections.contains(section) && declaration.levels.contains(level)
                    #expect(
                        placed[0].count == placed[1].count && placed[0].isEmpty == isAllowed,
                        "\(policy) \(section) \(level)")
                }
            }
        }
    }

    @Test func whatMayStandOnceStandsOnceInsideAndOutsideTogether() {
        let limit = "<rate-limit calls=\"1\" renewal-period=\"1\" />"
        #expect(problems(block(limit) + limit).contains { $0.message.contains("may stand once in a document.") })
        #expect(problems(block("<forward-request />") + "<forward-request />", in: .backend).count == 1)
    }

    @Test func nestingIsBounded() {
        func nested(_ depth: Int) -> String {
            (0..<depth).reduce(Self.inside) { inner, _ in block(inner) }
        }
        #expect(problems(nested(31)) == [])
        #expect(problems(nested(32)).contains { $0.message.contains("nested deeper than 32") })
        #expect(!problems(nested(1_000)).isEmpty)
    }

    @Test func fragmentsStandInsideAndHoldBlocks() throws {
        let references = Checks.fragments([
            "plain": "<fragment>\(Self.inside)</fragment>", "block": "<fragment>\(block())</fragment>",
            "base": "<fragment>\(block("<base />"))</fragment>",
            "nested": "<fragment>\(block("<include-fragment fragment-id=\"plain\" />"))</fragment>",
        ])
        func check(_ id: String) -> [PolicyProblem] {
            Checks.problems(
                Checks.document(block("<include-fragment fragment-id=\"\(id)\" />"), in: .inbound),
                references: references)
        }
        #expect(check("plain") == [] && check("block") == [])
        #expect(check("base").count == 1 && check("nested").count == 1)
    }
}
