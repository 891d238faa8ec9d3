import ApiImport
import JSONDocuments
import Testing

/// How YAML is read, and that no text makes it work without end.
@Suite struct YAMLReaderTests {
    /// The value of `x-value`, kept in a schema.
    private func value(_ yaml: String) throws -> JSONValue? {
        let api = try ApiImporter.importDescription(
            "openapi: 3.1.0\ninfo: {title: T}\ncomponents:\n  schemas:\n    A:\n      const: \(yaml)\n")
        return api.schema?.document[path: "components.schemas.A.const"]
    }

    @Test(arguments: [
        ("NO", JSONValue.string("NO")), ("on", "on"), ("y", "y"), ("12:30", "12:30"), ("2020-01-01", "2020-01-01"),
        ("0127", "0127"), ("0x1F", "0x1F"), ("1_000", "1_000"), ("true", true), ("False", false), ("~", nil),
        ("null", nil),
        ("", nil), ("12", 12), ("-7", -7), ("1.10", .number("1.10")), ("1e3", .number("1e3")), (".5", ".5"),
        ("+1", "+1"),
        ("9007199254740993", 9_007_199_254_740_993), ("99999999999999999999", .number("99999999999999999999")),
        ("'12'", "12"), ("\"true\"", "true"), ("!!str 12", "12"), (".inf", ".inf"), ("1.", "1."),
    ])
    func G50_plain_scalars_are_read_by_YAML_1_2(yaml: String, expected: JSONValue) throws {
        #expect(try value(yaml) == expected, "\(yaml)")
    }

    private func isRefused(_ text: String) -> Bool {
        (try? ApiImporter.importDescription("openapi: 3.0.1\ninfo: {title: T}\npaths: {}\n" + text)) == nil
    }

    @Test func G49_aliases_expand_to_ten_times_the_text_at_most() {
        var bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
        for level in 1..<10 {
            let aliases = Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ",")
            bomb += "a\(level): &a\(level) [\(aliases)]\n"
        }
        #expect(isRefused(bomb))
        #expect(!isRefused("a: &a [x]\nb: *a\nc: [*a, *a]"))
        // As keys they would be hashed, which is as endless.
        #expect(isRefused(bomb + "k: {*a9 : x}\n"))
        #expect(isRefused(bomb + "k: {[*a9]: x}\n"))
        #expect(isRefused(bomb + "? *a9\n: x\n"))
        #expect(isRefused(bomb + "? - *a9\n: x\n"))
        #expect(isRefused(bomb + "? {b: *a9}\n: x\n"))
        #expect(!isRefused("a: &note x\nb: |\n  *note text* and *Other*: text\n"))
        #expect(!isRefused("a: Q&A\nb: |\n  *Note*: text\n  ? what\n"))
    }

    @Test func G49_and_G50_merges_are_taken_and_count_too() {
        var text = "m0: &m0 {\((0..<50).map { "k\($0): v" }.joined(separator: ", "))}\n"
        for level in 1..<60 { text += "m\(level): &m\(level) {<<: *m\(level - 1), n\(level): v}\n" }
        text += "all: [\((0..<60).map { _ in "{<<: *m59}" }.joined(separator: ", "))]\n"
        #expect(isRefused(text))
        #expect(!isRefused("a: &a {b: 1}\nc: {<<: *a, d: 2}"))
        #expect(isRefused("a: {<<: 5}"))
        #expect(isRefused("a: &a {<<: *a}"))
    }

    @Test(arguments: ["[", "{a: ", "- ", "? ", "[{a: [", "!!seq [", "&a [", "- - "])
    func G49_depth_is_bounded_before_the_parser_sees_it(piece: String) {
        #expect(isRefused("x: " + String(repeating: piece, count: 200_000)))
        #expect(isRefused("x:\n  " + String(repeating: piece, count: 5_000)))
    }

    @Test func G49_deep_blocks_are_refused_and_text_is_not() {
        let block = (1...300).map { String(repeating: " ", count: $0) + "a:" }.joined(separator: "\n")
        #expect(isRefused("x:\n" + block))
        let text = (1...3_000).map { "  line \($0) [ { [ text" }.joined(separator: "\n")
        #expect(!isRefused("x: |\n" + text.replacing(" [ { [", with: " (a)")))
    }

    @Test func G50_duplicates_are_told_with_both_lines() {
        do {
            _ = try ApiImporter.importDescription(
                "openapi: 3.0.1\ninfo: {title: T}\npaths: {}\nx:\n  200: a\n  '200': b\n")
            Issue.record("taken")
        } catch {
            #expect("\(error)".contains("lines 5 and 6"), "\(error)")
        }
    }

    @Test func G49_an_alias_to_its_own_anchor_and_a_text_of_anchors_are_refused_or_cost_little() {
        #expect(isRefused("a: &a [*a]"))
        #expect(isRefused("a: &a {b: *a}"))
        #expect(isRefused("a: *nobody"))
        var pairs = "a0: &a0 [x, x]\n"
        for level in 1...21 { pairs += "a\(level): &a\(level) [*a\(level - 1), *a\(level - 1)]\n" }
        #expect(isRefused(pairs))
        #expect(!isRefused((0..<60_000).map { "k\($0): &n\($0) x\n" }.joined()))
    }

    @Test(arguments: [
        "a: !!python/object:os.system ls", "a: !<tag:example.test,2024:x> 1", "a: !own 1", "a: \"\u{0}\"",
        "a: b\u{0}c", "a: 1\n---\nb: 2", "a: 1\n...\n---\nb: 2",
    ])
    func G50_tags_of_ones_own_a_NUL_and_a_second_document_are_refused(text: String) {
        #expect(isRefused(text), "\(text)")
    }

    @Test func G50_response_codes_and_words_that_look_like_truth_are_names() throws {
        let api = try ApiImporter.importDescription(
            "openapi: 3.0.1\ninfo: {title: T}\npaths:\n  /a:\n    get:\n      operationId: no\n      responses:\n"
                + "        200: {description: on}\n        default: {description: yes}\n")
        let operation = try #require(api.operations.first)
        #expect(operation.name == "no")
        let responses = operation.properties["responses"]?.items ?? []
        #expect(responses.compactMap { $0["statusCode"]?.integer } == [200, 400, 500])
        #expect(responses.first?["description"]?.text == "on")
    }

    @Test(arguments: 0..<6)
    func mutatedDescriptionsHaveAnAnswer(seed: UInt64) {
        let texts = [
            "openapi: 3.0.1\ninfo: {title: &t T}\npaths:\n  /a/{b}:\n    get: &g\n      parameters: [{name: b, in: path}]\n"
                + "      responses: {200: {description: *t}}\n    put:\n      <<: *g\n",
            "{\"swagger\":\"2.0\",\"info\":{\"title\":\"T\"},\"paths\":{\"/a\":{\"get\":{\"responses\":{\"default\":"
                + "{\"$ref\":\"#/responses/R\"}}}}},\"responses\":{\"R\":{\"description\":\"x\"}}}",
        ]
        let pieces = Array("{}[]:,-?&*!|>'\"%@`#~<\n \t0".utf8)
        var state = seed &+ 1
        func next(_ below: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % max(1, below)
        }
        for _ in 0..<600 {
            var bytes = Array(texts[next(2)].utf8)
            for _ in 0...next(5) {
                let place = next(bytes.count)
                switch next(4) {
                case 0: bytes[place] = UInt8(next(256))
                case 1: bytes.removeSubrange(place..<min(bytes.count, place + next(12)))
                case 2: bytes.insert(pieces[next(pieces.count)], at: place)
                default: bytes.insert(contentsOf: bytes[..<place].suffix(20), at: place)
                }
                if bytes.isEmpty { break }
            }
            _ = try? ApiImporter.importDescription(bytes)
        }
    }
}
