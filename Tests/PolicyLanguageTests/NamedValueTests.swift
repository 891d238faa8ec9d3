import PolicyLanguage
import Testing

/// Named values are put in as text, once, and never show up in messages.
@Suite struct NamedValueTests {
    private func header(_ value: String, _ values: [String: String]) throws -> String? {
        let text = Checks.document("<set-header name=\"a\"><value>\(value)</value></set-header>", in: .inbound)
        return try Checks.document(text, references: Checks.named(values)).sections[.inbound]?.first?.children.first?
            .literalText
    }

    @Test func partsAndWholesAreReplaced() throws {
        #expect(try header("{{a}}", ["a": "1"]) == "1")
        #expect(try header("x{{a}}y{{ b-1._ }}z", ["a": "1", "b-1._": "2"]) == "x1y2z")
        #expect(try header("{{}} {{a b}} {a} {{{a}}}", ["a": "1"]) == "{{}} {{a b}} {a} {1}")
    }

    @Test func anUnknownNameIsRefused() throws {
        let text = Checks.document("<set-body>{{x}} {{X}}</set-body>", in: .inbound)
        let problems = Checks.problems(text, references: Checks.named(["x": "1"]))
        #expect(problems.map(\.target) == ["set-body"])
        #expect(problems.first?.message.hasSuffix("Cannot find a property 'X'") ?? false)
    }

    @Test func namesAndCommentsAreLeftAlone() {
        #expect(!Checks.problems("<policies><{{a}} /></policies>").isEmpty)
        let text = Checks.document("<!-- {{unknown}} --><base />", in: .inbound)
        #expect(Checks.problems(text).isEmpty)
    }

    @Test(arguments: [
        "\" /><forward-request /><set-header name=\"", "</inbound><inbound>", "]]>", "<!--", "&lt;x&gt;",
    ])
    func I6_a_value_is_text_and_never_markup(value: String) throws {
        #expect(try header("{{a}}", ["a": value]) == value)
        let text = Checks.document(
            "<check-header name=\"a\" failed-check-httpcode=\"401\" failed-check-error-message=\"{{a}}\" "
                + "ignore-case=\"true\" />", in: .inbound)
        let document = try Checks.document(text, references: Checks.named(["a": value]))
        #expect(document.sections[.inbound]?.map(\.element) == ["check-header"])
        #expect(document.sections[.inbound]?.first?.literal("failed-check-error-message") == value)
    }

    @Test func I7_values_are_not_put_in_twice() throws {
        #expect(try header("{{a}}", ["a": "{{b}}", "b": "1"]) == "{{b}}")
        #expect(try header("{{a}}", ["a": "{{a}}"]) == "{{a}}")
        let text = Checks.document("<mock-response content-type=\"{{a}}\" />", in: .inbound)
        let problems = Checks.problems(text, references: Checks.named(["a": "@(context.Variables)"]))
        #expect(problems.map(\.target) == ["mock-response"])
    }

    @Test func I8_secrets_do_not_come_out_through_messages() {
        let secret = "S3cret)("
        for policy in [
            "<set-status code=\"{{s}}\" />", "<set-header name=\"{{s}} \" exists-action=\"delete\" />",
            "<set-backend-service backend-id=\"{{s}}\" />",
            "<set-header name=\"a\"><value>@({{s}}</value></set-header>",
            "<rewrite-uri template=\"{{s}}\" />",
            "<cors><allowed-origins><origin>{{s}}</origin></allowed-origins></cors>",
            "<include-fragment fragment-id=\"{{s}}\" />",
        ] {
            let problems = Checks.problems(
                Checks.document(policy, in: .inbound), references: Checks.named(["s": secret]))
            #expect(!problems.isEmpty, "\(policy)")
            #expect(!problems.contains { $0.message.contains("S3cret") || $0.target.contains("S3cret") }, "\(problems)")
        }
    }
}
