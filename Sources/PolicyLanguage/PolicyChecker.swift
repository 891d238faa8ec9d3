// The one way into the language: a document's text comes in; a document that compiles, or all its faults, go out.

package enum PolicyChecker {
    /// What stands for a service without a global document (policies.md 0.1).
    package static let defaultGlobalDocument = """
        <policies><inbound /><backend><forward-request /></backend><outbound /><on-error /></policies>
        """

    /// Bytes of a document's text (policies.md 1.7).
    package static let documentBytesMax = 256 << 10
    /// Bytes of a fragment's text.
    package static let fragmentBytesMax = 512 << 10

    /// Checks a policy document that stands at `level`, which decides what is allowed in it. Gives the document, or all
    /// its faults.
    package static func check(
        document text: String, format: PolicyFormat, level: PolicyLevel, references: PolicyReferences
    ) -> Result<CheckedDocument, PolicyProblems> {
        let root: DocumentElement
        do {
            root = try DocumentReader.read(text, format: format, bytesMax: documentBytesMax)
        } catch {
            return .failure(PolicyProblems([error]))
        }
        var run = CheckRun(level: level, references: references)
        let sections = run.document(root)
        guard run.problems.isEmpty else { return .failure(PolicyProblems(run.inOrder(run.problems))) }
        return .success(
            CheckedDocument(level: level, sections: sections, uses: run.uses, warnings: run.inOrder(run.warnings)))
    }

    /// Checks a fragment by itself. What depends on its place is checked where it is included.
    package static func check(
        fragment text: String, format: PolicyFormat, references: PolicyReferences
    ) -> Result<PolicyUses, PolicyProblems> {
        let root: DocumentElement
        do {
            root = try DocumentReader.read(text, format: format, bytesMax: fragmentBytesMax)
        } catch {
            return .failure(PolicyProblems([error]))
        }
        var run = CheckRun(level: nil, references: references)
        run.fragment(root)
        guard run.problems.isEmpty else { return .failure(PolicyProblems(run.inOrder(run.problems))) }
        return .success(run.uses)
    }
}
