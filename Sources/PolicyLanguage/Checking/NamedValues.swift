// Named values: `{{name}}` in an attribute value or a text is replaced by the value's text, once (policies.md 1.6).

struct NamedValueText {
    /// With the values put in.
    private(set) var text: String
    /// Names that were found, known or not, in order.
    private(set) var names: [String] = []
    private(set) var unknown: [String] = []

    /// Puts values in. A value is not looked through again, so values that name each other end.
    init(_ written: String, value: (String) -> String?) {
        guard written.utf8.contains(UInt8(ascii: "{")) else {
            text = written
            return
        }
        let bytes = Array(written.utf8)
        var result: [UInt8] = []
        var offset = 0
        while offset < bytes.count {
            guard let reference = Self.reference(in: bytes, at: offset) else {
                result.append(bytes[offset])
                offset += 1
                continue
            }
            names.append(reference.name)
            if let text = value(reference.name) {
                result += Array(text.utf8)
            } else {
                unknown.append(reference.name)
            }
            offset = reference.end
        }
        text = String(decoding: result, as: UTF8.self)
    }

    /// The reference that begins at `start`: `{{`, blanks, letters of a name, blanks, `}}`.
    private static func reference(in bytes: [UInt8], at start: Int) -> (name: String, end: Int)? {
        let brace = UInt8(ascii: "{")
        guard start + 1 < bytes.count, bytes[start] == brace, bytes[start + 1] == brace else { return nil }
        var offset = start + 2
        while offset < bytes.count, LiteralText.isBlank(bytes[offset]) { offset += 1 }
        let nameStart = offset
        while offset < bytes.count, isNameByte(bytes[offset]) { offset += 1 }
        let name = bytes[nameStart..<offset]
        while offset < bytes.count, LiteralText.isBlank(bytes[offset]) { offset += 1 }
        guard !name.isEmpty, offset + 1 < bytes.count, bytes[offset] == UInt8(ascii: "}"),
            bytes[offset + 1] == UInt8(ascii: "}")
        else { return nil }
        return (String(decoding: name, as: UTF8.self), offset + 2)
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
        default: false
        }
    }
}
