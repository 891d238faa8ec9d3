// Policy documents and fragments: a fault has a place, an answer is the same twice, and what the controller takes, a
// node can run.
import GatewayConfiguration
import PolicyLanguage

@testable import PolicyRuntime

extension FuzzTarget {
    /// In both formats; the length chooses the level.
    static let policy = FuzzTarget("policy", bytesMax: 8_192) { bytes in
        let level = PolicyLevel.allCases[bytes.count % PolicyLevel.allCases.count]
        let text = String(decoding: bytes, as: UTF8.self)
        for format in PolicyFormat.allCases {
            let result = PolicyRun.check(text, format, level)
            try promise(result == PolicyRun.check(text, format, level), "the answer is the same twice")
            switch result {
            case .failure(let problems): try PolicyRun.checkPlaces(problems)
            case .success(let document): try PolicyRun.checkRuns(document, level)
            }
        }
    }

    static let fragment = FuzzTarget("fragment", bytesMax: 8_192) { bytes in
        let text = String(decoding: bytes, as: UTF8.self)
        let including = "<policies><inbound><include-fragment fragment-id=\"f\" /></inbound></policies>"
        for format in PolicyFormat.allCases {
            let references = PolicyRun.references(fragment: text, format)
            if case .failure(let problems) = PolicyChecker.check(
                fragment: text, format: format, references: references)
            {
                try PolicyRun.checkPlaces(problems)
            }
            switch PolicyChecker.check(document: including, format: .rawxml, level: .api, references: references) {
            case .failure(let problems): try PolicyRun.checkPlaces(problems)
            case .success(let document): try PolicyRun.checkRuns(document, .api)
            }
        }
    }
}

enum PolicyRun {
    private static let named = ["a": "<&\"{{a}}", "number": "5", "url": "https://a.example/b", "quote": "\""]

    static func references(fragment text: String, _ format: PolicyFormat) -> PolicyReferences {
        PolicyReferences(
            namedValue: { named[$0] }, fragment: { $0 == "f" ? .init(text: text, format: format) : nil },
            backendExists: { $0 == "b" }, certificateExists: { $0 == "c" })
    }

    static func check(
        _ text: String, _ format: PolicyFormat, _ level: PolicyLevel
    ) -> Result<CheckedDocument, PolicyProblems> {
        let fragment = "<fragment><set-header name=\"f\"><value>{{a}}</value></set-header></fragment>"
        return PolicyChecker.check(
            document: text, format: format, level: level, references: references(fragment: fragment, .rawxml))
    }

    static func checkPlaces(_ problems: PolicyProblems) throws {
        try promise(!problems.all.isEmpty, "a refusal names a fault")
        try promise(problems.all.count <= PolicyProblems.atMost, "faults are bounded")
        for problem in problems.all {
            try promise(
                problem.line > 0 && problem.column > 0 && !problem.message.isEmpty, "a fault has a place: \(problem)")
        }
    }

    /// What was taken at the controller must not make a node refuse a whole snapshot.
    static func checkRuns(_ document: CheckedDocument, _ level: PolicyLevel) throws {
        guard level != .workspace else { return }
        let standard = try check(PolicyChecker.defaultGlobalDocument, .rawxml, .global).get()
        do throws(PolicyCompileFailure) {
            _ = try EffectivePolicy.compose(
                global: level == .global ? document : standard, product: level == .product ? document : nil,
                api: level == .api ? document : nil, operation: level == .operation ? document : nil,
                responses: [], state: PolicyState())
        } catch {
            throw FuzzFinding("a document that was taken does not run: \(error)")
        }
    }
}
