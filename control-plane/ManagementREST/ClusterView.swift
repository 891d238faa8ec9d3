// What the management plane asks of the cluster: how far a revision has come, nodes, snapshots. The controller's main
// gives it, for this room does not know the rooms that know.
package import JSONDocuments
package import ResourceStore

/// How far a revision is rolled out over the live nodes.
package struct RolloutState: Sendable, Equatable {
    /// Names of nodes.
    package var applied: [String]
    package var pending: [String]
    /// Node and reason.
    package var refused: [String: String]

    package init(applied: [String], pending: [String], refused: [String: String]) {
        self.applied = applied
        self.pending = pending
        self.refused = refused
    }

    package var isDone: Bool { pending.isEmpty && refused.isEmpty }
    package var total: Int { applied.count + pending.count + refused.count }
}

package protocol ClusterView: Sendable {
    func rollout(of revision: Revision) async -> RolloutState
    /// Returns when every live node has applied or refused the revision, or after `seconds`.
    func waitForRollout(of revision: Revision, seconds: Double) async -> RolloutState
    /// Rows of `gatehouse/nodes`: name and properties.
    func nodes() async throws -> [(name: String, properties: JSONValue)]
    /// Revokes a node, cuts its stream and seals for the others anew. The revision that does; nil where there is no
    /// such node.
    func revoke(node: String, by actor: Actor) async throws -> Revision?
    /// The newest roots: name (version) and properties.
    func snapshots(limit: Int) async throws -> [(name: String, properties: JSONValue)]
    func snapshot(version: Revision) async throws -> JSONValue?
    /// Names of blobs that differ.
    func compare(from: Revision, to: Revision) async throws -> JSONValue?
    /// Prometheus text.
    func metrics() async -> String
}
