import Foundation
import PolicyLanguage
import Testing

/// Seeded: the same bytes each run.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// Whatever the text is, there is an answer, and a fault has a place.
@Suite struct PolicyFuzzTests {
    private static let seeds = [
        PolicyChecker.defaultGlobalDocument,
        "<policies><inbound><base /><cors allow-credentials=\"true\"><allowed-origins><origin>https://a.example</origin>"
            + "</allowed-origins></cors><set-header name=\"a\"><value>@($\"{d[\"a\"]}\")</value></set-header></inbound></policies>",
        "<?xml version=\"1.0\"?><policies><!-- {{a}} --><inbound><set-body><![CDATA[{{a}}&]]>&#x41;</set-body>"
            + "<include-fragment fragment-id=\"f\" /></inbound></policies>",
        "<policies><inbound><rate-limit calls=\"1\" renewal-period=\"5\"><api id=\"a\" calls=\"2\" /></rate-limit>"
            + "<rewrite-uri template=\"/a/{b}?c={d}\" /></inbound></policies>",
    ]
    private static let pieces = [
        "<", ">", "</", "/>", "\"", "'", "@(", "@{", ")", "}", "{{", "}}", "&", "&quot;", "&#", ";", "<!--", "-->",
        "<![CDATA[", "]]>", "<?", "?>", "<!DOCTYPE", "\u{0}", "\r", "\n", "\u{1F600}", "<base />", "$\"{", "@\"", "/*",
    ]

    private func mutate(_ text: String, with generator: inout SeededGenerator) -> String {
        var bytes = Array(text.utf8)
        for _ in 0...Int.random(in: 0...6, using: &generator) {
            let place = Int.random(in: 0...bytes.count, using: &generator)
            switch Int.random(in: 0..<4, using: &generator) {
            case 0:
                if !bytes.isEmpty { bytes[min(place, bytes.count - 1)] = UInt8.random(in: 0...255, using: &generator) }
            case 1: bytes.removeSubrange(place..<min(bytes.count, place + Int.random(in: 1...20, using: &generator)))
            case 2:
                bytes.insert(contentsOf: Array((Self.pieces.randomElement(using: &generator) ?? "").utf8), at: place)
            default: bytes.insert(contentsOf: bytes[..<place].suffix(30), at: place)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func check(_ text: String) {
        var references = Checks.named(["a": "<&\"{{a}}"])
        references.fragment = { _ in .init(text: text, format: .rawxml) }
        for format in PolicyFormat.allCases {
            let result = PolicyChecker.check(document: text, format: format, level: .api, references: references)
            if case .failure(let problems) = result {
                #expect(!problems.all.isEmpty)
                #expect(problems.all.allSatisfy { $0.line > 0 && $0.column > 0 && !$0.message.isEmpty })
            }
            _ = PolicyChecker.check(fragment: text, format: format, references: references)
        }
    }

    @Test(arguments: 0..<8)
    func I12_mutated_documents_have_an_answer(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<400 {
            let text = Self.seeds.randomElement(using: &generator) ?? ""
            check(mutate(text, with: &generator))
        }
    }

    @Test(.enabled(if: Corpus.isThere, "\(Corpus.absent)"))
    func I5_mutated_real_documents_have_an_answer() throws {
        var generator = SeededGenerator(seed: 5)
        for source in try Corpus.sources("policies").shuffled(using: &generator).prefix(120) {
            let text = try Corpus.text("policies", source["file"] ?? "")
            for _ in 0..<3 { check(mutate(text, with: &generator)) }
        }
    }
}
