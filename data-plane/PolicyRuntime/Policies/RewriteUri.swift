internal import HTTPEngine
internal import PolicyLanguage

// rewrite-uri at run time.

final class RewriteUri: PolicyStep {
    static let declaration = PolicyDeclaration.rewriteUri

    private let template: RewriteTemplate
    private let copiesUnmatched: Bool
    /// Names that the template's query sets itself: they win over those of the request.
    private let ownNames: [String]

    init(_ policy: CheckedPolicy, in surroundings: StepSurroundings) throws(PolicyCompileFailure) {
        guard let template = RewriteTemplate(try policy.required("template")) else {
            throw PolicyCompileFailure(policy, "Attribute 'template' is no template.")
        }
        self.template = template
        copiesUnmatched = try policy.requiredFlag("copy-unmatched-params")
        var query: [UInt8] = []
        for piece in template.query ?? [] {
            // A value has no `&` or `=` once it is encoded: any letter stands for it here.
            switch piece {
            case .text(let text): query += Array(text.utf8)
            case .parameter: query.append(UInt8(ascii: "x"))
            }
        }
        ownNames = QueryPairs(query).all.map { pair in
            PercentCoding.decoded(pair.prefix { $0 != UInt8(ascii: "=") }, plusIsBlank: true)
        }
    }

    func run(_ exchange: inout PolicyExchange) throws(PolicyFailure) -> StepOutcome {
        var target = try filled(template.path, exchange, isPath: true)
        guard !Self.hasDotSegment(target) else {
            throw .wrongValue("rewrite-uri", "The path has a segment '.' or '..'.")
        }
        var query = QueryPairs(try filled(template.query ?? [], exchange, isPath: false))
        if copiesUnmatched, let received = exchange.request.query {
            let pairs = QueryPairs(received)
            let taken = exchange.templateQueryNames + ownNames
            for pair in pairs.all where !taken.contains(where: { pairs.isNamed(pair, $0) }) { query.append(pair) }
        }
        if !query.all.isEmpty { target += [UInt8(ascii: "?")] + query.bytes }
        exchange.rewrittenTarget = target
        return .goOn
    }

    private func filled(
        _ pieces: [RewriteTemplate.Piece], _ exchange: PolicyExchange, isPath: Bool
    ) throws(PolicyFailure) -> [UInt8] {
        var bytes: [UInt8] = []
        for piece in pieces {
            switch piece {
            case .text(let text): bytes += Array(text.utf8)
            case .parameter(let name):
                guard let value = Self.value(of: name, exchange) else {
                    throw .wrongValue("rewrite-uri", "The operation's template has no parameter '\(name)'.")
                }
                if isPath {
                    bytes += Self.asReceived(value, exchange) ?? PercentCoding.encoded(value, keeping: Self.inSegment)
                } else {
                    bytes += PercentCoding.encoded(value, keeping: Self.inQuery)
                }
            }
        }
        return bytes
    }

    private static func value(of name: String, _ exchange: PolicyExchange) -> String? {
        let parameters = exchange.matchedParameters
        if let exact = parameters.first(where: { $0.name == name }) { return exact.value }
        let folded = name.lowercased()
        return parameters.first { parameter in
            let written = parameter.name.hasPrefix("*") ? String(parameter.name.dropFirst()) : parameter.name
            return written.lowercased() == folded
        }?.value
    }

    /// The value of a wildcard parameter: slashes in it are borders of segments, unlike an encoded one in the value of
    /// a segment. It is the end of the received path, so that end is taken as it was written.
    private static func asReceived(_ value: String, _ exchange: PolicyExchange) -> [UInt8]? {
        guard value.utf8.contains(UInt8(ascii: "/")) else { return nil }
        let path = exchange.remainingPath.isEmpty ? exchange.request.path : exchange.remainingPath
        let slash = UInt8(ascii: "/")
        for index in path.indices where index == 0 || path[index - 1] == slash {
            let rest = path[index...]
            if rest.contains(slash), PercentCoding.decoded(rest) == value { return Array(rest) }
        }
        return nil
    }

    private static func hasDotSegment(_ path: [UInt8]) -> Bool {
        path.split(separator: UInt8(ascii: "/")).contains { segment in
            guard segment.count <= 6 else { return false }
            let text = PercentCoding.decoded(segment)
            return text == "." || text == ".."
        }
    }

    private static let inSegment: Set<UInt8> = Set("!$&'()*+,;=:@".utf8)
    private static let inQuery: Set<UInt8> = Set("!$'()*,;:@/?".utf8)
}
