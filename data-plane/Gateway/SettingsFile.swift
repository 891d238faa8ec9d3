import Foundation
import HTTPEngine

// `--settings FILE`: every limit and timer of the node by name, as YAML: a mapping of numbers, and of names where a
// setting is a list. Unknown names are refused with the nearest one; the values in force are logged at start.

/// One bound: its name, where it lies, what it may be.
struct LimitSetting: Sendable {
    let name: String
    let place: @Sendable (inout NodeLimits, Int) -> Void
    let value: @Sendable (NodeLimits) -> Int
    let range: ClosedRange<Int>

    init(
        _ name: String, _ range: ClosedRange<Int>, _ value: @escaping @Sendable (NodeLimits) -> Int,
        _ place: @escaping @Sendable (inout NodeLimits, Int) -> Void
    ) {
        self.name = name
        self.range = range
        self.value = value
        self.place = place
    }

    private static let milliseconds = 10...86_400_000
    private static let bytes = 256...16_777_216

    /// must-hold A, "Limits and their defaults".
    static let all: [LimitSetting] = [
        LimitSetting("requestLineBytes", bytes, { $0.engine.requestLineBytes }, { $0.engine.requestLineBytes = $1 }),
        LimitSetting("requestHeadBytes", bytes, { $0.engine.requestHeadBytes }, { $0.engine.requestHeadBytes = $1 }),
        LimitSetting("methodBytes", 1...256, { $0.engine.methodBytes }, { $0.engine.methodBytes = $1 }),
        LimitSetting("hostBytes", 1...255, { $0.engine.hostBytes }, { $0.engine.hostBytes = $1 }),
        LimitSetting("requestFields", 1...10_000, { $0.engine.requestFields }, { $0.engine.requestFields = $1 }),
        LimitSetting("responseHeadBytes", bytes, { $0.engine.responseHeadBytes }, { $0.engine.responseHeadBytes = $1 }),
        LimitSetting("responseFields", 1...10_000, { $0.engine.responseFields }, { $0.engine.responseFields = $1 }),
        LimitSetting(
            "interimResponses", 0...1_000, { $0.engine.interimResponses }, { $0.engine.interimResponses = $1 }),
        LimitSetting(
            "chunkExtensionBytes", 1...65_536, { $0.engine.chunkExtensionBytes }, { $0.engine.chunkExtensionBytes = $1 }
        ),
        LimitSetting(
            "chunkExtensionBytesInMessage", 1...1_048_576, { $0.engine.chunkExtensionBytesInMessage },
            { $0.engine.chunkExtensionBytesInMessage = $1 }),
        LimitSetting("trailerLines", 0...1_000, { $0.engine.trailerLines }, { $0.engine.trailerLines = $1 }),
        LimitSetting("trailerBytes", 0...1_048_576, { $0.engine.trailerBytes }, { $0.engine.trailerBytes = $1 }),
        LimitSetting(
            "headMilliseconds", milliseconds, { $0.engine.headMilliseconds }, { $0.engine.headMilliseconds = $1 }),
        LimitSetting(
            "handshakeMilliseconds", milliseconds, { $0.engine.handshakeMilliseconds },
            { $0.engine.handshakeMilliseconds = $1 }),
        LimitSetting(
            "proxyHeaderMilliseconds", milliseconds, { $0.engine.proxyHeaderMilliseconds },
            { $0.engine.proxyHeaderMilliseconds = $1 }),
        LimitSetting(
            "firstByteMilliseconds", milliseconds, { $0.engine.firstByteMilliseconds },
            { $0.engine.firstByteMilliseconds = $1 }),
        LimitSetting(
            "idleMilliseconds", milliseconds, { $0.engine.idleMilliseconds }, { $0.engine.idleMilliseconds = $1 }),
        LimitSetting(
            "bodyGapMilliseconds", milliseconds, { $0.engine.bodyGapMilliseconds },
            { $0.engine.bodyGapMilliseconds = $1 }),
        LimitSetting(
            "bodyBytesPerSecond", 0...1_000_000_000, { $0.engine.bodyBytesPerSecond },
            { $0.engine.bodyBytesPerSecond = $1 }),
        LimitSetting(
            "bodyRateMilliseconds", milliseconds, { $0.engine.bodyRateMilliseconds },
            { $0.engine.bodyRateMilliseconds = $1 }),
        LimitSetting(
            "stalledReaderMilliseconds", milliseconds, { $0.engine.stalledReaderMilliseconds },
            { $0.engine.stalledReaderMilliseconds = $1 }),
        LimitSetting(
            "continueMilliseconds", milliseconds, { $0.engine.continueMilliseconds },
            { $0.engine.continueMilliseconds = $1 }),
        LimitSetting("lingerBytes", 0...16_777_216, { $0.engine.lingerBytes }, { $0.engine.lingerBytes = $1 }),
        LimitSetting(
            "lingerMilliseconds", milliseconds, { $0.engine.lingerMilliseconds }, { $0.engine.lingerMilliseconds = $1 }),
        LimitSetting(
            "drainMilliseconds", milliseconds, { $0.engine.drainMilliseconds }, { $0.engine.drainMilliseconds = $1 }),
        LimitSetting("waitingBytes", bytes, { $0.engine.waitingBytes }, { $0.engine.waitingBytes = $1 }),
        LimitSetting(
            "backendHeadMilliseconds", milliseconds, { $0.engine.backendHeadMilliseconds },
            { $0.engine.backendHeadMilliseconds = $1 }),
        LimitSetting(
            "backendGapMilliseconds", milliseconds, { $0.engine.backendGapMilliseconds },
            { $0.engine.backendGapMilliseconds = $1 }),
        LimitSetting(
            "backendIdleMilliseconds", milliseconds, { $0.engine.backendIdleMilliseconds },
            { $0.engine.backendIdleMilliseconds = $1 }),
        LimitSetting(
            "backendIdleConnections", 0...100_000, { $0.engine.backendIdleConnections },
            { $0.engine.backendIdleConnections = $1 }),
        LimitSetting("connections", 1...10_000_000, { $0.engine.connections }, { $0.engine.connections = $1 }),
        LimitSetting(
            "nameMilliseconds", milliseconds, { $0.engine.nameMilliseconds }, { $0.engine.nameMilliseconds = $1 }),
        LimitSetting(
            "nameFailureMilliseconds", milliseconds, { $0.engine.nameFailureMilliseconds },
            { $0.engine.nameFailureMilliseconds = $1 }),
        // must-hold B, "Limits and their defaults".
        LimitSetting("forwardedValues", 1...1_000, { $0.forwardedValues }, { $0.forwardedValues = $1 }),
        LimitSetting("logValueBytes", 16...65_536, { $0.logValueBytes }, { $0.logValueBytes = $1 }),
    ]
}

/// What `--settings` can change.
struct NodeLimits: Sendable {
    var engine = EngineLimits()
    /// Values of X-Forwarded-For that are looked at, from the right.
    var forwardedValues = 32
    /// A longer value of the access log is cut there.
    var logValueBytes = 1_024
    /// Fields that only trusted proxies may send on.
    var identityFields = StrangerFields.ofProxies
}

enum SettingsFile {
    private static let identityFields = "identityFields"

    /// A name with what stands behind it.
    private struct Entry {
        let line: Int
        let name: String
        var value: String
        var items: [String] = []
    }

    /// Reads a file's text.
    /// - Throws: `ExitReason` with the line that is wrong.
    static func limits(from text: String) throws(ExitReason) -> NodeLimits {
        var limits = NodeLimits()
        var seen: Set<String> = []
        for entry in try entries(text) {
            guard seen.insert(entry.name).inserted else { throw wrong(entry.line, "\(entry.name) stands there twice") }
            if entry.name == identityFields {
                limits.identityFields = try names(entry)
                continue
            }
            guard let setting = LimitSetting.all.first(where: { $0.name == entry.name }) else {
                throw wrong(
                    entry.line, "there is no setting \(entry.name); did you mean \(nearest(entry.name))?")
            }
            guard let value = Int(entry.value.filter { $0 != "_" }), entry.items.isEmpty else {
                throw wrong(entry.line, "write `\(entry.name): number`")
            }
            guard setting.range.contains(value) else {
                throw wrong(
                    entry.line,
                    "\(setting.name) is from \(setting.range.lowerBound) to \(setting.range.upperBound)")
            }
            setting.place(&limits, value)
        }
        return limits
    }

    /// The part of YAML that settings need: `name: value`, `name: [a, b]`, and `- item` lines behind a bare `name:`.
    private static func entries(_ text: String) throws(ExitReason) -> [Entry] {
        var entries: [Entry] = []
        for (index, raw) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let line = raw.prefix { $0 != "#" }.trimmingCharacters(in: .whitespaces)
            if line.isEmpty || line == "---" { continue }
            if line.hasPrefix("- "), let last = entries.last, last.value.isEmpty {
                entries[entries.count - 1].items.append(unquoted(line.dropFirst(2)))
                continue
            }
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, raw.first != " ", raw.first != "\t" else {
                throw wrong(index + 1, "write `name: value`")
            }
            entries.append(Entry(line: index + 1, name: unquoted(parts[0]), value: unquoted(parts[1])))
        }
        return entries
    }

    private static func unquoted(_ text: some StringProtocol) -> String {
        let text = text.trimmingCharacters(in: .whitespaces)
        for quote in ["\"", "'"] where text.count >= 2 && text.hasPrefix(quote) && text.hasSuffix(quote) {
            return String(text.dropFirst().dropLast())
        }
        return text
    }

    private static func names(_ entry: Entry) throws(ExitReason) -> [FieldName] {
        var items = entry.items
        if entry.value.hasPrefix("["), entry.value.hasSuffix("]") {
            items = entry.value.dropFirst().dropLast().split(separator: ",").map { unquoted($0) }
        } else if items.isEmpty {
            throw wrong(entry.line, "\(entry.name) is a list: `[X-One, X-Two]`, or `[]` for none")
        }
        let isGood = items.allSatisfy { item in
            (1...63).contains(item.utf8.count)
                && item.utf8.allSatisfy { byte in
                    (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20) || "-_".utf8.contains(byte)
                }
        }
        guard isGood else { throw wrong(entry.line, "\(entry.name) holds names of header fields alone") }
        return items.map { FieldName($0) }
    }

    private static func wrong(_ line: Int, _ what: String) -> ExitReason {
        .wrongArguments("--settings, line \(line): \(what)")
    }

    /// `name=value` of everything in force, for the log at start.
    static func description(of limits: NodeLimits) -> String {
        let numbers = LimitSetting.all.map { "\($0.name)=\($0.value(limits))" }
        let fields = limits.identityFields.map(\.description).joined(separator: ",")
        return (numbers + ["\(identityFields)=\(fields)"]).joined(separator: " ")
    }

    private static func nearest(_ name: String) -> String {
        (LimitSetting.all.map(\.name) + [identityFields]).min { distance($0, name) < distance($1, name) } ?? ""
    }

    /// Levenshtein's distance, without regard to case.
    private static func distance(_ left: String, _ right: String) -> Int {
        let one = Array(left.lowercased())
        let other = Array(right.lowercased())
        var row = Array(0...other.count)
        for (index, letter) in one.enumerated() {
            var before = row[0]
            row[0] = index + 1
            for column in other.indices {
                let change = before + (letter == other[column] ? 0 : 1)
                before = row[column + 1]
                row[column + 1] = min(change, row[column] + 1, row[column + 1] + 1)
            }
        }
        return row[other.count]
    }
}
