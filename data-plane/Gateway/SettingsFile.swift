import Foundation
import HTTPEngine

// `--settings FILE`: every limit and timer of the engine by name, one `name: number` a line (a YAML mapping of scalars).
// Unknown names are refused with the nearest one; the values in force are logged at start.

/// One bound: its name, where it lies, what it may be.
struct LimitSetting: Sendable {
    let name: String
    let place: @Sendable (inout EngineLimits, Int) -> Void
    let value: @Sendable (EngineLimits) -> Int
    let range: ClosedRange<Int>

    init(
        _ name: String, _ range: ClosedRange<Int>, _ value: @escaping @Sendable (EngineLimits) -> Int,
        _ place: @escaping @Sendable (inout EngineLimits, Int) -> Void
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
        LimitSetting("requestLineBytes", bytes, { $0.requestLineBytes }, { $0.requestLineBytes = $1 }),
        LimitSetting("requestHeadBytes", bytes, { $0.requestHeadBytes }, { $0.requestHeadBytes = $1 }),
        LimitSetting("requestFields", 1...10_000, { $0.requestFields }, { $0.requestFields = $1 }),
        LimitSetting("responseHeadBytes", bytes, { $0.responseHeadBytes }, { $0.responseHeadBytes = $1 }),
        LimitSetting("responseFields", 1...10_000, { $0.responseFields }, { $0.responseFields = $1 }),
        LimitSetting("interimResponses", 0...1_000, { $0.interimResponses }, { $0.interimResponses = $1 }),
        LimitSetting("chunkExtensionBytes", 1...65_536, { $0.chunkExtensionBytes }, { $0.chunkExtensionBytes = $1 }),
        LimitSetting(
            "chunkExtensionBytesInMessage", 1...1_048_576, { $0.chunkExtensionBytesInMessage },
            { $0.chunkExtensionBytesInMessage = $1 }),
        LimitSetting("trailerLines", 0...1_000, { $0.trailerLines }, { $0.trailerLines = $1 }),
        LimitSetting("trailerBytes", 0...1_048_576, { $0.trailerBytes }, { $0.trailerBytes = $1 }),
        LimitSetting("headMilliseconds", milliseconds, { $0.headMilliseconds }, { $0.headMilliseconds = $1 }),
        LimitSetting(
            "handshakeMilliseconds", milliseconds, { $0.handshakeMilliseconds }, { $0.handshakeMilliseconds = $1 }),
        LimitSetting(
            "firstByteMilliseconds", milliseconds, { $0.firstByteMilliseconds }, { $0.firstByteMilliseconds = $1 }),
        LimitSetting("idleMilliseconds", milliseconds, { $0.idleMilliseconds }, { $0.idleMilliseconds = $1 }),
        LimitSetting("bodyGapMilliseconds", milliseconds, { $0.bodyGapMilliseconds }, { $0.bodyGapMilliseconds = $1 }),
        LimitSetting(
            "bodyBytesPerSecond", 0...1_000_000_000, { $0.bodyBytesPerSecond }, { $0.bodyBytesPerSecond = $1 }),
        LimitSetting(
            "stalledReaderMilliseconds", milliseconds, { $0.stalledReaderMilliseconds },
            { $0.stalledReaderMilliseconds = $1 }),
        LimitSetting(
            "continueMilliseconds", milliseconds, { $0.continueMilliseconds }, { $0.continueMilliseconds = $1 }),
        LimitSetting("lingerBytes", 0...16_777_216, { $0.lingerBytes }, { $0.lingerBytes = $1 }),
        LimitSetting("lingerMilliseconds", milliseconds, { $0.lingerMilliseconds }, { $0.lingerMilliseconds = $1 }),
        LimitSetting("drainMilliseconds", milliseconds, { $0.drainMilliseconds }, { $0.drainMilliseconds = $1 }),
        LimitSetting("waitingBytes", bytes, { $0.waitingBytes }, { $0.waitingBytes = $1 }),
        LimitSetting(
            "backendHeadMilliseconds", milliseconds, { $0.backendHeadMilliseconds },
            { $0.backendHeadMilliseconds = $1 }),
        LimitSetting(
            "backendGapMilliseconds", milliseconds, { $0.backendGapMilliseconds }, { $0.backendGapMilliseconds = $1 }),
        LimitSetting(
            "backendIdleMilliseconds", milliseconds, { $0.backendIdleMilliseconds },
            { $0.backendIdleMilliseconds = $1 }),
        LimitSetting(
            "backendIdleConnections", 0...100_000, { $0.backendIdleConnections }, { $0.backendIdleConnections = $1 }),
        LimitSetting("connections", 1...10_000_000, { $0.connections }, { $0.connections = $1 }),
        LimitSetting("nameMilliseconds", milliseconds, { $0.nameMilliseconds }, { $0.nameMilliseconds = $1 }),
        LimitSetting(
            "nameFailureMilliseconds", milliseconds, { $0.nameFailureMilliseconds },
            { $0.nameFailureMilliseconds = $1 }),
    ]
}

enum SettingsFile {
    /// Reads a file's text.
    /// - Throws: `ExitReason` with the line that is wrong.
    static func limits(from text: String) throws(ExitReason) -> EngineLimits {
        var limits = EngineLimits()
        var seen: Set<String> = []
        for (index, raw) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let line = raw.prefix { $0 != "#" }.trimmingCharacters(in: .whitespaces)
            if line.isEmpty || line == "---" { continue }
            let parts = line.split(separator: ":", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
            guard parts.count == 2, !raw.hasPrefix(" "), let value = Int(parts[1].filter { $0 != "_" }) else {
                throw .wrongArguments("--settings, line \(index + 1): write `name: number`")
            }
            guard let setting = LimitSetting.all.first(where: { $0.name == parts[0] }) else {
                throw .wrongArguments(
                    "--settings, line \(index + 1): there is no setting \(parts[0]); did you mean \(nearest(parts[0]))?"
                )
            }
            guard seen.insert(setting.name).inserted else {
                throw .wrongArguments("--settings, line \(index + 1): \(setting.name) stands there twice")
            }
            guard setting.range.contains(value) else {
                throw .wrongArguments(
                    "--settings, line \(index + 1): \(setting.name) is from \(setting.range.lowerBound) to "
                        + "\(setting.range.upperBound)")
            }
            setting.place(&limits, value)
        }
        return limits
    }

    /// `name=value` of everything in force, for the log at start.
    static func description(of limits: EngineLimits) -> String {
        LimitSetting.all.map { "\($0.name)=\($0.value(limits))" }.joined(separator: " ")
    }

    private static func nearest(_ name: String) -> String {
        LimitSetting.all.map(\.name).min { distance($0, name) < distance($1, name) } ?? ""
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
