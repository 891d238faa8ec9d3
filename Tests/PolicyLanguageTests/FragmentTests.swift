import PolicyLanguage
import Testing

/// Fragments are checked by themselves and where they are included.
@Suite struct FragmentTests {
    private func check(_ fragment: String) -> [PolicyProblem] {
        switch PolicyChecker.check(fragment: fragment, format: .rawxml, references: .none) {
        case .success: []
        case .failure(let problems): problems.all
        }
    }

    @Test func P27_puts_the_policies_of_a_fragment_in_its_place() throws {
        let references = Checks.fragments([
            "mark": "<fragment><set-header name=\"x-mark\"><value>from-fragment</value></set-header></fragment>"
        ])
        let text = Checks.document(
            "<base /><include-fragment fragment-id=\"mark\" /><set-method>GET</set-method>", in: .inbound)
        let document = try Checks.document(text, references: references)
        #expect(document.sections[.inbound]?.map(\.element) == ["base", "set-header", "set-method"])
        #expect(document.uses.fragments == ["mark"])
    }

    @Test func aMissingFragmentHasTheReferenceText() throws {
        let text = "<policies>\n<inbound>\n  <include-fragment fragment-id=\"F\" />\n</inbound>\n</policies>"
        let problem = try #require(Checks.problems(text).first)
        #expect(problem.target == "include-fragment")
        #expect(
            problem.message
                == "Error in element 'include-fragment' on line 3, column 4: Policy fragment with id 'F' could not be found."
        )
    }

    @Test func faultsInAFragmentAreToldAtThePlaceOfInclusion() throws {
        let references = Checks.fragments(["f": "<fragment>\n<forward-request />\n<set-status code=\"1\" /></fragment>"]
        )
        let text = "<policies>\n<inbound>\n<include-fragment fragment-id=\"f\" />\n</inbound></policies>"
        let problems = Checks.problems(text, references: references)
        #expect(problems.count == 2)
        #expect(problems.allSatisfy { $0.target == "include-fragment" && $0.line == 3 })
        #expect(
            problems[0].message.contains(
                "In policy fragment 'f': Error in element 'forward-request' on line 2, column 2"))
        #expect(check("<fragment><forward-request /></fragment>").isEmpty, "by itself it has no section")
    }

    @Test func I9_fragments_are_one_level_and_end() throws {
        #expect(!check("<fragment><include-fragment fragment-id=\"a\" /></fragment>").isEmpty)
        #expect(!check("<fragment><base /></fragment>").isEmpty)
        #expect(!check("<fragment><inbound /></fragment>").isEmpty)
        #expect(!check("<policies />").isEmpty)
        #expect(!check("<fragment>" + String(repeating: " ", count: 512 << 10) + "</fragment>").isEmpty)
        let own = Checks.fragments(["a": "<fragment><include-fragment fragment-id=\"a\" /></fragment>"])
        #expect(
            !Checks.problems(Checks.document("<include-fragment fragment-id=\"a\" />", in: .inbound), references: own)
                .isEmpty)
    }

    @Test func I9_a_resolved_document_has_a_bound() {
        let body = String(repeating: "x", count: 500 << 10)
        let references = Checks.fragments(["a": "<fragment><set-body>\(body)</set-body></fragment>"])
        let many = String(repeating: "<include-fragment fragment-id=\"a\" />", count: 2_000)
        let problems = Checks.problems(Checks.document(many, in: .inbound), references: references)
        #expect(problems.count == 1)
        #expect(problems.first?.message.hasSuffix("is larger than 4 MiB.") ?? false)
    }

    @Test func aPolicyThatMayStandOnceMayNotComeAgainThroughAFragment() {
        let cors = "<cors><allowed-origins><origin>*</origin></allowed-origins></cors>"
        let references = Checks.fragments(["c": "<fragment>\(cors)</fragment>"])
        let text = Checks.document(cors + "<include-fragment fragment-id=\"c\" />", in: .inbound)
        #expect(Checks.problems(text, references: references).count == 1)
    }

    @Test func usesAreFoundThroughFragments() throws {
        var references = Checks.fragments([
            "f": "<fragment><set-backend-service backend-id=\"{{b}}\" /></fragment>"
        ])
        references.namedValue = { $0 == "b" ? "orders" : nil }
        references.backendExists = { $0 == "orders" }
        let text = Checks.document("<include-fragment fragment-id=\"f\" />", in: .inbound)
        let uses = try Checks.document(text, references: references).uses
        #expect(uses.namedValues == ["b"] && uses.fragments == ["f"] && uses.backends == ["orders"])
    }
}
