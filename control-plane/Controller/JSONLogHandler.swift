// The controller's log: one JSON object a line on stderr. Nothing that a caller sends can make a second line of it or
// speak to a terminal, and fields that hold credentials are masked (must-hold G61).
internal import Foundation
internal import JSONDocuments
internal import Logging
internal import Resources

struct JSONLogHandler: LogHandler {
    private static let masked: Set<String> = [
        "authorization", "proxy-authorization", "cookie", "set-cookie", "ocp-apim-subscription-key",
        "ocp-apim-trace", "client_secret", "access_token",
    ]

    let label: String
    var logLevel = Logger.Level.info
    var metadata = Logger.Metadata()

    init(label: String) { self.label = label }

    subscript(metadataKey name: String) -> Logger.Metadata.Value? {
        get { metadata[name] }
        set { metadata[name] = newValue }
    }

    func log(event: LogEvent) {
        let merged = metadata.merging(event.metadata ?? [:]) { _, new in new }
        let line = Self.line(
            time: Timestamp.text(Date()), level: "\(event.level)", label: label, message: "\(event.message)",
            metadata: merged.mapValues { "\($0)" })
        // One write for a line: lines of several threads do not mix.
        try? FileHandle.standardError.write(contentsOf: Data(line))
    }

    /// The line with its end.
    static func line(
        time: String, level: String, label: String, message: String, metadata: [String: String]
    ) -> [UInt8] {
        var object = JSONObject([
            ("time", .string(time)), ("level", .string(level)), ("source", .string(label)),
            ("message", .string(withoutCredentials(message))),
        ])
        for (name, value) in metadata.sorted(by: { $0.key < $1.key }) where object[name] == nil {
            object[name] = .string(masked.contains(name.lowercased()) ? "***" : withoutCredentials(value))
        }
        let text = JSONValue.object(object).encodedText()
        return Array(escaped(text).utf8) + [UInt8(ascii: "\n")]
    }

    /// `Bearer …` and `Basic …` in a text, wherever they came from.
    private static func withoutCredentials(_ text: String) -> String {
        text.replacing(/(?i)\b(bearer|basic|sharedaccesssignature|gatewaykey) +[^\s",]+/.wordBoundaryKind(.simple)) {
            "\($0.output.1) ***"
        }
    }

    /// JSON has escaped what stands below a blank; the rest of the control and format characters are escaped here.
    private static func escaped(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned:
                for unit in String(scalar).utf16 {
                    let digits = String(unit, radix: 16)
                    result += "\\u\(String(repeating: "0", count: 4 - digits.count))\(digits)".unicodeScalars
                }
            default: result.append(scalar)
            }
        }
        return String(result)
    }
}
