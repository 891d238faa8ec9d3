// The fields of a message's head: bytes in order of arrival, found by name without regard to case.

/// A field name, ready to be compared: made once, used for every call.
package struct FieldName: Hashable, Sendable, CustomStringConvertible {
    /// As written.
    package let bytes: [UInt8]
    /// In lower case.
    package let folded: [UInt8]

    package init(_ text: String) {
        bytes = Array(text.utf8)
        folded = bytes.map(Self.lower)
    }

    package var description: String { String(decoding: bytes, as: UTF8.self) }

    package static func == (left: Self, right: Self) -> Bool { left.folded == right.folded }
    package func hash(into hasher: inout Hasher) { hasher.combine(folded) }

    @inline(__always) package static func lower(_ byte: UInt8) -> UInt8 {
        byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
    }

    package static let host = FieldName("Host")
    package static let authorization = FieldName("Authorization")
    package static let contentType = FieldName("Content-Type")
    package static let contentLength = FieldName("Content-Length")
    package static let connection = FieldName("Connection")
    package static let transferEncoding = FieldName("Transfer-Encoding")
    package static let origin = FieldName("Origin")
    package static let vary = FieldName("Vary")
    package static let date = FieldName("Date")
    package static let location = FieldName("Location")
    package static let retryAfter = FieldName("Retry-After")
    package static let wwwAuthenticate = FieldName("WWW-Authenticate")
}

/// The fields of a head. One buffer holds all bytes; a removed or replaced field leaves its bytes behind until the
/// fields are cleared, so that an edit moves nothing.
package struct HeaderFields: Sendable {
    struct Entry: BitwiseCopyable, Sendable {
        var name: Int32
        var nameLength: Int32
        var value: Int32
        var valueLength: Int32

        var nameRange: Range<Int> { Int(name)..<Int(name &+ nameLength) }
        var valueRange: Range<Int> { Int(value)..<Int(value &+ valueLength) }
    }

    private(set) var bytes: [UInt8] = []
    private(set) var entries: [Entry] = []
    /// Where the bytes end that came from the peer.
    private var receivedEnd: Int32 = 0

    package init() {}

    package var count: Int { entries.count }
    package var isEmpty: Bool { entries.isEmpty }

    /// Keeps the storage for the next message.
    package mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        entries.removeAll(keepingCapacity: true)
        receivedEnd = 0
    }

    /// Takes the bytes of a received head; `add` then names the lines in it.
    /// - Returns: Where they begin.
    mutating func adopt(_ head: UnsafeRawBufferPointer) -> Int {
        let base = bytes.count
        bytes.append(contentsOf: head)
        receivedEnd = Int32(truncatingIfNeeded: bytes.count)
        return base
    }

    /// Adds a line that lies in adopted bytes.
    @inline(__always)
    mutating func add(_ line: FieldLine, base: Int) {
        entries.append(
            Entry(
                name: Int32(truncatingIfNeeded: base &+ line.name.lowerBound),
                nameLength: Int32(truncatingIfNeeded: line.name.count),
                value: Int32(truncatingIfNeeded: base &+ line.value.lowerBound),
                valueLength: Int32(truncatingIfNeeded: line.value.count)))
    }

    /// Whether line `index` is as the peer sent it, not written since.
    package func wasReceived(at index: Int) -> Bool { entries[index].name < receivedEnd }

    /// Removes the fields that end at every hop (RFC 9110 section 7.6.1).
    mutating func removeHopByHop() {
        var index = entries.count - 1
        while index >= 0 {
            switch entries[index].nameLength {
            case 2, 7, 10, 14, 16, 17, 18, 19:
                if FieldName.hopByHop.contains(where: { isNamed($0, at: index) }) { entries.remove(at: index) }
            default: break
            }
            index -= 1
        }
    }

    /// Adds a line behind all others.
    package mutating func append(_ name: some Collection<UInt8>, _ value: some Collection<UInt8>) {
        let start = Int32(truncatingIfNeeded: bytes.count)
        bytes.append(contentsOf: name)
        let middle = Int32(truncatingIfNeeded: bytes.count)
        bytes.append(contentsOf: value)
        let end = Int32(truncatingIfNeeded: bytes.count)
        entries.append(Entry(name: start, nameLength: middle - start, value: middle, valueLength: end - middle))
    }

    package mutating func append(_ name: FieldName, _ value: some Collection<UInt8>) {
        append(name.bytes, value)
    }

    // Not generic: these are called from other rooms on the way of every call, where generic ones are not specialised.

    package mutating func append(_ name: FieldName, _ value: [UInt8]) { append(name.bytes, value) }

    package mutating func append(_ name: FieldName, _ value: ArraySlice<UInt8>) { append(name.bytes, value) }

    package mutating func set(_ name: FieldName, _ value: [UInt8]) {
        remove(name)
        append(name.bytes, value)
    }

    package mutating func append(_ name: FieldName, _ value: String) {
        append(name.bytes, value.utf8)
    }

    /// The name of line `index`, as received.
    package func name(at index: Int) -> ArraySlice<UInt8> {
        let entry = entries[index]
        return bytes[Int(entry.name)..<Int(entry.name + entry.nameLength)]
    }

    package func value(at index: Int) -> ArraySlice<UInt8> {
        let entry = entries[index]
        return bytes[Int(entry.value)..<Int(entry.value + entry.valueLength)]
    }

    package func isNamed(_ name: FieldName, at index: Int) -> Bool {
        let entry = entries[index]
        guard Int(entry.nameLength) == name.folded.count else { return false }
        var position = Int(entry.name)
        for byte in name.folded {
            if FieldName.lower(bytes[position]) != byte { return false }
            position += 1
        }
        return true
    }

    /// How many lines have this name.
    package func count(of name: FieldName) -> Int {
        var found = 0
        for index in entries.indices where isNamed(name, at: index) { found += 1 }
        return found
    }

    package func contains(_ name: FieldName) -> Bool { firstIndex(of: name) != nil }

    package func firstIndex(of name: FieldName) -> Int? {
        for index in entries.indices where isNamed(name, at: index) { return index }
        return nil
    }

    /// The value of the first line with this name.
    package func first(_ name: FieldName) -> ArraySlice<UInt8>? {
        firstIndex(of: name).map(value(at:))
    }

    /// The values of all lines with this name, in order.
    package func values(of name: FieldName) -> [ArraySlice<UInt8>] {
        var found: [ArraySlice<UInt8>] = []
        for index in entries.indices where isNamed(name, at: index) { found.append(value(at: index)) }
        return found
    }

    /// Removes all lines of the name, and those that have `_` where it has `-`: a careless reader takes one for the
    /// other (must-hold A14).
    package mutating func remove(_ name: FieldName) {
        var index = entries.count - 1
        while index >= 0 {
            if looksLike(name, at: index) { entries.remove(at: index) }
            index -= 1
        }
    }

    /// Removes all lines with one of these names, as `remove` of each does, but looks at every line once.
    mutating func remove(_ names: Set<FieldName>) {
        entries.removeAll { entry in
            let name = String(decoding: bytes[entry.nameRange], as: UTF8.self)
            return names.contains(FieldName(name))
                || (name.contains("_") && names.contains(FieldName(name.replacing("_", with: "-"))))
        }
    }

    /// Bytes of the name of line `index`.
    package func nameLength(at index: Int) -> Int { Int(entries[index].nameLength) }

    /// Whether the name of line `index` begins with `prefix`, without regard to case.
    package func hasPrefix(_ prefix: FieldName, at index: Int) -> Bool {
        let entry = entries[index]
        guard Int(entry.nameLength) >= prefix.folded.count else { return false }
        var position = Int(entry.name)
        for byte in prefix.folded {
            if FieldName.lower(bytes[position]) != byte { return false }
            position += 1
        }
        return true
    }

    /// Whether line `index` has this name, or one that a careless reader takes for it: `_` where it has `-`.
    package func looksLike(_ name: FieldName, at index: Int) -> Bool {
        let entry = entries[index]
        guard Int(entry.nameLength) == name.folded.count else { return false }
        var position = Int(entry.name)
        for byte in name.folded {
            let own = FieldName.lower(bytes[position])
            if own != byte, own != UInt8(ascii: "_") || byte != UInt8(ascii: "-") { return false }
            position += 1
        }
        return true
    }

    package mutating func remove(at index: Int) { entries.remove(at: index) }

    /// Removes all lines of the name and adds one.
    package mutating func set(_ name: FieldName, _ value: some Collection<UInt8>) {
        remove(name)
        append(name.bytes, value)
    }

    package mutating func set(_ name: FieldName, _ value: String) { set(name, value.utf8) }
}
