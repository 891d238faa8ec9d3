internal import PolicyLanguage

// set-backend-service at run time.

final class SetBackendService: PolicyStep {
    static let declaration = PolicyDeclaration.setBackendService

    private let choice: BackendChoice

    init(_ policy: CheckedPolicy, in surroundings: StepSurroundings) throws(PolicyCompileFailure) {
        if let id = policy.literal("backend-id") {
            choice = .entity(id)
        } else {
            choice = .url(try policy.required("base-url"))
        }
    }

    func run(_ exchange: inout PolicyExchange) throws(PolicyFailure) -> StepOutcome {
        exchange.backend = choice
        return .goOn
    }
}
