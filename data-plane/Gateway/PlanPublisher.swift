import GatewayConfiguration
import NodeAgent
import PolicyRuntime

// Takes snapshots from the agent: compiled here, off the loops, then swapped in as one reference.

actor PlanPublisher: SnapshotConsumer {
    private var builder: PlanBuilder
    private let plans: PlanHolder
    private let status: NodeStatus

    init(state: PolicyState, plans: PlanHolder, status: NodeStatus) {
        builder = PlanBuilder(state: state)
        self.plans = plans
        self.status = status
    }

    /// - Throws: `SnapshotRefused`; what served before goes on.
    func apply(_ snapshot: NodeSnapshot) async throws {
        plans.put(try builder.build(snapshot))
        status.serves(snapshot.root.version)
    }
}
