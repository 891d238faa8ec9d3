// A path of a description: what its template is, and what is wrong with it.

struct PathTemplate: Hashable, Sendable {
    /// Path and query as written, in front of a query that required parameters add.
    let text: String
    /// Names between braces, in order; a wildcard's without its `*`.
    let parameters: [String]
    /// Names of wildcards (`{*rest}`), which need no declaration.
    let wildcards: Set<String>
    /// Equal for templates that the same calls would match: literals without case, parameters without names, no slash at
    /// the end.
    let comparable: String

    /// Reads the key of a path. Throws what is wrong, with the key in its visible form.
    init(_ text: String, at place: String) throws(ImportFailure) {
        guard text.hasPrefix("/") else {
            throw ImportFailure(at: place, "The path '\(text)' must begin with '/'.")
        }
        for scalar in text.unicodeScalars
        where scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) || scalar == "\\" {
            throw ImportFailure(
                at: place,
                "The path '\(text.replacing("\\", with: "\\\\"))' holds a backslash or a control character, which no "
                    + "path may hold.")
        }
        self.text = text
        var names: [String] = []
        var wildcards: Set<String> = []
        var comparable = ""
        var rest = text[...]
        while let character = rest.first {
            switch character {
            case "{":
                let offset = text.distance(from: text.startIndex, to: rest.startIndex)
                guard let close = rest.firstIndex(of: "}") else {
                    throw ImportFailure(
                        at: place, "The path '\(text)' has '{' at character \(offset + 1), but no '}' behind it.")
                }
                var name = rest[rest.index(after: rest.startIndex)..<close]
                let isWildcard = name.hasPrefix("*")
                if isWildcard { name = name.dropFirst() }
                guard !name.isEmpty, !name.contains("{") else {
                    throw ImportFailure(
                        at: place,
                        "The path '\(text)' has a template parameter without a name at character \(offset + 1).")
                }
                guard !names.contains(String(name)) else {
                    throw ImportFailure(at: place, "The path '\(text)' has the template parameter '\(name)' twice.")
                }
                names.append(String(name))
                if isWildcard { wildcards.insert(String(name)) }
                comparable += isWildcard ? "{*}" : "{}"
                rest = rest[rest.index(after: close)...]
            case "}":
                let offset = text.distance(from: text.startIndex, to: rest.startIndex)
                throw ImportFailure(
                    at: place, "The path '\(text)' has '}' at character \(offset + 1), but no '{' before it.")
            default:
                comparable += character.lowercased()
                rest = rest.dropFirst()
            }
        }
        parameters = names
        self.wildcards = wildcards
        self.comparable = Self.withoutLastSlash(comparable)
    }

    private static func withoutLastSlash(_ text: String) -> String {
        let parts = text.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        var path = String(parts[0])
        while path.hasSuffix("/") { path.removeLast() }
        return parts.count > 1 ? "\(path)?\(parts[1])" : path
    }

    /// Whether a parameter stands behind the `?` alone.
    func isInQuery(_ name: String) -> Bool {
        guard let question = text.firstIndex(of: "?") else { return false }
        return !text[..<question].contains("{\(name)}") && text[question...].contains("{\(name)}")
    }

    /// The template without the pairs of its query that name the parameter.
    static func dropping(_ name: String, from template: String) -> String {
        let parts = template.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else { return template }
        let kept = parts[1].split(separator: "&").filter { !$0.contains("{\(name)}") }
        return kept.isEmpty ? String(parts[0]) : "\(parts[0])?\(kept.joined(separator: "&"))"
    }

    /// The names that the query of the template sets.
    var queryNames: [String] {
        guard let question = text.firstIndex(of: "?") else { return [] }
        return text[text.index(after: question)...].split(separator: "&").map { pair in
            References.percentDecoded(pair.prefix { $0 != "=" })
        }
    }

    /// The path without its query, as parts for names: letters and digits alone.
    var path: String { String(text.prefix { $0 != "?" }) }
}
