import PolicyLanguage

/// Short ways to check documents.
enum Checks {
    static func problems(
        _ text: String, _ format: PolicyFormat = .rawxml, level: PolicyLevel = .operation,
        references: PolicyReferences = .none
    ) -> [PolicyProblem] {
        switch PolicyChecker.check(document: text, format: format, level: level, references: references) {
        case .success: []
        case .failure(let problems): problems.all
        }
    }

    static func document(
        _ text: String, _ format: PolicyFormat = .rawxml, level: PolicyLevel = .operation,
        references: PolicyReferences = .none
    ) throws -> CheckedDocument {
        try PolicyChecker.check(document: text, format: format, level: level, references: references).get()
    }

    /// A document with these policies in a section and `<base />` in the others.
    static func document(_ policies: String, in section: PolicySection) -> String {
        let sections = PolicySection.allCases.map { each in
            "<\(each.rawValue)>\(each == section ? policies : "<base />")</\(each.rawValue)>"
        }
        return "<policies>\(sections.joined())</policies>"
    }

    static func named(_ values: [String: String]) -> PolicyReferences {
        PolicyReferences(namedValue: { values[$0] })
    }

    static func fragments(_ fragments: [String: String]) -> PolicyReferences {
        PolicyReferences(fragment: { fragments[$0].map { .init(text: $0, format: .rawxml) } })
    }
}
