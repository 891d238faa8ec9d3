// The stream of events as bytes: text/event-stream, read strictly enough for one peer that we know.

/// Cuts a stream into events (HTML Standard section 9.2.6). Comments show that the stream lives and give nothing.
struct EventStreamParser {
    struct Event: Hashable {
        var name: String
        var data: String
    }

    /// An event or a line beyond the bound.
    struct TooLarge: Error {}

    static let bytesMax = 4 << 20

    private var line: [UInt8] = []
    private var name = ""
    private var data: [UInt8] = []

    /// Eats the next bytes; gives the events that they complete.
    mutating func eat(_ bytes: [UInt8]) throws(TooLarge) -> [Event] {
        var events: [Event] = []
        for piece in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            if piece.offset > 0, let event = endLine() { events.append(event) }
            guard line.count + data.count + piece.element.count <= Self.bytesMax else { throw TooLarge() }
            line += piece.element
        }
        return events
    }

    private mutating func endLine() -> Event? {
        if line.last == UInt8(ascii: "\r") { line.removeLast() }
        defer { line.removeAll(keepingCapacity: true) }
        if line.isEmpty {
            defer {
                name = ""
                data.removeAll(keepingCapacity: true)
            }
            guard !data.isEmpty else { return nil }
            return Event(name: name, data: String(decoding: data, as: UTF8.self))
        }
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > 0 else { return nil }
        var value = line[(colon + 1)...]
        if value.first == UInt8(ascii: " ") { value.removeFirst() }
        switch String(decoding: line[..<colon], as: UTF8.self) {
        case "event": name = String(decoding: value, as: UTF8.self)
        case "data":
            if !data.isEmpty { data.append(UInt8(ascii: "\n")) }
            data += value
        default: break
        }
        return nil
    }
}
