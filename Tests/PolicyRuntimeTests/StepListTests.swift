import Foundation
import PolicyLanguage
import Testing

@testable import PolicyRuntime

/// A policy is a file of the same name here and in PolicyLanguage, and a line in both lists.
@Suite struct StepListTests {
    @Test func everyDeclarationHasAStep() {
        let declared = Set(Policies.all.map(\.element)).subtracting(["base", "include-fragment"])
        #expect(Set(policyStepByElement.keys) == declared)
        #expect(policySteps.count == declared.count)
    }

    @Test func theFolderAndTheListAreEqual() throws {
        let package = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let files = try FileManager.default.contentsOfDirectory(
            atPath: package.appending(path: "data-plane/PolicyRuntime/Policies").path())
        #expect(Set(files) == Set(policySteps.map { "\($0).swift" }))
    }
}
