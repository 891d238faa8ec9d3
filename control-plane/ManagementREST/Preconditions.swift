// If-Match, If-None-Match and Prefer, read strictly (RFC 9110 section 13, RFC 7240).
internal import Resources
internal import ResourceStore

/// A list of entity tags.
enum EntityTags: Equatable {
    case any
    /// Quoted, strong ones as they are; weak ones are only in `weak`.
    case list(strong: [String], weak: [String])

    /// Reads the value of If-Match or If-None-Match; several lines come joined by commas.
    static func read(_ text: String) throws(Refusal) -> EntityTags {
        var rest = Substring(text).drop(while: \.isWhitespace)
        if rest == "*" || rest.trimmedEnd == "*" { return .any }
        var strong: [String] = []
        var weak: [String] = []
        while !rest.isEmpty {
            let isWeak = rest.hasPrefix("W/")
            if isWeak { rest = rest.dropFirst(2) }
            guard rest.first == "\"", let end = rest.dropFirst().firstIndex(of: "\"") else {
                throw Refusal(.validationError, "If-Match and If-None-Match take '*' or entity tags in quotes.")
            }
            let tag = String(rest[rest.startIndex...end])
            if isWeak { weak.append(tag) } else { strong.append(tag) }
            rest = rest[rest.index(after: end)...].drop(while: \.isWhitespace)
            if rest.isEmpty { break }
            guard rest.first == "," else {
                throw Refusal(.validationError, "Entity tags are separated by commas.")
            }
            rest = rest.dropFirst().drop(while: \.isWhitespace)
        }
        guard !strong.isEmpty || !weak.isEmpty else {
            throw Refusal(.validationError, "If-Match and If-None-Match take '*' or entity tags in quotes.")
        }
        return .list(strong: strong, weak: weak)
    }
}

extension Substring {
    fileprivate var trimmedEnd: Substring {
        var part = self
        while part.last?.isWhitespace == true { part = part.dropLast() }
        return part
    }
}

/// What a request prefers (RFC 7240).
struct Preferences: Sendable {
    var isStrict = false
    /// Seconds to wait for the rollout, 1 to 30.
    var waitSeconds: Int?

    init(_ header: String?) {
        for part in (header ?? "").split(separator: ",") {
            let text = part.filter { !$0.isWhitespace }.lowercased()
            if text == "handling=strict" { isStrict = true }
            if text.hasPrefix("wait="), let seconds = Int(text.dropFirst(5)), (1...30).contains(seconds) {
                waitSeconds = seconds
            }
        }
    }
}
