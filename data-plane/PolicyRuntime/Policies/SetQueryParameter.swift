internal import HTTPEngine
internal import PolicyLanguage

// set-query-parameter at run time.

final class SetQueryParameter: PolicyStep {
    static let declaration = PolicyDeclaration.setQueryParameter

    private let action: String
    private let name: String
    /// `name=value`, encoded.
    private let pairs: [ArraySlice<UInt8>]

    init(_ policy: CheckedPolicy, in surroundings: StepSurroundings) throws(PolicyCompileFailure) {
        let name = try policy.required("name")
        self.name = name
        action = try policy.required("exists-action")
        pairs = try policy.texts(of: "value").map { QueryPairs.encoded(name: name, value: $0) }
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
        let received = QueryPairs(query ?? [])
        let isPresent = received.contains(name)
        if action == "skip", isPresent { return query }
        if action == "delete", !isPresent { return query }
        var result = QueryPairs([])
        var isPlaced = false
        for pair in received.all {
            guard received.isNamed(pair, name), action != "append" else {
                result.append(pair)
                continue
            }
            // New values stand where the first old one stood.
            if action == "override", !isPlaced {
                for pair in pairs { result.append(pair) }
                isPlaced = true
            }
        }
        if action != "delete", !isPlaced {
            for pair in pairs { result.append(pair) }
        }
        return result.all.isEmpty ? nil : result.bytes
    }
}
