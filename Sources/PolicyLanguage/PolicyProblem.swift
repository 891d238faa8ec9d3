internal import PolicyExpressions

// What is wrong with a policy document, in the words that a caller of the management API reads.

/// One fault of a document.
package struct PolicyProblem: Error, Hashable, Sendable, CustomStringConvertible {
    /// The element's name; `representation` where the text is no document at all.
    package var target: String
    /// Of the element's name, counted from 1.
    package var line: Int
    /// Of the element's name, counted from 1 in UTF-16 units; a tab counts one.
    package var column: Int
    /// The whole sentence: `Error in element 'x' on line n, column m: …`, or a reader's text that ends in
    /// `Line n, position m.` Texts of named values are never in it.
    package var message: String

    package init(target: String, line: Int, column: Int, message: String) {
        self.target = target
        self.line = line
        self.column = column
        self.message = message
    }

    package var description: String { message }

    /// The target of faults found while the XML itself is read.
    package static let representation = "representation"

    /// A fault of an element.
    static func inElement(_ element: String, at place: SourcePosition, _ message: String)
        -> PolicyProblem
    {
        PolicyProblem(
            target: element, line: place.line, column: place.column,
            message:
                "Error in element '\(element)' on line \(place.line), column \(place.column): \(message)")
    }

    /// A fault of the text as XML.
    static func inText(at place: SourcePosition, _ message: String) -> PolicyProblem {
        PolicyProblem(
            target: representation, line: place.line, column: place.column,
            message: "\(message) Line \(place.line), position \(place.column).")
    }
}

/// All faults of a document, in document order; never empty. At most `atMost`; the last then says how many more.
package struct PolicyProblems: Error, Hashable, Sendable {
    /// Must-hold I3.
    package static let atMost = 100

    package let all: [PolicyProblem]

    package init(_ problems: [PolicyProblem]) {
        guard problems.count > Self.atMost else {
            all = problems
            return
        }
        var kept = Array(problems.prefix(Self.atMost))
        if var last = kept.popLast() {
            last.message += " (and \(problems.count - Self.atMost) more problems)"
            kept.append(last)
        }
        all = kept
    }
}
