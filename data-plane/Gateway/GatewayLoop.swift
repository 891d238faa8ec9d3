import Admission
import BackendCalls
import GatewayConfiguration
import HTTPEngine
import PolicyRuntime
import RequestRouting
import UsageMeter

// A call's way through one loop: route, preflight, admission, inbound, backend, outbound, counted (contract-details.md
// section 4). Everything here runs on the loop's thread and never waits.

/// What all loops share.
struct GatewayShared: Sendable {
    let node: String
    let plans: PlanHolder
    let state: PolicyState
    let meter: UsageMeter
    let metrics: GatewayMetrics
    let accessLog: AccessLog?
    let trustedProxies: TrustedProxies
    let limits: NodeLimits
    /// Makes ids of calls differ between two starts.
    let startSeed: UInt64
}

/// What is kept of a call between the engine's questions.
struct GatewayCall {
    var exchange = PolicyExchange.blank
    /// Whether `exchange` is of this call.
    var isExchanging = false
    var policy: EffectivePolicy?
    /// Index of its API in the plan.
    var api: Int?
    /// What it counts for; nil for a path of no API.
    var subject: UsageSubject?
    var log = AccessLogEntry(clock: LoopClock(nanoseconds: 0, wallSeconds: 0))
    var isLogged = false
}

/// The application of one loop.
struct GatewayLoop: GatewayApplication {
    typealias Call = GatewayCall

    /// The path that Azure's gateways answer for health checks.
    static let statusPath = Array("/status-0123456789abcdef".utf8)
    /// Passages through gateways of one service before a loop is assumed (must-hold A66).
    static let passagesMax = 5
    static let targetsMax = 1_024

    let shared: GatewayShared
    let number: Int
    let metrics: LoopMetrics
    private let lane: UsageLane?
    private let strangers: StrangerFields
    private var logBuffer: AccessLogBuffer

    var plan: ServingPlan?
    private var generation: UInt64 = 0
    private var policies: [UInt64: EffectivePolicy] = [:]
    /// Origins of the APIs' own backends, by API; -1 is not looked up yet.
    var apiOrigins: [Int32] = []
    var entityOrigins: [String: Int32] = [:]
    /// Base URLs that policies chose.
    var targets: [String: BackendTarget] = [:]
    private var clock = LoopClock(nanoseconds: 0, wallSeconds: 0)

    init(shared: GatewayShared, number: Int, lane: UsageLane?) {
        self.shared = shared
        self.number = number
        self.lane = lane
        metrics = shared.metrics.loops[number]
        strangers = StrangerFields(ofProxies: shared.limits.identityFields)
        logBuffer = AccessLogBuffer(valueBytesMax: shared.limits.logValueBytes)
    }

    func makeCall() -> GatewayCall { GatewayCall() }

    mutating func turn(_ clock: LoopClock) {
        self.clock = clock
        let current = shared.plans.currentGeneration
        guard current != generation else { return }
        generation = current
        plan = shared.plans.current
        policies = [:]
        entityOrigins = [:]
        targets = [:]
        apiOrigins = [Int32](repeating: -1, count: plan?.apis.count ?? 0)
    }

    mutating func turnEnded() {
        if let log = shared.accessLog { logBuffer.flush(to: log) }
    }

    // MARK: A request

    mutating func begin(
        _ call: inout GatewayCall, request: inout RequestHead, forward: inout ForwardRequest, context: CallContext,
        origins: inout OriginTable
    ) -> CallDecision {
        call.policy = nil
        call.api = nil
        call.subject = nil
        call.isLogged = true
        call.isExchanging = false
        if shared.accessLog != nil {
            call.log = AccessLogEntry(clock: context.clock)
            call.log.method = request.method.bytes
            call.log.path = request.path
        }
        if request.path == Self.statusPath {
            call.isLogged = false
            return .answer(OwnResponse(head: ResponseHead(status: 200)))
        }
        guard let plan else {
            call.log.reason = "noSnapshot"
            return .answer(OwnAnswer.make(503, "Service Unavailable"))
        }
        if isLooping(request, plan) {
            call.log.reason = Refusal.loop.label
            metrics.add(.loop)
            return .answer(OwnAnswer.make(508, "Loop Detected", closes: true))
        }
        let isTrusted = shared.trustedProxies.contains(context.peer)
        let caller =
            isTrusted
            ? shared.trustedProxies.caller(
                peer: context.peer, forwarded: request.fields.values(of: .forwardedFor),
                valuesMax: shared.limits.forwardedValues)
            : context.peer
        call.log.caller = caller.text
        strangers.strip(request: &request.fields, isTrusted: isTrusted)
        call.log.requestID = CallID.text(seed: shared.startSeed, loop: context.loop, number: context.number)

        call.exchange = PolicyExchange(
            request: RequestHead.blank, caller: caller, nowNanoseconds: context.clock.nanoseconds)
        call.isExchanging = true
        swap(&call.exchange.request, &request)
        call.exchange.activityID = call.log.requestID
        var outcome = serve(&call, plan)
        if outcome == .forward {
            let api = call.api
            let failure = prepare(
                &forward, &call.exchange, plan, api: api, peer: context.peer, isTrusted: isTrusted, origins: &origins)
            if let failure {
                call.log.reason = failure.lastError.reason
                call.policy?.runOnError(failure, &call.exchange)
                outcome = .answer
            }
        }
        swap(&call.exchange.request, &request)
        return outcome == .forward ? .forward : .answer(take(&call))
    }

    /// Routes, admits and runs inbound.
    private mutating func serve(
        _ call: inout GatewayCall, _ plan: ServingPlan
    ) -> InboundOutcome {
        let route = plan.routes.route(
            method: call.exchange.request.method.bytes, scheme: call.exchange.request.scheme.rawValue,
            path: call.exchange.request.path,
            query: call.exchange.request.query
        ) { call.exchange.request.fields.values(of: FieldName($0)) }
        guard let route, !call.exchange.request.authority.isEmpty else {
            return refuse(.operationNotFound, &call, policy(plan, api: nil, operation: nil, product: nil))
        }
        let api = plan.apis[route.api]
        call.api = route.api
        call.exchange.api = api.configuration.name
        call.exchange.apiDisplayName = api.configuration.displayName
        call.exchange.remainingPath = Array(call.exchange.request.path[route.remainingStart...])
        call.exchange.matchedParameters = route.parameters
        call.exchange.templateQueryNames = route.queryNames
        if let url = api.configuration.serviceUrl { call.exchange.backend = .url(url) }
        guard let operation = route.operation else {
            if answerPreflight(&call, plan, route) { return .answer }
            count(&call, user: "")
            return refuse(
                .operationNotFound, &call, policy(plan, api: route.api, operation: nil, product: nil))
        }
        call.exchange.operation = api.configuration.operations[operation].name
        call.exchange.operationDisplayName = api.configuration.operations[operation].displayName
        let key = PresentedKey(
            headerValues: call.exchange.request.fields.contains(api.keyHeader)
                ? call.exchange.request.fields.values(of: api.keyHeader) : [],
            query: call.exchange.request.query, queryName: api.configuration.keyQueryName)
        switch plan.admission.decide(api: route.api, key: key) {
        case .admitted(let admitted):
            if let product = admitted.product { call.exchange.product = plan.products[product].configuration.name }
            if let place = admitted.key {
                let key = plan.keys.leaves[place.leaf].keys[place.entry]
                call.exchange.subscription = key.subscription
                call.exchange.user = key.user ?? ""
                call.exchange.subscriptionStart = key.start ?? 0
            }
            count(&call, user: call.exchange.user)
            guard let policy = policy(plan, api: route.api, operation: operation, product: admitted.product) else {
                return broken(&call)
            }
            call.policy = policy
            let outcome = policy.runInbound(&call.exchange)
            if let error = call.exchange.lastError { call.log.reason = error.reason }
            return outcome
        case .missing:
            count(&call, user: "")
            return refuse(
                .subscriptionKeyMissing(realm: realm(call.exchange, api), name: api.configuration.keyHeaderName), &call,
                policy(plan, api: route.api, operation: operation, product: nil))
        case .invalid:
            count(&call, user: "")
            return refuse(
                .subscriptionKeyInvalid(realm: realm(call.exchange, api), name: api.configuration.keyHeaderName), &call,
                policy(plan, api: route.api, operation: operation, product: nil))
        }
    }

    /// OPTIONS without an operation of its own, on a path that has one for the requested method (policies.md 3.6).
    private mutating func answerPreflight(
        _ call: inout GatewayCall, _ plan: ServingPlan, _ route: Route
    ) -> Bool {
        let request = call.exchange.request
        guard request.method == .options, let method = request.fields.first(Self.requestedMethod),
            request.fields.contains(.origin),
            let wanted = plan.routes.operation(
                of: route, method: Array(method), path: request.path, query: request.query),
            let operation = wanted.operation
        else { return false }
        let api = plan.apis[route.api]
        // The product is known only where the key stands in the query: a preflight carries no headers of the caller.
        var product: Int?
        let key = PresentedKey(headerValues: [], query: request.query, queryName: api.configuration.keyQueryName)
        if case .admitted(let admitted) = plan.admission.decide(api: route.api, key: key) { product = admitted.product }
        guard let policy = policy(plan, api: route.api, operation: operation, product: product),
            policy.answerPreflight(&call.exchange)
        else { return false }
        call.exchange.operation = api.configuration.operations[operation].name
        count(&call, user: "")
        return true
    }

    private static let requestedMethod = FieldName("Access-Control-Request-Method")

    private func refuse(
        _ failure: PolicyFailure, _ call: inout GatewayCall, _ policy: EffectivePolicy?
    ) -> InboundOutcome {
        call.policy = policy
        call.log.reason = failure.lastError.reason
        guard let policy else { return broken(&call) }
        policy.runOnError(failure, &call.exchange)
        return .answer
    }

    /// A chain that the plan's builder has composed can't fail to compose; if it does, the call fails, not the node.
    private func broken(_ call: inout GatewayCall) -> InboundOutcome {
        call.log.reason = "InternalError"
        call.exchange.response = nil
        return .answer
    }

    private func count(_ call: inout GatewayCall, user: String) {
        call.subject = UsageSubject(
            api: call.exchange.api, operation: call.exchange.operation, product: call.exchange.product,
            subscription: call.exchange.subscription, user: user)
    }

    private func realm(_ exchange: PolicyExchange, _ api: ServingPlan.Api) -> String {
        let host = String(decoding: exchange.request.authority, as: UTF8.self)
        return "\(exchange.request.scheme.rawValue)://\(host)/\(api.path)"
    }

    /// The chain for these, composed at the first call that needs it: a loop's own, so that no two cores count
    /// references to one object.
    mutating func policy(_ plan: ServingPlan, api: Int?, operation: Int?, product: Int?) -> EffectivePolicy? {
        let key =
            UInt64(api.map { $0 + 1 } ?? 0) << 42 | UInt64(operation.map { $0 + 1 } ?? 0) << 21
            | UInt64(product.map { $0 + 1 } ?? 0)
        if let policy = policies[key] { return policy }
        guard
            let policy = try? plan.policy(api: api, operation: operation, product: product, state: shared.state)
        else { return nil }
        policies[key] = policy
        return policy
    }

    // MARK: A response

    mutating func answered(
        _ call: inout GatewayCall, request: inout RequestHead, response: inout ResponseHead, clock: LoopClock
    ) -> ResponseDecision {
        StrangerFields.strip(response: &response.fields)
        guard let policy = call.policy, call.isExchanging else { return .pass }
        swap(&call.exchange.request, &request)
        var head = ResponseHead(status: 0)
        swap(&head, &response)
        call.exchange.response = head
        head = ResponseHead(status: 0)
        call.exchange.nowNanoseconds = clock.nanoseconds
        policy.runOutbound(&call.exchange)
        if let error = call.exchange.lastError { call.log.reason = error.reason }
        swap(&call.exchange.request, &request)
        if let made = call.exchange.response.take() { response = made }
        return call.exchange.responseBody.take().map { .replaceBody($0) } ?? .pass
    }

    mutating func failed(
        _ call: inout GatewayCall, request: inout RequestHead, failure: BackendFailure, clock: LoopClock
    ) -> OwnResponse {
        metrics.addBackendFailure()
        call.log.reason = failure.reason.rawValue
        guard let policy = call.policy, call.isExchanging else { return OwnAnswer.internalError("") }
        swap(&call.exchange.request, &request)
        call.exchange.nowNanoseconds = clock.nanoseconds
        policy.runOnError(failure.isTimeout ? .backendTimeout() : .backendUnreachable(), &call.exchange)
        swap(&call.exchange.request, &request)
        return take(&call)
    }

    /// The answer that stands in the exchange.
    private func take(_ call: inout GatewayCall) -> OwnResponse {
        let body = call.exchange.responseBody.take()
        return call.exchange.response.take().map { OwnResponse(head: $0, body: body ?? []) }
            ?? OwnAnswer.internalError(call.log.requestID)
    }

    // MARK: The end

    mutating func ended(_ call: inout GatewayCall, request: inout RequestHead, summary: CallSummary) {
        metrics.add(summary)
        if call.isExchanging {
            call.isExchanging = false
            call.policy?.complete(&call.exchange, bytesIn: summary.bytesIn, bytesOut: summary.bytesOut)
            if shared.accessLog != nil {
                call.log.api = call.exchange.api
                call.log.operation = call.exchange.operation
                call.log.product = call.exchange.product
                call.log.subscription = call.exchange.subscription
            }
        }
        if let subject = call.subject, let lane {
            let seconds = summary.clock.wallSeconds
            lane.record(
                subject,
                UsageSample(
                    status: Self.countedStatus(summary), bytesIn: summary.bytesIn, bytesOut: summary.bytesOut,
                    apiMicroseconds: summary.apiMicroseconds, serviceMicroseconds: summary.serviceMicroseconds),
                bucket: seconds - seconds % 900)
            call.subject = nil
        }
        call.policy = nil
        guard shared.accessLog != nil, call.isLogged else { return }
        call.log.status = summary.status
        call.log.apiMicroseconds = summary.apiMicroseconds
        call.log.serviceMicroseconds = summary.serviceMicroseconds
        call.log.bytesIn = summary.bytesIn
        call.log.bytesOut = summary.bytesOut
        if let refusal = summary.refusal {
            call.log.reason = refusal.label
        } else if summary.outcome == .callerGone {
            call.log.reason = "ClientConnectionFailure"
        } else if let failure = summary.failure {
            call.log.reason = failure.rawValue
        }
        logBuffer.add(call.log, node: shared.node)
    }

    /// A response that broke off is a failed call whatever its head said (must-hold A56).
    private static func countedStatus(_ summary: CallSummary) -> Int {
        summary.outcome == .cut && summary.status < 500 ? 500 : summary.status
    }

    mutating func refused(_ refused: RefusedRequest) {
        metrics.add(refused.refusal)
        guard shared.accessLog != nil else { return }
        var entry = AccessLogEntry(clock: refused.clock)
        entry.caller = refused.peer.text
        entry.status = refused.refusal.status
        entry.reason = refused.refusal.label
        logBuffer.add(entry, node: shared.node)
    }
}
