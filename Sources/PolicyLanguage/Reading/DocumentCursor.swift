internal import PolicyExpressions

// A document's bytes and where in them the reader stands.

struct DocumentCursor {
    let bytes: [UInt8]
    private(set) var offset = 0
    /// Of the byte at `offset`; the column counts UTF-16 units, as .NET does.
    private(set) var place = SourcePosition(line: 1, column: 1)

    init(_ bytes: [UInt8], from offset: Int = 0) {
        self.bytes = bytes
        self.offset = offset
    }

    var isAtEnd: Bool { offset >= bytes.count }

    func peek(_ ahead: Int = 0) -> UInt8? {
        offset + ahead < bytes.count ? bytes[offset + ahead] : nil
    }

    func starts(with text: StaticString) -> Bool {
        starts(with: Array(text.description.utf8))
    }

    func starts(with other: [UInt8]) -> Bool {
        bytes.count - offset >= other.count && bytes[offset..<(offset + other.count)].elementsEqual(other)
    }

    /// Steps over one byte.
    mutating func advance() {
        guard offset < bytes.count else { return }
        let byte = bytes[offset]
        offset += 1
        let isLineEnd = byte == 0x0A || (byte == 0x0D && peek() != 0x0A)
        if isLineEnd {
            place = SourcePosition(line: place.line + 1, column: 1)
        } else if byte & 0xC0 != 0x80, byte != 0x0D {
            place.column += byte >= 0xF0 ? 2 : 1
        }
    }

    mutating func advance(by count: Int) {
        for _ in 0..<max(0, count) { advance() }
    }

    /// Steps over white space; says whether there was any.
    @discardableResult
    mutating func skipBlanks() -> Bool {
        let start = offset
        while let byte = peek(), LiteralText.isBlank(byte) { advance() }
        return offset > start
    }

    /// Bytes of a name. To hash a text takes the square of the marks on one letter, and names are hashed.
    private static let nameBytesMax = 1_024

    /// Eats an XML name; nil when none begins here. Beyond ASCII every letter counts as one of a name. What goes on
    /// behind the longest name is no part of it, and no token that may follow one.
    mutating func name() -> String? {
        let start = offset
        guard let first = peek(), Self.beginsName(first) else { return nil }
        while offset - start < Self.nameBytesMax, let byte = peek(), Self.continuesName(byte) { advance() }
        return String(decoding: bytes[start..<offset], as: UTF8.self)
    }

    private static func beginsName(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x41...0x5A, 0x61...0x7A, 0x5F, 0x3A, 0x80...: true
        default: false
        }
    }

    private static func continuesName(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x2D, 0x2E: true
        default: beginsName(byte)
        }
    }

    /// The character here, for a message.
    func shown() -> String {
        guard offset < bytes.count else { return "end of file" }
        let rest = String(decoding: bytes[offset..<min(bytes.count, offset + 4)], as: UTF8.self)
        guard let scalar = rest.unicodeScalars.first else { return "" }
        let hexadecimal = "0x" + String(scalar.value, radix: 16, uppercase: true)
        let visible = scalar.value >= 0x20 && scalar.value != 0x7F ? String(Character(scalar)) : "."
        return "'\(visible)', hexadecimal value \(hexadecimal)"
    }
}
