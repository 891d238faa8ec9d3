// What may be a resource's name.

/// Length and characters of names of a kind (resources.md 1.2, narrowed by must-hold G31: no slash, no control, format
/// or blank characters at the ends, not `.` or `..`).
package struct IDRule: Sendable {
    package enum Characters: Sendable {
        /// Everything but `* # & + : < > ?`
        case general
        /// Word characters; hyphens inside.
        case fragment
        /// A GUID.
        case guid
    }

    package var lengthMax: Int
    package var characters = Characters.general

    package init(lengthMax: Int, characters: Characters = .general) {
        self.lengthMax = lengthMax
        self.characters = characters
    }

    package func problem(with name: String) -> FieldProblem? {
        let scalars = name.unicodeScalars
        guard !scalars.isEmpty, scalars.count <= lengthMax else {
            return FieldProblem("id", "The name must have 1 to \(lengthMax) characters.")
        }
        guard name != ".", name != "..", scalars.allSatisfy(Self.isPrintable) else {
            return FieldProblem("id", "The name holds characters that a name must not have.")
        }
        if scalars.first?.properties.isWhitespace == true || scalars.last?.properties.isWhitespace == true {
            return FieldProblem("id", "The name must not begin or end with a blank.")
        }
        switch characters {
        case .general:
            if let wrong = scalars.first(where: { "*#&+:<>?/\\%".unicodeScalars.contains($0) }) {
                return FieldProblem("id", "The name must not contain '\(wrong)'.")
            }
        case .fragment:
            let isWord = { (scalar: Unicode.Scalar) in
                scalar.properties.isAlphabetic || scalar == "_" || ("0"..."9" ~= scalar)
            }
            let inner = scalars.dropFirst().dropLast()
            guard scalars.first.map(isWord) == true, scalars.last.map(isWord) == true,
                inner.allSatisfy({ isWord($0) || $0 == "-" })
            else {
                return FieldProblem("id", "The name must consist of letters, digits, '_' and, inside, '-'.")
            }
        case .guid:
            let digits = name.split(separator: "-", omittingEmptySubsequences: false)
            guard digits.map(\.count) == [8, 4, 4, 4, 12], digits.joined().allSatisfy(\.isHexDigit) else {
                return FieldProblem("id", "The name must be a GUID.")
            }
        }
        return nil
    }

    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
        default: true
        }
    }
}
