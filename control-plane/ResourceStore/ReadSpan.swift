// How long a read has held its view of the database: what keeps the journal, not the wait for a connection or a thread.
internal import Synchronization

final class ReadSpan: Sendable {
    private enum State {
        case waiting
        case reading(since: ContinuousClock.Instant)
        case ended
    }

    private let state = Mutex(State.waiting)

    func begin() { state.withLock { $0 = .reading(since: .now) } }
    func end() { state.withLock { $0 = .ended } }

    /// What is left of `limit`; nil when the read has had it.
    func left(of limit: Duration) -> Duration? {
        state.withLock { state in
            guard case .reading(let since) = state else { return limit }
            let left = since + limit - .now
            return left > .zero ? left : nil
        }
    }
}
