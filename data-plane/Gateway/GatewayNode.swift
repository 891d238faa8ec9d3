import Dispatch
import Foundation
import Glibc
import HTTPEngine
import NodeAgent
import PolicyRuntime
import Synchronization
import UsageMeter

// A running node: engine, status listener, agent and meter, put together and taken down in order.

final class GatewayNode: Sendable {
    private let engine: EngineServer
    private let statusEngine: EngineServer
    private let link: NodeLink
    private let status: NodeStatus
    private let accessLog: AccessLog?
    private let signals: StopSignals

    private init(
        engine: EngineServer, statusEngine: EngineServer, link: NodeLink, status: NodeStatus, accessLog: AccessLog?,
        signals: StopSignals
    ) {
        self.engine = engine
        self.statusEngine = statusEngine
        self.link = link
        self.status = status
        self.accessLog = accessLog
        self.signals = signals
    }

    /// The listeners open when what lies on the node's disk serves: a caller meets a node that is coming back only when
    /// it can answer.
    static func start(_ settings: ServeSettings) async throws(ExitReason) -> GatewayNode {
        var limits = settings.limits
        let warning = try Descriptors.prepare(&limits.engine, loops: settings.loops)
        let status = NodeStatus()
        let metrics = GatewayMetrics(loops: settings.loops)
        let plans = PlanHolder()
        let state = PolicyState()
        let link = try await NodeLink.open(settings, status: status)
        status.named(link.node)
        let log = try openLog(settings.accessLog, node: link.node)
        // A start that can't be has one line, its own.
        if let warning { note(warning) }
        let shared = GatewayShared(
            node: link.node, plans: plans, state: state, meter: link.meter, metrics: metrics, accessLog: log,
            trustedProxies: settings.trustedProxies, limits: settings.limits,
            startSeed: UInt64.random(in: 0...UInt64.max))
        await link.run(PlanPublisher(state: state, plans: plans, status: status))
        let proxies = settings.trustedProxies
        let isBalancer: (@Sendable (PeerAddress) -> Bool)?
        if settings.speaksProxyProtocol { isBalancer = { proxies.contains($0) } } else { isBalancer = nil }
        // Before anybody can see that the node is ready: a stop that comes then is one (must-hold H50).
        let signals = StopSignals()
        await signals.watch()
        let engine: EngineServer
        let statusEngine: EngineServer
        do throws(EngineFailure) {
            engine = try EngineServer.start(
                EngineConfiguration(
                    loops: settings.loops,
                    listeners: [
                        .init(address: settings.http, scheme: .http, isBalancer: isBalancer),
                        .init(address: settings.https, scheme: .https, isBalancer: isBalancer),
                    ], identity: link.listenerIdentity, limits: limits.engine)
            ) { number in
                // A loop whose lane can't be made serves without being counted: `NodeLink` has opened the meter before.
                GatewayLoop(shared: shared, number: number, lane: try? shared.meter.makeLane())
            }
            statusEngine = try EngineServer.start(
                EngineConfiguration(loops: 1, listeners: [.init(address: settings.status, scheme: .http)])
            ) { _ in StatusApplication(status: status, metrics: metrics, accessLog: log) }
        } catch {
            throw .cannotStart(error.description)
        }
        metrics.watch(engine.counters)
        note(
            "serving on \(engine.addresses.map(\.description).joined(separator: ", ")); "
                + SettingsFile.description(of: limits))
        let node = GatewayNode(
            engine: engine, statusEngine: statusEngine, link: link, status: status, accessLog: log,
            signals: signals)
        link.serves(engine)
        return node
    }

    /// One line on standard error.
    private static func note(_ text: String) {
        StandardError.say(text)
    }

    private static func openLog(_ place: String, node: String) throws(ExitReason) -> AccessLog? {
        switch place {
        case "off": return nil
        case "-": return AccessLog(output: .standardOutput, node: node)
        default:
            guard let file = LogFile(path: place) else {
                throw .cannotStart("can't write the access log \(place): choose another --access-log")
            }
            return AccessLog(output: file, node: node)
        }
    }

    /// Returns after a stop: the first SIGTERM or SIGINT drains, a second one cuts.
    /// - Throws: `ExitReason` where running calls were cut by it, or the node was revoked.
    func serveUntilStopped() async throws(ExitReason) {
        let signals = signals
        await signals.next()
        status.stops()
        await link.stopping()
        engine.drain()
        let engine = self.engine
        let second = Task {
            guard await signals.next() else { return false }
            engine.cut()
            return true
        }
        await ended(engine)
        await signals.end()
        let isCut = await second.value
        statusEngine.cut()
        await ended(statusEngine)
        await link.close()
        accessLog?.stop()
        if link.isRevoked { throw .failed("this node was revoked") }
        if isCut { throw .failed("a second signal came: calls that ran were cut") }
    }

    private func ended(_ server: EngineServer) async {
        await withCheckedContinuation { continuation in
            let thread = Thread {
                server.wait()
                continuation.resume()
            }
            thread.start()
        }
    }
}

/// A signal as events of Dispatch, each of which may stand for several signals.
private final class SignalSource: Sendable {
    private let source: Mutex<any DispatchSourceSignal>

    init(_ number: Int32) { source = Mutex(DispatchSource.makeSignalSource(signal: number, queue: .global())) }

    func start(_ received: @escaping @Sendable (Int) -> Void) {
        // Runs on a queue of Dispatch, so it must not take an actor's isolation with it.
        let handler: @Sendable () -> Void = { [weak self] in received(self?.count ?? 0) }
        source.withLock { source in
            source.setEventHandler(handler: handler)
            source.resume()
        }
    }

    private var count: Int { source.withLock { Int($0.data) } }
}

/// SIGTERM and SIGINT, waited for one after the other.
actor StopSignals {
    private var sources: [SignalSource] = []
    private var pending = 0
    private var hasBegun = false
    private var waiter: CheckedContinuation<Bool, Never>?
    private var isOver = false

    func watch() {
        for number in [SIGTERM, SIGINT] {
            signal(number, SIG_IGN)
            let source = SignalSource(number)
            source.start { [weak self] count in
                Task { await self?.received(count) }
            }
            sources.append(source)
        }
    }

    /// Returns with the next signal that nobody has waited for yet; false when there will be none.
    @discardableResult
    func next() async -> Bool {
        if pending > 0 {
            pending -= 1
            return true
        }
        if isOver { return false }
        return await withCheckedContinuation { waiter = $0 }
    }

    /// Nobody waits any more.
    func end() {
        isOver = true
        waiter?.resume(returning: false)
        waiter = nil
    }

    private func received(_ count: Int) {
        // The first event is a signal, whatever it says; a later one that stands for none is none.
        pending += hasBegun ? count : max(1, count)
        hasBegun = true
        guard pending > 0, let waiting = waiter else { return }
        waiter = nil
        pending -= 1
        waiting.resume(returning: true)
    }
}
