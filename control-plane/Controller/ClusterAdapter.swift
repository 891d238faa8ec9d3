// What the management plane sees of nodes and snapshots: the rooms that know them, behind its own words.
internal import Foundation
internal import GatewayConfiguration
internal import JSONDocuments
internal import ManagementREST
internal import NodeService
internal import Resources
internal import ResourceStore
internal import SnapshotPublisher

struct ClusterAdapter: ClusterView {
    let registry: NodeRegistry
    let publisher: SnapshotPublisher
    let store: ResourceStore
    let serviceID: String

    func rollout(of revision: Revision) async -> RolloutState { Self.state(await registry.rollout(of: revision)) }

    func waitForRollout(of revision: Revision, seconds: Double) async -> RolloutState {
        Self.state(await registry.waitForRollout(of: revision, seconds: seconds))
    }

    private static func state(_ rollout: Rollout) -> RolloutState {
        RolloutState(applied: rollout.applied, pending: rollout.pending, refused: rollout.refused)
    }

    func nodes() async throws -> [(name: String, properties: JSONValue)] {
        await registry.list().map { node in
            let record = node.record
            return (
                record.id,
                [
                    "label": .string(record.label), "gateway": .string(record.gateway),
                    "state": .string(node.state.rawValue),
                    "appliedVersion": .int(record.appliedVersion),
                    "refusedVersion": record.refusedVersion.map { .int($0) } ?? .null,
                    "refusedReason": .optional(record.refusedReason),
                    "lastSeen": .string(Timestamp.text(seconds: record.lastSeen)), "software": .string(record.software),
                    "address": .string(record.address), "warnings": .array(node.warnings.map(JSONValue.string)),
                ]
            )
        }
    }

    func revoke(node: String, by actor: Actor) async throws -> Revision? {
        guard try await registry.revoke(node.lowercased(), by: actor, serviceID: serviceID) else { return nil }
        // What is sealed from now on, the revoked node can't open.
        return try await publisher.replaceDataKey()
    }

    func snapshots(limit: Int) async throws -> [(name: String, properties: JSONValue)] {
        try await store.read { try $0.snapshots(gateway: Gateways.defaultName, limit: limit) }.map { record in
            (String(record.version), Self.properties(record))
        }
    }

    private static func properties(_ record: SnapshotRecord) -> JSONValue {
        let root = SnapshotRoot.read(record)
        let trees = root?.trees ?? [:]
        let blobs = root?.blobs ?? [:]
        return [
            "version": .int(record.version), "gateway": .string(record.gateway),
            "created": .string(Timestamp.text(seconds: record.created)),
            "apis": .int(Int64(trees[TreeName.apis]?.count ?? 0)),
            "products": .int(Int64(trees[TreeName.products]?.count ?? 0)),
            "subscriptionKeys": .int(Int64(trees[TreeName.subscriptions]?.count ?? 0)),
            "size": .int(
                Int64(blobs.values.reduce(0) { $0 + $1.size } + trees.values.reduce(0) { $0 + $1.total })),
            "previous": .optional(root?.previous), "auditHead": .optional(root?.auditHead),
        ]
    }

    func snapshot(version: Revision) async throws -> JSONValue? {
        guard let record = try await record(version) else { return nil }
        var properties = Self.properties(record)
        if let root = SnapshotRoot.read(record) {
            let contents = try await store.read { try SnapshotContents.list(of: root, $0) }
            properties["contents"] = .object(
                JSONObject(
                    contents.sorted { $0.key < $1.key }.map { name, blob in
                        (name, ["sha256": .string(blob.sha256), "size": .int(Int64(blob.size))])
                    }))
        }
        return properties
    }

    private func record(_ version: Revision) async throws -> SnapshotRecord? {
        try await store.read { try $0.snapshot(gateway: Gateways.defaultName, version: version) }
    }

    func compare(from: Revision, to: Revision) async throws -> JSONValue? {
        guard let first = try await record(from), let second = try await record(to),
            let old = SnapshotRoot.read(first), let new = SnapshotRoot.read(second)
        else { return nil }
        let difference = try await store.read { try SnapshotContents.difference(old, new, $0) }
        let names = { (names: Set<String>) in JSONValue.array(names.sorted().map(JSONValue.string)) }
        return [
            "from": .int(from), "to": .int(to), "added": names(difference.added),
            "removed": names(difference.removed), "changed": names(difference.changed),
        ]
    }

    func metrics() async -> String {
        let nodes = await registry.list()
        let live = nodes.filter { $0.state == .live }.count
        let refused = nodes.filter { $0.record.refusedVersion != nil }.count
        return """
            # TYPE gatehouse_revision gauge
            gatehouse_revision \(store.revision)
            # TYPE gatehouse_nodes gauge
            gatehouse_nodes{state="live"} \(live)
            gatehouse_nodes{state="other"} \(nodes.count - live)
            # TYPE gatehouse_snapshot_refused gauge
            gatehouse_snapshot_refused \(refused)

            """
    }
}
