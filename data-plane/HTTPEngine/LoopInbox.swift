internal import CLinux
internal import Glibc
internal import Synchronization

// How other threads reach a loop: a queue of messages and an event descriptor that wakes it.

/// What a loop is told from outside.
enum LoopMessage: Sendable {
    /// Take no new connection, end what runs.
    case drain
    /// End everything now.
    case cut
    case resolved(NameResolver.Answer)
    /// Certificate of all https listeners from now on.
    case identity(TLSIdentity)
}

/// The door of one loop.
final class LoopInbox: Sendable {
    let event: Int32
    private let messages = Mutex<[LoopMessage]>([])

    init() throws(SystemFailure) {
        event = clinux_event_create()
        guard event >= 0 else { throw SystemFailure(number: errno) }
    }

    deinit { close(event) }

    func post(_ message: LoopMessage) {
        messages.withLock { $0.append(message) }
        _ = clinux_event_signal(event)
    }

    func take() -> [LoopMessage] {
        _ = clinux_event_drain(event)
        return messages.withLock { all in
            let taken = all
            all.removeAll()
            return taken
        }
    }
}
