// `;rev=n` behind an API's name: another resource, but the same scope. Decisions take the name without it (must-hold G13).
internal import Resources

enum ApiRevision {
    private static let mark = ";rev="

    /// The segments below the service with the API's own name.
    static func scope(_ segments: [String]) -> [String] {
        guard let name = name(in: segments), let end = name.firstMatch(of: /;rev=/.ignoresCase())?.range.lowerBound
        else {
            return segments
        }
        var segments = segments
        segments[1] = String(name[..<end])
        return segments
    }

    /// - Throws: 400 for what looks like a revision and is none, 501 for a revision.
    static func check(_ segments: [String]) throws(Refusal) {
        guard let name = name(in: segments)?.lowercased(), let place = name.firstRange(of: mark) else { return }
        let number = name[place.upperBound...]
        guard (1...9).contains(number.utf8.count), number.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else {
            throw Refusal.field("id", "The revision in the API's name must be a number, given once.")
        }
        throw Refusal(.notImplemented, "Revisions of APIs are not built yet.")
    }

    /// Whether a scope is that of a revision, which is no scope of its own.
    static func isRevision(_ scope: String) -> Bool { scope.lowercased().contains(mark) }

    private static func name(in segments: [String]) -> String? {
        segments.count > 1 && segments[0].lowercased() == "apis" ? segments[1] : nil
    }
}
