internal import HTTPEngine
internal import PolicyLanguage

// rate-limit at run time.

final class RateLimit: PolicyStep {
    static let declaration = PolicyDeclaration.rateLimit

    private struct Limit: Sendable {
        let calls: Int
        let periodSeconds: Int64
    }

    private let tree: LimitTree<Limit>
    private let state: PolicyState
    private let retryField: FieldName
    private let retryVariable: String?
    private let remainingField: FieldName?
    private let remainingVariable: String?
    private let totalField: FieldName?

    init(_ policy: CheckedPolicy, in surroundings: StepSurroundings) throws(PolicyCompileFailure) {
        tree = try LimitTree(policy) { (element, parent) throws(PolicyCompileFailure) in
            guard let period = element.integer("renewal-period") ?? parent?.periodSeconds else {
                throw PolicyCompileFailure(element, "Attribute 'renewal-period' is missing.")
            }
            return Limit(calls: Int(try element.requiredInteger("calls")), periodSeconds: period)
        }
        state = surroundings.state
        retryField = FieldName(try policy.required("retry-after-header-name"))
        retryVariable = policy.literal("retry-after-variable-name")
        remainingField = policy.literal("remaining-calls-header-name").map { FieldName($0) }
        remainingVariable = policy.literal("remaining-calls-variable-name")
        totalField = policy.literal("total-calls-header-name").map { FieldName($0) }
    }

    func run(_ exchange: inout PolicyExchange) throws(PolicyFailure) -> StepOutcome {
        if exchange.subscription.isEmpty { return .goOn }
        let demands = tree.demands(exchange).map { demand in
            PolicyState.RateDemand(
                key: demand.key, calls: demand.limit.calls,
                periodNanoseconds: UInt64(demand.limit.periodSeconds) * 1_000_000_000)
        }
        if let totalField { exchange.answerFields.set(totalField, String(tree.root.limit.calls)) }
        switch state.take(demands, subscription: exchange.subscription, now: exchange.nowNanoseconds) {
        case .passed(let remaining, let ticket):
            exchange.takenTickets.append(ticket)
            tell(remaining: remaining, &exchange)
            return .goOn
        case .refused(let seconds):
            tell(remaining: 0, &exchange)
            if let retryVariable { exchange.variables[retryVariable] = .integer(Int64(seconds)) }
            var fields = HeaderFields()
            fields.append(retryField, String(seconds))
            throw PolicyFailure(
                status: 429, fields: fields,
                callerMessage: "Rate limit is exceeded. Try again in \(seconds) seconds.",
                lastError: LastError(
                    source: "rate-limit", reason: "RateLimitExceeded", message: "Rate limit is exceeded"))
        }
    }

    private func tell(remaining: Int, _ exchange: inout PolicyExchange) {
        if let remainingField { exchange.answerFields.set(remainingField, String(remaining)) }
        if let remainingVariable { exchange.variables[remainingVariable] = .integer(Int64(remaining)) }
    }
}
