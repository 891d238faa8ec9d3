import Foundation
import Testing

/// What a stranger who reads the house may count on: short files, short functions, and documents whose files exist.
@Suite struct ReadabilityTests {
    static let linesOfAFileMax = 400
    static let linesOfAFunctionMax = 70

    @Test func noFileIsLong() throws {
        var broken: [String] = []
        let endings = [".swift", ".py", ".sh", ".c", ".h"]
        for wing in ["Sources", "control-plane", "data-plane", "Tests", "ops"] {
            for path in try House.files(under: wing) where !path.contains("/.") && !path.contains("__pycache__") {
                let isCode = endings.contains(where: path.hasSuffix) || wing == "ops" && !path.contains(".")
                guard isCode, let text = try? String(contentsOf: House.root.appending(path: path), encoding: .utf8)
                else { continue }
                let lines = text.utf8.count { $0 == UInt8(ascii: "\n") }
                if lines > Self.linesOfAFileMax { broken.append("\(path): \(lines) lines") }
            }
        }
        #expect(broken.isEmpty, "\(broken.joined(separator: "\n"))")
    }

    @Test func noFunctionIsLong() throws {
        var broken: [String] = []
        var seen = 0
        for wing in ["Sources", "control-plane", "data-plane", "Tests"] {
            for file in try House.code(under: wing) {
                for function in try file.functions() {
                    seen += 1
                    guard function.length > Self.linesOfAFunctionMax else { continue }
                    broken.append("\(file.path):\(function.line): \(function.length) lines")
                }
            }
        }
        #expect(seen > 1_000, "only \(seen) functions were found")
        #expect(broken.isEmpty, "\(broken.joined(separator: "\n"))")
    }

    @Test func everyFileBeginsWithWhatItIsFor() throws {
        var broken: [String] = []
        for wing in ["Sources", "control-plane", "data-plane"] {
            for path in try House.files(under: wing) where path.hasSuffix(".swift") {
                let text = try String(contentsOf: House.root.appending(path: path), encoding: .utf8)
                let lines = text.split(separator: "\n")
                let first = lines.first { !$0.isEmpty && !$0.prefix { $0 != "/" }.contains("import ") }
                if first?.hasPrefix("//") != true { broken.append(path) }
            }
        }
        #expect(broken.isEmpty, "\(broken.joined(separator: "\n"))")
    }

    @Test func documentsNameFilesThatExist() throws {
        let named = /(?:Sources|control-plane|data-plane|Tests|ops|docs)\/[A-Za-z0-9_+.\/-]*[A-Za-z0-9_\/]/
        var broken: [String] = []
        var seen = 0
        for document in ["ARCHITECTURE.md", "README.md", "docs/adding-a-kind.md", "docs/adding-a-policy.md"] {
            let text = try String(contentsOf: House.root.appending(path: document), encoding: .utf8)
            for path in Set(text.matches(of: named).map { String($0.output) }).sorted() {
                seen += 1
                if !FileManager.default.fileExists(atPath: House.root.appending(path: path).path()) {
                    broken.append("\(document): \(path) is not there")
                }
            }
        }
        #expect(seen > 20, "only \(seen) paths were found")
        #expect(broken.isEmpty, "\(broken.joined(separator: "\n"))")
    }
}
