import BackendCalls
import GatewayConfiguration
import HTTPEngine
import PolicyRuntime

// Where a call goes, and what of it is changed on the way.

extension GatewayLoop {
    /// Says where the request goes and what of it changes; a failure where it can't go anywhere.
    mutating func prepare(
        _ forward: inout ForwardRequest, _ exchange: inout PolicyExchange, _ plan: ServingPlan, api index: Int?,
        peer: PeerAddress, isTrusted: Bool, origins: inout OriginTable
    ) -> PolicyFailure? {
        var entity: BackendEntity?
        let target: BackendTarget
        switch exchange.backend {
        case .none: return .backendUnreachable(detail: "No backend is configured for the API.")
        case .url(let url):
            guard let found = self.target(url, plan, api: index, &forward, &origins) else {
                return .backendUnreachable(detail: "The URL of the backend is not usable.")
            }
            target = found
        case .entity(let name):
            let folded = name.lowercased()
            guard let found = plan.entities[folded] else {
                return .backendUnreachable(detail: "The backend is not in the configuration.")
            }
            guard found.canSendCredentials else {
                return .backendUnreachable(detail: "A credential of the backend can't stand in a header.")
            }
            entity = found
            target = found.target
            if let known = entityOrigins[folded] {
                forward.origin = known
            } else {
                forward.origin = origins.index(of: target.origin)
                entityOrigins[folded] = forward.origin
            }
        }
        let api = index.map { plan.apis[$0] }
        guard OutgoingRequest.writeTarget(&forward.target, exchange, target, entity, api) else {
            return .internalError(
                lastError: LastError(
                    source: "rewrite-uri", reason: "ExpressionValueEvaluationFailure",
                    message: "Expression evaluation failed. The target holds a byte that no URL may hold."))
        }
        if exchange.writesHost, let host = exchange.request.fields.first(.host) {
            forward.host.append(contentsOf: host)
        }
        OutgoingRequest.writeFields(&exchange.request, entity, api, via: plan.via, peer: peer, isTrusted: isTrusted)
        forward.body = exchange.requestBody
        forward.timeoutMilliseconds = exchange.forwardTimeoutMilliseconds
        return nil
    }

    private mutating func target(
        _ url: String, _ plan: ServingPlan, api: Int?, _ forward: inout ForwardRequest, _ origins: inout OriginTable
    ) -> BackendTarget? {
        if let api, let own = plan.apis[api].target, plan.apis[api].configuration.serviceUrl == url {
            if apiOrigins[api] < 0 { apiOrigins[api] = origins.index(of: own.origin) }
            forward.origin = apiOrigins[api]
            return own
        }
        if let known = targets[url] {
            forward.origin = origins.index(of: known.origin)
            return known
        }
        guard let parsed = try? BackendTarget(url: url) else { return nil }
        if targets.count >= Self.targetsMax { targets = [:] }
        targets[url] = parsed
        forward.origin = origins.index(of: parsed.origin)
        return parsed
    }

    /// Whether the request has passed gateways of this service too often (must-hold A66).
    func isLooping(_ request: RequestHead, _ plan: ServingPlan) -> Bool {
        guard request.fields.contains(.via) else { return false }
        var passages = 0
        for line in request.fields.values(of: .via) {
            for value in line.split(separator: UInt8(ascii: ",")) {
                let name = value.drop { $0 == 0x20 || $0 == 0x09 }
                if name.elementsEqual(plan.via) { passages += 1 }
            }
        }
        return passages >= Self.passagesMax
    }
}
