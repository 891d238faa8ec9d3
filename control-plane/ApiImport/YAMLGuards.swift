// What is looked over in a YAML text before the parser gets it, so that no text makes the parser go deep or compare
// without end.

enum YAMLGuards {
    static func check(_ bytes: [UInt8]) throws(ImportFailure) {
        try NestingGuard.check(bytes)
        try AliasGuard.check(bytes)
    }
}

/// The YAML parser calls itself for each level. This looks over the text before it, so that no text makes it go deep:
/// it counts levels of indentation, `- ` in a row, and brackets that stand where a value may begin.
private enum NestingGuard {
    /// Above what is taken, for brackets in texts are counted too and need not be balanced.
    private static let levelsMax = 400

    static func check(_ bytes: [UInt8]) throws(ImportFailure) {
        var indents: [Int] = []
        var flow = 0
        var line = 1
        var index = 0
        while index < bytes.count {
            // The start of a line.
            var column = 0
            var isMarker = true
            while index < bytes.count, isMarker {
                switch bytes[index] {
                case 0x20, 0x09: break
                case UInt8(ascii: "-"), UInt8(ascii: "?"), UInt8(ascii: ":"):
                    let next = index + 1 < bytes.count ? bytes[index + 1] : 0x0A
                    isMarker = next == 0x20 || next == 0x09 || next == 0x0A || next == 0x0D
                    if isMarker { push(column, &indents) }
                default: isMarker = false
                }
                if isMarker {
                    column += 1
                    index += 1
                }
            }
            if index < bytes.count, bytes[index] != 0x0A, bytes[index] != 0x0D { push(column, &indents) }
            scanLine(bytes, &index, &flow)
            if indents.count + flow > levelsMax { throw .tooDeep(line: line) }
            line += 1
        }
    }

    private static func push(_ column: Int, _ indents: inout [Int]) {
        while let last = indents.last, last >= column { indents.removeLast() }
        indents.append(column)
    }

    /// The rest of a line: brackets that may begin a value open a level.
    private static func scanLine(_ bytes: [UInt8], _ index: inout Int, _ flow: inout Int) {
        var mayBegin = true
        while index < bytes.count {
            let byte = bytes[index]
            index += 1
            switch byte {
            case 0x0A: return
            case UInt8(ascii: "["), UInt8(ascii: "{"):
                if mayBegin { flow += 1 }
            case UInt8(ascii: "]"), UInt8(ascii: "}"):
                flow = max(0, flow - 1)
                mayBegin = false
            case UInt8(ascii: ","), UInt8(ascii: ":"), 0x20, 0x09: mayBegin = true
            default: mayBegin = false
            }
            if flow > levelsMax { return }
        }
    }
}

/// The parser hashes keys. A key that is an alias, or a collection with aliases in it, would be hashed in full length,
/// which aliases of aliases make endless. No description has such keys: they are refused.
private enum AliasGuard {
    static func check(_ bytes: [UInt8]) throws(ImportFailure) {
        let anchors = names(in: bytes, behind: UInt8(ascii: "&"))
        if anchors.isEmpty { return }
        var line = 1
        var hasExplicitKey: Int?
        var hasAlias = false
        for text in bytes.split(separator: 0x0A, omittingEmptySubsequences: false) {
            let aliases = aliasEnds(in: text, of: anchors)
            hasAlias = hasAlias || !aliases.isEmpty
            if hasExplicitKey == nil, holdsExplicitKey(text) { hasExplicitKey = line }
            for end in aliases where isKey(text, from: end) {
                throw ImportFailure(at: "line \(line)", "A key must be text, found an alias or a collection with one.")
            }
            line += 1
        }
        if let place = hasExplicitKey, hasAlias {
            throw ImportFailure(
                at: "line \(place)", "Keys with '?' are not taken in a document with aliases: write the key as text.")
        }
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x5F: true
        default: false
        }
    }

    private static func names(in bytes: [UInt8], behind mark: UInt8) -> Set<[UInt8]> {
        var found: Set<[UInt8]> = []
        for (index, byte) in bytes.enumerated() where byte == mark {
            let name = Array(bytes[(index + 1)...].prefix(128).prefix(while: isNameByte))
            if !name.isEmpty { found.insert(name) }
        }
        return found
    }

    /// The bytes behind each alias of a line whose anchor there is.
    private static func aliasEnds(in line: ArraySlice<UInt8>, of anchors: Set<[UInt8]>) -> [Int] {
        var ends: [Int] = []
        for index in line.indices where line[index] == UInt8(ascii: "*") {
            let name = Array(line[(index + 1)...].prefix(128).prefix(while: isNameByte))
            if anchors.contains(name) { ends.append(index + 1 + name.count) }
        }
        return ends
    }

    /// Whether a colon follows directly, or behind brackets that are closed on the line: keys without `?` are of one
    /// line.
    private static func isKey(_ line: ArraySlice<UInt8>, from end: Int) -> Bool {
        let next = line[end...].first { $0 != 0x20 && $0 != 0x09 }
        if next == UInt8(ascii: ":") { return true }
        var isClosed = false
        for byte in line[end...] {
            switch byte {
            case UInt8(ascii: "]"), UInt8(ascii: "}"): isClosed = true
            case UInt8(ascii: ":"):
                if isClosed { return true }
            case 0x20, 0x09: break
            default: isClosed = false
            }
        }
        return false
    }

    /// `? ` where a key may begin.
    private static func holdsExplicitKey(_ line: ArraySlice<UInt8>) -> Bool {
        var mayBegin = true
        for index in line.indices {
            switch line[index] {
            case UInt8(ascii: "?"):
                let next = index + 1 < line.endIndex ? line[index + 1] : 0x20
                if mayBegin, next == 0x20 || next == 0x09 || next == 0x0D { return true }
                mayBegin = false
            case 0x20, 0x09: break
            case UInt8(ascii: "-"), UInt8(ascii: "{"), UInt8(ascii: "["), UInt8(ascii: ","): mayBegin = true
            default: mayBegin = false
            }
        }
        return false
    }
}
