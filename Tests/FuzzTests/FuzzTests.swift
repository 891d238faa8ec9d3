import Foundation
import Testing

/// The targets of the fuzzers without libFuzzer: what is kept is tried again, and so are seeded changes of it, the same
/// ones in each run. `ops/fuzz` goes on from there.
@Suite struct FuzzTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Fuzz")

    private static func inputs(_ kind: String, _ target: String) throws -> [(name: String, bytes: [UInt8])] {
        let place = folder.appending(path: kind).appending(path: target)
        guard FileManager.default.fileExists(atPath: place.path()) else { return [] }
        return try FileManager.default.contentsOfDirectory(atPath: place.path()).sorted().map { name in
            (name, Array(try Data(contentsOf: place.appending(path: name))))
        }
    }

    private static func named(_ name: String) throws -> FuzzTarget {
        try #require(FuzzTargets.all.first { $0.name == name })
    }

    private static let names = FuzzTargets.all.map(\.name)

    @Test func everyTargetHasSeedsAndEveryFolderATarget() throws {
        #expect(Set(Self.names).count == Self.names.count)
        for kind in ["corpus", "findings"] {
            let place = Self.folder.appending(path: kind).path()
            let folders = (try? FileManager.default.contentsOfDirectory(atPath: place)) ?? []
            #expect(Set(folders).subtracting(Self.names).isEmpty)
            if kind == "corpus" { #expect(Set(folders) == Set(Self.names)) }
        }
        for name in Self.names {
            let bytes = try Self.inputs("corpus", name).reduce(0) { $0 + $1.bytes.count }
            #expect((1...32_768).contains(bytes), "the corpus of \(name) is small")
        }
    }

    /// What once broke a promise breaks it no more.
    @Test(arguments: names)
    func I12_what_was_found_stays_mended(name: String) throws {
        let target = try Self.named(name)
        for input in try Self.inputs("findings", name) {
            #expect(throws: Never.self, "\(name)/\(input.name)") { try target.run(input.bytes) }
        }
    }

    @Test(arguments: names)
    func I12_what_is_kept_and_what_is_near_it_has_an_answer(name: String) throws {
        let target = try Self.named(name)
        let seeds = try Self.inputs("corpus", name)
        for input in seeds { #expect(throws: Never.self, "\(name)/\(input.name)") { try target.run(input.bytes) } }
        var mutator = Mutator(seeds: seeds.map(\.bytes))
        for _ in 0..<400 {
            let bytes = Array(mutator.next().prefix(target.bytesMax))
            do {
                try target.run(bytes)
            } catch {
                Issue.record("\(name): \(error), with \(Data(bytes).base64EncodedString())")
                return
            }
        }
    }
}

/// Seeded changes of seeds: bytes flipped, runs dropped, doubled or taken from another seed, and pieces that mean
/// something to a reader.
struct Mutator {
    private static let pieces = [
        "\r\n", "\n", "\0", "\u{7F}", "\u{FFFD}", "\"", "'", "\\", "/", "..", "%", "%2", "%00", "&", "=", ";", ":", ",",
        "{", "}", "[", "]", "<", ">", "(", ")", "@(", "{{", "-", "0", "-0", "9223372036854775808", "1e999", "null", "é",
        "e\u{301}", "\u{1F600}", "\u{FEFF}", "- ", "*a", "&a ", "<<: ", "chunked",
    ].map { Array($0.utf8) }

    private let seeds: [[UInt8]]
    private var generator = SeededGenerator(seed: 9)

    init(seeds: [[UInt8]]) { self.seeds = seeds }

    mutating func next() -> [UInt8] {
        var bytes = seeds.randomElement(using: &generator) ?? []
        for _ in 0...Int.random(in: 0...4, using: &generator) {
            let place = Int.random(in: 0...bytes.count, using: &generator)
            let end = min(bytes.count, place + Int.random(in: 1...24, using: &generator))
            switch Int.random(in: 0..<6, using: &generator) {
            case 0 where place < bytes.count: bytes[place] = UInt8.random(in: 0...255, using: &generator)
            case 1 where place < bytes.count: bytes[place] ^= 1 << UInt8.random(in: 0...7, using: &generator)
            case 2: bytes.removeSubrange(place..<end)
            case 3: bytes.insert(contentsOf: Array(bytes[place..<end]), at: place)
            case 4:
                let other = seeds.randomElement(using: &generator) ?? []
                let start = Int.random(in: 0...other.count, using: &generator)
                bytes.insert(contentsOf: other[start..<min(other.count, start + 40)], at: place)
            default: bytes.insert(contentsOf: Self.pieces.randomElement(using: &generator) ?? [], at: place)
            }
        }
        return bytes
    }
}
