// A backend's response on its way to the caller, and what becomes of the backend's connection afterwards.

extension EventLoop {
    /// The gateway has looked at the head: it goes out, with the backend's body or another behind it.
    mutating func respond(_ call: UInt32, _ decision: ResponseDecision) {
        let exchange = exchanges[call]
        guard exchange.pointee.stage == .answered, let client = connections.find(exchange.pointee.client) else {
            return
        }
        switch decision {
        case .replaceBody(let body):
            var head = ResponseHead(status: 0)
            swap(&head, &exchange.pointee.response)
            releaseBackend(call)
            answer(call, OwnResponse(head: head, body: body))
            return
        case .pass: break
        }
        let backend = connections[exchange.pointee.backend]
        let status = exchange.pointee.response.status
        let isBodiless = backend.pointee.body.isWhole && exchange.pointee.response.body == .none
        let isHTTP10 = exchange.pointee.flags.contains(.isHTTP10)
        var length: UInt64?
        var keepsLength = false
        if isBodiless {
            exchange.pointee.toClient = .none
            keepsLength = exchange.pointee.flags.contains(.answersHead) || status == 304
            if status == 204 { keepsLength = false }
        } else if case .known(let count) = exchange.pointee.response.body {
            exchange.pointee.toClient = .length
            length = count
        } else {
            exchange.pointee.toClient = isHTTP10 ? .untilClose : .chunked
        }
        if isDraining { exchange.pointee.flags.insert(.closesClient) }
        if !client.pointee.body.isWhole, client.pointee.body.remaining > UInt64(limits.lingerBytes) {
            // The rest of the request may be too much to read only to drop it.
            exchange.pointee.flags.insert(.closesClient)
        }
        let before = client.pointee.output.count
        writeHead(
            exchange.pointee.response, to: &client.pointee.output, length: length, frame: exchange.pointee.toClient,
            closes: exchange.pointee.flags.contains(.closesClient), keepsLength: keepsLength)
        exchange.pointee.bytesOut &+= UInt64(client.pointee.output.count &- before)
        exchange.pointee.status = status
        exchange.pointee.flags.insert(.responseBegun)
        exchange.pointee.stage = .responding
        backend.pointee.phase = .body
        backend.pointee.progressAt = now
        markDirty(exchange.pointee.client.index)
        if backend.pointee.body.isWhole {
            responseEnded(call)
            return
        }
        let index = exchange.pointee.backend
        pumpResponse(call)
        guard exchange.pointee.stage == .responding, exchange.pointee.backend == index else { return }
        refile(exchange.pointee.client.index)
        if !backend.pointee.flags.isDisjoint(with: [.readable, .inputEnded]) { markReady(index) }
    }

    /// Moves what has come of the body to the caller's output.
    mutating func pumpResponse(_ call: UInt32) {
        let exchange = exchanges[call]
        guard let client = connections.find(exchange.pointee.client), exchange.pointee.backend != noIndex else {
            return
        }
        let backend = connections[exchange.pointee.backend]
        let bytes = backend.pointee.input.bytes
        let before = client.pointee.output.count
        var position = 0
        do throws(Refusal) {
            while let piece = try backend.pointee.body.next(bytes, at: &position, limits: limits) {
                stage(bytes.part(piece), in: &client.pointee.output, frame: exchange.pointee.toClient)
            }
        } catch {
            take(position, from: backend)
            fail(call, .malformedResponse)
            return
        }
        exchange.pointee.bytesOut &+= UInt64(client.pointee.output.count &- before)
        take(position, from: backend)
        markDirty(exchange.pointee.client.index)
        if backend.pointee.body.isWhole { responseEnded(call) }
    }

    /// The response is staged to its last byte. The gateway counts it before it goes out.
    private mutating func responseEnded(_ call: UInt32) {
        let exchange = exchanges[call]
        guard exchange.pointee.stage == .responding else { return }
        if exchange.pointee.toClient == .chunked, let client = connections.find(exchange.pointee.client) {
            pool.reserve(&client.pointee.output, 8)
            client.pointee.output.put("0\r\n\r\n")
            exchange.pointee.bytesOut &+= 5
        }
        if exchange.pointee.toClient == .untilClose { exchange.pointee.flags.insert(.closesClient) }
        exchange.pointee.backendEndedAt = clock.nanoseconds
        exchange.pointee.stage = .ending
        events.append(.ended(exchanges.reference(call)))
    }

    // MARK: A backend's end

    /// The backend has shut its writing side.
    mutating func backendEnded(_ index: UInt32) {
        let backend = connections[index]
        let call = backend.pointee.call
        guard call != noIndex else {
            forget(index)
            return
        }
        backend.pointee.flags.insert(.inputEnded)
        guard backend.pointee.phase == .body, exchanges[call].pointee.stage == .responding else {
            if backend.pointee.phase != .deciding { backendLost(index) }
            return
        }
        backend.pointee.body.connectionEnded()
        if backend.pointee.body.isWhole { responseEnded(call) } else { fail(call, .connectionClosed) }
    }

    /// The connection to the backend is broken, or was never made.
    mutating func backendLost(_ index: UInt32) {
        let backend = connections[index]
        let call = backend.pointee.call
        let phase = backend.pointee.phase
        guard call != noIndex else {
            forget(index)
            return
        }
        if phase == .awaitingHead, !backend.pointee.input.isEmpty || backend.pointee.scanner.hasBegun {
            fail(call, .connectionClosed)
            return
        }
        dropBackend(call)
        switch phase {
        case .connecting: reconnect(call)
        case .awaitingHead: repeatOrFail(call)
        case .handshaking: fail(call, .handshakeFailed)
        case .deciding, .body, .free, .announcing, .accepting, .head, .call, .drainingBody, .lingering, .idle:
            fail(call, .connectionClosed)
        }
    }

    /// The backend takes no more of the request. It may have answered all the same: reading tells.
    mutating func backendWriteFailed(_ index: UInt32) {
        let backend = connections[index]
        pool.clear(&backend.pointee.output)
        guard backend.pointee.call != noIndex else {
            forget(index)
            return
        }
        exchanges[backend.pointee.call].pointee.flags.formUnion([.discardsBody, .backendCloses])
        backend.pointee.flags.formUnion([.readable, .hangingUp])
        markReady(index)
        outputDrained(index)
    }

    /// Takes an idle connection out of its pool and closes it.
    mutating func forget(_ index: UInt32) {
        let origin = Int(connections[index].pointee.origin)
        if origin >= 0, origin < origins.states.count,
            let position = origins.states[origin].idle.lastIndex(of: index)
        {
            origins.states[origin].idle.remove(at: position)
        }
        close(index)
    }

    /// Closes the exchange's connection to its backend, whatever it was doing.
    mutating func dropBackend(_ call: UInt32) {
        let exchange = exchanges[call]
        guard exchange.pointee.backend != noIndex else { return }
        let index = exchange.pointee.backend
        exchange.pointee.backend = noIndex
        connections[index].pointee.call = noIndex
        close(index)
    }

    /// Gives the connection back to the pool if request and response were both whole, and closes it otherwise
    /// (must-hold A57, A58).
    mutating func releaseBackend(_ call: UInt32) {
        let exchange = exchanges[call]
        guard exchange.pointee.backend != noIndex else { return }
        let index = exchange.pointee.backend
        let backend = connections[index]
        let isWhole =
            backend.pointee.body.isWhole && exchange.pointee.flags.contains(.requestSent)
            && backend.pointee.output.isEmpty && backend.pointee.input.isEmpty
        let isBodiless = exchange.pointee.flags.contains(.answersHead)
        let isSilent = backend.pointee.flags.isDisjoint(with: [.hangingUp, .inputEnded])
        let origin = Int(backend.pointee.origin)
        guard isWhole, isSilent, !exchange.pointee.flags.contains(.backendCloses), !isDraining,
            exchange.pointee.outcome == .complete, !(isBodiless && backend.pointee.flags.contains(.readable)),
            origins.states[origin].idle.count < limits.backendIdleConnections
        else {
            dropBackend(call)
            return
        }
        exchange.pointee.backend = noIndex
        backend.pointee.call = noIndex
        backend.pointee.phase = .idle
        backend.pointee.beganAt = now
        origins.states[origin].idle.append(index)
        refile(index)
        if backend.pointee.flags.contains(.readable) { markReady(index) }
    }
}

extension EventLoop {
    /// Only a request that does no harm twice, once, and only if no byte came back (must-hold A60).
    private mutating func repeatOrFail(_ call: UInt32) {
        let exchange = exchanges[call]
        let flags = exchange.pointee.flags
        let isSafe =
            [Method.get, .head, .options, .put, .delete].contains(exchange.pointee.request.method)
            && !flags.contains(.bodyStreamed) && !flags.contains(.repeated) && exchange.pointee.interim == 0
        guard isSafe else {
            fail(call, .connectionClosed)
            return
        }
        exchange.pointee.flags.insert(.repeated)
        exchange.pointee.flags.remove(.backendCloses)
        if exchange.pointee.forward.body == nil { exchange.pointee.flags.remove(.discardsBody) }
        exchange.pointee.attempts = 0
        counters.add(.requestsRepeated)
        reachAgain(call)
    }

    /// The address did not take the connection: the next one may. Nothing was sent, so any method may go on.
    private mutating func reconnect(_ call: UInt32) {
        reachAgain(call)
    }
}
