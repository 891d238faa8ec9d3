internal import HTTPEngine
internal import PolicyLanguage

// set-query-parameter at run time.

final class SetQueryParameter: PolicyStep {
    static let declaration = PolicyDeclaration.setQueryParameter

    private let action: String
    private let name: String
    private let values: [String]

    init(_ policy: CheckedPolicy, in surroundings: StepSurroundings) throws(PolicyCompileFailure) {
        name = try policy.required("name")
        action = try policy.required("exists-action")
        values = try policy.texts(of: "value")
    }

    func run(_ exchange: inout PolicyExchange) throws(PolicyFailure) -> StepOutcome {
        guard let rewritten = exchange.rewrittenTarget else {
            exchange.request.query = changed(exchange.request.query)
            return .goOn
        }
        let question = rewritten.firstIndex(of: UInt8(ascii: "?"))
        let query = changed(question.map { Array(rewritten[($0 + 1)...]) })
        exchange.rewrittenTarget =
            Array(rewritten[..<(question ?? rewritten.count)]) + (query.map { [0x3F] + $0 } ?? [])
        return .goOn
    }

    /// The query with the parameter set; what is not named stays as received, byte for byte.
    private func changed(_ query: [UInt8]?) -> [UInt8]? {
        let pairs = QueryPairs(query ?? [])
        let isPresent = pairs.contains(name)
        if action == "skip", isPresent { return query }
        if action == "delete", !isPresent { return query }
        var result = QueryPairs([])
        var isPlaced = false
        for pair in pairs.all {
            guard pairs.isNamed(pair, name), action != "append" else {
                result.append(pair)
                continue
            }
            // New values stand where the first old one stood.
            if action == "override", !isPlaced {
                for value in values { result.append(QueryPairs.encoded(name: name, value: value)) }
                isPlaced = true
            }
        }
        if action != "delete", !isPlaced {
            for value in values { result.append(QueryPairs.encoded(name: name, value: value)) }
        }
        return result.all.isEmpty ? nil : result.bytes
    }
}
