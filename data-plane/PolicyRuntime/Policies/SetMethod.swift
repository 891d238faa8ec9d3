internal import HTTPEngine
internal import PolicyLanguage

// set-method at run time.

final class SetMethod: PolicyStep {
    static let declaration = PolicyDeclaration.setMethod

    private let method: Method

    init(_ policy: CheckedPolicy, in surroundings: StepSurroundings) throws(PolicyCompileFailure) {
        guard let text = policy.literalText else { throw PolicyCompileFailure(policy, "The method must be literal.") }
        method = Method(text)
    }

    func run(_ exchange: inout PolicyExchange) throws(PolicyFailure) -> StepOutcome {
        exchange.request.method = method
        return .goOn
    }
}
