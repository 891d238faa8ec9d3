internal import HTTPEngine
internal import PolicyLanguage

// forward-request at run time: it notes what the engine must know; the engine sends.

final class ForwardRequest: PolicyStep {
    static let declaration = PolicyDeclaration.forwardRequest

    private let timeoutMilliseconds: Int64?
    private let failsOnErrorStatus: Bool

    init(_ policy: CheckedPolicy, in surroundings: StepSurroundings) throws(PolicyCompileFailure) {
        timeoutMilliseconds = policy.integer("timeout-ms") ?? policy.integer("timeout").map { $0 * 1000 }
        failsOnErrorStatus = try policy.requiredFlag("fail-on-error-status-code")
    }

    func run(_ exchange: inout PolicyExchange) throws(PolicyFailure) -> StepOutcome {
        exchange.forwardTimeoutMilliseconds = timeoutMilliseconds
        return .goOn
    }

    /// The error that the backend's status is, where the policy says so. The backend's response stays the answer.
    func failure(for response: ResponseHead?) -> PolicyFailure? {
        guard failsOnErrorStatus, let status = response?.status, (400...599).contains(status) else { return nil }
        return PolicyFailure(
            status: status, callerMessage: "",
            lastError: LastError(
                source: "forward-request", reason: "BackendError",
                message: "The backend answered with status \(status).", section: "backend"),
            keepsResponse: true)
    }
}
