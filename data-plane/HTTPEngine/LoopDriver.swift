// Where the loop and its application meet: each event of the loop becomes a question to the application, and its answer
// a call of the loop. Generic, so that the application is called directly.

extension EventLoop {
    /// Runs until the loop is told to stop and everything has ended.
    mutating func run<Application: GatewayApplication>(_ application: inout Application) {
        var calls: [Application.Call] = []
        while !isOver {
            let count = wait()
            application.turn(clock)
            for position in 0..<count {
                serve(position)
                settle(&application, &calls)
            }
            for position in 0..<beginReady() {
                serveReady(position)
                settle(&application, &calls)
            }
            while serveTimer() { settle(&application, &calls) }
            checkDrain()
            settle(&application, &calls)
            counters.store(.connectionsOpen, UInt64(clients))
            application.turnEnded()
        }
    }

    /// Lets the application decide until nothing is open, then sends.
    @inline(__always)
    private mutating func settle<Application: GatewayApplication>(
        _ application: inout Application, _ calls: inout [Application.Call]
    ) {
        while !events.isEmpty || !dirty.isEmpty {
            var position = 0
            while position < events.count {
                handle(events[position], &application, &calls)
                position &+= 1
            }
            events.removeAll(keepingCapacity: true)
            flushDirty()
        }
        settleScratch()
    }

    private mutating func handle<Application: GatewayApplication>(
        _ event: LoopEvent, _ application: inout Application, _ calls: inout [Application.Call]
    ) {
        switch event {
        case .began(let reference):
            guard let exchange = exchanges.find(reference), exchange.pointee.stage == .deciding else { return }
            let index = Int(reference.index)
            while calls.count <= index { calls.append(application.makeCall()) }
            let context = CallContext(
                clock: clock, peer: peers[Int(exchange.pointee.client.index)], loop: number, number: callNumber,
                isHTTP10: exchange.pointee.flags.contains(.isHTTP10))
            let decision = application.begin(
                &calls[index], request: &exchange.pointee.request, forward: &exchange.pointee.forward,
                context: context, origins: &origins)
            switch decision {
            case .forward: forward(reference.index)
            case .answer(let own): answer(reference.index, own)
            }
        case .answered(let reference):
            guard let exchange = exchanges.find(reference), exchange.pointee.stage == .answered else { return }
            let decision = application.answered(
                &calls[Int(reference.index)], request: &exchange.pointee.request,
                response: &exchange.pointee.response, clock: clock)
            respond(reference.index, decision)
        case .failed(let reference):
            guard let exchange = exchanges.find(reference), exchange.pointee.stage == .failed else { return }
            let own = application.failed(
                &calls[Int(reference.index)], request: &exchange.pointee.request,
                failure: BackendFailure(exchange.pointee.failure), clock: clock)
            answer(reference.index, own)
        case .ended(let reference):
            guard let exchange = exchanges.find(reference), exchange.pointee.stage == .ending else { return }
            application.ended(
                &calls[Int(reference.index)], request: &exchange.pointee.request, summary: summary(reference.index))
            finish(reference.index)
        case .refused(let refused): application.refused(refused)
        }
    }
}
