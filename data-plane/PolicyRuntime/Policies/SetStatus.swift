internal import HTTPEngine
internal import PolicyLanguage

// set-status at run time.

final class SetStatus: PolicyStep {
    static let declaration = PolicyDeclaration.setStatus

    private let code: Int
    private let reason: String?
    private let message: StepSurroundings.MessageSide

    init(_ policy: CheckedPolicy, in surroundings: StepSurroundings) throws(PolicyCompileFailure) {
        code = Int(try policy.requiredInteger("code"))
        let reason = policy.literal("reason") ?? ""
        self.reason = reason.isEmpty ? nil : reason
        message = surroundings.message
    }

    func run(_ exchange: inout PolicyExchange) throws(PolicyFailure) -> StepOutcome {
        // In inbound and backend there is no response that it could change (policies.md 3.4).
        guard message == .response else { return .goOn }
        exchange.response?.status = code
        exchange.response?.reason = reason
        return .goOn
    }
}
