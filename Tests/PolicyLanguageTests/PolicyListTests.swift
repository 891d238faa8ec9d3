import Foundation
import PolicyLanguage
import Testing

/// A policy is a file and a line of the list; the two must agree.
@Suite struct PolicyListTests {
    @Test func theFolderAndTheListAreEqual() throws {
        let package = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let folder = package.appending(path: "Sources/PolicyLanguage/Policies")
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path())
        let listed = Policies.all.map { declaration in
            declaration.element.split(separator: "-").map(\.capitalized).joined() + ".swift"
        }
        #expect(Set(files) == Set(listed))
        #expect(listed.count == Set(listed).count)
    }

    @Test func noPolicyIsBothBuiltAndNot() {
        #expect(Policies.notBuilt.isDisjoint(with: Policies.all.map(\.element)))
        #expect(
            Policies.all.count + Policies.notBuilt.count == 74, "75 rows of the reference, of which two are one element"
        )
    }

    @Test func everyPolicySaysWhatItIs() {
        for declaration in Policies.all {
            #expect(!declaration.summary.isEmpty && !declaration.sections.isEmpty && !declaration.levels.isEmpty)
        }
    }
}
