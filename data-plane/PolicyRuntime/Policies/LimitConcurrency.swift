internal import PolicyLanguage

// limit-concurrency at run time: a slot is taken on the way in and comes back with the end of the block.

final class LimitConcurrency: PolicyBlock {
    static let declaration = PolicyDeclaration.limitConcurrency

    private let key: String
    private let slotsMax: Int64
    private let slots: ConcurrencySlots

    init(_ policy: CheckedPolicy, in surroundings: StepSurroundings) throws(PolicyCompileFailure) {
        key = try policy.required("key")
        slotsMax = try policy.requiredInteger("max-count")
        slots = surroundings.state.concurrency
    }

    func enter(_ exchange: inout PolicyExchange) throws(PolicyFailure) -> any HeldByBlock {
        guard let slot = slots.take(key, atMost: slotsMax) else {
            throw PolicyFailure(
                status: 429, callerMessage: "Too many requests",
                lastError: LastError(
                    source: "limit-concurrency", reason: "ConcurrencyLimitExceeded", message: "Too many requests"))
        }
        return slot
    }
}
