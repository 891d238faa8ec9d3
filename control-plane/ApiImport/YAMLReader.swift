internal import JSONDocuments
internal import Yams

// YAML as a value. The parser gives nodes; what a plain scalar means is decided here, by YAML 1.2: `NO`, `on`, `12:30`
// and `2024-01-01` are text, and numerals keep the text that they were written with.

enum YAMLReader {
    /// Aliases may make the text so many times as large (design.md section 7).
    private static let expansionMax = 10
    /// Small texts may have this many bytes anyway.
    private static let expansionFree = 4_096

    static func read(_ text: String) throws(ImportFailure) -> JSONValue {
        try YAMLGuards.check(Array(text.utf8))
        let root: Node?
        do {
            root = try Yams.compose(yaml: text)
        } catch {
            throw failure(error, text)
        }
        guard let root else {
            throw ImportFailure("The description is empty: an object with 'openapi' or 'swagger' is expected.")
        }
        var conversion = Conversion(budget: max(expansionFree, text.utf8.count) * expansionMax)
        return try conversion.value(root, depth: 0)
    }

    private static func failure(_ error: any Error, _ text: String) -> ImportFailure {
        guard let error = error as? YamlError else { return ImportFailure("The YAML document cannot be read.") }
        switch error {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            // What is wrong with an alias is wrong where it begins, not behind its star.
            let begins = context.flatMap { $0.text.contains("alias") || $0.text.contains("anchor") ? $0.mark : nil }
            return parsing(problem, begins ?? mark, text)
        case .duplicatedKeysInMapping(let names, let context):
            return duplicate(names.first ?? "", context.mark, text)
        case .reader(let problem, let offset, _, _):
            return ImportFailure("Parsing error(s): (Chr: \(offset ?? 0)) - \(problem)")
        default: return ImportFailure("The YAML document cannot be read.")
        }
    }

    /// A key that stands twice. The parser tells the first place; the second is looked for in the text, below it in the
    /// same column.
    private static func duplicate(_ name: String, _ mark: Mark, _ text: String) -> ImportFailure {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        var second: Int?
        for (index, line) in lines.enumerated().dropFirst(mark.line) {
            let indent = line.prefix { $0 == " " }.count
            if indent < mark.column - 1, line.contains(where: { !$0.isWhitespace }) { break }
            guard indent == mark.column - 1 else { continue }
            let key = line.dropFirst(indent).prefix { $0 != ":" }.filter { $0 != "\"" && $0 != "'" && $0 != " " }
            if key == name.filter({ $0 != " " }) {
                second = index + 1
                break
            }
        }
        let place = second.map { "lines \(mark.line) and \($0)" } ?? "line \(mark.line)"
        return ImportFailure(
            at: "line \(second ?? mark.line)", "The key '\(name)' stands twice in one mapping, at \(place).")
    }

    /// The form of the reference, with line and column counted from 1.
    private static func parsing(_ problem: String, _ mark: Mark, _ text: String) -> ImportFailure {
        let lines = text.split(separator: "\n", maxSplits: mark.line, omittingEmptySubsequences: false)
        let line = mark.line >= 1 && mark.line <= lines.count ? lines[mark.line - 1] : ""
        let isTab = line.contains("\t") && problem.contains("cannot start any token")
        let hint = isTab ? " YAML does not allow tabs for indentation." : ""
        return ImportFailure(
            "Parsing error(s): (Lin: \(mark.line), Col: \(mark.column)) - \(problem).\(hint)")
    }
}

extension ImportFailure {
    static func tooDeep(line: Int?) -> ImportFailure {
        ImportFailure(
            at: line.map { "line \($0)" } ?? "",
            "The description is nested deeper than \(DescriptionReader.depthMax) levels.")
    }
}

/// From nodes to a value, within the bounds of depth and expansion.
private struct Conversion {
    private var budget: Int

    init(budget: Int) { self.budget = budget }

    private mutating func spend(_ bytes: Int, _ mark: Mark?) throws(ImportFailure) {
        budget -= bytes
        if budget < 0 {
            throw ImportFailure(
                at: mark.map { "line \($0.line)" } ?? "",
                "The aliases of the YAML document expand to more than 10 times its text.")
        }
    }

    mutating func value(_ node: Node, depth: Int) throws(ImportFailure) -> JSONValue {
        switch node {
        case .scalar(let scalar): return try self.scalar(scalar, node)
        case .sequence(let sequence):
            guard depth < DescriptionReader.depthMax else { throw .tooDeep(line: sequence.mark?.line) }
            try checkTag(node, allowed: .seq, sequence.mark)
            try spend(1, sequence.mark)
            var items: [JSONValue] = []
            for item in sequence { items.append(try value(item, depth: depth + 1)) }
            return .array(items)
        case .mapping(let mapping):
            guard depth < DescriptionReader.depthMax else { throw .tooDeep(line: mapping.mark?.line) }
            try checkTag(node, allowed: .map, mapping.mark)
            return .object(try members(mapping, depth: depth))
        case .alias(let alias):
            throw ImportFailure(
                at: alias.mark.map { "line \($0.line)" } ?? "", "The alias names no anchor.")
        }
    }

    /// Tags of languages, as `!!python/object`, are orders to a program and are refused.
    private func checkTag(_ node: Node, allowed: Tag.Name, _ mark: Mark?) throws(ImportFailure) {
        let tag = node.tag.rawValue
        guard tag == allowed.rawValue || tag.isEmpty || tag == "!" || tag == "?" else {
            throw ImportFailure(
                at: mark.map { "line \($0.line), column \($0.column)" } ?? "", "The YAML tag '\(tag)' is not taken.")
        }
    }

    private mutating func members(_ mapping: Node.Mapping, depth: Int) throws(ImportFailure) -> JSONObject {
        try spend(1, mapping.mark)
        var explicit: [String: Int] = [:]
        for (key, _) in mapping where !Self.isMerge(key) {
            let name = try self.name(key)
            let line = key.mark?.line ?? 0
            if let first = explicit.updateValue(line, forKey: name) {
                throw ImportFailure(
                    at: "line \(line)", "The key '\(name)' stands twice in one mapping, at lines \(first) and \(line).")
            }
        }
        var members = JSONObject()
        for (key, node) in mapping {
            if Self.isMerge(key) {
                try merge(node, explicit: explicit, into: &members, depth: depth)
            } else {
                let name = try self.name(key)
                try spend(name.utf8.count + 1, key.mark)
                members[name] = try value(node, depth: depth + 1)
            }
        }
        return members
    }

    /// `<<`: what the mapping says itself wins, then the earlier of several maps.
    private mutating func merge(
        _ node: Node, explicit: [String: Int], into members: inout JSONObject, depth: Int
    ) throws(ImportFailure) {
        let sources: [Node]
        if let sequence = node.sequence {
            sources = Array(sequence)
        } else {
            sources = [node]
        }
        guard depth < DescriptionReader.depthMax else { throw .tooDeep(line: node.mark?.line) }
        for source in sources {
            guard let mapping = source.mapping else {
                throw ImportFailure(
                    at: source.mark.map { "line \($0.line)" } ?? "", "The merge key '<<' takes mappings alone.")
            }
            for (name, value) in try self.members(mapping, depth: depth + 1)
            where explicit[name] == nil && members[name] == nil {
                members[name] = value
            }
        }
    }

    private static func isMerge(_ key: Node) -> Bool {
        guard let scalar = key.scalar else { return false }
        return scalar.string == "<<" && scalar.style == .plain
    }

    /// A key is the text that it was written with, whatever it would mean as a value.
    private func name(_ key: Node) throws(ImportFailure) -> String {
        guard let scalar = key.scalar else {
            throw ImportFailure(
                at: key.mark.map { "line \($0.line)" } ?? "", "A key must be text, found a list or a mapping.")
        }
        return scalar.string
    }

    private mutating func scalar(_ scalar: Node.Scalar, _ node: Node) throws(ImportFailure) -> JSONValue {
        try spend(scalar.string.utf8.count + 1, scalar.mark)
        let tag = node.tag.rawValue
        guard Self.scalarTags.contains(tag) else {
            throw ImportFailure(
                at: scalar.mark.map { "line \($0.line), column \($0.column)" } ?? "",
                "The YAML tag '\(tag)' is not taken.")
        }
        guard scalar.style == .plain || scalar.style == .any, tag != Tag.Name.str.rawValue else {
            return .string(scalar.string)
        }
        switch scalar.string {
        case "", "~", "null", "Null", "NULL": return .null
        case "true", "True", "TRUE": return .bool(true)
        case "false", "False", "FALSE": return .bool(false)
        default: return Numerals.value(scalar.string) ?? .string(scalar.string)
        }
    }

    private static let scalarTags: Set<String> = [
        "", "!", Tag.Name.str.rawValue, Tag.Name.int.rawValue, Tag.Name.float.rawValue, Tag.Name.bool.rawValue,
        Tag.Name.null.rawValue, Tag.Name.timestamp.rawValue, Tag.Name.merge.rawValue, Tag.Name.value.rawValue,
        Tag.Name.binary.rawValue,
    ]
}

/// Numerals that JSON has too (RFC 8259 section 6). All others, as `0123`, `0x1F` and `1_000`, stay text.
private enum Numerals {
    static func value(_ text: String) -> JSONValue? {
        let bytes = Array(text.utf8)
        var index = bytes.first == UInt8(ascii: "-") ? 1 : 0
        func digits() -> Int {
            let start = index
            while index < bytes.count, (0x30...0x39).contains(bytes[index]) { index += 1 }
            return index - start
        }
        let first = index
        let whole = digits()
        guard whole > 0, whole == 1 || bytes[first] != UInt8(ascii: "0") else { return nil }
        if index == bytes.count {
            if let number = Int64(text), text != "-0" { return .int(number) }
            return .number(text)
        }
        if bytes[index] == UInt8(ascii: ".") {
            index += 1
            guard digits() > 0 else { return nil }
        }
        if index < bytes.count, bytes[index] | 0x20 == UInt8(ascii: "e") {
            index += 1
            if index < bytes.count, bytes[index] == UInt8(ascii: "-") || bytes[index] == UInt8(ascii: "+") {
                index += 1
            }
            guard digits() > 0 else { return nil }
        }
        return index == bytes.count ? .number(text) : nil
    }
}
