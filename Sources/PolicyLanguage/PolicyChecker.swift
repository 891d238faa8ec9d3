// The one way into the language: a document's text comes in; a document that compiles, or all its faults, go out.

internal import PolicyExpressions

package enum PolicyChecker {
    /// What stands for a service without a global document (policies.md 0.1).
    package static let defaultGlobalDocument = """
        <policies><inbound /><backend><forward-request /></backend><outbound /><on-error /></policies>
        """

    /// Checks a policy document that stands at `level`, which decides what is allowed in it. Gives the document, or all
    /// its faults.
    package static func check(
        document text: String, format: PolicyFormat, level: PolicyLevel, references: PolicyReferences
    ) -> Result<CheckedDocument, PolicyProblems> {
        .failure(
            PolicyProblems([.inText(at: .init(line: 1, column: 1), "Policy documents are not read yet.")])
        )
    }

    /// Checks a fragment by itself. What depends on its place is checked where it is included.
    package static func check(
        fragment text: String, format: PolicyFormat, references: PolicyReferences
    ) -> Result<PolicyUses, PolicyProblems> {
        .failure(
            PolicyProblems([.inText(at: .init(line: 1, column: 1), "Fragments are not read yet.")]))
    }
}
