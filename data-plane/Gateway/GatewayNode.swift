import Dispatch
import Foundation
import Glibc
import HTTPEngine
import NodeAgent
import PolicyRuntime
import UsageMeter

// A running node: engine, status listener, agent and meter, put together and taken down in order.

final class GatewayNode: Sendable {
    private let engine: EngineServer
    private let statusEngine: EngineServer
    private let link: NodeLink
    private let status: NodeStatus
    private let accessLog: AccessLog?

    private init(
        engine: EngineServer, statusEngine: EngineServer, link: NodeLink, status: NodeStatus, accessLog: AccessLog?
    ) {
        self.engine = engine
        self.statusEngine = statusEngine
        self.link = link
        self.status = status
        self.accessLog = accessLog
    }

    /// The listeners open when what lies on the node's disk serves: a caller meets a node that is coming back only when
    /// it can answer.
    static func start(_ settings: ServeSettings) async throws(ExitReason) -> GatewayNode {
        let status = NodeStatus()
        let metrics = GatewayMetrics(loops: settings.loops)
        let plans = PlanHolder()
        let state = PolicyState()
        let link = try await NodeLink.open(settings, status: status)
        status.named(link.node)
        let log = try openLog(settings.accessLog, node: link.node)
        let shared = GatewayShared(
            node: link.node, plans: plans, state: state, meter: link.meter, metrics: metrics, accessLog: log,
            trustedProxies: settings.trustedProxies, startSeed: UInt64.random(in: 0...UInt64.max))
        await link.run(PlanPublisher(state: state, plans: plans, status: status))
        let engine: EngineServer
        let statusEngine: EngineServer
        do throws(EngineFailure) {
            engine = try EngineServer.start(
                EngineConfiguration(
                    loops: settings.loops,
                    listeners: [
                        .init(address: settings.http, scheme: .http), .init(address: settings.https, scheme: .https),
                    ], identity: link.listenerIdentity, limits: settings.limits)
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
                + SettingsFile.description(of: settings.limits))
        let node = GatewayNode(
            engine: engine, statusEngine: statusEngine, link: link, status: status, accessLog: log)
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
            let descriptor = open(place, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o640)
            guard descriptor >= 0 else {
                throw .cannotStart("can't write the access log \(place): choose another --access-log")
            }
            return AccessLog(output: FileHandle(fileDescriptor: descriptor, closeOnDealloc: true), node: node)
        }
    }

    /// Returns after a stop: the first SIGTERM or SIGINT drains, a second one cuts.
    func serveUntilStopped() async {
        let signals = StopSignals()
        await signals.watch()
        await signals.next()
        status.stops()
        await link.stopping()
        engine.drain()
        let engine = self.engine
        Task {
            await signals.next()
            engine.cut()
        }
        await ended(engine)
        statusEngine.cut()
        await ended(statusEngine)
        await link.close()
        accessLog?.stop()
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

/// SIGTERM and SIGINT, waited for one after the other.
actor StopSignals {
    private var sources: [any DispatchSourceSignal] = []
    private var pending = 0
    private var waiter: CheckedContinuation<Void, Never>?

    func watch() {
        // Runs on a queue of Dispatch, so it must not take this actor's isolation with it.
        let received: @Sendable () -> Void = { Task { await self.received() } }
        for number in [SIGTERM, SIGINT] {
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler(handler: received)
            source.resume()
            sources.append(source)
        }
    }

    /// Returns with the next signal that nobody has waited for yet.
    func next() async {
        if pending > 0 {
            pending -= 1
            return
        }
        await withCheckedContinuation { waiter = $0 }
    }

    private func received() {
        guard let waiting = waiter else {
            pending += 1
            return
        }
        waiter = nil
        waiting.resume()
    }
}
