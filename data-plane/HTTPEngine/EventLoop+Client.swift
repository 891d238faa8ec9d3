internal import COpenSSL

// The callers' side: handshake, heads, what is left of a body once its answer is out, and the end of a connection.

extension EventLoop {
    mutating func serveClient(_ index: UInt32, hungUp: Bool) {
        let connection = connections[index]
        if hungUp, connection.pointee.phase != .lingering, connection.pointee.phase != .accepting {
            // Reset, or both sides shut: nobody is left to answer.
            lost(index)
            return
        }
        if connection.pointee.phase == .announcing {
            guard readAnnouncement(index) else { return }
        }
        if connection.pointee.phase == .accepting {
            guard continueAccepting(index) else { return }
        }
        if !connection.pointee.output.isEmpty {
            let reference = connections.reference(index)
            flush(index)
            guard connections.find(reference) != nil else { return }
        }
        progressClient(index)
    }

    /// - Returns: Whether the handshake is done.
    private mutating func continueAccepting(_ index: UInt32) -> Bool {
        let connection = connections[index]
        guard let tls = connection.pointee.tls else { return true }
        ERR_clear_error()
        let status = SSL_do_handshake(tls)
        if status == 1 {
            connection.pointee.phase = .head
            connection.pointee.beganAt = now
            connection.pointee.flags.insert(.readable)
            refile(index)
            return true
        }
        switch SSL_get_error(tls, status) {
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE:
            if connection.pointee.flags.contains(.hangingUp) { close(index, reset: true) }
        default:
            counters.add(.handshakesFailed)
            // OpenSSL has staged its alert in the socket already.
            close(index)
        }
        return false
    }

    /// Reads and consumes for as long as there is something and somebody wants it.
    mutating func progressClient(_ index: UInt32) {
        let reference = connections.reference(index)
        var reads = Self.readsInTurn
        while true {
            consumeClient(index)
            guard let connection = connections.find(reference), wantsInput(connection) else { break }
            switch readMore(index, reads: &reads) {
            case .moved: continue
            case .blocked: break
            case .ended: clientInputEnded(index)
            case .failed: lost(index)
            }
            break
        }
        settleScratch()
    }

    private func wantsInput(_ connection: UnsafeMutablePointer<Connection>) -> Bool {
        switch connection.pointee.phase {
        case .head: !connection.pointee.flags.contains(.closesAfterOutput)
        case .call: wantsBody(connection)
        case .drainingBody, .lingering: true
        case .free, .announcing, .accepting, .connecting, .handshaking, .idle, .awaitingHead, .deciding, .body: false
        }
    }

    /// Consumes what is in the input as the phase has it.
    private mutating func consumeClient(_ index: UInt32) {
        let reference = connections.reference(index)
        while let connection = connections.find(reference), !connection.pointee.input.isEmpty {
            switch connection.pointee.phase {
            case .head:
                if connection.pointee.flags.contains(.closesAfterOutput) { return }
                guard consumeHead(index) else { return }
            case .call:
                if wantsBody(connection) { pumpRequest(connection.pointee.call) }
                return
            case .drainingBody:
                guard drainBody(index) else { return }
            case .lingering:
                connection.pointee.drained &+= Int32(truncatingIfNeeded: connection.pointee.input.count)
                dropInput(connection)
                if connection.pointee.drained > Int32(truncatingIfNeeded: limits.lingerBytes) { close(index) }
                return
            case .free, .announcing, .accepting, .connecting, .handshaking, .idle, .awaitingHead, .deciding, .body:
                return
            }
        }
    }

    /// - Returns: Whether a whole head was taken.
    private mutating func consumeHead(_ index: UInt32) -> Bool {
        let connection = connections[index]
        let bytes = connection.pointee.input.bytes
        let bounds = HeadLimits(
            firstLineBytes: limits.requestLineBytes, headBytes: limits.requestHeadBytes, fields: limits.requestFields,
            methodBytes: limits.methodBytes)
        if !connection.pointee.scanner.hasBegun { connection.pointee.beganAt = now }
        do throws(Refusal) {
            switch try connection.pointee.scanner.scan(bytes, kind: .request, limits: bounds) {
            case .needsMore:
                refile(index)
                return false
            case .complete(let start, let end):
                try begin(index, head: bytes.part(start..<end), consumed: end)
                return true
            }
        } catch {
            refuse(index, error)
            return false
        }
    }

    /// An exchange for the head, and the question to the gateway what becomes of it.
    private mutating func begin(
        _ index: UInt32, head: UnsafeRawBufferPointer, consumed: Int
    ) throws(Refusal) {
        let connection = connections[index]
        let call = exchanges.allocate()
        let exchange = exchanges[call]
        let scheme = listeners[Int(connection.pointee.listener)].scheme
        let framing: RequestFraming
        do throws(Refusal) {
            framing = try RequestHeadReader.read(head, scheme: scheme, into: &exchange.pointee.request)
            guard exchange.pointee.request.authority.count <= limits.hostBytes else { throw .host }
        } catch {
            exchange.pointee.reset()
            exchanges.release(call)
            throw error
        }
        exchange.pointee.requestFraming = framing
        exchange.pointee.client = connections.reference(index)
        exchange.pointee.stage = .deciding
        exchange.pointee.startedAt = clock.nanoseconds
        exchange.pointee.bytesIn = UInt64(consumed)
        exchange.pointee.windowStart = now
        if framing.closes || isDraining { exchange.pointee.flags.insert(.closesClient) }
        if framing.isHTTP10 { exchange.pointee.flags.insert(.isHTTP10) }
        if exchange.pointee.request.method == .head { exchange.pointee.flags.insert(.answersHead) }
        connection.pointee.phase = .call
        connection.pointee.call = call
        connection.pointee.scanner = HeadScanner()
        connection.pointee.body = BodyReader(framing.body)
        connection.pointee.flags.insert(.wasUsed)
        take(consumed, from: connection)
        if framing.expectsContinue, connection.pointee.input.isEmpty {
            exchange.pointee.flags.insert(.awaitsContinue)
        }
        callNumber &+= 1
        if let refusal = framing.refusal ?? maxForwards(&exchange.pointee.request) {
            answer(call, refusal)
        } else if framing.isServerWide || endsHere(exchange.pointee.request) {
            answer(call, OwnResponse(head: ResponseHead(status: 200)), isCounted: false)
        } else {
            events.append(.began(exchanges.reference(call)))
        }
    }

    // MARK: Bodies whose answer is out

    /// - Returns: Whether the body is read and the connection waits for the next head.
    private mutating func drainBody(_ index: UInt32) -> Bool {
        let connection = connections[index]
        var position = 0
        let bytes = connection.pointee.input.bytes
        do throws(Refusal) {
            while try connection.pointee.body.next(bytes, at: &position, limits: limits) != nil {}
        } catch {
            take(position, from: connection)
            linger(index)
            return false
        }
        connection.pointee.drained &+= Int32(truncatingIfNeeded: position)
        take(position, from: connection)
        if connection.pointee.body.isWhole {
            awaitHead(index)
            return true
        }
        if connection.pointee.drained > Int32(truncatingIfNeeded: limits.lingerBytes) { linger(index) }
        return false
    }

    /// The connection is between two requests.
    mutating func awaitHead(_ index: UInt32) {
        let connection = connections[index]
        connection.pointee.phase = .head
        connection.pointee.scanner = HeadScanner()
        connection.pointee.call = noIndex
        connection.pointee.beganAt = now
        if isDraining {
            linger(index)
            return
        }
        refile(index)
    }

    private mutating func clientInputEnded(_ index: UInt32) {
        let connection = connections[index]
        switch connection.pointee.phase {
        case .head, .drainingBody:
            if connection.pointee.output.isEmpty {
                close(index)
            } else {
                connection.pointee.flags.insert(.closesAfterOutput)
            }
        case .call:
            // What was asked whole is answered; a body that stopped short is not (must-hold A33, A37).
            let call = connection.pointee.call
            exchanges[call].pointee.flags.insert(.closesClient)
            if !connection.pointee.body.isWhole { breakRequest(call, .bodyCutShort) }
        case .lingering: close(index)
        case .free, .announcing, .accepting, .connecting, .handshaking, .idle, .awaitingHead, .deciding, .body: break
        }
    }

    // MARK: The end

    /// Refuses what can't be read as a request; nothing behind it is read as one.
    mutating func refuse(_ index: UInt32, _ refusal: Refusal) {
        let connection = connections[index]
        let body = Array(refusal.body.utf8)
        var head = ResponseHead(status: refusal.status)
        head.fields.append(.contentType, "application/json")
        writeOwn(OwnResponse(head: head, body: body), to: index, closes: true, withoutBody: false)
        connection.pointee.flags.insert(.closesAfterOutput)
        connection.pointee.phase = .head
        dropInput(connection)
        events.append(
            .refused(RefusedRequest(refusal: refusal, peer: peers[Int(index)], clock: clock)))
        markDirty(index)
    }

    /// The last answer is out: the writing side is shut, a little is read and dropped, then the connection ends, so
    /// that no reset takes the answer away (RFC 9112 section 9.6; must-hold A38).
    mutating func linger(_ index: UInt32) {
        let connection = connections[index]
        connection.pointee.phase = .lingering
        connection.pointee.call = noIndex
        connection.pointee.beganAt = now
        connection.pointee.drained = 0
        dropInput(connection)
        if connection.pointee.flags.contains(.inputEnded) {
            close(index)
            return
        }
        shutWriting(connection)
        refile(index)
        if connection.pointee.flags.contains(.readable) { markReady(index) }
    }

    /// The caller is gone or does not follow the protocol below HTTP.
    mutating func lost(_ index: UInt32) {
        let connection = connections[index]
        let call = connection.pointee.call
        let phase = connection.pointee.phase
        close(index, reset: true)
        if phase == .call, call != noIndex { callerGone(call) }
    }

    /// What follows when all that was staged is sent.
    mutating func outputDrained(_ index: UInt32) {
        let connection = connections[index]
        if connection.pointee.isClient {
            switch connection.pointee.phase {
            case .head, .drainingBody:
                if connection.pointee.flags.contains(.closesAfterOutput) { linger(index) }
            case .call:
                let exchange = exchanges[connection.pointee.call]
                if exchange.pointee.stage == .responding, exchange.pointee.backend != noIndex {
                    resumeBackend(exchange.pointee.backend)
                }
            case .free, .announcing, .accepting, .lingering, .connecting, .handshaking, .idle, .awaitingHead, .deciding,
                .body:
                break
            }
        } else if connection.pointee.call != noIndex {
            let client = exchanges[connection.pointee.call].pointee.client
            if let peer = connections.find(client), wantsBody(peer),
                peer.pointee.flags.contains(.readable) || !peer.pointee.input.isEmpty
                    || peer.pointee.flags.contains(.inputEnded)
            {
                markReady(client.index)
            }
        }
    }

    private mutating func resumeBackend(_ index: UInt32) {
        let backend = connections[index]
        guard backend.pointee.phase == .body else { return }
        let flags = backend.pointee.flags
        if flags.contains(.readable) || flags.contains(.inputEnded) || !backend.pointee.input.isEmpty {
            markReady(index)
        }
    }
}
