import Foundation
import PolicyLanguage
import Testing

/// What people really commit: 400 documents and fragments.
@Suite(.enabled(if: Corpus.isThere, "\(Corpus.absent)"))
struct PolicyCorpusTests {
    /// The fault of the text as XML; nil when it could be read.
    private func unreadable(_ text: String, _ root: String, _ format: PolicyFormat) -> PolicyProblem? {
        let references = PolicyReferences(namedValue: { _ in "x" })
        let problems: [PolicyProblem]
        if root == "fragment" {
            guard case .failure(let found) = PolicyChecker.check(fragment: text, format: format, references: references)
            else { return nil }
            problems = found.all
        } else {
            guard
                case .failure(let found) = PolicyChecker.check(
                    document: text, format: format, level: .operation, references: references)
            else { return nil }
            problems = found.all
        }
        return problems.first { $0.target == PolicyProblem.representation }
    }

    @Test func everyDocumentIsReadUnlessItIsDamaged() throws {
        var wrong: [String] = []
        var rawDocuments = 0
        var rawReadAsXML = 0
        for source in try Corpus.sources("policies") {
            let file = source["file"] ?? ""
            let text = try Corpus.text("policies", file)
            let form = source["form"] ?? ""
            let isDamaged = source["traits"]?.contains("odd-outside-expressions") ?? false
            let formats: [PolicyFormat] = form == "plain" || form == "escaped" ? [.xml, .rawxml] : [.rawxml]
            for format in formats {
                let fault = unreadable(text, source["root"] ?? "", format)
                switch (isDamaged, fault) {
                case (true, nil): wrong.append("\(file) \(format): read, though it is damaged")
                case (true, let fault?):
                    if fault.line < 1 || fault.column < 1 || !fault.message.hasSuffix(".") {
                        wrong.append("\(file) \(format): \(fault.message)")
                    }
                case (false, let fault?): wrong.append("\(file) \(format) \(form): \(fault.message)")
                case (false, nil): break
                }
            }
            // A comment with `--` inside is all that keeps a few of them from being XML, and that is forgiven.
            if form == "raw", !isDamaged {
                rawDocuments += 1
                if unreadable(text, source["root"] ?? "", .xml) == nil { rawReadAsXML += 1 }
            }
        }
        #expect(wrong.isEmpty, "\(wrong.joined(separator: "\n"))")
        #expect(rawReadAsXML * 50 < rawDocuments)
    }

    /// Without the policies and expressions that are not built yet, every fault is one that the author should see.
    @Test func theFaultsOfRealDocumentsAreTold() throws {
        var texts: [String: Int] = [:]
        for source in try Corpus.sources("policies") where source["root"] == "policies" {
            let text = try Corpus.text("policies", source["file"] ?? "")
            let references = PolicyReferences(namedValue: { _ in "x" }, backendExists: { _ in true })
            let result = PolicyChecker.check(document: text, format: .rawxml, level: .operation, references: references)
            guard case .failure(let problems) = result else { continue }
            for problem in problems.all where !problem.message.contains("not supported yet") {
                let message = problem.message.split(separator: ":", maxSplits: 1).last.map(String.init) ?? ""
                texts["\(problem.target):\(message)", default: 0] += 1
            }
        }
        if let file = ProcessInfo.processInfo.environment["GATEHOUSE_CORPUS_TABLE"] {
            let table = texts.sorted { $0.value > $1.value }.map { "\($0.value)\t\($0.key)" }.joined(separator: "\n")
            try table.write(toFile: file, atomically: true, encoding: .utf8)
        }
        #expect(texts.values.reduce(0, +) < 110, "most faults are of what is not built")
    }
}
