internal import CLinux
internal import COpenSSL
internal import Glibc

// The loop's state and its turn: wait, take events, serve connections, let the gateway decide, send. One thread owns
// it; methods are grouped by what they do in the files EventLoop+….swift.

/// Something the gateway has to decide or to know.
enum LoopEvent {
    case began(SlabReference)
    case answered(SlabReference)
    case failed(SlabReference)
    case ended(SlabReference)
    case refused(RefusedRequest)
}

/// Where a loop accepts callers.
struct LoopListener {
    var descriptor: Int32
    let scheme: URLScheme
    /// SSL_CTX*, owned by the loop; nil for http, and for https before there is a certificate.
    var context: OpaquePointer?
    /// Who may say who calls; nil where the PROXY protocol is not spoken.
    let isBalancer: (@Sendable (PeerAddress) -> Bool)?
}

/// One event loop without its application. Everything in it belongs to one thread.
struct EventLoop: ~Copyable {
    static let scratchBytes = 65_536
    private static let eventsMax = 256
    private static let wakeToken = UInt64(UInt32.max)
    /// Tokens of listeners lie above all indexes of connections.
    static let firstListenerToken = UInt64(UInt32.max) - 256

    let number: Int
    let limits: EngineLimits
    let epoll: Int32
    let inbox: LoopInbox
    let resolver: NameResolver
    let tickets: TLSTicketKey
    let counters: EngineCounters

    var clock = LoopClock(nanoseconds: 0, wallSeconds: 0)
    /// Monotonic, milliseconds.
    var now: UInt64 = 0
    var turnNumber: UInt64 = 1
    var callNumber: UInt64 = 0

    var connections = Slab<Connection>()
    var exchanges = Slab<Exchange>()
    /// Peers of callers' connections, by the connection's index.
    var peers: [PeerAddress] = []
    var clients = 0
    var pool = BufferPool()
    var origins = OriginTable()
    /// SSL_CTX* for backends, by what makes them differ.
    var clientContexts: [ClientContextKey: OpaquePointer] = [:]
    var listeners: [LoopListener] = []
    var wheel: TimerWheel

    // Safe: allocated in init, freed in deinit, used by this thread alone.
    let scratch: UnsafeMutableRawPointer
    private let received: UnsafeMutablePointer<epoll_event>
    var scratchHolder = noIndex

    var events: [LoopEvent] = []
    var dirty: [SlabReference] = []
    var ready: [SlabReference] = []
    private var readyNow: [SlabReference] = []

    var date: [UInt8] = []
    private var dateSecond: Int64 = -1
    var isDraining = false
    var drainDeadline: UInt64 = 0
    var isOver = false
    /// Given up for a moment when the process is out of descriptors, so that a caller can be accepted and dropped.
    var spare: Int32
    /// Where the last search for an idle caller ended.
    var idleSearchAt: UInt32 = 0

    init(
        number: Int, limits: EngineLimits, inbox: LoopInbox, resolver: NameResolver, tickets: TLSTicketKey,
        counters: EngineCounters
    ) throws(SystemFailure) {
        let descriptor = clinux_epoll_create()
        guard descriptor >= 0 else { throw SystemFailure(number: errno) }
        guard clinux_epoll_add(descriptor, inbox.event, EPOLLIN.rawValue, Self.wakeToken) == 0 else {
            let number = errno
            Glibc.close(descriptor)
            throw SystemFailure(number: number)
        }
        self.number = number
        self.limits = limits
        self.inbox = inbox
        self.resolver = resolver
        self.tickets = tickets
        self.counters = counters
        epoll = descriptor
        scratch = .allocate(byteCount: Self.scratchBytes, alignment: 64)
        received = .allocate(capacity: Self.eventsMax)
        spare = open("/dev/null", O_RDONLY | O_CLOEXEC)
        wheel = TimerWheel(now: 0)
        readClock()
        wheel = TimerWheel(now: now)
    }

    deinit {
        for index in 0..<UInt32(connections.capacity) {
            let connection = connections[index].pointee
            guard connection.isOpen else { continue }
            if let tls = connection.tls { SSL_free(tls) }
            Glibc.close(connection.descriptor)
            if connection.input.capacity > 0 { connection.input.base?.deallocate() }
            if connection.output.capacity > 0 { connection.output.base?.deallocate() }
        }
        for listener in listeners {
            if listener.descriptor >= 0 { Glibc.close(listener.descriptor) }
            if let context = listener.context { SSL_CTX_free(context) }
        }
        for context in clientContexts.values { SSL_CTX_free(context) }
        if spare >= 0 { Glibc.close(spare) }
        Glibc.close(epoll)
        scratch.deallocate()
        received.deallocate()
    }

    mutating func readClock() {
        var monotonic = timespec()
        var wall = timespec()
        clinux_clocks(&monotonic, &wall)
        clock = LoopClock(
            nanoseconds: UInt64(monotonic.tv_sec) &* 1_000_000_000 &+ UInt64(monotonic.tv_nsec),
            wallSeconds: Int64(wall.tv_sec), wallMilliseconds: Int64(wall.tv_nsec) / 1_000_000)
        now = clock.nanoseconds / 1_000_000
        if clock.wallSeconds != dateSecond {
            dateSecond = clock.wallSeconds
            date = HTTPDate.bytes(seconds: dateSecond)
        }
    }

    // MARK: The turn

    /// Waits for events; returns how many came.
    mutating func wait() -> Int {
        var timeout: Int32 = ready.isEmpty ? -1 : 0
        if ready.isEmpty, let wait = wheel.wait(now: now) { timeout = Int32(min(wait, 60_000)) }
        if isDraining, timeout < 0 || timeout > 100 { timeout = 100 }
        let count = epoll_wait(epoll, received, Int32(Self.eventsMax), timeout)
        readClock()
        turnNumber &+= 1
        return max(0, Int(count))
    }

    /// Serves event `position` of this turn.
    mutating func serve(_ position: Int) {
        let event = received[position]
        let token = event.data.u64
        if token == Self.wakeToken {
            for message in inbox.take() { obey(message) }
        } else if token >= Self.firstListenerToken, token < Self.wakeToken {
            accept(Int(token - Self.firstListenerToken))
        } else {
            let reference = SlabReference(token: token)
            guard let connection = connections.find(reference), connection.pointee.isOpen else { return }
            note(event.events, connection)
            if connection.pointee.takenInTurn == turnNumber {
                // This event is older than the request on it: whatever it announces is no answer (must-hold A57).
                connection.pointee.flags.insert(.inputEnded)
                backendLost(reference.index)
                return
            }
            serve(reference.index, hungUp: event.events & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0)
        }
    }

    private func note(_ bits: UInt32, _ connection: UnsafeMutablePointer<Connection>) {
        if bits & EPOLLIN.rawValue != 0 { connection.pointee.flags.insert(.readable) }
        if bits & EPOLLOUT.rawValue != 0 {
            connection.pointee.flags.insert(.writable)
            // A read of TLS may have waited for this.
            if connection.pointee.tls != nil { connection.pointee.flags.insert(.readable) }
        }
        if bits & (EPOLLRDHUP.rawValue | EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0 {
            connection.pointee.flags.formUnion([.readable, .hangingUp])
        }
    }

    /// Serves a connection about which something was noted.
    mutating func serve(_ index: UInt32, hungUp: Bool) {
        let connection = connections[index]
        if connection.pointee.isClient {
            serveClient(index, hungUp: hungUp)
        } else {
            serveBackend(index, hungUp: hungUp)
        }
    }

    /// Starts on the connections that were left with work; returns how many there are.
    mutating func beginReady() -> Int {
        guard !ready.isEmpty else { return 0 }
        swap(&ready, &readyNow)
        ready.removeAll(keepingCapacity: true)
        return readyNow.count
    }

    mutating func serveReady(_ position: Int) {
        let reference = readyNow[position]
        guard let connection = connections.find(reference), connection.pointee.isOpen else { return }
        connection.pointee.flags.remove(.isReady)
        serve(reference.index, hungUp: false)
    }

    /// Comes back to the connection in this turn or the next.
    mutating func markReady(_ index: UInt32) {
        let connection = connections[index]
        guard !connection.pointee.flags.contains(.isReady) else { return }
        connection.pointee.flags.insert(.isReady)
        ready.append(connections.reference(index))
    }

    /// Sends what is staged once the gateway has decided everything.
    mutating func markDirty(_ index: UInt32) {
        let connection = connections[index]
        guard !connection.pointee.flags.contains(.isDirty) else { return }
        connection.pointee.flags.insert(.isDirty)
        dirty.append(connections.reference(index))
    }

    mutating func flushDirty() {
        var position = 0
        while position < dirty.count {
            let reference = dirty[position]
            position &+= 1
            guard let connection = connections.find(reference), connection.pointee.isOpen else { continue }
            connection.pointee.flags.remove(.isDirty)
            flush(reference.index)
        }
        dirty.removeAll(keepingCapacity: true)
    }

    private mutating func obey(_ message: LoopMessage) {
        switch message {
        case .drain: drain()
        case .cut: cutAll()
        case .resolved(let answer): resolved(answer)
        case .identity(let identity): useIdentity(identity)
        }
    }

    /// A certificate that does not load leaves the former one in place; who sent it has checked it before.
    private mutating func useIdentity(_ identity: TLSIdentity) {
        for index in listeners.indices where listeners[index].scheme == .https {
            guard let context = try? TLSContext.server(identity, tickets: tickets) else { continue }
            if let old = listeners[index].context { SSL_CTX_free(old) }
            listeners[index].context = context
        }
    }
}

/// What makes two backends' contexts differ.
struct ClientContextKey: Hashable {
    let identity: TLSIdentity?
    let authorities: String?
}
