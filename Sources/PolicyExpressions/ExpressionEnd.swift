// Finds where an expression ends: the only thing that a reader of documents must know of C# (expressions.md 1.6).

/// The extent of an expression `@(…)` or `@{…}`.
///
/// Brackets are matched on a stack; comments, character literals and strings (regular, verbatim, interpolated with
/// holes that nest) are skipped as C# reads them. It looks at each byte once and never recurses.
package struct ExpressionEnd: Hashable, Sendable {
    /// Why the end was not found, and at which byte.
    package struct Fault: Error, Hashable, Sendable {
        package var offset: Int
        package var message: String
    }

    /// Open brackets and holes at once; a deeper one is refused.
    package static let nestingMax = 200

    /// The byte behind the closing bracket.
    package let offset: Int
    /// Whether an entity such as `&quot;` stands outside of the string literals: the code was escaped for XML.
    package let holdsEntities: Bool

    /// Whether an expression begins at `start`.
    package static func begins(in bytes: [UInt8], at start: Int) -> Bool {
        guard start >= 0, start + 1 < bytes.count, bytes[start] == UInt8(ascii: "@") else { return false }
        return bytes[start + 1] == UInt8(ascii: "(") || bytes[start + 1] == UInt8(ascii: "{")
    }

    /// Finds the end of the expression that begins at `start`, which is the `@`. Throws where a string, a comment or a
    /// bracket does not end.
    package init(in bytes: [UInt8], from start: Int) throws(Fault) {
        var walk = Walk(bytes: bytes, position: start + 1)
        offset = try walk.run()
        holdsEntities = walk.holdsEntities
    }
}

/// The walk over the bytes of one expression.
private struct Walk {
    /// What is open: a bracket, or a hole of an interpolated string to which its `}` leads back.
    private enum Open {
        case bracket(closer: UInt8)
        case hole(isVerbatim: Bool)
    }

    private let bytes: [UInt8]
    private var position: Int
    private var open: [Open] = []
    private(set) var holdsEntities = false

    init(bytes: [UInt8], position: Int) {
        self.bytes = bytes
        self.position = position
    }

    mutating func run() throws(ExpressionEnd.Fault) -> Int {
        repeat {
            try step()
        } while !open.isEmpty
        return position
    }

    private mutating func step() throws(ExpressionEnd.Fault) {
        guard let byte = peek() else {
            throw fault("The expression has no closing bracket.")
        }
        switch byte {
        case UInt8(ascii: "("): try push(.bracket(closer: UInt8(ascii: ")")))
        case UInt8(ascii: "["): try push(.bracket(closer: UInt8(ascii: "]")))
        case UInt8(ascii: "{"): try push(.bracket(closer: UInt8(ascii: "}")))
        case UInt8(ascii: ")"), UInt8(ascii: "]"), UInt8(ascii: "}"): try close(byte)
        case UInt8(ascii: "/") where peek(1) == UInt8(ascii: "/"): skipLine()
        case UInt8(ascii: "/") where peek(1) == UInt8(ascii: "*"): try skipComment()
        case UInt8(ascii: "\""): try skipString(isVerbatim: false)
        case UInt8(ascii: "@") where peek(1) == UInt8(ascii: "\""):
            position += 1
            try skipString(isVerbatim: true)
        case UInt8(ascii: "$") where peek(1) == UInt8(ascii: "\""):
            position += 2
            try skipInterpolated(isVerbatim: false)
        case UInt8(ascii: "$") where peek(1) == UInt8(ascii: "@") && peek(2) == UInt8(ascii: "\""),
            UInt8(ascii: "@") where peek(1) == UInt8(ascii: "$") && peek(2) == UInt8(ascii: "\""):
            position += 3
            try skipInterpolated(isVerbatim: true)
        case UInt8(ascii: "'"): skipCharacter()
        case UInt8(ascii: "&"): try skipAmpersand()
        default: position += 1
        }
    }

    private func peek(_ ahead: Int = 0) -> UInt8? {
        position + ahead < bytes.count ? bytes[position + ahead] : nil
    }

    private func fault(_ message: String, at offset: Int? = nil) -> ExpressionEnd.Fault {
        ExpressionEnd.Fault(offset: min(offset ?? position, bytes.count), message: message)
    }

    private mutating func push(_ opened: Open) throws(ExpressionEnd.Fault) {
        guard open.count < ExpressionEnd.nestingMax else {
            throw fault("The expression is nested deeper than \(ExpressionEnd.nestingMax) brackets.")
        }
        open.append(opened)
        position += 1
    }

    private mutating func close(_ byte: UInt8) throws(ExpressionEnd.Fault) {
        switch open.last {
        case .bracket(let closer)? where closer == byte:
            open.removeLast()
            position += 1
        case .hole(let isVerbatim)? where byte == UInt8(ascii: "}"):
            open.removeLast()
            position += 1
            try skipInterpolated(isVerbatim: isVerbatim)
        default:
            let found = String(decoding: [byte], as: UTF8.self)
            throw fault("The bracket '\(found)' closes none that is open.")
        }
    }

    private mutating func skipLine() {
        while let byte = peek(), byte != 0x0A, byte != 0x0D { position += 1 }
    }

    private mutating func skipComment() throws(ExpressionEnd.Fault) {
        let start = position
        position += 2
        while let byte = peek() {
            if byte == UInt8(ascii: "*"), peek(1) == UInt8(ascii: "/") {
                position += 2
                return
            }
            position += 1
        }
        throw fault("End-of-file found, '*/' expected.", at: start)
    }

    /// A string without holes; `position` is at its quotation mark.
    private mutating func skipString(isVerbatim: Bool) throws(ExpressionEnd.Fault) {
        let start = position
        position += 1
        while let byte = peek() {
            position += 1
            switch byte {
            case UInt8(ascii: "\"") where isVerbatim && peek() == UInt8(ascii: "\""): position += 1
            case UInt8(ascii: "\""): return
            case UInt8(ascii: "\\") where !isVerbatim: position += 1
            case 0x0A, 0x0D:
                if !isVerbatim { throw unterminated(start) }
            default: break
            }
        }
        throw unterminated(start)
    }

    /// An interpolated string from behind its quotation mark or behind a hole, up to its end or to the next hole.
    private mutating func skipInterpolated(isVerbatim: Bool) throws(ExpressionEnd.Fault) {
        let start = position
        while let byte = peek() {
            switch byte {
            case UInt8(ascii: "{") where peek(1) == UInt8(ascii: "{"): position += 2
            case UInt8(ascii: "{"): return try push(.hole(isVerbatim: isVerbatim))
            case UInt8(ascii: "\"") where isVerbatim && peek(1) == UInt8(ascii: "\""): position += 2
            case UInt8(ascii: "\""):
                position += 1
                return
            case UInt8(ascii: "\\") where !isVerbatim: position += 2
            case 0x0A, 0x0D:
                if !isVerbatim { throw unterminated(start) }
                position += 1
            default: position += 1
            }
        }
        throw unterminated(start)
    }

    private func unterminated(_ start: Int) -> ExpressionEnd.Fault {
        fault(
            "Unterminated string literal. Strings that start with a quotation mark (\") must be terminated before the "
                + "end of the line.", at: start)
    }

    /// A character literal; what is none on this line is left to the compiler, which says what is wrong with it.
    private mutating func skipCharacter() {
        var end = position + 1
        while end < bytes.count, bytes[end] != 0x0A, bytes[end] != 0x0D {
            if bytes[end] == UInt8(ascii: "\\") {
                end += 2
                continue
            }
            if bytes[end] == UInt8(ascii: "'") {
                position = end + 1
                return
            }
            // The longest literal is '\U00000041', and brackets must not be lost behind a lone apostrophe.
            if end - position > 64 { break }
            end += 1
        }
        position += 1
    }

    /// `&&`, or an entity of escaped code: `&quot;` opens a string that the next one closes.
    private mutating func skipAmpersand() throws(ExpressionEnd.Fault) {
        guard let name = entity() else {
            position += 1
            return
        }
        holdsEntities = true
        let start = position
        position += name.count
        guard name == Array("&quot;".utf8) else { return }
        while let byte = peek() {
            if byte == UInt8(ascii: "&"), let next = entity(), next == name {
                position += next.count
                return
            }
            if byte == 0x0A { break }
            position += byte == UInt8(ascii: "\\") ? 2 : 1
        }
        throw unterminated(start)
    }

    /// The entity that begins here, from `&` to `;`.
    private func entity() -> [UInt8]? {
        let longest = "&#x0010FFFF;".utf8.count
        var end = position + 1
        while end < bytes.count, end - position < longest, bytes[end] != UInt8(ascii: ";") { end += 1 }
        guard end < bytes.count, bytes[end] == UInt8(ascii: ";") else { return nil }
        let name = Array(bytes[position...end])
        let known = ["&quot;", "&amp;", "&lt;", "&gt;", "&apos;"].contains { name == Array($0.utf8) }
        guard known || (name.count > 3 && name[1] == UInt8(ascii: "#")) else { return nil }
        return name
    }
}
