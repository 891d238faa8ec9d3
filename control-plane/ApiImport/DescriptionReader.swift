internal import JSONDocuments

// From bytes to a value: JSON or YAML, UTF-8 alone.

enum DescriptionReader {
    /// Bytes of an import (design.md section 7).
    static let bytesMax = 16 << 20
    /// Levels of arrays and objects.
    static let depthMax = 64

    /// Reads the root object of a description.
    static func read(_ bytes: [UInt8]) throws(ImportFailure) -> JSONObject {
        guard bytes.count <= bytesMax else {
            throw ImportFailure("The description has \(bytes.count) bytes; at most \(bytesMax) are taken.")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw notUTF8(bytes) }
        let start = bytes.firstIndex { $0 > 0x20 && $0 != 0xEF && $0 != 0xBB && $0 != 0xBF }
        guard let start else {
            throw ImportFailure("The description is empty: an object with 'openapi' or 'swagger' is expected.")
        }
        if bytes[start] == UInt8(ascii: "<") {
            throw ImportFailure(
                at: "line 1, column 1",
                "The description is neither JSON nor YAML; it looks like HTML or XML, as a link to a page answers.")
        }
        let value = isJSON(bytes, from: start) ? try json(bytes) : try YAMLReader.read(text)
        guard let root = value.members else {
            let hint = value.text == nil ? "" : " This is no OpenAPI document."
            throw ImportFailure("The root must be an object, found \(Scalars.kind(value)).\(hint)")
        }
        return root
    }

    /// `{` or `[` begins JSON, unless a name without quotation marks follows: a flow mapping of YAML.
    private static func isJSON(_ bytes: [UInt8], from start: Int) -> Bool {
        guard bytes[start] == UInt8(ascii: "{") else { return bytes[start] == UInt8(ascii: "[") }
        let next = bytes[(start + 1)...].first { $0 > 0x20 }
        return next == nil || next == UInt8(ascii: "\"") || next == UInt8(ascii: "}")
    }

    private static func json(_ bytes: [UInt8]) throws(ImportFailure) -> JSONValue {
        // White space at the end would move the place of a text that breaks off to another line.
        let end = bytes.lastIndex { $0 > 0x20 }.map { $0 + 1 } ?? bytes.count
        do {
            return try JSONReader.read(Array(bytes[..<end]), depthMax: depthMax)
        } catch {
            let line = bytes[..<end].count { $0 == 0x0A } + 1
            let column = end - (bytes[..<end].lastIndex(of: 0x0A) ?? -1)
            let place = "line \(error.line), column \(error.column)"
            guard error.line == line, error.column >= column else { throw ImportFailure(at: place, error.message) }
            let open = JSONOpenPlaces.pointer(in: bytes)
            throw ImportFailure(
                at: place, "The JSON document ends too early." + (open.isEmpty ? "" : " Open is the object at \(open).")
            )
        }
    }

    private static func notUTF8(_ bytes: [UInt8]) -> ImportFailure {
        var line = 1
        var column = 1
        var index = 0
        while index < bytes.count {
            let length = UTF8Sequence.length(in: bytes, at: index)
            guard length > 0 else {
                let byte = String(bytes[index], radix: 16, uppercase: true)
                return ImportFailure(
                    at: "line \(line), column \(column)",
                    "The description is not UTF-8: byte 0x\(byte.count < 2 ? "0" : "")\(byte).")
            }
            if bytes[index] == 0x0A {
                line += 1
                column = 1
            } else {
                column += 1
            }
            index += length
        }
        return ImportFailure("The description is not UTF-8.")
    }
}

/// Well-formed sequences of UTF-8.
private enum UTF8Sequence {
    /// How many bytes the character at `index` has; 0 when it is none.
    static func length(in bytes: [UInt8], at index: Int) -> Int {
        let first = bytes[index]
        let length =
            switch first {
            case 0..<0x80: 1
            case 0xC2...0xDF: 2
            case 0xE0...0xEF: 3
            case 0xF0...0xF4: 4
            default: 0
            }
        guard length > 0, index + length <= bytes.count else { return 0 }
        return String(validating: bytes[index..<(index + length)], as: UTF8.self) == nil ? 0 : length
    }
}

/// Where a JSON text that breaks off was, as a pointer: a help for people, so it looks at brackets and names alone.
private enum JSONOpenPlaces {
    static func pointer(in bytes: [UInt8]) -> String {
        var open: [String?] = []
        var name = ""
        var index = 0
        while index < bytes.count, open.count <= DescriptionReader.depthMax {
            switch bytes[index] {
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                open.append(name.isEmpty ? nil : name)
                name = ""
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                if open.isEmpty { return "" }
                open.removeLast()
            case UInt8(ascii: "\""):
                var end = index + 1
                while end < bytes.count, bytes[end] != UInt8(ascii: "\"") {
                    end += bytes[end] == UInt8(ascii: "\\") ? 2 : 1
                }
                let text = bytes[min(index + 1, bytes.count)..<min(end, bytes.count)]
                name = String(decoding: text.prefix(200), as: UTF8.self)
                index = end
            case UInt8(ascii: ","): name = ""
            default: break
            }
            index += 1
        }
        return open.compactMap { $0 }.map { "/" + JSONPointer.escaped($0) }.joined()
    }
}
