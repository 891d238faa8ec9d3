import PolicyExpressions
import Testing

@Suite struct ExpressionEndTests {
    /// The text of the expression at the start of `text`; nil when it has no end.
    private func extent(_ text: String) -> String? {
        let bytes = Array(text.utf8)
        guard let end = try? ExpressionEnd(in: bytes, from: 0) else { return nil }
        return String(decoding: bytes[..<end.offset], as: UTF8.self)
    }

    @Test(arguments: [
        "@(1 + (2 * 3))", #"@("a)b")"#, #"@("a\")b")"#, #"@(@"a""b)c\")"#, "@(')')", #"@('\'')"#, #"@('"')"#,
        "@{ if (x) { return \"}\"; } return '}'; }", "@(/* ) */ 1)", "@(1 // )\n)", #"@($"{d["a"]})")"#,
        #"@($"{{x)}}{y}")"#, #"@($@"a""{b(")")}""c")"#, #"@(@$"{x}")"#, #"@($"{$"{a}"}")"#, "@(a[0])", "@(a<b>(c))",
        "@(x && y)", "@(\"line\\\\\")",
    ])
    func findsTheClosingBracketBehindStringsAndComments(expression: String) {
        #expect(extent(expression + " rest)}\"") == expression)
    }

    @Test(arguments: ["@(", "@(\"a", "@(\"a\n\")", "@{ /* }", "@(a]", "@($\"{a\")", "@(@\"a\"\"", "@{ ( }", "@('"])
    func refusesWhatDoesNotEnd(expression: String) { #expect(extent(expression) == nil) }

    @Test func readsEscapedCode() throws {
        let text = "@(x == &quot;)&quot; &amp;&amp; y)"
        let end = try ExpressionEnd(in: Array(text.utf8), from: 0)
        #expect(end.offset == text.utf8.count)
        #expect(end.holdsEntities)
        #expect(
            try !ExpressionEnd(in: Array("@(\"&quot;\")".utf8), from: 0).holdsEntities, "inside a string it is text")
    }

    @Test(arguments: ["(", "[", "{", "$\"{", "$\"{$\"{", "'", "/*", "@\"", "&quot;", "\\", "@(", "a<b<c<"])
    func I12_ends_on_long_repetitions(piece: String) {
        let text = "@(" + String(repeating: piece, count: 65_536 / piece.utf8.count)
        #expect(extent(text) == nil)
    }
}
