// An exchange's course between the two connections: the gateway's decisions, the request's body on its way out, the
// end. Nothing here sends: bytes are staged, and go out when the gateway has decided everything of this moment.

extension EventLoop {
    // MARK: Answers of the gateway

    /// Refuses a request that was read whole; whether the connection goes on is the refusal's to say.
    mutating func answer(_ call: UInt32, _ refusal: Refusal) {
        let exchange = exchanges[call]
        if !refusal.keepsConnection { exchange.pointee.flags.insert(.closesClient) }
        var head = ResponseHead(status: refusal.status)
        head.fields.append(.contentType, "application/json")
        let peer = peers[Int(exchange.pointee.client.index)]
        events.append(.refused(RefusedRequest(refusal: refusal, peer: peer, clock: clock)))
        answer(call, OwnResponse(head: head, body: Array(refusal.body.utf8)), isCounted: false)
    }

    /// Stages an answer made here. `isCounted`: the gateway knows of the exchange and is told that it ends.
    mutating func answer(_ call: UInt32, _ own: OwnResponse, isCounted: Bool = true) {
        let exchange = exchanges[call]
        if exchange.pointee.backend != noIndex { dropBackend(call) }
        guard let client = connections.find(exchange.pointee.client) else {
            finish(call)
            return
        }
        let isBodyOpen = !client.pointee.body.isWhole
        if exchange.pointee.flags.contains(.awaitsContinue), !exchange.pointee.flags.contains(.continued), isBodyOpen {
            // The caller may or may not send its body now: nobody can tell where the next request begins (A41).
            exchange.pointee.flags.insert(.closesClient)
        }
        if isBodyOpen, client.pointee.body.isChunked == false,
            client.pointee.body.remaining > UInt64(limits.lingerBytes)
        {
            exchange.pointee.flags.insert(.closesClient)
        }
        if isDraining || own.closes { exchange.pointee.flags.insert(.closesClient) }
        if isCounted, isBodyOpen { exchange.pointee.bytesIn &+= bodyToCome(client) }
        let written = writeOwn(
            own, to: exchange.pointee.client.index, closes: exchange.pointee.flags.contains(.closesClient),
            withoutBody: exchange.pointee.flags.contains(.answersHead))
        exchange.pointee.bytesOut &+= UInt64(written)
        exchange.pointee.status = own.head.status
        exchange.pointee.flags.insert(.responseBegun)
        exchange.pointee.stage = .ending
        if isCounted {
            events.append(.ended(exchanges.reference(call)))
        } else {
            finish(call)
        }
    }

    /// Bytes of a request's body that nobody waits for before the answer is counted: what its head announced, or of a
    /// chunked one what has come already.
    private func bodyToCome(_ client: UnsafeMutablePointer<Connection>) -> UInt64 {
        guard client.pointee.body.isChunked else {
            return client.pointee.body.remaining <= UInt64(limits.lingerBytes) ? client.pointee.body.remaining : 0
        }
        var reader = client.pointee.body
        var position = 0
        while (try? reader.next(client.pointee.input.bytes, at: &position, limits: limits)) != nil {}
        return UInt64(position)
    }

    /// The caller's body is not what its head said: the backend must not take it for whole (must-hold A33).
    mutating func breakRequest(_ call: UInt32, _ refusal: Refusal) {
        let exchange = exchanges[call]
        guard exchange.pointee.stage != .ending, exchange.pointee.stage != .free else { return }
        exchange.pointee.refusal = refusal
        exchange.pointee.outcome = .refused
        exchange.pointee.flags.insert(.closesClient)
        if exchange.pointee.flags.contains(.responseBegun) {
            cut(call)
            return
        }
        var head = ResponseHead(status: refusal.status)
        head.fields.append(.contentType, "application/json")
        answer(call, OwnResponse(head: head, body: Array(refusal.body.utf8)))
    }

    /// No response will come. The gateway makes one, or, where a head is out already, the response is cut.
    mutating func fail(_ call: UInt32, _ reason: BackendFailure.Reason) {
        let exchange = exchanges[call]
        guard exchange.pointee.stage != .ending, exchange.pointee.stage != .free else { return }
        exchange.pointee.failure = reason
        if exchange.pointee.flags.contains(.responseBegun) {
            if exchange.pointee.outcome == .complete { exchange.pointee.outcome = .cut }
            cut(call)
            return
        }
        dropBackend(call)
        exchange.pointee.backendEndedAt = clock.nanoseconds
        exchange.pointee.stage = .failed
        events.append(.failed(exchanges.reference(call)))
    }

    /// Ends a response short of its frame, so that nobody takes it for whole.
    private mutating func cut(_ call: UInt32) {
        let exchange = exchanges[call]
        dropBackend(call)
        if exchange.pointee.outcome == .complete { exchange.pointee.outcome = .cut }
        exchange.pointee.flags.insert(.closesClient)
        exchange.pointee.backendEndedAt = clock.nanoseconds
        exchange.pointee.stage = .ending
        events.append(.ended(exchanges.reference(call)))
    }

    mutating func callerGone(_ call: UInt32) {
        let exchange = exchanges[call]
        guard exchange.pointee.stage != .free else { return }
        exchange.pointee.flags.insert(.clientGone)
        dropBackend(call)
        guard exchange.pointee.stage != .ending else { return }
        exchange.pointee.outcome = .callerGone
        if !exchange.pointee.flags.contains(.responseBegun) { exchange.pointee.status = 499 }
        exchange.pointee.stage = .ending
        events.append(.ended(exchanges.reference(call)))
    }

    // MARK: The end

    func summary(_ call: UInt32) -> CallSummary {
        let exchange = exchanges[call]
        let elapsed = clock.nanoseconds &- exchange.pointee.startedAt
        var service: UInt64?
        if exchange.pointee.forwardedAt > 0 {
            let end = exchange.pointee.backendEndedAt > 0 ? exchange.pointee.backendEndedAt : clock.nanoseconds
            service = (end &- exchange.pointee.forwardedAt) / 1_000
        }
        return CallSummary(
            clock: clock, outcome: exchange.pointee.outcome, status: exchange.pointee.status,
            refusal: exchange.pointee.refusal,
            failure: exchange.pointee.outcome == .cut ? exchange.pointee.failure : nil,
            bytesIn: exchange.pointee.bytesIn, bytesOut: exchange.pointee.bytesOut,
            // The clock is read once a wake-up: what begins and ends in one took less than that, but not nothing.
            apiMicroseconds: max(1, elapsed / 1_000),
            serviceMicroseconds: service)
    }

    /// The exchange was counted: its last bytes may go out, and its caller's connection goes on or ends.
    mutating func finish(_ call: UInt32) {
        let exchange = exchanges[call]
        releaseBackend(call)
        let client = exchange.pointee.client
        let flags = exchange.pointee.flags
        let outcome = exchange.pointee.outcome
        let frame = exchange.pointee.toClient
        exchange.pointee.reset()
        exchanges.release(call)
        guard let connection = connections.find(client) else { return }
        connection.pointee.call = noIndex
        if outcome == .cut, frame == .untilClose {
            // An orderly end would make the caller take the answer for whole.
            close(client.index, reset: true)
            return
        }
        markDirty(client.index)
        if flags.contains(.closesClient) {
            connection.pointee.phase = .head
            connection.pointee.flags.insert(.closesAfterOutput)
            dropInput(connection)
            return
        }
        if connection.pointee.body.isWhole {
            awaitHead(client.index)
        } else {
            connection.pointee.phase = .drainingBody
            connection.pointee.drained = 0
            connection.pointee.beganAt = now
            refile(client.index)
        }
        guard let open = connections.find(client) else { return }
        if !open.pointee.input.isEmpty || !open.pointee.flags.isDisjoint(with: [.readable, .inputEnded]) {
            markReady(client.index)
        }
    }

    // MARK: The request's body

    /// Whether bytes of the caller's body have somewhere to go now.
    func wantsBody(_ client: UnsafeMutablePointer<Connection>) -> Bool {
        guard client.pointee.phase == .call, !client.pointee.body.isWhole else { return false }
        let exchange = exchanges[client.pointee.call]
        switch exchange.pointee.stage {
        case .forwarding, .answered, .responding: break
        case .free, .deciding, .resolving, .failed, .ending: return false
        }
        if exchange.pointee.flags.contains(.discardsBody) { return true }
        guard exchange.pointee.backend != noIndex else { return false }
        let backend = connections[exchange.pointee.backend]
        switch backend.pointee.phase {
        case .awaitingHead, .deciding, .body: return backend.pointee.output.count < limits.waitingBytes
        case .connecting, .handshaking, .idle, .free, .announcing, .accepting, .head, .call, .drainingBody, .lingering:
            return false
        }
    }

    /// Moves what has come of the caller's body to the backend's output.
    mutating func pumpRequest(_ call: UInt32) {
        let exchange = exchanges[call]
        guard let client = connections.find(exchange.pointee.client), client.pointee.phase == .call else { return }
        let discards = exchange.pointee.flags.contains(.discardsBody)
        let bytes = client.pointee.input.bytes
        var position = 0
        do throws(Refusal) {
            while let piece = try client.pointee.body.next(bytes, at: &position, limits: limits) {
                if discards { continue }
                let backend = connections[exchange.pointee.backend]
                stage(bytes.part(piece), in: &backend.pointee.output, frame: exchange.pointee.toBackend)
                exchange.pointee.flags.insert(.bodyStreamed)
            }
        } catch {
            exchange.pointee.bytesIn &+= UInt64(position)
            take(position, from: client)
            breakRequest(call, error)
            return
        }
        exchange.pointee.bytesIn &+= UInt64(position)
        exchange.pointee.windowBytes &+= UInt64(position)
        take(position, from: client)
        if client.pointee.body.isWhole { requestEnded(call) }
        if !discards, exchange.pointee.backend != noIndex { markDirty(exchange.pointee.backend) }
    }

    /// The caller's body is here to its last byte.
    mutating func requestEnded(_ call: UInt32) {
        let exchange = exchanges[call]
        guard !exchange.pointee.flags.contains(.requestSent) else { return }
        exchange.pointee.flags.insert(.requestSent)
        guard exchange.pointee.toBackend == .chunked, exchange.pointee.backend != noIndex else { return }
        let backend = connections[exchange.pointee.backend]
        pool.reserve(&backend.pointee.output, 8)
        backend.pointee.output.put("0\r\n\r\n")
    }

    /// Stages bytes of a body as its frame wants them.
    mutating func stage(_ bytes: UnsafeRawBufferPointer, in output: inout ByteQueue, frame: OutgoingFrame) {
        guard !bytes.isEmpty else { return }
        pool.reserve(&output, bytes.count &+ 24)
        guard frame == .chunked else {
            output.put(bytes)
            return
        }
        putHexadecimal(bytes.count, in: &output)
        output.put("\r\n")
        output.put(bytes)
        output.put("\r\n")
    }

    private func putHexadecimal(_ number: Int, in output: inout ByteQueue) {
        var shift = max(0, (Int.bitWidth - 1 - number.leadingZeroBitCount) / 4 * 4)
        while shift >= 0 {
            let digit = UInt8(truncatingIfNeeded: (number >> shift) & 15)
            output.put(digit < 10 ? digit &+ 48 : digit &+ 87)
            shift -= 4
        }
    }
}
