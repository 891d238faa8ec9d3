import Foundation
import HTTPEngine
import Synchronization

// The status listener: liveness, readiness, metrics (contract-details.md section 4).

/// What the node knows of itself and its controller.
final class NodeStatus: Sendable {
    private struct State {
        var node = ""
        var version: Int64 = 0
        var isServing = false
        var isStopping = false
        var lastContact: Int64?
        var isControllerReachable = false
        var bytesReceived: @Sendable () -> UInt64 = { 0 }
    }

    private let state = Mutex(State())

    func named(_ node: String) { state.withLock { $0.node = node } }

    func serves(_ version: Int64) {
        state.withLock { state in
            state.version = version
            state.isServing = true
        }
    }

    /// How to learn what has come from the controller.
    func counts(_ bytesReceived: @escaping @Sendable () -> UInt64) {
        state.withLock { $0.bytesReceived = bytesReceived }
    }

    /// Bytes that have come from the controller.
    var bytesReceived: UInt64 { state.withLock { $0.bytesReceived }() }

    func stops() { state.withLock { $0.isStopping = true } }

    /// `seconds`: since 1970, of the last word from the controller; nil for none.
    func controller(isReachable: Bool, lastContact seconds: Int64?) {
        state.withLock { state in
            state.isControllerReachable = isReachable
            if let seconds { state.lastContact = seconds }
        }
    }

    var version: Int64 { state.withLock { $0.version } }
    var isReady: Bool { state.withLock { $0.isServing && !$0.isStopping } }

    /// For `/readyz`.
    var json: [UInt8] {
        let state = self.state.withLock { $0 }
        let contact = state.lastContact.map { seconds in
            "\"\(String(decoding: Timestamp.bytes(seconds: seconds, milliseconds: 0), as: UTF8.self))\""
        }
        return Array(
            """
            {"version":\(state.version),"node":"\(state.node)","ready":\(state.isServing && !state.isStopping),\
            "lastContact":\(contact ?? "null"),"controllerReachable":\(state.isControllerReachable)}
            """.utf8)
    }
}

/// Answers on the status listener.
struct StatusApplication: GatewayApplication {
    struct Call {}

    let status: NodeStatus
    let metrics: GatewayMetrics
    let accessLog: AccessLog?

    func makeCall() -> Call { Call() }
    func turn(_ clock: LoopClock) {}
    func turnEnded() {}

    func begin(
        _ call: inout Call, request: inout RequestHead, forward: inout ForwardRequest, context: CallContext,
        origins: inout OriginTable
    ) -> CallDecision {
        guard request.method == .get || request.method == .head else {
            return .answer(OwnAnswer.make(405, "Method Not Allowed"))
        }
        switch String(decoding: request.path, as: UTF8.self) {
        case "/healthz": return .answer(Self.own(200, "text/plain", Array("ok\n".utf8)))
        case "/readyz": return .answer(Self.own(status.isReady ? 200 : 503, "application/json", status.json))
        case "/metrics":
            let text = metrics.text(
                version: status.version, controllerBytes: status.bytesReceived,
                droppedLogLines: accessLog?.droppedLines ?? 0)
            return .answer(Self.own(200, "text/plain; version=0.0.4; charset=utf-8", Array(text.utf8)))
        default: return .answer(OwnAnswer.make(404, "Resource not found"))
        }
    }

    private static func own(_ status: Int, _ type: String, _ body: [UInt8]) -> OwnResponse {
        var head = ResponseHead(status: status)
        head.fields.append(.contentType, type)
        return OwnResponse(head: head, body: body)
    }

    func answered(
        _ call: inout Call, request: inout RequestHead, response: inout ResponseHead, clock: LoopClock
    ) -> ResponseDecision { .pass }

    func failed(
        _ call: inout Call, request: inout RequestHead, failure: BackendFailure, clock: LoopClock
    ) -> OwnResponse { OwnAnswer.internalError("") }

    func ended(_ call: inout Call, request: inout RequestHead, summary: CallSummary) {}
    func refused(_ refused: RefusedRequest) {}
}
