// Deadlines. Each connection is filed in the wheel for the next moment at which something may be due; what is due is
// worked out then, from what happened meanwhile (must-hold A62 to A65).

extension EventLoop {
    /// Files the connection for its next deadline, if that is earlier than where it is filed.
    mutating func refile(_ index: UInt32) {
        let due = deadline(index)
        guard due != .max else { return }
        connections[index].pointee.deadline = due
        wheel.file(index, connections)
    }

    private func deadline(_ index: UInt32) -> UInt64 {
        let connection = connections[index].pointee
        let began = connection.beganAt
        switch connection.phase {
        case .announcing: return began &+ UInt64(limits.proxyHeaderMilliseconds)
        case .accepting: return began &+ UInt64(limits.handshakeMilliseconds)
        case .head:
            if !connection.output.isEmpty { return stalled(connection) }
            if connection.scanner.hasBegun { return began &+ UInt64(limits.headMilliseconds) }
            let silent = connection.flags.contains(.wasUsed) ? limits.idleMilliseconds : limits.firstByteMilliseconds
            return began &+ UInt64(silent)
        case .call: return callDeadline(connection)
        case .drainingBody, .lingering: return began &+ UInt64(limits.lingerMilliseconds)
        case .idle: return began &+ UInt64(limits.backendIdleMilliseconds)
        case .free, .connecting, .handshaking, .awaitingHead, .deciding, .body: return .max
        }
    }

    private func stalled(_ connection: Connection) -> UInt64 {
        connection.progressAt &+ UInt64(limits.stalledReaderMilliseconds)
    }

    /// All deadlines of a call hang on its caller's connection.
    private func callDeadline(_ connection: Connection) -> UInt64 {
        guard connection.call != noIndex else { return .max }
        let exchange = exchanges[connection.call]
        var due = UInt64.max
        if exchange.pointee.forwardDeadline > 0 { due = min(due, exchange.pointee.forwardDeadline) }
        if exchange.pointee.continueDeadline > 0 { due = min(due, exchange.pointee.continueDeadline) }
        if !connection.output.isEmpty { due = min(due, stalled(connection)) }
        if awaitsBody(connection) {
            due = min(due, connection.progressAt &+ UInt64(limits.bodyGapMilliseconds))
            if connection.body.remaining > 0 {
                due = min(due, exchange.pointee.windowStart &+ UInt64(limits.bodyRateMilliseconds))
            }
        }
        if exchange.pointee.stage == .responding, exchange.pointee.backend != noIndex, connection.output.isEmpty {
            let backend = connections[exchange.pointee.backend]
            due = min(due, backend.pointee.progressAt &+ UInt64(limits.backendGapMilliseconds))
        }
        return due
    }

    /// Whether it is the caller that everybody waits for.
    private func awaitsBody(_ connection: Connection) -> Bool {
        guard connection.phase == .call, !connection.body.isWhole else { return false }
        let exchange = exchanges[connection.call]
        if exchange.pointee.flags.contains(.awaitsContinue), !exchange.pointee.flags.contains(.continued) {
            return false
        }
        switch exchange.pointee.stage {
        case .forwarding, .answered, .responding: break
        case .free, .deciding, .resolving, .failed, .ending: return false
        }
        guard exchange.pointee.backend != noIndex else { return false }
        return connections[exchange.pointee.backend].pointee.output.isEmpty
    }

    /// Serves one connection whose slot has come up; false when there is none.
    mutating func serveTimer() -> Bool {
        guard let index = wheel.pop(now: now, connections) else { return false }
        let connection = connections[index]
        guard connection.pointee.isOpen else { return true }
        let due = deadline(index)
        if due == .max { return true }
        if due > now {
            refile(index)
            return true
        }
        expire(index)
        return true
    }

    private mutating func expire(_ index: UInt32) {
        let connection = connections[index]
        switch connection.pointee.phase {
        case .announcing:
            counters.add(.proxyHeadersRefused)
            close(index, reset: true)
        case .accepting: close(index, reset: true)
        case .head:
            if !connection.pointee.output.isEmpty {
                close(index, reset: true)
            } else if connection.pointee.scanner.hasBegun {
                refuse(index, .headTimeout)
            } else {
                close(index)
            }
        case .call: expireCall(index)
        case .drainingBody: linger(index)
        case .lingering: close(index, reset: !connection.pointee.output.isEmpty)
        case .idle: forget(index)
        case .free, .connecting, .handshaking, .awaitingHead, .deciding, .body: break
        }
    }

    private mutating func expireCall(_ index: UInt32) {
        let connection = connections[index]
        let call = connection.pointee.call
        let exchange = exchanges[call]
        if exchange.pointee.continueDeadline > 0, exchange.pointee.continueDeadline <= now {
            passContinue(call)
            exchange.pointee.continueDeadline = 0
            refile(index)
        } else if exchange.pointee.forwardDeadline > 0, exchange.pointee.forwardDeadline <= now {
            fail(call, .timeout)
        } else if !connection.pointee.output.isEmpty, stalled(connection.pointee) <= now {
            lost(index)
        } else if awaitsBody(connection.pointee) {
            expireBody(index)
        } else if exchange.pointee.stage == .responding, exchange.pointee.backend != noIndex {
            fail(call, .timeout)
        } else {
            refile(index)
        }
    }

    private mutating func expireBody(_ index: UInt32) {
        let connection = connections[index]
        let call = connection.pointee.call
        let exchange = exchanges[call]
        if connection.pointee.progressAt &+ UInt64(limits.bodyGapMilliseconds) <= now {
            breakRequest(call, .bodyTimeout)
            return
        }
        if connection.pointee.body.remaining > 0,
            exchange.pointee.windowStart &+ UInt64(limits.bodyRateMilliseconds) <= now
        {
            let milliseconds = now &- exchange.pointee.windowStart
            if exchange.pointee.windowBytes &* 1_000 < milliseconds &* UInt64(limits.bodyBytesPerSecond) {
                breakRequest(call, .bodyTooSlow)
                return
            }
            exchange.pointee.windowBytes = 0
            exchange.pointee.windowStart = now
        }
        refile(index)
    }

    // MARK: Stopping

    /// No new connection, running calls end, idle connections close (must-hold A65).
    mutating func drain() {
        guard !isDraining else { return }
        isDraining = true
        drainDeadline = now &+ UInt64(limits.drainMilliseconds)
        closeListeners()
        for index in 0..<UInt32(connections.capacity) {
            let connection = connections[index]
            switch connection.pointee.phase {
            case .head where !connection.pointee.scanner.hasBegun && connection.pointee.output.isEmpty: linger(index)
            case .announcing, .accepting: close(index)
            case .call: exchanges[connection.pointee.call].pointee.flags.insert(.closesClient)
            case .idle: forget(index)
            case .free, .head, .drainingBody, .lingering, .connecting, .handshaking, .awaitingHead, .deciding, .body:
                break
            }
        }
    }

    mutating func cutAll() {
        drain()
        for index in 0..<UInt32(connections.capacity) {
            let connection = connections[index]
            guard connection.pointee.isOpen, connection.pointee.isClient else { continue }
            lost(index)
        }
    }

    /// Once a turn: whether a stop is over.
    mutating func checkDrain() {
        guard isDraining else { return }
        if clients > 0, now >= drainDeadline { cutAll() }
        if clients == 0, exchanges.inUse == 0 { isOver = true }
    }
}
