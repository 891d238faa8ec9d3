// Reads JSON strictly: UTF-8, no duplicate names, no trailing text, bounded depth. Every fault names its place.

/// Why a text is no JSON that is taken here.
package struct JSONFault: Error, Hashable, Sendable, CustomStringConvertible {
    package var message: String
    /// Counted from 1; columns count bytes.
    package var line: Int
    package var column: Int

    package init(message: String, line: Int, column: Int) {
        self.message = message
        self.line = line
        self.column = column
    }

    package var description: String { "\(message) (line \(line), column \(column))" }
}

package enum JSONReader {
    /// Reads one document, with at most `depthMax` arrays and objects inside each other and `valuesMax` values in all.
    /// Throws `JSONFault` with the place. A name that stands twice in an object is a fault, for readers differ in which one they take.
    package static func read(
        _ bytes: [UInt8], depthMax: Int = 64, valuesMax: Int = .max
    ) throws(JSONFault) -> JSONValue {
        var reader = Reader(bytes: bytes, depthMax: depthMax, valuesLeft: valuesMax)
        reader.skipByteOrderMark()
        let value = try reader.value(depth: 0)
        reader.skipSpace()
        guard reader.isAtEnd else { throw reader.fault("Text after the end of the JSON document.") }
        return value
    }

    package static func read(
        _ text: String, depthMax: Int = 64, valuesMax: Int = .max
    ) throws(JSONFault) -> JSONValue {
        try read(Array(text.utf8), depthMax: depthMax, valuesMax: valuesMax)
    }
}

private struct Reader {
    /// No number that means anything is longer.
    static let numeralMax = 1000

    let bytes: [UInt8]
    let depthMax: Int
    var valuesLeft: Int
    var position = 0

    init(bytes: [UInt8], depthMax: Int, valuesLeft: Int) {
        self.bytes = bytes
        self.depthMax = depthMax
        self.valuesLeft = valuesLeft
    }

    var isAtEnd: Bool { position >= bytes.count }
    var current: UInt8 { position < bytes.count ? bytes[position] : 0 }

    func fault(_ message: String, at place: Int? = nil) -> JSONFault {
        var line = 1
        var column = 1
        for byte in bytes.prefix(place ?? position) {
            if byte == UInt8(ascii: "\n") {
                line += 1
                column = 1
            } else {
                column += 1
            }
        }
        return JSONFault(message: message, line: line, column: column)
    }

    mutating func skipByteOrderMark() {
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
    }

    mutating func skipSpace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x09, 0x0A, 0x0D: position += 1
            default: return
            }
        }
    }

    mutating func value(depth: Int) throws(JSONFault) -> JSONValue {
        skipSpace()
        guard !isAtEnd else { throw fault("The JSON document ends too early.") }
        guard valuesLeft > 0 else { throw fault("Too many values in one document.") }
        valuesLeft -= 1
        switch current {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: return try number()
        }
    }

    private mutating func word(_ word: String, _ value: JSONValue) throws(JSONFault) -> JSONValue {
        let expected = Array(word.utf8)
        guard bytes[position...].starts(with: expected) else { throw fault("A JSON value is expected here.") }
        position += expected.count
        return value
    }

    private mutating func object(depth: Int) throws(JSONFault) -> JSONValue {
        guard depth < depthMax else { throw fault("More than \(depthMax) levels of arrays and objects.") }
        position += 1
        var members = JSONObject()
        skipSpace()
        if current == UInt8(ascii: "}") {
            position += 1
            return .object(members)
        }
        while true {
            skipSpace()
            let place = position
            guard current == UInt8(ascii: "\"") else { throw fault("The name of a member is expected here.") }
            let name = try string()
            guard members[name] == nil else { throw fault("The member '\(name)' stands twice.", at: place) }
            skipSpace()
            guard current == UInt8(ascii: ":") else { throw fault("A colon is expected here.") }
            position += 1
            members[name] = try value(depth: depth + 1)
            skipSpace()
            switch current {
            case UInt8(ascii: ","): position += 1
            case UInt8(ascii: "}"):
                position += 1
                return .object(members)
            default: throw fault("A comma or the end of the object is expected here.")
            }
        }
    }

    private mutating func array(depth: Int) throws(JSONFault) -> JSONValue {
        guard depth < depthMax else { throw fault("More than \(depthMax) levels of arrays and objects.") }
        position += 1
        var items: [JSONValue] = []
        skipSpace()
        if current == UInt8(ascii: "]") {
            position += 1
            return .array(items)
        }
        while true {
            items.append(try value(depth: depth + 1))
            skipSpace()
            switch current {
            case UInt8(ascii: ","): position += 1
            case UInt8(ascii: "]"):
                position += 1
                return .array(items)
            default: throw fault("A comma or the end of the array is expected here.")
            }
        }
    }

    /// RFC 8259 section 6: no leading zero, no plus, digits on both sides of the point.
    private mutating func number() throws(JSONFault) -> JSONValue {
        let start = position
        if current == UInt8(ascii: "-") { position += 1 }
        let first = position
        guard digits() > 0 else { throw fault("A JSON value is expected here.", at: start) }
        if bytes[first] == UInt8(ascii: "0"), position - first > 1 {
            throw fault("A number has no leading zeros.", at: start)
        }
        var isInteger = true
        if current == UInt8(ascii: ".") {
            position += 1
            isInteger = false
            guard digits() > 0 else { throw fault("Digits are expected behind the point.") }
        }
        if current | 0x20 == UInt8(ascii: "e") {
            position += 1
            isInteger = false
            if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { position += 1 }
            guard digits() > 0 else { throw fault("Digits are expected in the exponent.") }
        }
        guard position - start <= Self.numeralMax else {
            throw fault("A number of more than \(Self.numeralMax) characters.", at: start)
        }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        if isInteger, text != "-0", let value = Int64(text) { return .int(value) }
        return .number(text)
    }

    private mutating func digits() -> Int {
        let start = position
        while position < bytes.count, bytes[position] >= 0x30, bytes[position] <= 0x39 { position += 1 }
        return position - start
    }

    private mutating func string() throws(JSONFault) -> String {
        let start = position
        position += 1
        var plain = position
        var text = ""
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "\""):
                try append(plain..<position, to: &text)
                position += 1
                return text
            case UInt8(ascii: "\\"):
                try append(plain..<position, to: &text)
                try escape(into: &text)
                plain = position
            case 0..<0x20: throw fault("A control character in a text must be escaped.")
            default: position += 1
            }
        }
        throw fault("The text that begins here does not end.", at: start)
    }

    private func append(_ range: Range<Int>, to text: inout String) throws(JSONFault) {
        guard !range.isEmpty else { return }
        guard let part = String(validating: bytes[range], as: UTF8.self) else {
            throw fault("The text is not UTF-8.", at: range.lowerBound)
        }
        text += part
    }

    private mutating func escape(into text: inout String) throws(JSONFault) {
        let place = position
        position += 1
        let kind = current
        position += 1
        switch kind {
        case UInt8(ascii: "\""): text.append("\"")
        case UInt8(ascii: "\\"): text.append("\\")
        case UInt8(ascii: "/"): text.append("/")
        case UInt8(ascii: "b"): text.append("\u{8}")
        case UInt8(ascii: "f"): text.append("\u{C}")
        case UInt8(ascii: "n"): text.append("\n")
        case UInt8(ascii: "r"): text.append("\r")
        case UInt8(ascii: "t"): text.append("\t")
        case UInt8(ascii: "u"):
            let first = try hexadecimal(at: place)
            var code = UInt32(first)
            if first & 0xFC00 == 0xD800 {
                guard position + 1 < bytes.count, bytes[position] == UInt8(ascii: "\\"),
                    bytes[position + 1] == UInt8(ascii: "u")
                else { throw fault("Half of a surrogate pair.", at: place) }
                position += 2
                let second = try hexadecimal(at: place)
                guard second & 0xFC00 == 0xDC00 else { throw fault("Half of a surrogate pair.", at: place) }
                code = 0x10000 + (UInt32(first & 0x3FF) << 10) + UInt32(second & 0x3FF)
            }
            guard let scalar = Unicode.Scalar(code) else { throw fault("Half of a surrogate pair.", at: place) }
            text.unicodeScalars.append(scalar)
        default: throw fault("An unknown escape in a text.", at: place)
        }
    }

    private mutating func hexadecimal(at place: Int) throws(JSONFault) -> UInt16 {
        guard position + 4 <= bytes.count else { throw fault("Four hexadecimal digits are expected.", at: place) }
        var code: UInt16 = 0
        for byte in bytes[position..<position + 4] {
            guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw fault("Four hexadecimal digits are expected.", at: place)
            }
            code = code << 4 | UInt16(digit)
        }
        position += 4
        return code
    }
}
