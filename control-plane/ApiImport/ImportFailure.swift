// Why a description is not taken.

/// One fault of a description.
package struct ImportProblem: Hashable, Sendable, CustomStringConvertible {
    /// A JSON pointer such as `/paths/~1pets/get`, or `line 5, column 3`; empty for the document as a whole.
    package var place: String
    /// What is wrong and what would be right; control characters are written as `U+0007`.
    package var message: String

    package init(place: String, message: String) {
        self.place = Self.visible(place)
        self.message = Self.visible(message)
    }

    /// For a detail of the answer; its target is `representation`.
    package var description: String { place.isEmpty ? message : "\(place): \(message)" }

    /// Text of the document for a message: what does not print is named, and long texts are cut.
    private static func visible(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars.prefix(2_000) {
            if scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) || scalar.value == 0x2028 {
                let digits = String(scalar.value, radix: 16, uppercase: true)
                result += "U+" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}

/// All faults of a description, in the order in which they were met; never empty.
package struct ImportFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// More are not looked for.
    static let problemsMax = 100

    package let problems: [ImportProblem]

    init(_ problems: [ImportProblem]) { self.problems = problems }

    init(at place: String = "", _ message: String) {
        problems = [ImportProblem(place: place, message: message)]
    }

    package var description: String { problems.map(\.description).joined(separator: "; ") }
}
