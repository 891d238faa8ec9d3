// JSONDocuments is JSON as a value: bytes come in through a strict reader that names the place of a fault; a value
// whose members keep their order, or its text, goes out. Pure.

/// A JSON value (RFC 8259). Members keep the order in which they were read or set; a number that is no 64-bit integer
/// keeps its text, so that nothing is lost on the way through.
package indirect enum JSONValue: Hashable, Sendable {
    case null
    case bool(Bool)
    case int(Int64)
    /// A numeral that is not an `Int64` in plain digits, as it was written.
    case number(String)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)

    package static let emptyObject = JSONValue.object(JSONObject())

    package var isNull: Bool { self == .null }

    package var text: String? {
        if case .string(let text) = self { text } else { nil }
    }

    package var boolean: Bool? {
        if case .bool(let value) = self { value } else { nil }
    }

    package var integer: Int64? {
        if case .int(let value) = self { value } else { nil }
    }

    /// The value of a numeral that is whole, however it is written (`1.0`, `1e2`); nil for all others.
    package var wholeNumber: Int64? {
        switch self {
        case .int(let value): value
        case .number(let text): WholeNumeral.value(of: text)
        default: nil
        }
    }

    package var items: [JSONValue]? {
        if case .array(let items) = self { items } else { nil }
    }

    package var members: JSONObject? {
        if case .object(let members) = self { members } else { nil }
    }

    /// A member of an object; nil for a missing one and for what is no object. Setting it makes an object of null.
    package subscript(_ name: String) -> JSONValue? {
        get { members?[name] }
        set {
            var object = members ?? JSONObject()
            object[name] = newValue
            self = .object(object)
        }
    }

    /// A value deep inside, by names joined by dots (`properties.scope`); nil where any of them is missing.
    package subscript(path path: String) -> JSONValue? {
        var value = self
        for name in path.split(separator: ".") {
            guard let next = value[String(name)] else { return nil }
            value = next
        }
        return value
    }
}

/// A name as a key of tables: compared byte for byte (RFC 8259 section 8.3). A text's own hash takes the square of the
/// number of marks on one letter, so that a name of a megabyte would keep a core busy for minutes.
private struct MemberName: Hashable, Sendable {
    private static let plainMax = 128

    let text: String

    static func == (left: Self, right: Self) -> Bool { left.text.utf8.elementsEqual(right.text.utf8) }

    func hash(into hasher: inout Hasher) {
        // The text's own is the quickest where it can't be slow.
        if text.utf8.count <= Self.plainMax {
            hasher.combine(text)
        } else {
            for byte in text.utf8 { hasher.combine(byte) }
        }
    }
}

/// The members of an object, in order, each name once.
package struct JSONObject: Sendable {
    package private(set) var names: [String] = []
    private var values: [MemberName: JSONValue] = [:]

    package init() {}

    package init(_ members: [(String, JSONValue)]) {
        for (name, value) in members { self[name] = value }
    }

    package var count: Int { names.count }
    package var isEmpty: Bool { names.isEmpty }

    package subscript(_ name: String) -> JSONValue? {
        get { values[MemberName(text: name)] }
        set {
            if let newValue {
                if values.updateValue(newValue, forKey: MemberName(text: name)) == nil { names.append(name) }
            } else if values.removeValue(forKey: MemberName(text: name)) != nil {
                names.removeAll { $0.utf8.elementsEqual(name.utf8) }
            }
        }
    }
}

extension JSONObject: Hashable {
    /// The same members with equal values; their order does not count.
    package static func == (left: Self, right: Self) -> Bool { left.values == right.values }
    package func hash(into hasher: inout Hasher) { hasher.combine(values) }
}

extension JSONObject: Sequence {
    package func makeIterator() -> AnyIterator<(name: String, value: JSONValue)> {
        var index = 0
        return AnyIterator {
            guard index < names.count, let value = self[names[index]] else { return nil }
            defer { index += 1 }
            return (names[index], value)
        }
    }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral, ExpressibleByNilLiteral
{
    package init(stringLiteral value: String) { self = .string(value) }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    package init(integerLiteral value: Int64) { self = .int(value) }
    package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    package init(dictionaryLiteral elements: (String, JSONValue)...) { self = .object(JSONObject(elements)) }
    package init(nilLiteral: ()) { self = .null }

    /// A text, or null.
    package static func optional(_ text: String?) -> JSONValue { text.map(JSONValue.string) ?? .null }
}
