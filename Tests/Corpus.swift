import Foundation

/// Documents of other people that the tests read where they lie. They are not part of the repository: the folder is
/// named by GATEHOUSE_CORPUS, or lies beside the package. The test targets that read them link to this file.
enum Corpus {
    static let folder: URL? = {
        if let named = ProcessInfo.processInfo.environment["GATEHOUSE_CORPUS"] { return URL(filePath: named) }
        var package = URL(filePath: #filePath).deletingLastPathComponent()
        while package.path() != "/", !FileManager.default.fileExists(atPath: package.path() + "Package.swift") {
            package = package.deletingLastPathComponent()
        }
        let beside = package.deletingLastPathComponent().appending(path: "shared/corpus")
        return FileManager.default.fileExists(atPath: beside.path()) ? beside : nil
    }()

    static var isThere: Bool { folder != nil }
    static let absent = "no corpus: set GATEHOUSE_CORPUS to its folder"

    /// A line of `SOURCES.tsv` by the names of its columns.
    static func sources(_ kind: String) throws -> [[String: String]] {
        let lines = try text(kind, "SOURCES.tsv").split(separator: "\n", omittingEmptySubsequences: true)
            .map { $0.split(separator: "\t", omittingEmptySubsequences: false).map(String.init) }
        guard let heading = lines.first else { return [] }
        return lines.dropFirst().map { Dictionary(zip(heading, $0), uniquingKeysWith: { first, _ in first }) }
    }

    static func bytes(_ kind: String, _ file: String) throws -> [UInt8] {
        guard let folder else { return [] }
        return Array(try Data(contentsOf: folder.appending(path: "\(kind)/\(file)")))
    }

    static func text(_ kind: String, _ file: String) throws -> String {
        String(decoding: try bytes(kind, file), as: UTF8.self)
    }

    /// The documents of a folder, without what says things about them.
    static func files(_ kind: String) throws -> [String] {
        guard let folder else { return [] }
        return try FileManager.default.contentsOfDirectory(atPath: folder.appending(path: kind).path())
            .filter { $0.hasSuffix(".json") || $0.hasSuffix(".yaml") }.sorted()
    }
}
