// The template of rewrite-uri: path and query with the places of parameters.

package struct RewriteTemplate: Hashable, Sendable {
    package enum Piece: Hashable, Sendable {
        /// Ready for a request target.
        case text(String)
        /// The value of a parameter of the operation's template, by name without a leading `*`.
        case parameter(String)
    }

    /// Empty, or begins with `/`.
    package let path: [Piece]
    /// Behind the `?`; nil without one, empty for a `?` at the end.
    package let query: [Piece]?

    /// nil when it begins with neither `/` nor `?`, a brace has no partner, a name is empty or a character may not
    /// stand in a target.
    package init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard let first = bytes.first, first == UInt8(ascii: "/") || first == UInt8(ascii: "?") else { return nil }
        let question = bytes.firstIndex(of: UInt8(ascii: "?"))
        guard let path = Self.pieces(bytes[..<(question ?? bytes.count)]) else { return nil }
        self.path = path
        guard let question else {
            query = nil
            return
        }
        guard let query = Self.pieces(bytes[(question + 1)...]) else { return nil }
        self.query = query
    }

    private static func pieces(_ bytes: ArraySlice<UInt8>) -> [Piece]? {
        var pieces: [Piece] = []
        var text: [UInt8] = []
        var index = bytes.startIndex
        while index < bytes.endIndex {
            let byte = bytes[index]
            if byte == UInt8(ascii: "{") {
                guard let close = bytes[index...].firstIndex(of: UInt8(ascii: "}")) else { return nil }
                var name = bytes[(index + 1)..<close]
                if name.first == UInt8(ascii: "*") { name = name.dropFirst() }
                guard !name.isEmpty, !name.contains(UInt8(ascii: "{")) else { return nil }
                if !text.isEmpty { pieces.append(.text(String(decoding: text, as: UTF8.self))) }
                text.removeAll()
                pieces.append(.parameter(String(decoding: name, as: UTF8.self)))
                index = close + 1
                continue
            }
            guard byte >= 0x20, byte != 0x7F, byte != UInt8(ascii: "}"), byte != UInt8(ascii: "#"),
                byte != UInt8(ascii: "\\")
            else { return nil }
            Self.append(byte, to: &text)
            index += 1
        }
        if !text.isEmpty { pieces.append(.text(String(decoding: text, as: UTF8.self))) }
        return pieces
    }

    /// Blanks, quotation marks and what is not ASCII are percent-encoded; all else stands as written.
    private static func append(_ byte: UInt8, to text: inout [UInt8]) {
        let mustEncode = byte <= 0x20 || byte >= 0x7F || [0x22, 0x3C, 0x3E, 0x5E, 0x60, 0x7C].contains(byte)
        guard mustEncode else {
            text.append(byte)
            return
        }
        let digits = Array("0123456789ABCDEF".utf8)
        text += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
    }
}
