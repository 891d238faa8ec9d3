import Foundation
import HTTPEngine
import Synchronization

// The access log: one JSON object a line, made on the loop, written by a thread of its own. A full queue drops lines and
// counts them; nobody waits (contract-details.md section 4, must-hold B35).

/// What a line says. Never a key, a token or a query.
struct AccessLogEntry {
    var clock: LoopClock
    var requestID = ""
    var method: [UInt8] = []
    var path: [UInt8] = []
    var caller = ""
    var api = ""
    var operation = ""
    var product = ""
    var subscription = ""
    var status = 0
    var apiMicroseconds: UInt64 = 0
    var serviceMicroseconds: UInt64?
    var bytesIn: UInt64 = 0
    var bytesOut: UInt64 = 0
    /// Why it was refused or failed; empty for none.
    var reason = ""
}

/// Writes lines to a file or to standard output.
final class AccessLog: Sendable {
    private struct Queue {
        var bytes: [UInt8] = []
        var isStopped = false
    }

    /// Bytes that may wait for the writer.
    static let waitingBytesMax = 4 << 20
    private let queue = Mutex(Queue())
    private let dropped = Atomic<UInt64>(0)
    private let wake = DispatchSemaphore(value: 0)
    private let ended = DispatchSemaphore(value: 0)
    private let output: LogFile
    let node: String

    init(output: LogFile, node: String) {
        self.output = output
        self.node = node
        let thread = Thread { self.write() }
        thread.name = "access-log"
        thread.start()
    }

    var droppedLines: UInt64 { dropped.load(ordering: .relaxed) }

    /// Hands over whole lines; `lines` says how many.
    func append(_ bytes: [UInt8], lines: UInt64) {
        let isTaken = queue.withLock { queue in
            guard queue.bytes.count + bytes.count <= Self.waitingBytesMax else { return false }
            queue.bytes += bytes
            return true
        }
        if isTaken { wake.signal() } else { dropped.wrappingAdd(lines, ordering: .relaxed) }
    }

    /// Writes what waits and ends the thread.
    func stop() {
        queue.withLock { $0.isStopped = true }
        wake.signal()
        ended.wait()
    }

    private func write() {
        var output = output
        while true {
            wake.wait()
            let (bytes, isStopped) = queue.withLock { queue in
                let taken = queue.bytes
                queue.bytes = []
                return (taken, queue.isStopped)
            }
            // A full disk or a closed pipe loses lines, never calls.
            let lost = bytes.isEmpty ? 0 : output.write(bytes)
            if lost > 0 { dropped.wrappingAdd(lost, ordering: .relaxed) }
            if isStopped {
                output.close()
                ended.signal()
                return
            }
        }
    }
}

/// The lines of one loop, collected for a wake-up.
struct AccessLogBuffer {
    /// Longer values are cut there, and say so.
    let valueBytesMax: Int
    private static let ellipsis = Array("…".utf8)
    private static let digits = Array("0123456789abcdef".utf8)
    private var bytes: [UInt8] = []
    private var lines: UInt64 = 0

    init(valueBytesMax: Int) { self.valueBytesMax = valueBytesMax }

    mutating func add(_ entry: AccessLogEntry, node: String) {
        bytes += Array("{\"time\":\"".utf8)
        bytes += Timestamp.bytes(seconds: entry.clock.wallSeconds, milliseconds: entry.clock.wallMilliseconds)
        bytes.append(UInt8(ascii: "\""))
        text("node", node.utf8)
        text("requestId", entry.requestID.utf8)
        text("method", entry.method)
        text("path", entry.path)
        text("caller", entry.caller.utf8)
        text("api", entry.api.utf8)
        text("operation", entry.operation.utf8)
        text("product", entry.product.utf8)
        text("subscription", entry.subscription.utf8)
        number("status", UInt64(max(0, entry.status)))
        number("apiMicroseconds", entry.apiMicroseconds)
        if let service = entry.serviceMicroseconds { number("serviceMicroseconds", service) }
        number("bytesIn", entry.bytesIn)
        number("bytesOut", entry.bytesOut)
        if !entry.reason.isEmpty { text("reason", entry.reason.utf8) }
        bytes += Array("}\n".utf8)
        lines += 1
    }

    mutating func flush(to log: AccessLog) {
        guard lines > 0 else { return }
        log.append(bytes, lines: lines)
        bytes.removeAll(keepingCapacity: true)
        lines = 0
    }

    private mutating func number(_ name: StaticString, _ value: UInt64) {
        key(name)
        bytes += Array(String(value).utf8)
    }

    private mutating func text(_ name: StaticString, _ value: some Collection<UInt8>) {
        key(name)
        bytes.append(UInt8(ascii: "\""))
        let isCut = value.count > valueBytesMax
        let kept = value.prefix(valueBytesMax)
        if kept.allSatisfy({ $0 < 0x80 }) {
            for byte in kept { escaped(byte) }
        } else {
            // Names of the configuration may hold other letters. What is no UTF-8, a cut letter too, is replaced.
            for scalar in String(decoding: kept, as: UTF8.self).unicodeScalars { escaped(scalar) }
        }
        if isCut { bytes += Self.ellipsis }
        bytes.append(UInt8(ascii: "\""))
    }

    private mutating func escaped(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"):
            bytes.append(UInt8(ascii: "\\"))
            bytes.append(byte)
        case 0..<0x20, 0x7F: escape(UInt32(byte))
        default: bytes.append(byte)
        }
    }

    private mutating func escaped(_ scalar: Unicode.Scalar) {
        switch scalar.value {
        case ..<0x80: escaped(UInt8(truncatingIfNeeded: scalar.value))
        // Controls, and what other readers take for the end of a line or the turn of its direction.
        case 0x80..<0xA0, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069: escape(scalar.value)
        default: bytes += Array(String(Character(scalar)).utf8)
        }
    }

    private mutating func escape(_ value: UInt32) {
        bytes += Array("\\u".utf8)
        for shift in [12, 8, 4, 0] as [UInt32] { bytes.append(Self.digits[Int(value >> shift & 15)]) }
    }

    private mutating func key(_ name: StaticString) {
        bytes += Array(",\"\(name)\":".utf8)
    }
}

/// Times in logs and on the status listener.
enum Timestamp {
    /// `2026-01-31T12:00:00.123Z`.
    static func bytes(seconds: Int64, milliseconds: Int64) -> [UInt8] {
        let date = HTTPDate.civil(seconds / 86_400)
        let rest = Int(seconds % 86_400)
        var text: [UInt8] = []
        text.reserveCapacity(24)
        put(date.year, 4, &text)
        text.append(UInt8(ascii: "-"))
        put(date.month, 2, &text)
        text.append(UInt8(ascii: "-"))
        put(date.day, 2, &text)
        text.append(UInt8(ascii: "T"))
        put(rest / 3_600, 2, &text)
        text.append(UInt8(ascii: ":"))
        put(rest / 60 % 60, 2, &text)
        text.append(UInt8(ascii: ":"))
        put(rest % 60, 2, &text)
        text.append(UInt8(ascii: "."))
        put(Int(milliseconds), 3, &text)
        text.append(UInt8(ascii: "Z"))
        return text
    }

    private static func put(_ number: Int, _ digits: Int, _ text: inout [UInt8]) {
        var divisor = 1
        for _ in 1..<digits { divisor *= 10 }
        while divisor > 0 {
            text.append(UInt8(truncatingIfNeeded: number / divisor % 10) + 48)
            divisor /= 10
        }
    }
}
