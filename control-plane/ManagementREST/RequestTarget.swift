// The target of a management request: segments decoded once, query parameters in order.
internal import Foundation
internal import ResourceStore

/// A request's path and query.
struct RequestTarget: Sendable {
    /// Segments of the path, percent-decoded once. An empty one in the middle stays, and names nothing. nil where one
    /// could be read in another way by somebody else (must-hold G14, G15): not UTF-8 or not in normal form C, a dot
    /// segment, or with a slash, backslash, percent sign or NUL when decoded.
    let segments: [String]?
    /// As they came, decoded; names keep their case.
    let query: [(name: String, value: String)]
    let rawPath: String
    let rawQuery: String

    init(path: String, query: String?) {
        rawPath = path
        rawQuery = query ?? ""
        var decoded: [String] = []
        var isSound = true
        var parts = path.split(separator: "/", omittingEmptySubsequences: false).drop(while: \.isEmpty)
        if parts.last?.isEmpty == true { parts.removeLast() }
        for segment in parts {
            guard let text = Self.decode(segment, plusIsBlank: false), Self.isSound(text) else {
                isSound = false
                break
            }
            decoded.append(text)
        }
        segments = isSound ? decoded : nil
        self.query = (query ?? "").split(separator: "&", omittingEmptySubsequences: true).compactMap { pair in
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = parts.first.flatMap({ Self.decode($0, plusIsBlank: true) }) else { return nil }
            return (name, parts.count > 1 ? Self.decode(parts[1], plusIsBlank: true) ?? "" : "")
        }
    }

    private static func isSound(_ segment: String) -> Bool {
        guard segment != ".", segment != "..",
            !segment.utf8.contains(where: { $0 == 0 || "/\\%".utf8.contains($0) })
        else { return false }
        return ResourceID.isNormalised(segment)
    }

    /// All values of a parameter; names of the query in any case, as ARM takes them.
    func values(_ name: String) -> [String] {
        query.filter { $0.name.lowercased() == name.lowercased() }.map(\.value)
    }

    func first(_ name: String) -> String? { values(name).first }

    /// Options by name in lower case; of several the first.
    var options: [String: String] {
        Dictionary(query.map { ($0.name, $0.value) }) { first, _ in first }
    }

    /// nil where the bytes are not UTF-8 or a percent sign is not followed by two digits.
    static func decode(_ text: some StringProtocol, plusIsBlank: Bool) -> String? {
        guard text.utf8.contains(where: { $0 == UInt8(ascii: "%") || $0 == UInt8(ascii: "+") }) else {
            return String(text)
        }
        var bytes: [UInt8] = []
        var rest = text.utf8.makeIterator()
        while let byte = rest.next() {
            switch byte {
            case UInt8(ascii: "+") where plusIsBlank: bytes.append(0x20)
            case UInt8(ascii: "%"):
                guard let high = rest.next().flatMap(digit), let low = rest.next().flatMap(digit) else { return nil }
                bytes.append(high << 4 | low)
            default: bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        Character(Unicode.Scalar(byte)).hexDigitValue.map(UInt8.init)
    }

    /// For a path or a query inside a link.
    static func encode(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            let isPlain =
                (byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7A) || (byte >= 0x30 && byte <= 0x39)
                || "-._~".utf8.contains(byte)
            if isPlain {
                result.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                result += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }
        return result
    }
}
