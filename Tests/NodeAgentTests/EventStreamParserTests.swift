import Testing

@testable import NodeAgent

@Suite struct EventStreamParserTests {
    private let stream =
        "event: ledger\ndata: {\"a\":1}\n\n: alive\n\nevent: snapshot\r\ndata: one\r\ndata:two\r\n\r\nid: 7\n\ndata: x\n"

    @Test func eventsAreTheSameHoweverTheBytesAreCut() throws {
        let bytes = Array(stream.utf8)
        let events = [
            EventStreamParser.Event(name: "ledger", data: "{\"a\":1}"),
            EventStreamParser.Event(name: "snapshot", data: "one\ntwo"),
        ]
        for cut in 0...bytes.count {
            var parser = EventStreamParser()
            let found = try parser.eat(Array(bytes[..<cut])) + parser.eat(Array(bytes[cut...]))
            #expect(found == events)
            // The last event has no end yet.
            #expect(try parser.eat([10]) == [EventStreamParser.Event(name: "", data: "x")])
        }
        var parser = EventStreamParser()
        var found: [EventStreamParser.Event] = []
        for byte in bytes { found += try parser.eat([byte]) }
        #expect(found == events)
    }

    @Test func anEventIsBounded() throws {
        var parser = EventStreamParser()
        let piece = [UInt8](repeating: 120, count: 1 << 20)
        #expect(throws: EventStreamParser.TooLarge.self) { for _ in 0..<33 { _ = try parser.eat(piece) } }
        parser = EventStreamParser()
        let line = Array("data: ".utf8) + piece + [10]
        #expect(throws: EventStreamParser.TooLarge.self) { for _ in 0..<33 { _ = try parser.eat(line) } }
    }
}

@Suite struct WakeupTests {
    @Test func aSignalIsKeptUntilSomebodyWaits() async {
        let wakeup = Wakeup()
        wakeup.signal()
        wakeup.signal()
        await wakeup.wait(atMost: .seconds(3600))
    }

    @Test func aWaitEndsWithItsTimeOrItsTask() async {
        let wakeup = Wakeup()
        await wakeup.wait(atMost: .milliseconds(1))
        let task = Task { await wakeup.wait(atMost: .seconds(3600)) }
        task.cancel()
        await task.value
        let other = Task { await wakeup.wait(atMost: .seconds(3600)) }
        wakeup.signal()
        await other.value
    }

    @Test func H16_waits_grow_to_their_bound() {
        var backOff = BackOff(first: .seconds(5), longest: .seconds(60))
        for bound in [5, 10, 20, 40, 60, 60] {
            let wait = backOff.next()
            #expect(wait >= .zero && wait <= .seconds(bound))
        }
        for _ in 0..<100 { #expect(backOff.next() <= .seconds(60)) }
        backOff.succeeded()
        #expect(backOff.next() <= .seconds(5))
    }
}
