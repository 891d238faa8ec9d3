import Foundation
import Glibc
import HTTPEngine
import NodeAgent
import Synchronization
import UsageMeter

// The node's link to its controller, as the rest of the process sees it.

final class NodeLink: Sendable {
    /// The id that enrolment gave.
    let node: String
    let meter: UsageMeter
    let listenerIdentity: TLSIdentity?

    private let agent: NodeAgent
    private let status: NodeStatus
    private let engine = Mutex<EngineServer?>(nil)
    private let tasks = Mutex<[Task<Void, Never>]>([])

    private init(agent: NodeAgent, node: String, meter: UsageMeter, identity: TLSIdentity, status: NodeStatus) {
        self.agent = agent
        self.node = node
        self.meter = meter
        self.status = status
        listenerIdentity = identity
    }

    /// Enrols a node that is new, which takes as long as the controller is away, and opens what it has counted.
    static func open(_ settings: ServeSettings, status: NodeStatus) async throws(ExitReason) -> NodeLink {
        let authority = try readAuthority(settings.authorityFile)
        let tokenFile = settings.tokenFile
        let agent: NodeAgent
        let credentials: NodeCredentials
        do {
            agent = try NodeAgent(
                NodeSettings(
                    directory: settings.directory, controller: settings.controller, authority: authority,
                    token: { try Self.readToken(tokenFile) }, name: settings.name,
                    hostNames: [ProcessInfo.processInfo.hostName], software: "gatehouse-gateway \(GatewayVersion.text)")
            )
            let complaints = Task { await complain(agent) }
            defer { complaints.cancel() }
            credentials = try await agent.credentials()
        } catch {
            throw .cannotStart("can't use \(settings.directory): \(error)")
        }
        do {
            let meter = try UsageMeter(directory: settings.directory + "/usage", node: credentials.node)
            return NodeLink(
                agent: agent, node: credentials.node, meter: meter, identity: identity(credentials), status: status)
        } catch {
            throw .cannotStart("can't use \(settings.directory): \(error); is another node running in it?")
        }
    }

    private static func identity(_ credentials: NodeCredentials) -> TLSIdentity {
        TLSIdentity(chain: credentials.listenerCertificate, key: credentials.privateKey)
    }

    private static func readAuthority(_ path: String) throws(ExitReason) -> String {
        guard let data = FileManager.default.contents(atPath: path), let text = String(data: data, encoding: .utf8)
        else {
            throw .cannotStart("can't read \(path): --ca must name the file with the cluster's CA")
        }
        return text
    }

    /// What generateToken gave, with or without the scheme before it.
    private static func readToken(_ path: String) throws -> String {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw ExitReason.cannotStart("can't read \(path): --token-file must name the file with the gateway token")
        }
        let text = String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        return text.hasPrefix("GatewayKey ") ? String(text.dropFirst("GatewayKey ".count)) : text
    }

    /// Says on stderr what keeps the node from its controller, each trouble once.
    private static func complain(_ agent: NodeAgent) async {
        var said: [String] = []
        while !Task.isCancelled {
            let warnings = agent.status.warnings
            for warning in warnings where !said.contains(warning) {
                StandardError.say(warning)
            }
            said = warnings
            try? await Task.sleep(for: .milliseconds(500))
        }
    }

    /// Starts following the controller; returns when what lies on the disk serves, or there is nothing: so that a node
    /// that comes back opens its listeners only when it can serve.
    func run(_ consumer: PlanPublisher) async {
        let agent = agent
        let meter = meter
        let status = status
        let (restored, signal) = AsyncStream.makeStream(of: Void.self)
        let follow = Task {
            _ = try? await agent.run(consumer: consumer, usage: meter, restored: { signal.finish() }) { credentials in
                self.engine.withLock { engine in try? engine?.use(Self.identity(credentials)) }
            }
            signal.finish()
            if agent.status.link == .revoked {
                StandardError.say("this node was revoked; it drains and ends")
                kill(getpid(), SIGTERM)
            }
        }
        let watch = Task {
            while !Task.isCancelled {
                let now = agent.status
                status.controller(
                    isReachable: now.link == .reachable,
                    lastContact: now.lastContact.map { Int64($0.timeIntervalSince1970) })
                try? await Task.sleep(for: .milliseconds(500))
            }
        }
        status.counts { agent.bytesReceived }
        let complaints = Task { await Self.complain(agent) }
        tasks.withLock { $0 = [follow, watch, complaints] }
        for await _ in restored {}
    }

    /// The engine that takes new certificates.
    func serves(_ server: EngineServer) { engine.withLock { $0 = server } }

    /// Whether the controller wants nothing of this node any more.
    var isRevoked: Bool { agent.status.link == .revoked }

    /// Says that the node stops, so that nobody waits for it.
    func stopping() async {
        await agent.stop(usage: nil, within: .seconds(2))
    }

    /// Delivers what the last calls counted, and lets go of the controller.
    func close() async {
        await agent.stop(usage: meter, within: .seconds(5))
        for task in tasks.withLock({ $0 }) { task.cancel() }
    }
}

enum GatewayVersion {
    static let text = "0.1.0"
}
