// What a node reads of a call behind its head, and of its controller's stream.
import Admission
@testable import NodeAgent

extension FuzzTarget {
    /// The subscription key in a query: when it was taken out, it is gone.
    static let queryKey = FuzzTarget("query-key") { bytes in
        _ = PresentedKey(headerValues: [], query: bytes, queryName: "subscription-key")
        let rest = PresentedKey.removing("subscription-key", from: bytes)
        try promise(
            PresentedKey(headerValues: [], query: rest, queryName: "subscription-key") == .absent,
            "a key that was taken out is gone")
        guard let rest else { return }
        try promise(PresentedKey.removing("subscription-key", from: rest) == rest, "nothing more is taken out")
        try promise(rest.count <= bytes.count, "a query only gets shorter")
    }

    static let eventStream = FuzzTarget("event-stream") { bytes in
        var generator = SeededGenerator(bytes)
        var whole = EventStreamParser()
        var cut = EventStreamParser()
        var events: [EventStreamParser.Event] = []
        var start = 0
        for end in generator.cuts(bytes.count) {
            events += try cut.eat(Array(bytes[start..<end]))
            start = end
        }
        try promise(try whole.eat(bytes) == events, "the same events however the stream is cut")
    }
}
