// What delivers usage asks of what counts it: the joint between the node's agent and its meter, which do not know each
// other.

/// Batches that wait for the ledger. Safe to call from any task; calls may do file I/O.
package protocol UsageSource: Sendable {
    /// Makes batches of what was counted since the last call.
    func rotate()
    /// Batches that are not acknowledged, oldest first.
    func pendingBatches() -> [UsageBatchID]
    /// A pending batch, always with the same content; nil when there is none (any more).
    func batch(_ id: UsageBatchID) -> UsageBatch?
    /// The batch is in the ledger. It is kept a while for a ledger that is put back to an older state.
    func acknowledge(_ id: UsageBatchID)
    /// The ledger will never take the batch as it is: put aside, so that the next ones go on.
    func reject(_ id: UsageBatchID)
    /// The ledger has other content under this id, as after a directory was copied: the batch is pending under a new one
    /// (must-hold H32). It may count twice what both copies had, never too little.
    func readdress(_ id: UsageBatchID)
    /// The ledger is another one than before: what was acknowledged is pending again (must-hold H20).
    func resendAcknowledged()
    /// Trouble that a person should know of; empty for none.
    func warnings() -> [String]
}
