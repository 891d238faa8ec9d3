// Nodes, snapshots and rollouts: what an operator looks at.
internal import JSONDocuments
internal import Resources
internal import ResourceStore

enum ClusterRoutes {
    private static func action(_ kind: String, _ verb: String) -> Permission {
        .action("Microsoft.ApiManagement/service/gatehouse/\(kind)/\(verb)")
    }

    static let all: [Route] = [
        Route("Node_List", .get, "gatehouse/nodes", action("nodes", "read")) { call in
            let query = try ListRequest(
                call.target,
                fields: [FilterField("name"), FilterField("label"), FilterField("gateway"), FilterField("state")])
            let rows = try await call.management.cluster.nodes().map {
                (name: $0.name, shown: row(call, "nodes", $0.name, $0.properties))
            }
            return try query.answer(query.page(rows), call)
        },
        Route("Node_Get", .get, "gatehouse/nodes/{node}", action("nodes", "read")) { call in
            let name = call.segments[2].lowercased()
            guard let node = try await call.management.cluster.nodes().first(where: { $0.name.lowercased() == name })
            else {
                throw Refusal.notFound("Node")
            }
            return .json(row(call, "nodes", node.name, node.properties))
        },
        Route("Node_Delete", .delete, "gatehouse/nodes/{node}", action("nodes", "delete")) { call in
            guard let revision = try await call.management.cluster.revoke(node: call.segments[2], by: call.actor) else {
                return .empty(204)
            }
            return await call.finished(.empty(200), revision: revision)
        },
        Route("Snapshot_List", .get, "gatehouse/snapshots", action("snapshots", "read")) { call in
            let query = try ListRequest(call.target, fields: [FilterField("name")])
            let rows = try await call.management.cluster.snapshots(limit: 1000)
                .map { (name: $0.name, shown: row(call, "snapshots", $0.name, $0.properties)) }
            // Names are numbers, the newest first.
            return try query.answer(query.page(rows) { Revision($0) ?? 0 > Revision($1) ?? 0 }, call)
        },
        Route("Snapshot_Compare", .get, "gatehouse/snapshots/compare", action("snapshots", "read")) { call in
            guard let from = call.option("from").flatMap(Revision.init),
                let to = call.option("to").flatMap(Revision.init)
            else {
                throw Refusal(.invalidQueryParameter, "compare needs from and to, versions of snapshots.")
            }
            guard let difference = try await call.management.cluster.compare(from: from, to: to) else {
                throw Refusal.notFound("Snapshot")
            }
            return .json(difference)
        },
        Route("Snapshot_Get", .get, "gatehouse/snapshots/{version}", action("snapshots", "read")) { call in
            guard let version = Revision(call.segments[2]),
                let properties = try await call.management.cluster.snapshot(version: version)
            else { throw Refusal.notFound("Snapshot") }
            return .json(row(call, "snapshots", call.segments[2], properties))
        },
        Route("Snapshot_Restore", .post, "gatehouse/snapshots/{version}/restore", action("snapshots", "restore/action"))
        { _ in
            throw Refusal(.notImplemented, "Restoring a snapshot is not built yet.")
        },
        Route("Rollout_Get", .get, "gatehouse/rollout/{revision}", action("rollout", "read")) { call in
            guard let revision = Revision(call.segments[2]), revision >= 0, revision <= call.store.revision else {
                throw Refusal.notFound("Rollout")
            }
            let state = await call.management.cluster.rollout(of: revision)
            let refused = state.refused.sorted { $0.key < $1.key }
                .map { JSONValue.object(JSONObject([("node", .string($0.key)), ("reason", .string($0.value))])) }
            return .json(
                row(
                    call, "rollout", String(revision),
                    [
                        "revision": .int(revision), "applied": .array(state.applied.map(JSONValue.string)),
                        "pending": .array(state.pending.map(JSONValue.string)), "refused": .array(refused),
                    ]))
        },
    ]

    private static func row(_ call: RouteCall, _ kind: String, _ name: String, _ properties: JSONValue) -> JSONValue {
        [
            "id": .string("\(call.context.serviceID)/gatehouse/\(kind)/\(name)"), "name": .string(name),
            "type": .string("Microsoft.ApiManagement/service/gatehouse/\(kind)"), "properties": properties,
        ]
    }
}
