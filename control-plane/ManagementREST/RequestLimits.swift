// Requests in flight, so that one caller can't starve the others (must-hold G47).
internal import Synchronization

final class RequestLimits: Sendable {
    static let perPrincipalMax = 64
    static let totalMax = 512

    private struct State {
        var total = 0
        var byPrincipal: [String: Int] = [:]
    }

    private let state = Mutex(State())

    /// Whether one more may begin; then `end` must follow.
    func begin(_ principal: String) -> Bool {
        state.withLock { state in
            let mine = state.byPrincipal[principal, default: 0]
            guard state.total < Self.totalMax, mine < Self.perPrincipalMax else { return false }
            state.total += 1
            state.byPrincipal[principal] = mine + 1
            return true
        }
    }

    func end(_ principal: String) {
        state.withLock { state in
            state.total -= 1
            if let mine = state.byPrincipal[principal] {
                state.byPrincipal[principal] = mine > 1 ? mine - 1 : nil
            }
        }
    }
}
