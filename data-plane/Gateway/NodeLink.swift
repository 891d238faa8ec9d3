import Foundation
import HTTPEngine
import NodeAgent
import UsageMeter

// The node's link to its controller, as the rest of the process sees it.

final class NodeLink: Sendable {
    let node: String
    let meter: UsageMeter
    let listenerIdentity: TLSIdentity?

    private init(node: String, meter: UsageMeter, listenerIdentity: TLSIdentity?) {
        self.node = node
        self.meter = meter
        self.listenerIdentity = listenerIdentity
    }

    static func open(_ settings: ServeSettings, status: NodeStatus) async throws(ExitReason) -> NodeLink {
        let meter: UsageMeter
        do {
            meter = try UsageMeter(directory: settings.directory + "/usage", node: settings.name)
        } catch {
            throw .cannotStart("\(error)")
        }
        return NodeLink(node: settings.name, meter: meter, listenerIdentity: nil)
    }

    func run(_ consumer: PlanPublisher, engine: EngineServer) async {}
    func stopping() async {}
    func close() async {}
}
