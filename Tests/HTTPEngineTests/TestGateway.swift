import Synchronization
import Testing

@testable import HTTPEngine

// An application for tests: forwards everything to one backend, but for paths that begin with `/own`.

/// What the application saw, for the test's thread.
final class TestLog: Sendable {
    private let summaries = Mutex<[CallSummary]>([])
    private let refusals = Mutex<[Refusal]>([])
    private let failures = Mutex<[BackendFailure.Reason]>([])
    private let seenPeers = Mutex<[String]>([])

    func add(_ summary: CallSummary) { summaries.withLock { $0.append(summary) } }
    func add(_ refusal: Refusal) { refusals.withLock { $0.append(refusal) } }
    func add(_ failure: BackendFailure.Reason) { failures.withLock { $0.append(failure) } }
    func add(peer: PeerAddress) { seenPeers.withLock { $0.append(peer.text) } }
    /// Who the application was told the calls are from.
    var peers: [String] { seenPeers.withLock { $0 } }
    var calls: [CallSummary] { summaries.withLock { $0 } }
    var refused: [Refusal] { refusals.withLock { $0 } }
    var failed: [BackendFailure.Reason] { failures.withLock { $0 } }
}

struct TestApplication: GatewayApplication {
    struct Call {
        var target = ""
    }

    let origin: BackendOrigin
    let log: TestLog
    var timeout: Int64?
    /// Origins of single paths.
    var others: [String: BackendOrigin] = [:]

    func makeCall() -> Call { Call() }
    func turn(_ clock: LoopClock) {}
    func turnEnded() {}

    func begin(
        _ call: inout Call, request: inout RequestHead, forward: inout ForwardRequest, context: CallContext,
        origins: inout OriginTable
    ) -> CallDecision {
        let path = String(decoding: request.path, as: UTF8.self)
        log.add(peer: context.peer)
        if path.hasPrefix("/own") {
            var head = ResponseHead(status: path.hasSuffix("204") ? 204 : 401)
            head.fields.append(.contentType, "text/plain")
            return .answer(OwnResponse(head: head, body: Array("own".utf8)))
        }
        forward.origin = origins.index(of: others[path] ?? origin)
        forward.target.append(contentsOf: request.path)
        if let query = request.query {
            forward.target.append(UInt8(ascii: "?"))
            forward.target.append(contentsOf: query)
        }
        if path.hasPrefix("/replace") { forward.body = Array("replaced".utf8) }
        forward.timeoutMilliseconds = timeout
        return .forward
    }

    func answered(
        _ call: inout Call, request: inout RequestHead, response: inout ResponseHead, clock: LoopClock
    ) -> ResponseDecision {
        if request.path.starts(with: Array("/rewrite".utf8)) { return .replaceBody(Array("rewritten".utf8)) }
        return .pass
    }

    func failed(
        _ call: inout Call, request: inout RequestHead, failure: BackendFailure, clock: LoopClock
    ) -> OwnResponse {
        log.add(failure.reason)
        return OwnResponse(head: ResponseHead(status: 500), body: Array("failed".utf8))
    }

    func ended(_ call: inout Call, request: inout RequestHead, summary: CallSummary) { log.add(summary) }
    func refused(_ refused: RefusedRequest) { log.add(refused.refusal) }
}

/// A running engine with one loop, stopped when the test lets go of it.
final class TestGateway: Sendable {
    let server: EngineServer
    let log = TestLog()
    private let backend: TestBackend?
    var port: UInt16 { server.addresses[0].port }

    convenience init(
        _ backend: TestBackend, scheme: URLScheme = .http, limits: EngineLimits = EngineLimits(),
        host: String = "127.0.0.1",
        identity: TLSIdentity? = nil, timeout: Int64? = nil, isBalancer: (@Sendable (PeerAddress) -> Bool)? = nil
    ) throws {
        try self.init(
            backend: backend.port, scheme: scheme, limits: limits, host: host, identity: identity, timeout: timeout,
            isBalancer: isBalancer, keeping: backend)
    }

    init(
        backend port: UInt16, scheme: URLScheme = .http, limits: EngineLimits = EngineLimits(),
        backendScheme: URLScheme = .http, host: String = "127.0.0.1", identity: TLSIdentity? = nil,
        authorities: String? = nil, validatesChain: Bool = true, validatesName: Bool = true, timeout: Int64? = nil,
        isBalancer: (@Sendable (PeerAddress) -> Bool)? = nil, others: [String: BackendOrigin] = [:],
        keeping backend: TestBackend? = nil
    ) throws {
        self.backend = backend
        let address = try #require(NetworkAddress(literal: "127.0.0.1", port: 0))
        let origin = BackendOrigin(
            scheme: backendScheme, host: host, port: port, validatesCertificateChain: validatesChain,
            validatesCertificateName: validatesName, authorities: authorities)
        let log = self.log
        server = try EngineServer.start(
            EngineConfiguration(
                loops: 1, listeners: [.init(address: address, scheme: scheme, isBalancer: isBalancer)],
                identity: identity, limits: limits)
        ) { _ in TestApplication(origin: origin, log: log, timeout: timeout, others: others) }
    }

    deinit { server.cut() }

    func connect() -> TestSocket { TestSocket(port: port) }
}
