internal import CLinux
internal import COpenSSL
internal import Glibc

// What touches the kernel and OpenSSL: accept, read, write, close. Edge-triggered: a read shorter than asked has
// drained the socket, a write shorter than asked has filled it (engine.md section 4).

/// What a read or a handshake came to.
enum Transfer {
    case moved
    case blocked
    /// The peer has shut its writing side.
    case ended
    case failed
}

extension EventLoop {
    static let interest = EPOLLIN.rawValue | EPOLLOUT.rawValue | EPOLLRDHUP.rawValue | UInt32(1 << 31)

    mutating func listen(
        _ address: NetworkAddress, scheme: URLScheme, identity: TLSIdentity?,
        isBalancer: (@Sendable (PeerAddress) -> Bool)? = nil
    ) throws(ListenFailure) {
        let descriptor: Int32
        switch address.listen(reusingPort: true) {
        case .success(let made): descriptor = made
        case .failure(let failure): throw .socket(address, failure)
        }
        var context: OpaquePointer?
        do throws(TLSFailure) {
            if scheme == .https, let identity { context = try TLSContext.server(identity, tickets: tickets) }
        } catch {
            Glibc.close(descriptor)
            throw .certificate(error)
        }
        let token = Self.firstListenerToken + UInt64(listeners.count)
        guard clinux_epoll_add(epoll, descriptor, EPOLLIN.rawValue, token) == 0 else {
            let failure = SystemFailure(number: errno)
            Glibc.close(descriptor)
            if let context { SSL_CTX_free(context) }
            throw .socket(address, failure)
        }
        listeners.append(LoopListener(descriptor: descriptor, scheme: scheme, context: context, isBalancer: isBalancer))
    }

    mutating func accept(_ position: Int) {
        guard position < listeners.count, !isDraining else { return }
        for _ in 0..<64 {
            var address = sockaddr_storage()
            let descriptor = clinux_accept(listeners[position].descriptor, &address)
            guard descriptor >= 0 else {
                guard errno == EMFILE || errno == ENFILE else { return }
                if closeIdleClient() { continue }
                dropOne(listeners[position].descriptor)
                return
            }
            admit(descriptor, from: NetworkAddress(address), listener: position)
        }
    }

    /// A level-triggered listener would wake us for ever when no descriptor is left.
    private mutating func dropOne(_ listener: Int32) {
        guard spare >= 0 else { return }
        Glibc.close(spare)
        var address = sockaddr_storage()
        let descriptor = clinux_accept(listener, &address)
        if descriptor >= 0 { Glibc.close(descriptor) }
        counters.add(.connectionsDropped)
        spare = open("/dev/null", O_RDONLY | O_CLOEXEC)
    }

    /// Ends one caller's connection that waits for a next request, so that a new caller has its place (must-hold H52).
    /// Looks at so many at most, from where the last search ended: a full loop must not search for ever.
    private mutating func closeIdleClient() -> Bool {
        let capacity = UInt32(connections.capacity)
        guard capacity > 0 else { return false }
        for _ in 0..<min(capacity, 256) {
            idleSearchAt = idleSearchAt &+ 1 < capacity ? idleSearchAt &+ 1 : 0
            let connection = connections[idleSearchAt]
            let isIdle =
                connection.pointee.isOpen && connection.pointee.isClient && connection.pointee.phase == .head
                && connection.pointee.flags.contains(.wasUsed) && !connection.pointee.scanner.hasBegun
                && connection.pointee.output.isEmpty && connection.pointee.input.isEmpty
                && !connection.pointee.flags.contains(.readable)
            if isIdle {
                close(idleSearchAt)
                counters.add(.connectionsDropped)
                return true
            }
        }
        return false
    }

    private mutating func admit(_ descriptor: Int32, from address: NetworkAddress, listener: Int) {
        let isTLS = listeners[listener].scheme == .https
        if clients >= limits.connections { _ = closeIdleClient() }
        guard clients < limits.connections, !isTLS || listeners[listener].context != nil else {
            counters.add(.connectionsDropped)
            Glibc.close(descriptor)
            return
        }
        let peer = address.peer
        let isBalancer = listeners[listener].isBalancer
        if let isBalancer, !isBalancer(peer) {
            counters.add(.proxyHeadersRefused)
            Glibc.close(descriptor)
            return
        }
        var tls: OpaquePointer?
        if isTLS {
            guard let made = SSL_new(listeners[listener].context) else {
                Glibc.close(descriptor)
                return
            }
            guard SocketBIO.attach(made, descriptor) else {
                SSL_free(made)
                Glibc.close(descriptor)
                return
            }
            SSL_set_accept_state(made)
            tls = made
        }
        let first: ConnectionPhase = isBalancer != nil ? .announcing : isTLS ? .accepting : .head
        guard let index = adopt(descriptor, tls: tls, phase: first) else { return }
        let connection = connections[index]
        connection.pointee.flags.formUnion([.isClient, .writable])
        connection.pointee.listener = UInt8(truncatingIfNeeded: listener)
        while peers.count <= Int(index) { peers.append(PeerAddress(bytes: [], text: "")) }
        peers[Int(index)] = peer
        clients &+= 1
        counters.add(.connectionsAccepted)
        refile(index)
    }

    /// A connection of the slab for the descriptor, registered; nil when the kernel refuses, with everything closed.
    mutating func adopt(_ descriptor: Int32, tls: OpaquePointer?, phase: ConnectionPhase) -> UInt32? {
        let index = connections.allocate()
        let connection = connections[index]
        let generation = connection.pointee.generation
        guard clinux_epoll_add(epoll, descriptor, Self.interest, connections.reference(index).token) == 0 else {
            if let tls { SSL_free(tls) }
            Glibc.close(descriptor)
            connections.release(index)
            return nil
        }
        connection.pointee = Connection()
        connection.pointee.generation = generation
        connection.pointee.descriptor = descriptor
        connection.pointee.tls = tls
        connection.pointee.phase = phase
        connection.pointee.progressAt = now
        connection.pointee.beganAt = now
        return index
    }

    // MARK: Reading

    /// How often a connection may read before the others have their turn.
    static let readsInTurn = 4

    /// Reads once more in this turn, where there is something to read and a read is left; a connection that has used
    /// up its reads goes on in the next turn.
    mutating func readMore(_ index: UInt32, reads: inout Int) -> Transfer {
        let flags = connections[index].pointee.flags
        guard flags.contains(.readable) else { return flags.contains(.inputEnded) ? .ended : .blocked }
        guard reads > 0 else {
            markReady(index)
            return .blocked
        }
        reads &-= 1
        return read(index)
    }

    /// Reads once, behind what is in the connection's input. Nothing waits in the socket afterwards unless `readable`
    /// is still set.
    mutating func read(_ index: UInt32) -> Transfer {
        let connection = connections[index]
        settleScratch()
        let count: Int
        if let tls = connection.pointee.tls {
            switch readTLS(tls, connection) {
            case .success(let moved): count = moved
            case .failure(let other): return other.transfer
            }
        } else {
            count = clinux_receive(connection.pointee.descriptor, scratch, Self.scratchBytes)
            if count < 0 {
                if errno == EINTR { return .moved }
                guard errno == EAGAIN else { return .failed }
                connection.pointee.flags.remove(.readable)
                return .blocked
            }
            if count == 0 { return end(connection) }
            if count < Self.scratchBytes, !connection.pointee.flags.contains(.hangingUp) {
                connection.pointee.flags.remove(.readable)
            }
        }
        connection.pointee.progressAt = now
        connection.pointee.flags.insert(.hasSpoken)
        if connection.pointee.input.isEmpty {
            pool.clear(&connection.pointee.input)
            connection.pointee.input = ByteQueue(borrowing: scratch, count: count)
            connection.pointee.flags.insert(.inputInScratch)
            scratchHolder = index
        } else {
            pool.append(UnsafeRawBufferPointer(start: scratch, count: count), to: &connection.pointee.input)
        }
        return .moved
    }

    private func end(_ connection: UnsafeMutablePointer<Connection>) -> Transfer {
        connection.pointee.flags.remove(.readable)
        connection.pointee.flags.insert(.inputEnded)
        return .ended
    }

    /// Why a read of TLS moved nothing.
    private struct NoBytes: Error { let transfer: Transfer }

    private func readTLS(
        _ tls: OpaquePointer, _ connection: UnsafeMutablePointer<Connection>
    ) -> Result<Int, NoBytes> {
        ERR_clear_error()
        let count = SSL_read(tls, scratch, Int32(Self.scratchBytes))
        if count > 0 {
            let isDrained = SocketBIO.isDrained(tls) && SSL_has_pending(tls) == 0
            if isDrained, !connection.pointee.flags.contains(.hangingUp) {
                connection.pointee.flags.remove(.readable)
            }
            return .success(Int(count))
        }
        switch SSL_get_error(tls, count) {
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE:
            if connection.pointee.flags.contains(.hangingUp) { return .failure(NoBytes(transfer: .failed)) }
            connection.pointee.flags.remove(.readable)
            return .failure(NoBytes(transfer: .blocked))
        case SSL_ERROR_ZERO_RETURN: return .failure(NoBytes(transfer: end(connection)))
        default: return .failure(NoBytes(transfer: .failed))
        }
    }

    /// Moves unread input out of the scratch, so that another connection can be read.
    mutating func settleScratch() {
        guard scratchHolder != noIndex else { return }
        let connection = connections[scratchHolder]
        scratchHolder = noIndex
        guard connection.pointee.flags.contains(.inputInScratch) else { return }
        connection.pointee.flags.remove(.inputInScratch)
        let rest = connection.pointee.input
        connection.pointee.input = ByteQueue()
        if !rest.isEmpty { pool.append(rest.bytes, to: &connection.pointee.input) }
    }

    /// Takes bytes from a connection's input, and gives the buffer back with the last one.
    mutating func take(_ count: Int, from connection: UnsafeMutablePointer<Connection>) {
        connection.pointee.input.take(count)
        if connection.pointee.input.isEmpty { dropInput(connection) }
    }

    mutating func dropInput(_ connection: UnsafeMutablePointer<Connection>) {
        if connection.pointee.flags.contains(.inputInScratch) {
            connection.pointee.flags.remove(.inputInScratch)
            connection.pointee.input = ByteQueue()
            scratchHolder = noIndex
        } else {
            pool.clear(&connection.pointee.input)
        }
    }

    // MARK: Writing

    /// Sends what is staged, and goes on with what waited for that.
    mutating func flush(_ index: UInt32) {
        let connection = connections[index]
        switch connection.pointee.phase {
        case .connecting, .announcing, .accepting, .handshaking, .free: return
        case .head, .call, .drainingBody, .lingering, .idle, .awaitingHead, .deciding, .body: break
        }
        while !connection.pointee.output.isEmpty {
            switch send(connection) {
            case .moved: continue
            case .blocked:
                refile(index)
                return
            case .ended, .failed:
                if connection.pointee.isClient { lost(index) } else { backendWriteFailed(index) }
                return
            }
        }
        pool.clear(&connection.pointee.output)
        outputDrained(index)
    }

    private mutating func send(_ connection: UnsafeMutablePointer<Connection>) -> Transfer {
        guard connection.pointee.flags.contains(.writable) else { return .blocked }
        let bytes = connection.pointee.output.bytes
        if let tls = connection.pointee.tls {
            ERR_clear_error()
            let count = SSL_write(tls, bytes.baseAddress, Int32(min(bytes.count, 1 << 20)))
            if count > 0 {
                connection.pointee.output.take(Int(count))
                connection.pointee.progressAt = now
                return .moved
            }
            switch SSL_get_error(tls, count) {
            case SSL_ERROR_WANT_WRITE:
                connection.pointee.flags.remove(.writable)
                return .blocked
            case SSL_ERROR_WANT_READ:
                connection.pointee.flags.insert(.writeNeedsRead)
                return .blocked
            default: return .failed
            }
        }
        let count = clinux_send(connection.pointee.descriptor, bytes.baseAddress, bytes.count)
        if count < 0 {
            if errno == EINTR { return .moved }
            guard errno == EAGAIN else { return .failed }
            connection.pointee.flags.remove(.writable)
            return .blocked
        }
        connection.pointee.output.take(count)
        connection.pointee.progressAt = now
        if count < bytes.count {
            connection.pointee.flags.remove(.writable)
            return .blocked
        }
        return .moved
    }

    // MARK: Closing

    /// Tells the peer that nothing more comes, and goes on reading.
    mutating func shutWriting(_ connection: UnsafeMutablePointer<Connection>) {
        guard !connection.pointee.flags.contains(.writingShut) else { return }
        connection.pointee.flags.insert(.writingShut)
        if let tls = connection.pointee.tls {
            ERR_clear_error()
            _ = SSL_shutdown(tls)
        }
        _ = shutdown(connection.pointee.descriptor, Int32(SHUT_WR))
    }

    /// The one place where a connection ends. The reference to it is stale afterwards.
    mutating func close(_ index: UInt32, reset: Bool = false) {
        let connection = connections[index]
        guard connection.pointee.isOpen else { return }
        wheel.remove(index, connections)
        dropInput(connection)
        pool.clear(&connection.pointee.output)
        if let tls = connection.pointee.tls {
            ERR_clear_error()
            if !reset, !connection.pointee.flags.contains(.writingShut), SSL_is_init_finished(tls) == 1 {
                _ = SSL_shutdown(tls)
            }
            SSL_free(tls)
            ERR_clear_error()
        }
        if reset { _ = clinux_reset_on_close(connection.pointee.descriptor) }
        Glibc.close(connection.pointee.descriptor)
        if connection.pointee.isClient { clients &-= 1 }
        connection.pointee.phase = .free
        connection.pointee.tls = nil
        connection.pointee.descriptor = -1
        connections.release(index)
    }
}

/// Why a listener could not be opened.
package enum ListenFailure: Error, Sendable, CustomStringConvertible {
    case socket(NetworkAddress, SystemFailure)
    case certificate(TLSFailure)

    package var description: String {
        switch self {
        case .socket(let address, let failure):
            failure.isAddressInUse
                ? "\(address) is taken by another process; choose another port or stop that process"
                : "can't listen on \(address): \(failure)"
        case .certificate(let failure): "the https listener's certificate is not usable: \(failure)"
        }
    }
}

extension EventLoop {
    mutating func closeListeners() {
        for index in listeners.indices where listeners[index].descriptor >= 0 {
            // What the kernel has taken for us already is served: it would be reset otherwise.
            Glibc.close(listeners[index].descriptor)
            listeners[index].descriptor = -1
        }
    }
}
