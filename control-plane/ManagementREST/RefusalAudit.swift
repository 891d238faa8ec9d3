// Refused attempts in the audit, bounded: 403 ten rows a minute for one (principal, action), 401 one row a minute and
// source, everything beyond as a count (design.md section 7, must-hold G64).
internal import AccessControl
internal import Foundation
internal import ResourceStore
internal import Synchronization

final class RefusalAudit: Sendable {
    private static let rowsMax = 10
    private static let sourcesMax = 1000

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
        let key = Forbidden(
            actor: Actor(principal: actor.principal, application: actor.application, address: "", request: ""),
            action: action)
        let writes = state.withLock { state in
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
            try writer.audit(action: action, resource: resource, outcome: "Forbidden")
        }
    }

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
        for (key, count) in beyond {
            _ = try? await store.write(by: key.actor) { writer in
                try writer.audit(action: key.action, resource: "", outcome: "Forbidden", count: count)
            }
        }
        for (source, count) in sources {
            _ = try? await store.write(by: Actor(principal: "", application: "", address: source, request: "")) {
                writer in
                try writer.audit(action: "", resource: "", outcome: "Unauthenticated", count: count)
            }
        }
        if others > 0 {
            _ = try? await store.write(by: Actor(principal: "", application: "", address: "others", request: "")) {
                writer in
                try writer.audit(action: "", resource: "", outcome: "Unauthenticated", count: others)
            }
        }
    }
}
