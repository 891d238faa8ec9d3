internal import CLinux
internal import Glibc
internal import Synchronization

// The engine as a whole: as many loops as cores, each with its own listeners on the same addresses.

/// What the engine listens on and how.
package struct EngineConfiguration: Sendable {
    package struct Listener: Sendable {
        package var address: NetworkAddress
        package var scheme: URLScheme
        /// Where the PROXY protocol is spoken: which peers may say who calls. Others are closed, and so is who sends no
        /// header (must-hold B27). nil: a header is no request.
        package var isBalancer: (@Sendable (PeerAddress) -> Bool)?

        package init(
            address: NetworkAddress, scheme: URLScheme, isBalancer: (@Sendable (PeerAddress) -> Bool)? = nil
        ) {
            self.address = address
            self.scheme = scheme
            self.isBalancer = isBalancer
        }
    }

    package var loops: Int
    package var listeners: [Listener]
    /// Certificate of the https listeners; without one they drop every connection.
    package var identity: TLSIdentity?
    package var limits: EngineLimits

    package init(
        loops: Int, listeners: [Listener], identity: TLSIdentity? = nil, limits: EngineLimits = EngineLimits()
    ) {
        self.loops = loops
        self.listeners = listeners
        self.identity = identity
        self.limits = limits
    }
}

/// Why the engine did not start.
package enum EngineFailure: Error, Sendable, CustomStringConvertible {
    case listen(ListenFailure)
    case system(SystemFailure)
    case tls(TLSFailure)
    case noThread

    package var description: String {
        switch self {
        case .listen(let failure): failure.description
        case .system(let failure): "the kernel refused an event loop: \(failure)"
        case .tls(let failure): failure.description
        case .noThread: "the kernel gave no thread"
        }
    }
}

/// Running loops. Safe to use from any thread.
package final class EngineServer: Sendable {
    private let inboxes: [LoopInbox]
    package let counters: [EngineCounters]
    /// Where each listener is, the kernel's choice of a port filled in.
    package let addresses: [NetworkAddress]
    private let tickets: TLSTicketKey
    private let stopped: StopLatch

    private init(
        inboxes: [LoopInbox], counters: [EngineCounters], addresses: [NetworkAddress], tickets: TLSTicketKey,
        stopped: StopLatch
    ) {
        self.inboxes = inboxes
        self.counters = counters
        self.addresses = addresses
        self.tickets = tickets
        self.stopped = stopped
    }

    /// Opens all listeners, then starts the loops. `makeApplication` is called on each loop's own thread.
    package static func start<Application: GatewayApplication>(
        _ configuration: EngineConfiguration, makeApplication: @escaping @Sendable (Int) -> Application
    ) throws(EngineFailure) -> EngineServer {
        signal(SIGPIPE, SIG_IGN)
        let tickets: TLSTicketKey
        do throws(TLSFailure) { tickets = try TLSTicketKey() } catch { throw .tls(error) }
        let resolver = NameResolver()
        let count = max(1, configuration.loops)
        let stopped = StopLatch(count: count)
        var inboxes: [LoopInbox] = []
        var counters: [EngineCounters] = []
        var addresses = configuration.listeners.map(\.address)
        for number in 0..<count {
            let inbox: LoopInbox
            do throws(SystemFailure) { inbox = try LoopInbox() } catch { throw .system(error) }
            let own = EngineCounters()
            let box = LoopBox()
            do throws(EngineFailure) {
                let loop = try make(
                    number, configuration, addresses: &addresses, inbox: inbox, resolver: resolver,
                    tickets: tickets, counters: own)
                box.put(loop)
            } catch {
                for inbox in inboxes { inbox.post(.cut) }
                throw error
            }
            let isStarted = EngineThread.start(name: "loop-\(number)") {
                box.run { loop in
                    var application = makeApplication(number)
                    loop.run(&application)
                }
                stopped.count()
            }
            guard isStarted else {
                for inbox in inboxes { inbox.post(.cut) }
                throw .noThread
            }
            inboxes.append(inbox)
            counters.append(own)
        }
        return EngineServer(
            inboxes: inboxes, counters: counters, addresses: addresses, tickets: tickets, stopped: stopped)
    }

    private static func make(
        _ number: Int, _ configuration: EngineConfiguration, addresses: inout [NetworkAddress], inbox: LoopInbox,
        resolver: NameResolver, tickets: TLSTicketKey, counters: EngineCounters
    ) throws(EngineFailure) -> EventLoop {
        var loop: EventLoop
        do throws(SystemFailure) {
            loop = try EventLoop(
                number: number, limits: configuration.limits, inbox: inbox, resolver: resolver, tickets: tickets,
                counters: counters)
        } catch { throw .system(error) }
        for (index, listener) in configuration.listeners.enumerated() {
            do throws(ListenFailure) {
                try loop.listen(
                    addresses[index], scheme: listener.scheme, identity: configuration.identity,
                    isBalancer: listener.isBalancer)
            } catch { throw .listen(error) }
            if let descriptor = loop.listeners.last?.descriptor, let address = NetworkAddress.local(of: descriptor) {
                addresses[index] = address
            }
        }
        return loop
    }

    /// Closes the listeners, lets running calls end for at most the limit's time, then cuts them.
    package func drain() {
        for inbox in inboxes { inbox.post(.drain) }
    }

    /// Ends everything now.
    package func cut() {
        for inbox in inboxes { inbox.post(.cut) }
    }

    /// Returns when every loop has ended.
    package func wait() { stopped.wait() }

    /// Another certificate for the https listeners, from the next handshake on.
    /// - Throws: `TLSFailure` where it does not load; the former one stays.
    package func use(_ identity: TLSIdentity) throws(TLSFailure) {
        try EngineServer.check(identity)
        for inbox in inboxes { inbox.post(.identity(identity)) }
    }

    /// Whether chain and key load and belong together.
    package static func check(_ identity: TLSIdentity) throws(TLSFailure) {
        let tickets = try TLSTicketKey()
        TLSProbe.free(try TLSContext.server(identity, tickets: tickets))
    }
}
