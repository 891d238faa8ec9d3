import Synchronization

// The one reference that loops share: the plan in force.

/// Holds the plan in force. A loop asks once a wake-up whether it is another one; only then is the lock taken.
final class PlanHolder: Sendable {
    private let generation = Atomic<UInt64>(0)
    private let plan = Mutex<ServingPlan?>(nil)

    /// Changes with every plan.
    var currentGeneration: UInt64 { generation.load(ordering: .acquiring) }

    func put(_ next: ServingPlan) {
        plan.withLock { $0 = next }
        generation.wrappingAdd(1, ordering: .releasing)
    }

    var current: ServingPlan? { plan.withLock { $0 } }
}
