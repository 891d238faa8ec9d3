internal import PolicyExpressions

// What the reader does with attribute values, texts, entities, comments and instructions.

extension DocumentReader {
    struct ReadAttribute {
        var name: String
        var place: SourcePosition
        var value: DocumentText
    }

    mutating func attribute() throws(PolicyProblem) -> ReadAttribute {
        let place = cursor.place
        guard let name = cursor.name() else {
            throw fault("Name cannot begin with the \(cursor.shown()).")
        }
        cursor.skipBlanks()
        guard cursor.peek() == UInt8(ascii: "=") else {
            throw fault("'\(shownToken())' is an unexpected token. The expected token is '='.")
        }
        cursor.advance()
        cursor.skipBlanks()
        guard let quote = cursor.peek(), quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") else {
            throw fault("'\(shownToken())' is an unexpected token. The expected token is '\"' or '''.")
        }
        cursor.advance()
        let valuePlace = cursor.place
        let bytes = try value(until: quote)
        let value = DocumentText(text: String(decoding: bytes, as: UTF8.self), place: valuePlace)
        return ReadAttribute(name: name, place: place, value: value)
    }

    /// An attribute's value up to and with its closing quotation mark.
    private mutating func value(until quote: UInt8) throws(PolicyProblem) -> [UInt8] {
        var value: [UInt8] = []
        if format == .rawxml, expressionBegins() {
            value = try rawExpression() ?? []
        }
        while let byte = cursor.peek() {
            switch byte {
            case quote:
                cursor.advance()
                return value
            case UInt8(ascii: "<"):
                throw fault("'<', hexadecimal value 0x3C, is an invalid attribute character.")
            case UInt8(ascii: "&"): value += try entity()
            default: try character(into: &value)
            }
        }
        throw fault("There is an unclosed literal string.")
    }

    /// Text up to the next `<`.
    mutating func text() throws(PolicyProblem) {
        let place = cursor.place
        var value: [UInt8] = []
        if isOutsideOfRoot {
            cursor.skipBlanks()
            guard cursor.isAtEnd || cursor.peek() == UInt8(ascii: "<") else {
                throw fault("Data at the root level is invalid.")
            }
            return
        }
        if format == .rawxml, textIsBlank, expressionBegins() {
            value = try rawExpression() ?? []
        }
        while let byte = cursor.peek(), byte != UInt8(ascii: "<") {
            switch byte {
            case UInt8(ascii: "&"): value += try entity()
            case UInt8(ascii: "]") where cursor.starts(with: "]]>"):
                throw fault("']]>' is not allowed in character data.")
            default: try character(into: &value)
            }
        }
        append(value, at: place)
    }

    mutating func characterData() throws(PolicyProblem) {
        guard !isOutsideOfRoot else { throw fault("Data at the root level is invalid.") }
        let place = cursor.place
        cursor.advance(by: 9)
        var value: [UInt8] = []
        while !cursor.starts(with: "]]>") {
            guard !cursor.isAtEnd else {
                throw fault("Unexpected end of file while parsing CDATA has occurred.", at: place)
            }
            try character(into: &value)
        }
        cursor.advance(by: 3)
        append(value, at: place)
    }

    /// Eats one byte of text. Line ends become line feeds (XML 1.0, 2.11).
    private mutating func character(into value: inout [UInt8]) throws(PolicyProblem) {
        guard let byte = cursor.peek() else { return }
        switch byte {
        case 0x0D:
            if cursor.peek(1) != 0x0A { value.append(0x0A) }
        case 0x00..<0x20 where byte != 0x09 && byte != 0x0A:
            throw fault("\(cursor.shown()), is an invalid character.")
        case 0xEF where cursor.peek(1) == 0xBF && (cursor.peek(2) ?? 0) >= 0xBE:
            throw fault("\(cursor.shown()), is an invalid character.")
        default: value.append(byte)
        }
        cursor.advance()
    }

    // MARK: Expressions

    /// Whether an expression begins here, white space before it put aside.
    private func expressionBegins() -> Bool {
        var offset = cursor.offset
        while offset < cursor.bytes.count, LiteralText.isBlank(cursor.bytes[offset]) { offset += 1 }
        return ExpressionEnd.begins(in: cursor.bytes, at: offset)
    }

    /// Eats an expression as it stands. Code that was escaped for XML is decoded (expressions.md 1.5). nil when it has no
    /// end: then nothing is eaten, the value ends where XML says, and the checker tells the fault at its element.
    private mutating func rawExpression() throws(PolicyProblem) -> [UInt8]? {
        var start = cursor.offset
        while start < cursor.bytes.count, LiteralText.isBlank(cursor.bytes[start]) { start += 1 }
        let end: ExpressionEnd
        do {
            end = try ExpressionEnd(in: cursor.bytes, from: start)
        } catch {
            // Each looks at the rest of the document, so that many would cost its square.
            endlessExpressions += 1
            guard endlessExpressions > Self.endlessExpressionsMax else { return nil }
            cursor.advance(by: error.offset - cursor.offset)
            throw fault(error.message)
        }
        cursor.skipBlanks()
        guard end.holdsEntities else {
            var code: [UInt8] = []
            while cursor.offset < end.offset { try character(into: &code) }
            return code
        }
        var code: [UInt8] = []
        while cursor.offset < end.offset {
            if cursor.peek() == UInt8(ascii: "&"), let decoded = knownEntity() {
                code += decoded.bytes
                cursor.advance(by: decoded.length)
            } else {
                try character(into: &code)
            }
        }
        return code
    }

    // MARK: Entities

    private struct DecodedEntity {
        var bytes: [UInt8]
        /// From `&` to `;`, in bytes.
        var length: Int
    }

    private mutating func entity() throws(PolicyProblem) -> [UInt8] {
        if let decoded = knownEntity() {
            cursor.advance(by: decoded.length)
            return decoded.bytes
        }
        let place = cursor.place
        cursor.advance()
        if cursor.peek() == UInt8(ascii: "#") {
            throw fault("Invalid syntax for a character reference, or a character that XML does not allow.", at: place)
        }
        guard let name = cursor.name() else {
            throw fault("An error occurred while parsing EntityName.")
        }
        guard cursor.peek() == UInt8(ascii: ";") else {
            throw fault("'\(shownToken())' is an unexpected token. The expected token is ';'.")
        }
        throw fault("Reference to undeclared entity '\(name)'.", at: place)
    }

    /// One of the five entities or a character reference; nil when none stands here.
    private func knownEntity() -> DecodedEntity? {
        for (name, byte) in Self.entities where cursor.starts(with: name) {
            return DecodedEntity(bytes: [byte], length: name.count)
        }
        guard cursor.peek(1) == UInt8(ascii: "#") else { return nil }
        let isHexadecimal = cursor.peek(2) == UInt8(ascii: "x")
        var length = isHexadecimal ? 3 : 2
        var value: UInt32 = 0
        var digits = 0
        while let byte = cursor.peek(length), byte != UInt8(ascii: ";") {
            let digit = String(decoding: [byte], as: UTF8.self)
            guard byte < 0x80, digits < 10, let number = UInt32(digit, radix: isHexadecimal ? 16 : 10) else {
                return nil
            }
            let (product, overflow) = value.multipliedReportingOverflow(by: isHexadecimal ? 16 : 10)
            guard !overflow, product <= 0x10FFFF else { return nil }
            value = product + number
            digits += 1
            length += 1
        }
        guard digits > 0, cursor.peek(length) == UInt8(ascii: ";"), let scalar = Unicode.Scalar(value),
            Self.isAllowed(scalar)
        else { return nil }
        return DecodedEntity(bytes: Array(String(Character(scalar)).utf8), length: length + 1)
    }

    private static let entities: [([UInt8], UInt8)] = [
        (Array("&quot;".utf8), 0x22), (Array("&amp;".utf8), 0x26), (Array("&apos;".utf8), 0x27),
        (Array("&lt;".utf8), 0x3C), (Array("&gt;".utf8), 0x3E),
    ]

    /// XML 1.0, 2.2.
    private static func isAllowed(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x09, 0x0A, 0x0D, 0x20...0xD7FF, 0xE000...0xFFFD, 0x10000...0x10FFFF: true
        default: false
        }
    }

    // MARK: Comments and instructions

    /// A comment ends at the first `-->`. XML 1.0 allows no `--` before it, but people do write such comments, and no
    /// reading of one gives another document.
    mutating func comment() throws(PolicyProblem) {
        let place = cursor.place
        cursor.advance(by: 4)
        var ignored: [UInt8] = []
        while !cursor.starts(with: "-->") {
            guard !cursor.isAtEnd else {
                throw fault("Unexpected end of file while parsing Comment has occurred.", at: place)
            }
            try character(into: &ignored)
        }
        cursor.advance(by: 3)
    }

    mutating func processingInstruction() throws(PolicyProblem) {
        let place = cursor.place
        cursor.advance(by: 2)
        guard let name = cursor.name() else {
            throw fault("Name cannot begin with the \(cursor.shown()).")
        }
        if name.lowercased() == "xml" {
            throw fault(
                "Unexpected XML declaration. The XML declaration must be the first node in the document, and no white "
                    + "space characters are allowed to appear before it.", at: place)
        }
        while !cursor.starts(with: "?>") {
            guard !cursor.isAtEnd else {
                throw fault("Unexpected end of file while parsing PI has occurred.", at: place)
            }
            cursor.advance()
        }
        cursor.advance(by: 2)
    }

    /// `<?xml version="1.0" encoding="…"?>`: the text is Unicode already, so an encoding is only looked at to refuse
    /// what would have been read otherwise (must-hold I2).
    mutating func declaration() throws(PolicyProblem) {
        cursor.advance(by: 5)
        var attributes: [ReadAttribute] = []
        while true {
            cursor.skipBlanks()
            if cursor.starts(with: "?>") { break }
            guard attributes.count < 3, !cursor.isAtEnd else {
                throw fault("Syntax for an XML declaration is invalid.")
            }
            attributes.append(try attribute())
        }
        let names = attributes.map(\.name)
        let isValid =
            names.first == "version"
            && [
                ["version"], ["version", "encoding"], ["version", "standalone"],
                ["version", "encoding", "standalone"],
            ].contains(names)
        guard isValid else { throw fault("Syntax for an XML declaration is invalid.") }
        guard attributes[0].value.text.hasPrefix("1.") else {
            throw fault("Version number '\(attributes[0].value.text.prefix(16))' is invalid.", at: attributes[0].place)
        }
        if let encoding = attributes.first(where: { $0.name == "encoding" }) {
            let known = ["utf-8", "utf8", "utf-16", "utf16", "us-ascii", "ascii"]
            guard known.contains(encoding.value.text.lowercased()) else {
                throw fault(
                    "System does not support '\(encoding.value.text.prefix(32))' encoding.", at: encoding.place)
            }
        }
        cursor.advance(by: 2)
    }
}

extension DocumentCursor {
    /// A BOM is no character of the document and has no column.
    mutating func skipByteOrderMark() {
        self = DocumentCursor(bytes, from: 3)
    }
}
