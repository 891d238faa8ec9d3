import ApiImport
import Foundation
import Testing

/// What people bring on the first day: 69 real descriptions, and own ones that are broken or easy to read wrongly.
@Suite(.enabled(if: Corpus.isThere, "\(Corpus.absent)"))
struct DescriptionCorpusTests {
    @Test func everyRealDescriptionIsTakenOrRefusedForAReason() throws {
        var table = ["file\tformat\toperations\tparameters\tresponses\tschemas\tservice URL\tfaults"]
        for file in try Corpus.files("openapi") {
            do {
                let api = try ApiImporter.importDescription(try Corpus.bytes("openapi", file))
                table.append("\(file)\t\(api.format)\t\(api.operations.count)\t\t\t\t\(api.serviceUrl ?? "")\t")
            } catch {
                let failure = try #require(error as? ImportFailure)
                table.append("\(file)\t\t\t\t\t\t\t\(failure.problems.count): \(failure.problems[0])")
            }
        }
        if let path = ProcessInfo.processInfo.environment["GATEHOUSE_IMPORT_TABLE"] {
            try (table.joined(separator: "\n") + "\n").write(toFile: path, atomically: true, encoding: .utf8)
        }
    }

    @Test func brokenOnes() throws {
        var table: [String] = []
        for kind in ["openapi-broken", "openapi-own"] {
            for file in try Corpus.files(kind) {
                do {
                    let api = try ApiImporter.importDescription(try Corpus.bytes(kind, file))
                    table.append("\(file)\tTAKEN \(api.operations.count) \(api.operations.map(\.name).joined(separator: " ")) \(api.serviceUrl ?? "")")
                } catch {
                    let failure = try #require(error as? ImportFailure)
                    table.append("\(file)\t\(failure.problems.count): \(failure)")
                }
            }
        }
        try (table.joined(separator: "\n") + "\n").write(toFile: "/tmp/broken.tsv", atomically: true, encoding: .utf8)
    }
}
