// $filter: an OData subset, read into a tree and held against rows (resources.md 1.5).
package import JSONDocuments
package import ResourceStore

/// What a row is asked for by name; the list's kind says which names there are.
package typealias FieldValue = (String) -> JSONValue?

package indirect enum ListFilter: Hashable, Sendable {
    package enum Comparison: String, Sendable { case eq, ne, gt, ge, lt, le }
    package enum Function: String, Sendable { case contains, startswith, endswith, substringof }

    case compare(String, Comparison, JSONValue)
    case call(Function, String, String)
    /// `tags/any(t: t eq 'x')`: whether some, or all, items compare so.
    case items(String, all: Bool, Comparison, JSONValue)
    case and(ListFilter, ListFilter)
    case or(ListFilter, ListFilter)
    case not(ListFilter)

    /// Reads a filter over the fields that the kind lists.
    /// - Throws: `Refusal` InvalidQueryParameter that names the fields.
    package static func read(_ text: String, fields: [FilterField]) throws(Refusal) -> ListFilter {
        var reader = FilterReader(text: text, fields: fields)
        return try reader.read()
    }

    package func matches(_ value: FieldValue) -> Bool {
        switch self {
        case .compare(let name, let comparison, let literal): Self.compare(value(name) ?? .null, comparison, literal)
        case .call(let function, let name, let part): Self.call(function, value(name)?.text, part)
        case .items(let name, let all, let comparison, let literal):
            Self.items(value(name)?.items ?? [], all, comparison, literal)
        case .and(let left, let right): left.matches(value) && right.matches(value)
        case .or(let left, let right): left.matches(value) || right.matches(value)
        case .not(let inner): !inner.matches(value)
        }
    }

    /// What whoever matches must be called, so that the others need not be read; nil where the filter tells nothing of
    /// that. More may be called so than match.
    package var nameCondition: NameCondition? {
        func plain(_ text: String) -> String? { text.utf8.allSatisfy { $0 < 0x80 } ? text.lowercased() : nil }
        switch self {
        case .compare("name", .eq, .string(let text)): return plain(text).map(NameCondition.equals)
        case .call(let function, "name", let part):
            guard let part = plain(part), !part.isEmpty else { return nil }
            switch function {
            case .contains, .substringof: return .contains(part)
            case .startswith: return .begins(part)
            case .endswith: return .ends(part)
            }
        case .and(let left, let right):
            if case .equals? = right.nameCondition { return right.nameCondition }
            return left.nameCondition ?? right.nameCondition
        default: return nil
        }
    }

    private static func items(_ items: [JSONValue], _ all: Bool, _ comparison: Comparison, _ literal: JSONValue) -> Bool
    {
        all
            ? items.allSatisfy { compare($0, comparison, literal) }
            : items.contains { compare($0, comparison, literal) }
    }

    private static func call(_ function: Function, _ text: String?, _ part: String) -> Bool {
        guard let text = text?.lowercased() else { return false }
        let part = part.lowercased()
        switch function {
        case .contains, .substringof: return part.isEmpty || text.contains(part)
        case .startswith: return text.hasPrefix(part)
        case .endswith: return text.hasSuffix(part)
        }
    }

    private static func compare(_ value: JSONValue, _ comparison: Comparison, _ literal: JSONValue) -> Bool {
        let order: Int?
        switch (value, literal) {
        case (.string(let left), .string(let right)):
            let (left, right) = (left.lowercased(), right.lowercased())
            order = left == right ? 0 : left < right ? -1 : 1
        case (.int(let left), .int(let right)): order = left == right ? 0 : left < right ? -1 : 1
        case (.bool(let left), .bool(let right)): order = left == right ? 0 : left ? 1 : -1
        case (.null, .null): order = 0
        default: order = nil
        }
        guard let order else { return comparison == .ne }
        switch comparison {
        case .eq: return order == 0
        case .ne: return order != 0
        case .gt: return order > 0
        case .ge: return order >= 0
        case .lt: return order < 0
        case .le: return order <= 0
        }
    }
}

/// A recursive descent over the grammar of resources.md 1.5; depth and length are bounded.
private struct FilterReader {
    private static let lengthMax = 4096
    private static let depthMax = 32
    private static let termsMax = 256

    let characters: [Character]
    let fields: [FilterField]
    var position = 0
    var depth = 0
    var terms = 0

    init(text: String, fields: [FilterField]) {
        characters = Array(text)
        self.fields = fields
    }

    mutating func read() throws(Refusal) -> ListFilter {
        guard characters.count <= Self.lengthMax else { throw fault("is longer than \(Self.lengthMax) characters") }
        let filter = try or()
        skipBlanks()
        guard position == characters.count else {
            throw fault("has more text than a filter at character \(position + 1)")
        }
        return filter
    }

    private func fault(_ what: String) -> Refusal {
        let names = fields.map(\.name).joined(separator: ", ")
        return Refusal(
            .invalidQueryParameter,
            "$filter \(what). Fields of this list: \(names.isEmpty ? "none" : names).")
    }

    private mutating func skipBlanks() {
        while position < characters.count, characters[position] == " " || characters[position] == "\t" { position += 1 }
    }

    private mutating func or() throws(Refusal) -> ListFilter {
        var left = try and()
        while word("or") { left = .or(left, try and()) }
        return left
    }

    private mutating func and() throws(Refusal) -> ListFilter {
        var left = try not()
        while word("and") { left = .and(left, try not()) }
        return left
    }

    private mutating func not() throws(Refusal) -> ListFilter {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.depthMax else { throw fault("is nested deeper than \(Self.depthMax)") }
        if word("not") { return .not(try not()) }
        skipBlanks()
        if take("(") {
            let inner = try or()
            guard take(")") else { throw fault("lacks a closing parenthesis") }
            return inner
        }
        return try term()
    }

    private mutating func term() throws(Refusal) -> ListFilter {
        terms += 1
        guard terms <= Self.termsMax else { throw fault("has more than \(Self.termsMax) terms") }
        guard let name = identifier() else { throw fault("lacks a field or function at character \(position + 1)") }
        if let function = ListFilter.Function(rawValue: name.lowercased()), take("(") { return try call(function) }
        if let slash = name.lastIndex(of: "/") {
            let quantifier = name[name.index(after: slash)...].lowercased()
            if quantifier == "any" || quantifier == "all", take("(") {
                return try items(String(name[..<slash]), all: quantifier == "all")
            }
        }
        let field = try known(name)
        let comparison = try comparison()
        try check(field, comparison)
        return .compare(field.name, comparison, try literal())
    }

    private mutating func call(_ function: ListFilter.Function) throws(Refusal) -> ListFilter {
        let name: String?
        let part: JSONValue
        if function == .substringof {
            part = try literal()
            guard take(",") else { throw fault("lacks a comma in \(function.rawValue)") }
            name = identifier()
        } else {
            name = identifier()
            guard take(",") else { throw fault("lacks a comma in \(function.rawValue)") }
            part = try literal()
        }
        guard take(")"), let name, let text = part.text else { throw fault("has a wrong call of \(function.rawValue)") }
        let field = try known(name)
        guard case .all = field.operators else { throw fault("can't call \(function.rawValue) on '\(field.name)'") }
        return .call(function, field.name, text)
    }

    private mutating func items(_ name: String, all: Bool) throws(Refusal) -> ListFilter {
        let field = try known(name)
        guard field.name == "tags", let variable = identifier(), take(":"), identifier() == variable else {
            throw fault("has a wrong any or all")
        }
        let comparison = try comparison()
        let value = try literal()
        guard take(")") else { throw fault("lacks a closing parenthesis") }
        return .items(field.name, all: all, comparison, value)
    }

    private func known(_ name: String) throws(Refusal) -> FilterField {
        let bare = name.lowercased().hasPrefix("properties/") ? String(name.dropFirst("properties/".count)) : name
        guard let field = fields.first(where: { $0.name.lowercased() == bare.lowercased() }) else {
            throw fault("names '\(bare.prefix(64))', which this list is not filtered by")
        }
        return field
    }

    private func check(_ field: FilterField, _ comparison: ListFilter.Comparison) throws(Refusal) {
        switch (field.operators, comparison) {
        case (.all, _), (.comparisons, _), (.equality, .eq), (.equalityAndDifference, .eq),
            (.equalityAndDifference, .ne):
            return
        case (.equality, _), (.equalityAndDifference, _):
            throw fault("can't compare '\(field.name)' by \(comparison.rawValue)")
        }
    }

    private mutating func comparison() throws(Refusal) -> ListFilter.Comparison {
        guard let word = identifier(), let comparison = ListFilter.Comparison(rawValue: word.lowercased()) else {
            throw fault("lacks eq, ne, gt, ge, lt or le at character \(position + 1)")
        }
        return comparison
    }

    private mutating func literal() throws(Refusal) -> JSONValue {
        skipBlanks()
        guard position < characters.count else { throw fault("ends too early") }
        if characters[position] == "'" { return .string(try quoted()) }
        let start = position
        while position < characters.count, !" ,)\t".contains(characters[position]), characters[position] != "'" {
            position += 1
        }
        let word = String(characters[start..<position])
        if word.lowercased() == "datetime", position < characters.count, characters[position] == "'" {
            let text = try quoted()
            guard let time = Timestamp.read(text) else {
                throw fault("has the time '\(text.prefix(40))', which is none")
            }
            return .string(Timestamp.text(time))
        }
        switch word.lowercased() {
        case "true": return true
        case "false": return false
        case "null": return .null
        default:
            if let number = Int64(word) { return .int(number) }
            if word.count >= 10, let time = Timestamp.read(word) { return .string(Timestamp.text(time)) }
            throw fault("has '\(word.prefix(40))' where a value is expected")
        }
    }

    private mutating func quoted() throws(Refusal) -> String {
        position += 1
        var text = ""
        while position < characters.count {
            if characters[position] != "'" {
                text.append(characters[position])
                position += 1
            } else if position + 1 < characters.count, characters[position + 1] == "'" {
                text.append("'")
                position += 2
            } else {
                position += 1
                return text
            }
        }
        throw fault("has a text that does not end")
    }

    private mutating func identifier() -> String? {
        skipBlanks()
        let start = position
        while position < characters.count,
            characters[position].isLetter || characters[position].isNumber || "/_".contains(characters[position])
        {
            position += 1
        }
        return position > start ? String(characters[start..<position]) : nil
    }

    private mutating func word(_ word: String) -> Bool {
        let before = position
        if identifier()?.lowercased() == word { return true }
        position = before
        return false
    }

    private mutating func take(_ character: Character) -> Bool {
        skipBlanks()
        guard position < characters.count, characters[position] == character else { return false }
        position += 1
        return true
    }
}
