internal import CLinux
internal import Glibc
internal import Synchronization

// Names to addresses, off the loops: getaddrinfo waits, so it has a thread of its own.

/// Resolves names for all loops. Its thread starts with the first name.
final class NameResolver: Sendable {
    struct Answer: Sendable {
        let origin: Int32
        /// Empty: there is no such name, or nobody could say.
        let addresses: [NetworkAddress]
    }

    private struct Question: Sendable {
        let host: String
        let port: UInt16
        let origin: Int32
        let inbox: LoopInbox
    }

    private struct State: Sendable {
        var questions: [Question] = []
        var threads = 0
        var busy = 0
    }

    private static let threadsMax = 4
    private let state = Mutex(State())

    /// The answer comes to `inbox`.
    func resolve(_ host: String, port: UInt16, origin: Int32, inbox: LoopInbox) {
        let question = Question(host: host, port: port, origin: origin, inbox: inbox)
        let needsThread = state.withLock { state in
            state.questions.append(question)
            guard state.threads < Self.threadsMax else { return false }
            state.threads += 1
            return true
        }
        if needsThread, !EngineThread.start(name: "names", { self.work() }) {
            state.withLock { $0.threads -= 1 }
            inbox.post(.resolved(Answer(origin: origin, addresses: [])))
        }
    }

    /// Answers until there is no question left, then ends.
    private func work() {
        while let question = next() {
            let addresses = Self.addresses(of: question.host, port: question.port)
            question.inbox.post(.resolved(Answer(origin: question.origin, addresses: addresses)))
        }
    }

    private func next() -> Question? {
        state.withLock { state in
            if state.questions.isEmpty {
                state.threads -= 1
                return nil
            }
            return state.questions.removeFirst()
        }
    }

    private static func addresses(of host: String, port: UInt16) -> [NetworkAddress] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_ADDRCONFIG
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, String(port), &hints, &list) == 0 else { return [] }
        defer { freeaddrinfo(list) }
        var found: [NetworkAddress] = []
        var entry = list
        while let current = entry, found.count < 16 {
            let length = Int(current.pointee.ai_addrlen)
            if let source = current.pointee.ai_addr, length <= MemoryLayout<sockaddr_storage>.size {
                var address = sockaddr_storage()
                withUnsafeMutableBytes(of: &address) { target in
                    target.copyMemory(from: UnsafeRawBufferPointer(start: source, count: length))
                }
                found.append(NetworkAddress(address))
            }
            entry = current.pointee.ai_next
        }
        return found
    }
}

/// Threads of the engine.
enum EngineThread {
    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// - Returns: Whether the kernel gave a thread.
    static func start(name: String, _ run: @escaping @Sendable () -> Void) -> Bool {
        var thread = pthread_t()
        let body = Unmanaged.passRetained(
            Body {
                clinux_name_thread(name)
                run()
            })
        let status = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, body.toOpaque())
        guard status == 0 else {
            body.release()
            return false
        }
        pthread_detach(thread)
        return true
    }
}
