internal import COpenSSL

// The backends' side: a connection from the pool or a new one, the response's head, its body on its way to the caller,
// and what is repeated when a pooled connection was closed under us (must-hold A.5).

extension EventLoop {
    // MARK: Finding a connection

    /// The gateway wants the request forwarded.
    mutating func forward(_ call: UInt32) {
        let exchange = exchanges[call]
        guard let client = connections.find(exchange.pointee.client) else { return }
        let origin = exchange.pointee.forward.origin
        guard origin >= 0, Int(origin) < origins.states.count, !exchange.pointee.forward.target.isEmpty else {
            fail(call, .noOrigin)
            return
        }
        let timeout = exchange.pointee.forward.timeoutMilliseconds ?? Int64(limits.backendHeadMilliseconds)
        exchange.pointee.forwardedAt = clock.nanoseconds
        guard timeout > 0 else {
            fail(call, .timeout)
            return
        }
        exchange.pointee.forwardDeadline = now &+ UInt64(min(timeout, 86_400_000))
        if exchange.pointee.forward.body != nil {
            exchange.pointee.flags.insert(.discardsBody)
            exchange.pointee.toBackend = .length
        } else {
            switch exchange.pointee.requestFraming.body {
            case .none: exchange.pointee.toBackend = .none
            case .known: exchange.pointee.toBackend = .length
            case .unknown: exchange.pointee.toBackend = .chunked
            }
        }
        if client.pointee.body.isWhole { exchange.pointee.flags.insert(.requestSent) }
        refile(exchange.pointee.client.index)
        reach(call, allowsPooled: true)
    }

    /// Finds or opens a connection for the exchange.
    private mutating func reach(_ call: UInt32, allowsPooled: Bool) {
        let exchange = exchanges[call]
        let origin = Int(exchange.pointee.forward.origin)
        if allowsPooled {
            while let index = origins.states[origin].idle.popLast() {
                let backend = connections[index]
                if backend.pointee.phase == .idle, isQuiet(index) {
                    backend.pointee.takenInTurn = turnNumber
                    backend.pointee.call = call
                    exchange.pointee.backend = index
                    exchange.pointee.flags.insert(.backendWasPooled)
                    counters.add(.backendConnectionsReused)
                    sendRequest(call)
                    return
                }
                if backend.pointee.phase == .idle { close(index) }
            }
        }
        exchange.pointee.flags.remove(.backendWasPooled)
        exchange.pointee.stage = .resolving
        if origins.states[origin].addressesUntil > now {
            if origins.states[origin].addresses.isEmpty { fail(call, .nameNotFound) } else { connect(call) }
            return
        }
        origins.states[origin].waiting.append(exchanges.reference(call))
        guard !origins.states[origin].isResolving else { return }
        origins.states[origin].isResolving = true
        let wanted = origins.states[origin].origin
        resolver.resolve(wanted.host, port: wanted.port, origin: Int32(origin), inbox: inbox)
    }

    /// On a connection of its own.
    mutating func reachAgain(_ call: UInt32) { reach(call, allowsPooled: false) }

    mutating func resolved(_ answer: NameResolver.Answer) {
        let origin = Int(answer.origin)
        guard origin < origins.states.count else { return }
        let isFound = !answer.addresses.isEmpty
        origins.states[origin].isResolving = false
        // A name that can't be resolved just now keeps the addresses it had.
        if isFound { origins.states[origin].addresses = answer.addresses }
        origins.states[origin].addressesUntil =
            now &+ UInt64(isFound ? limits.nameMilliseconds : limits.nameFailureMilliseconds)
        let waiting = origins.states[origin].waiting
        origins.states[origin].waiting = []
        for reference in waiting {
            guard let exchange = exchanges.find(reference), exchange.pointee.stage == .resolving else { continue }
            if origins.states[origin].addresses.isEmpty {
                fail(reference.index, .nameNotFound)
            } else {
                connect(reference.index)
            }
        }
    }

    /// Opens a connection to the origin's next address.
    private mutating func connect(_ call: UInt32) {
        let exchange = exchanges[call]
        let origin = Int(exchange.pointee.forward.origin)
        let addresses = origins.states[origin].addresses
        while Int(exchange.pointee.attempts) < addresses.count {
            let position = (origins.states[origin].nextAddress + Int(exchange.pointee.attempts)) % addresses.count
            exchange.pointee.attempts &+= 1
            guard case .success(let descriptor) = addresses[position].connect() else { continue }
            guard let index = adopt(descriptor, tls: nil, phase: .connecting) else { continue }
            let backend = connections[index]
            backend.pointee.origin = Int32(origin)
            backend.pointee.call = call
            exchange.pointee.backend = index
            counters.add(.backendConnectionsOpened)
            return
        }
        fail(call, .connectionRefused)
    }

    private mutating func connected(_ index: UInt32) {
        let backend = connections[index]
        let call = backend.pointee.call
        let origin = Int(backend.pointee.origin)
        let wanted = origins.states[origin].origin
        origins.states[origin].nextAddress &+= Int(exchanges[call].pointee.attempts) &- 1
        guard wanted.scheme == .https else {
            sendRequest(call)
            return
        }
        guard let context = clientContext(wanted), let tls = SSL_new(context) else {
            fail(call, .handshakeFailed)
            return
        }
        backend.pointee.tls = tls
        guard SocketBIO.attach(tls, backend.pointee.descriptor) else {
            fail(call, .handshakeFailed)
            return
        }
        SSL_set_connect_state(tls)
        if NetworkAddress(literal: wanted.host, port: 0) == nil { _ = gh_SSL_set_tlsext_host_name(tls, wanted.host) }
        backend.pointee.phase = .handshaking
        continueHandshake(index)
    }

    private mutating func clientContext(_ origin: BackendOrigin) -> OpaquePointer? {
        let key = ClientContextKey(identity: origin.identity, authorities: origin.authorities)
        if let context = clientContexts[key] { return context }
        guard let context = try? TLSContext.client(identity: origin.identity, authorities: origin.authorities) else {
            return nil
        }
        clientContexts[key] = context
        return context
    }

    private mutating func continueHandshake(_ index: UInt32) {
        let backend = connections[index]
        let call = backend.pointee.call
        guard let tls = backend.pointee.tls else { return }
        ERR_clear_error()
        let status = SSL_do_handshake(tls)
        if status == 1 {
            if let reason = TLSPeer.check(tls, origins.states[Int(backend.pointee.origin)].origin) {
                fail(call, reason)
            } else {
                sendRequest(call)
            }
            return
        }
        switch SSL_get_error(tls, status) {
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE:
            if backend.pointee.flags.contains(.hangingUp) { fail(call, .handshakeFailed) }
        default: fail(call, .handshakeFailed)
        }
    }

    /// Whether an idle connection has nothing to say. Over TLS bytes may be records of the protocol's own, such as
    /// tickets: reading tells.
    private mutating func isQuiet(_ index: UInt32) -> Bool {
        let flags = connections[index].pointee.flags
        guard flags.isDisjoint(with: [.hangingUp, .inputEnded]) else { return false }
        if !flags.contains(.readable) { return true }
        guard connections[index].pointee.tls != nil, case .blocked = read(index) else { return false }
        return true
    }

    // MARK: The request

    private mutating func sendRequest(_ call: UInt32) {
        let exchange = exchanges[call]
        let index = exchange.pointee.backend
        let backend = connections[index]
        backend.pointee.phase = .awaitingHead
        backend.pointee.scanner = HeadScanner()
        backend.pointee.body = BodyReader()
        backend.pointee.progressAt = now
        exchange.pointee.stage = .forwarding
        if exchange.pointee.flags.contains(.awaitsContinue), !exchange.pointee.flags.contains(.continued) {
            exchange.pointee.continueDeadline = now &+ UInt64(limits.continueMilliseconds)
            refile(exchange.pointee.client.index)
        }
        writeRequest(call, to: index)
        if let body = exchange.pointee.forward.body {
            body.withUnsafeBytes { pool.append($0, to: &backend.pointee.output) }
        }
        markDirty(index)
        guard let client = connections.find(exchange.pointee.client), !client.pointee.body.isWhole else { return }
        if !client.pointee.input.isEmpty { pumpRequest(call) }
        guard let still = connections.find(exchange.pointee.client), wantsBody(still) else { return }
        markReady(exchange.pointee.client.index)
    }

    // MARK: Events

    mutating func serveBackend(_ index: UInt32, hungUp: Bool) {
        let backend = connections[index]
        switch backend.pointee.phase {
        case .connecting:
            if hungUp {
                backendLost(index)
            } else if backend.pointee.flags.contains(.writable) {
                connected(index)
            }
        case .handshaking: continueHandshake(index)
        case .idle:
            // A server's end, or bytes that nobody asked for.
            if !isQuiet(index) { forget(index) }
        case .awaitingHead, .deciding, .body:
            if !backend.pointee.output.isEmpty, backend.pointee.flags.contains(.writable) {
                let reference = connections.reference(index)
                // What can't be sent any more may have been answered already.
                flush(index)
                guard connections.find(reference) != nil else { return }
            }
            progressBackend(index)
        case .free, .announcing, .accepting, .head, .call, .drainingBody, .lingering: break
        }
    }

    private mutating func progressBackend(_ index: UInt32) {
        let reference = connections.reference(index)
        var reads = Self.readsInTurn
        while true {
            consumeBackend(index)
            guard let backend = connections.find(reference), wantsResponse(backend) else { break }
            switch readMore(index, reads: &reads) {
            case .moved: continue
            case .blocked: break
            case .ended: backendEnded(index)
            case .failed: backendLost(index)
            }
            break
        }
    }

    private func wantsResponse(_ backend: UnsafeMutablePointer<Connection>) -> Bool {
        switch backend.pointee.phase {
        case .awaitingHead: return true
        case .body:
            guard backend.pointee.call != noIndex else { return false }
            let exchange = exchanges[backend.pointee.call]
            guard exchange.pointee.stage == .responding,
                let client = connections.find(exchange.pointee.client)
            else { return false }
            return client.pointee.output.count < limits.waitingBytes
        case .idle, .deciding, .connecting, .handshaking, .free, .announcing, .accepting, .head, .call, .drainingBody,
            .lingering:
            return false
        }
    }

    private mutating func consumeBackend(_ index: UInt32) {
        let reference = connections.reference(index)
        while let backend = connections.find(reference), !backend.pointee.input.isEmpty {
            switch backend.pointee.phase {
            case .awaitingHead:
                guard consumeResponseHead(index) else { return }
            case .body:
                if wantsResponse(backend) { pumpResponse(backend.pointee.call) }
                return
            case .idle, .deciding, .connecting, .handshaking, .free, .announcing, .accepting, .head, .call,
                .drainingBody,
                .lingering:
                return
            }
        }
    }

    /// - Returns: Whether a head was taken and another may follow.
    private mutating func consumeResponseHead(_ index: UInt32) -> Bool {
        let backend = connections[index]
        let call = backend.pointee.call
        let exchange = exchanges[call]
        let bytes = backend.pointee.input.bytes
        let bounds = HeadLimits(
            firstLineBytes: limits.responseHeadBytes, headBytes: limits.responseHeadBytes,
            fields: limits.responseFields)
        let framing: ResponseFraming
        do throws(Refusal) {
            switch try backend.pointee.scanner.scan(bytes, kind: .response, limits: bounds) {
            case .needsMore: return false
            case .complete(let start, let end):
                exchange.pointee.response.fields.removeAll()
                framing = try ResponseHeadReader.read(
                    bytes.part(start..<end), answersHead: exchange.pointee.flags.contains(.answersHead),
                    into: &exchange.pointee.response)
                take(end, from: backend)
                backend.pointee.scanner = HeadScanner()
            }
        } catch {
            fail(call, .malformedResponse)
            return false
        }
        if framing.status < 200 { return interim(call, framing.status) }
        if framing.closes { exchange.pointee.flags.insert(.backendCloses) }
        if exchange.pointee.flags.contains(.awaitsContinue), !exchange.pointee.flags.contains(.continued),
            !exchange.pointee.flags.contains(.requestSent)
        {
            // Final in the place of 100: neither side's connection is used again (must-hold A41).
            exchange.pointee.flags.formUnion([.closesClient, .backendCloses])
        }
        exchange.pointee.responseEndsWithConnection = framing.endsWithConnection
        exchange.pointee.status = framing.status
        backend.pointee.body = BodyReader(framing.body, endsWithConnection: framing.endsWithConnection)
        backend.pointee.phase = .deciding
        exchange.pointee.stage = .answered
        exchange.pointee.forwardDeadline = 0
        exchange.pointee.continueDeadline = 0
        if backend.pointee.body.isWhole { exchange.pointee.backendEndedAt = clock.nanoseconds }
        events.append(.answered(exchanges.reference(call)))
        return false
    }

    /// 1xx: few, and only what a caller may see (must-hold A48).
    private mutating func interim(_ call: UInt32, _ status: Int) -> Bool {
        let exchange = exchanges[call]
        exchange.pointee.interim &+= 1
        guard status != 101, Int(exchange.pointee.interim) <= limits.interimResponses else {
            fail(call, status == 101 ? .unexpectedUpgrade : .malformedResponse)
            return false
        }
        guard !exchange.pointee.flags.contains(.isHTTP10) else { return true }
        if status == 100 { passContinue(call) }
        if status == 103 { passHints(call) }
        return true
    }

    /// Passes 100 to a caller who waits for it, once.
    mutating func passContinue(_ call: UInt32) {
        let exchange = exchanges[call]
        guard exchange.pointee.flags.contains(.awaitsContinue), !exchange.pointee.flags.contains(.continued),
            let client = connections.find(exchange.pointee.client)
        else { return }
        exchange.pointee.flags.insert(.continued)
        exchange.pointee.continueDeadline = 0
        pool.reserve(&client.pointee.output, 32)
        client.pointee.output.put("HTTP/1.1 100 Continue\r\n\r\n")
        exchange.pointee.bytesOut &+= 25
        markDirty(exchange.pointee.client.index)
    }

    private mutating func passHints(_ call: UInt32) {
        let exchange = exchanges[call]
        let links = exchange.pointee.response.fields.values(of: .link)
        guard !links.isEmpty, let client = connections.find(exchange.pointee.client) else { return }
        let before = client.pointee.output.count
        pool.reserve(&client.pointee.output, 64 &+ exchange.pointee.response.fields.bytes.count)
        client.pointee.output.put("HTTP/1.1 103 Early Hints\r\n")
        for link in links {
            client.pointee.output.put("Link: ")
            client.pointee.output.put(Array(link))
            client.pointee.output.put("\r\n")
        }
        client.pointee.output.put("\r\n")
        exchange.pointee.bytesOut &+= UInt64(client.pointee.output.count &- before)
        markDirty(exchange.pointee.client.index)
    }
}
