// How literal texts of attributes are read as values. The checker and the steps must agree, so both use these.

package enum LiteralText {
    /// White space of XML, which is put aside around numbers, flags and names.
    package static func isBlank(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D
    }

    /// The text without white space at its ends.
    package static func trimmed(_ text: String) -> String {
        let bytes = text.utf8
        guard let first = bytes.firstIndex(where: { !isBlank($0) }),
            let last = bytes.lastIndex(where: { !isBlank($0) })
        else { return "" }
        return String(text[first...last])
    }

    /// A decimal integer, white space around it put aside; nil when it is none or beyond 64 bits.
    package static func integer(_ text: String) -> Int64? {
        let digits = trimmed(text)
        guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == 0x2D || $0 == 0x2B }) else {
            return nil
        }
        return Int64(digits)
    }

    /// `true` or `false` in any case, as .NET reads them.
    package static func flag(_ text: String) -> Bool? {
        switch trimmed(text).lowercased() {
        case "true": true
        case "false": false
        default: nil
        }
    }

    /// Whether the text is a token of RFC 9110 section 5.6.2: a method or a field name.
    package static func isToken(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy(isTokenByte)
    }

    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        case 0x21, 0x23...0x27, 0x2A, 0x2B, 0x2D, 0x2E, 0x5E, 0x5F, 0x60, 0x7C, 0x7E: true
        default: false
        }
    }
}
