// Refused attempts in the audit, bounded: 403 ten rows a minute for one (principal, action), 401 one row a minute and
// source, everything beyond as a count (design.md section 7, must-hold G64). What a caller makes up costs no more: of
// names of actions that no route has there is one, and what is told of a resource is short.
internal import AccessControl
internal import Foundation
internal import ResourceStore
internal import Synchronization

final class RefusalAudit: Sendable {
    private static let rowsMax = 10
    private static let sourcesMax = 1000
    /// Pairs of principal and action that are told apart in one minute.
    private static let pairsMax = 1000
    private static let textMax = 1000

    private struct Forbidden: Hashable {
        var actor: Actor
        var action: String
    }

    private struct State {
        /// Rows written this minute, and refusals beyond them, by principal and action.
        var rows: [Forbidden: Int] = [:]
        var beyond: [Forbidden: Int64] = [:]
        /// 401s of this minute by source.
        var unauthenticated: [String: Int64] = [:]
        var others: Int64 = 0
        var minute: Int64 = 0
    }

    private let store: ResourceStore
    private let state = Mutex(State())

    init(store: ResourceStore) { self.store = store }

    /// A 403: written at once, or counted.
    func forbidden(_ actor: Actor, action: String, resource: String) async {
        let action = Self.known.contains(action) ? action : "unknown"
        let key = Forbidden(
            actor: Actor(principal: actor.principal, application: actor.application, address: "", request: ""),
            action: action)
        let writes = state.withLock { state in
            if state.rows[key] == nil, state.rows.count >= Self.pairsMax {
                state.beyond[Self.otherPairs, default: 0] += 1
                return false
            }
            let rows = state.rows[key, default: 0]
            if rows < Self.rowsMax {
                state.rows[key] = rows + 1
                return true
            }
            state.beyond[key, default: 0] += 1
            return false
        }
        guard writes else { return }
        _ = try? await store.write(by: actor) { writer in
            try writer.audit(action: action, resource: String(resource.prefix(Self.textMax)), outcome: "Forbidden")
        }
    }

    private static let otherPairs = Forbidden(
        actor: Actor(principal: "", application: "", address: "others", request: ""), action: "")

    /// Actions that some route asks for.
    private static let known: Set<String> = {
        let routes = (RouteTable.service + RouteTable.authorization).compactMap { route in
            if case .action(let action) = route.permission { action } else { nil }
        }
        return Set(routes).union(Root.actions).union(OperationRoutes.actions)
    }()

    /// A 401: counted, by network.
    func unauthenticated(address: String) {
        let source = SourceNetwork.name(of: address)
        state.withLock { state in
            if state.unauthenticated[source] != nil || state.unauthenticated.count < Self.sourcesMax {
                state.unauthenticated[source, default: 0] += 1
            } else {
                state.others += 1
            }
        }
    }

    /// Writes the counts once a minute until it is cancelled, and once more then.
    func run() async {
        while !Task.isCancelled {
            try? await Task.sleep(for: .seconds(60))
            await flush()
        }
        await flush()
    }

    func flush() async {
        let (beyond, sources, others) = state.withLock { state in
            defer { state = State() }
            return (state.beyond, state.unauthenticated, state.others)
        }
        guard !beyond.isEmpty || !sources.isEmpty || others > 0 else { return }
        // All at once, so that they share commits.
        await withTaskGroup(of: Void.self) { group in
            for (key, count) in beyond {
                group.addTask { await self.write(key.actor, key.action, "Forbidden", count) }
            }
            for (source, count) in sources.map({ ($0.key, $0.value) }) + (others > 0 ? [("others", others)] : []) {
                let actor = Actor(principal: "", application: "", address: source, request: "")
                group.addTask { await self.write(actor, "", "Unauthenticated", count) }
            }
        }
    }

    private func write(_ actor: Actor, _ action: String, _ outcome: String, _ count: Int64) async {
        _ = try? await store.write(by: actor) { writer in
            try writer.audit(action: action, resource: "", outcome: outcome, count: count)
        }
    }
}
