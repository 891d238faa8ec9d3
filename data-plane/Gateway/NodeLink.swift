import Foundation
import HTTPEngine
import NodeAgent
import Synchronization
import UsageMeter

// The node's link to its controller, as the rest of the process sees it: the agent's loops as tasks of the process,
// certificates handed to the engine, standing handed to the status page.

final class NodeLink: Sendable {
    /// Software as the controller lists it.
    static let software = "gatehouse-gateway/1"

    /// The node's id, or its label as long as it has none.
    let node: String
    let meter: UsageMeter
    /// nil for a node that is new: `run` hands the certificate to the engine once it has enrolled.
    let listenerIdentity: TLSIdentity?
    private let agent: NodeAgent
    private let status: NodeStatus
    private let tasks = Mutex<[Task<Void, Never>]>([])

    private init(node: String, meter: UsageMeter, listenerIdentity: TLSIdentity?, agent: NodeAgent, status: NodeStatus)
    {
        self.node = node
        self.meter = meter
        self.listenerIdentity = listenerIdentity
        self.agent = agent
        self.status = status
    }

    static func open(_ settings: ServeSettings, status: NodeStatus) async throws(ExitReason) -> NodeLink {
        guard let authority = try? String(contentsOfFile: settings.authorityFile, encoding: .utf8) else {
            throw .cannotStart("can't read \(settings.authorityFile): give the cluster's CA with --ca")
        }
        let tokenFile = settings.tokenFile
        let agentSettings = NodeSettings(
            directory: settings.directory, controller: settings.controller, authority: authority,
            token: {
                try String(contentsOfFile: tokenFile, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
            }, name: settings.name, hostNames: [ProcessInfo.processInfo.hostName], software: software)
        let agent: NodeAgent
        do { agent = try NodeAgent(agentSettings) } catch {
            throw .cannotStart("can't use \(settings.directory): \(error)")
        }
        let credentials = agent.currentCredentials
        let node = credentials?.node ?? settings.name
        let meter: UsageMeter
        do { meter = try UsageMeter(directory: settings.directory + "/usage", node: node) } catch {
            throw .cannotStart("\(error); another gateway may use \(settings.directory)")
        }
        return NodeLink(
            node: node, meter: meter, listenerIdentity: credentials.map(identity), agent: agent, status: status)
    }

    private static func identity(_ credentials: NodeCredentials) -> TLSIdentity {
        TLSIdentity(chain: credentials.listenerCertificate, key: credentials.privateKey)
    }

    /// Starts the agent; returns at once.
    func run(_ consumer: PlanPublisher, engine: EngineServer) async {
        let agent = Task { await self.follow(consumer, engine) }
        let watch = Task { await self.showStanding() }
        tasks.withLock { $0 += [agent, watch] }
    }

    private func follow(_ consumer: PlanPublisher, _ engine: EngineServer) async {
        do {
            let credentials = try await agent.credentials()
            status.named(credentials.node)
            try? engine.use(Self.identity(credentials))
            try await agent.run(consumer: consumer, usage: meter) { credentials in
                // One that does not load leaves the former in force.
                try? engine.use(Self.identity(credentials))
            }
        } catch {
            if !Task.isCancelled { report("the agent ended: \(error)") }
        }
        if agent.status.link == .revoked {
            report("this node was revoked; it drains and ends")
            kill(getpid(), SIGTERM)
        }
    }

    private func showStanding() async {
        var shown: [String] = []
        while !Task.isCancelled {
            let standing = agent.status
            status.controller(
                isReachable: standing.link == .reachable,
                lastContact: standing.lastContact.map { Int64($0.timeIntervalSince1970) })
            if standing.warnings != shown {
                shown = standing.warnings
                for warning in shown { report(warning) }
            }
            try? await Task.sleep(for: .seconds(1))
        }
    }

    /// One line on standard error.
    private func report(_ text: String) {
        let line = text.split(whereSeparator: \.isNewline).joined(separator: " ")
        FileHandle.standardError.write(Data("gatehouse-gateway: \(line)\n".utf8))
    }

    /// The node drains: the controller does not wait for it any more.
    func stopping() async { await agent.stop(usage: nil, within: .seconds(1)) }

    /// Every call has ended: what was counted is delivered, if the controller is there.
    func close() async {
        await agent.stop(usage: meter)
        let tasks = tasks.withLock { $0 }
        for task in tasks { task.cancel() }
        for task in tasks { await task.value }
    }
}
