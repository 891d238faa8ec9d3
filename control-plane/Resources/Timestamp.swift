// Times as ARM writes them: ISO 8601, UTC.
package import Foundation

package enum Timestamp {
    /// Reads a date and time of ISO 8601 with or without fraction and offset (none is UTC); nil for anything else.
    package static func read(_ text: String) -> Date? {
        guard text.utf8.count <= 40 else { return nil }
        var text = text
        if text.count == 10 { text += "T00:00:00" }
        let hasZone =
            text.hasSuffix("Z") || text.hasSuffix("z")
            || text.dropFirst(10).contains(where: { $0 == "+" || $0 == "-" })
        if !hasZone { text += "Z" }
        let style = Date.ISO8601FormatStyle(includingFractionalSeconds: text.contains("."))
        return try? style.parse(text.uppercased())
    }

    /// `2026-11-25T08:57:53.12Z`: fractions without their trailing zeros.
    package static func text(_ time: Date) -> String { text(seconds: time.timeIntervalSince1970) }

    package static func text(seconds: Double) -> String {
        let milliseconds = Int64((seconds * 1000).rounded())
        let whole = milliseconds >= 0 ? milliseconds / 1000 : (milliseconds - 999) / 1000
        let rest = Int(milliseconds - whole * 1000)
        let date = Date(timeIntervalSince1970: Double(whole))
        let base = date.formatted(Date.ISO8601FormatStyle())
        guard rest > 0 else { return base }
        var digits = String(String(1000 + rest).dropFirst())
        while digits.hasSuffix("0") { digits.removeLast() }
        return "\(base.dropLast()).\(digits)Z"
    }
}
