// Which nodes there are, how far each one is, and who waits for them.
package import ClusterProtocol
internal import Foundation
package import ResourceStore

/// How far a revision has come over the live nodes.
package struct Rollout: Sendable, Equatable {
    package var applied: [String] = []
    package var pending: [String] = []
    /// Node's label and reason.
    package var refused: [String: String] = [:]
}

/// A node as an operator sees it.
package struct NodeStatus: Sendable {
    package enum State: String, Sendable { case live, silent, stopped }
    package var record: NodeRecord
    package var state: State
    package var warnings: [String]
}

/// The nodes of a controller. What a start must know is in the store, the rest in memory.
package actor NodeRegistry {
    /// A node is live while it was heard of within this time (design.md section 7).
    package static let liveSeconds = 15.0

    private struct Node {
        var record: NodeRecord
        var lastHeard: ContinuousClock.Instant?
        /// It was live when the controller stopped, so a rollout waits for it until then.
        var awaitedUntil: ContinuousClock.Instant?
        var warnings: [String] = []
        var stream: (number: UInt64, end: @Sendable () -> Void)?
        var isSaved = true
    }

    private let store: ResourceStore
    private let clock = ContinuousClock()
    private var nodes: [String: Node] = [:]
    private var waiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
    private var number: UInt64 = 0

    /// `save` is called so often.
    package static let saveSeconds = 10.0

    package init(store: ResourceStore) throws {
        self.store = store
        // Nodes need some seconds to dial again; a change that is made before is theirs, too.
        let liveSince = Date().timeIntervalSince1970 - Self.liveSeconds - Self.saveSeconds
        for record in try store.readNow({ try $0.nodes() }) {
            var node = Node(record: record)
            if record.lastSeen >= liveSince { node.awaitedUntil = clock.now + .seconds(Self.liveSeconds) }
            nodes[record.id] = node
        }
    }

    /// Takes in a node that has just enrolled.
    package func add(_ record: NodeRecord, by actor: Actor, serviceID: String) async throws {
        _ = try await store.write(by: actor) { writer in
            try writer.putNode(record)
            try writer.audit(
                action: "Microsoft.ApiManagement/service/gatehouse/nodes/enrol/action",
                resource: "\(serviceID)/gatehouse/nodes/\(record.id)", outcome: "Succeeded")
        }
        nodes[record.id] = Node(record: record, lastHeard: clock.now)
    }

    /// The node, if it may still speak.
    package func node(_ id: String) -> NodeRecord? {
        guard let node = nodes[id], !node.record.isRevoked else { return nil }
        return node.record
    }

    package func isRevoked(_ id: String) -> Bool { nodes[id]?.record.isRevoked ?? false }

    /// A sign of life.
    package func heard(_ id: String, address: String) {
        guard nodes[id] != nil else { return }
        nodes[id]?.lastHeard = clock.now
        nodes[id]?.record.lastSeen = Date().timeIntervalSince1970
        nodes[id]?.record.address = address
        nodes[id]?.isSaved = false
    }

    package func acknowledge(_ id: String, _ message: Acknowledgement, address: String) {
        guard var node = nodes[id] else { return }
        let before = (node.record.appliedVersion, node.record.refusedVersion, node.record.isStopped)
        node.lastHeard = clock.now
        node.record.lastSeen = Date().timeIntervalSince1970
        node.record.address = address
        node.record.appliedVersion = message.appliedVersion
        node.record.refusedVersion = message.refusedVersion
        node.record.refusedReason = message.refusedReason
        node.record.software = message.software
        node.record.isStopped = message.isStopping
        node.warnings = message.warnings
        node.isSaved = false
        nodes[id] = node
        if before != (message.appliedVersion, message.refusedVersion, message.isStopping) { wake() }
    }

    /// The newest software, versions and times, once a while: they are no revision.
    package func save() async {
        let unsaved = nodes.values.filter { !$0.isSaved }.map(\.record)
        guard !unsaved.isEmpty else { return }
        let done = try? await store.write(by: .controller) { writer in
            for record in unsaved { try writer.putNode(record) }
        }
        guard done != nil else { return }
        for record in unsaved where nodes[record.id]?.record == record { nodes[record.id]?.isSaved = true }
    }

    /// A node's stream, so that it can be cut. The former one ends.
    package func attach(_ id: String, end: @escaping @Sendable () -> Void) -> UInt64 {
        number += 1
        nodes[id]?.stream?.end()
        nodes[id]?.stream = (number, end)
        return number
    }

    package func detach(_ id: String, _ stream: UInt64) {
        if nodes[id]?.stream?.number == stream { nodes[id]?.stream = nil }
    }

    /// Cuts every stream: the controller stops, and nodes dial again when it is back.
    package func endStreams() {
        for id in nodes.keys {
            nodes[id]?.stream?.end()
            nodes[id]?.stream = nil
        }
    }

    /// Revokes: its certificate opens nothing more, its stream is cut. false where there is no such node.
    package func revoke(_ id: String, by actor: Actor, serviceID: String) async throws -> Bool {
        guard var node = nodes[id], !node.record.isRevoked else { return false }
        node.record.isRevoked = true
        let record = node.record
        _ = try await store.write(by: actor) { writer in
            try writer.putNode(record)
            try writer.addChange(.service, kind: "nodes", verb: .delete, detail: record.id)
            try writer.audit(
                action: "Microsoft.ApiManagement/service/gatehouse/nodes/delete",
                resource: "\(serviceID)/gatehouse/nodes/\(record.id)", outcome: "Succeeded")
        }
        nodes[id]?.record = record
        nodes[id]?.stream?.end()
        nodes[id]?.stream = nil
        wake()
        return true
    }

    /// Nodes that are not revoked.
    package func list() -> [NodeStatus] {
        nodes.values.filter { !$0.record.isRevoked }.sorted { $0.record.id < $1.record.id }.map { node in
            NodeStatus(
                record: node.record, state: node.record.isStopped ? .stopped : isLive(node) ? .live : .silent,
                warnings: node.warnings)
        }
    }

    private func isLive(_ node: Node) -> Bool {
        guard !node.record.isRevoked, !node.record.isStopped, let heard = node.lastHeard else { return false }
        return clock.now - heard <= .seconds(Self.liveSeconds)
    }

    private func isAwaited(_ node: Node) -> Bool {
        guard !node.record.isRevoked, !node.record.isStopped, let until = node.awaitedUntil else { return false }
        return clock.now < until
    }

    package func rollout(of revision: Revision) -> Rollout {
        var rollout = Rollout()
        for node in nodes.values.sorted(by: { $0.record.label < $1.record.label })
        where isLive(node) || isAwaited(node) {
            if node.record.appliedVersion >= revision {
                rollout.applied.append(node.record.label)
            } else if let refused = node.record.refusedVersion, refused >= revision {
                rollout.refused[node.record.label] = node.record.refusedReason ?? "no reason given"
            } else {
                rollout.pending.append(node.record.label)
            }
        }
        return rollout
    }

    /// Returns once no live node is pending, or after `seconds`.
    package func waitForRollout(of revision: Revision, seconds: Double) async -> Rollout {
        let deadline = clock.now + .seconds(seconds)
        while true {
            let state = rollout(of: revision)
            if state.pending.isEmpty || clock.now >= deadline || Task.isCancelled { return state }
            await change(until: deadline)
        }
    }

    /// Returns at the next change of a node, or at the deadline. A node that falls silent is no change, so it looks
    /// again after a second.
    private func change(until deadline: ContinuousClock.Instant) async {
        number += 1
        let number = number
        let wakeUp = min(deadline, clock.now + .seconds(1))
        let timer = Task { [weak self] in
            try? await Task.sleep(until: wakeUp, clock: .continuous)
            await self?.wake(number)
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { waiters[number] = $0 }
        } onCancel: {
            timer.cancel()
        }
        timer.cancel()
    }

    private func wake(_ number: UInt64) { waiters.removeValue(forKey: number)?.resume() }

    private func wake() {
        let all = waiters
        waiters = [:]
        for waiter in all.values { waiter.resume() }
    }
}
