import Admission
import BackendCalls
import GatewayConfiguration
import HTTPEngine
import PolicyRuntime

// What of a call is changed on its way to the backend: target, forwarded fields, key and credentials
// (contract-details.md section 4; must-hold A66, B16, B20 to B23).

enum OutgoingRequest {
    /// Appends path and query at the backend to `target`; false where a byte in it has no place in a request line.
    static func writeTarget(
        _ target: inout [UInt8], _ exchange: PolicyExchange, _ backend: BackendTarget, _ entity: BackendEntity?,
        _ api: ServingPlan.Api?
    ) -> Bool {
        target.append(contentsOf: backend.basePath)
        var query: [UInt8]?
        if let rewritten = exchange.rewrittenTarget {
            let mark = rewritten.firstIndex(of: UInt8(ascii: "?"))
            let path = rewritten[..<(mark ?? rewritten.endIndex)]
            if !path.isEmpty, path.first != UInt8(ascii: "/") { target.append(UInt8(ascii: "/")) }
            target.append(contentsOf: path)
            query = mark.map { Array(rewritten[($0 + 1)...]) }
        } else {
            target.append(contentsOf: exchange.remainingPath)
            query = exchange.request.query
        }
        if target.isEmpty { target.append(UInt8(ascii: "/")) }
        if let all = query, let api, !api.configuration.forwardsSubscriptionKey {
            query = PresentedKey.removing(api.configuration.keyQueryName, from: all)
        }
        var mark = UInt8(ascii: "?")
        for part in [backend.baseQuery, query] + (entity?.query ?? []).map(Optional.some) {
            guard let part else { continue }
            target.append(mark)
            target.append(contentsOf: part)
            mark = UInt8(ascii: "&")
        }
        return target.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "#") }
    }

    static func writeFields(
        _ request: inout RequestHead, _ entity: BackendEntity?, _ api: ServingPlan.Api?, via: [UInt8],
        peer: PeerAddress, isTrusted: Bool
    ) {
        if let api, !api.configuration.forwardsSubscriptionKey { request.fields.remove(api.keyHeader) }
        appendAddress(peer, to: &request.fields)
        if !isTrusted || !request.fields.contains(.forwardedHost) {
            request.fields.set(.forwardedHost, request.authority)
        }
        if !isTrusted || !request.fields.contains(.forwardedProto) {
            request.fields.set(.forwardedProto, request.scheme.rawValue)
        }
        request.fields.append(.via, via)
        for field in entity?.fields ?? [] {
            request.fields.remove(field.name)
            for value in field.values { request.fields.append(field.name, value) }
        }
    }

    /// One line: what came, then the peer we saw.
    private static func appendAddress(_ peer: PeerAddress, to fields: inout HeaderFields) {
        guard fields.contains(.forwardedFor) else {
            fields.append(.forwardedFor, peer.text)
            return
        }
        let former = fields.values(of: .forwardedFor).filter { !$0.isEmpty }
        let line = (former + [Array(peer.text.utf8)[...]]).joined(separator: Array(", ".utf8))
        fields.set(.forwardedFor, Array(line))
    }
}

extension RequestHead {
    /// Holds the place of a head that is elsewhere.
    static var blank: RequestHead {
        RequestHead(
            method: .get, scheme: .http, authority: [], path: [], query: nil, fields: HeaderFields(), body: .none)
    }
}

extension PolicyExchange {
    /// Holds the place of an exchange that is yet to come.
    static var blank: PolicyExchange {
        PolicyExchange(request: .blank, caller: PeerAddress(bytes: [], text: ""), nowNanoseconds: 0)
    }
}

/// Answers that need no policy.
enum OwnAnswer {
    static func make(_ status: Int, _ message: String, closes: Bool = false) -> OwnResponse {
        var head = ResponseHead(status: status)
        head.fields.append(.contentType, "application/json")
        return OwnResponse(
            head: head, body: Array("{ \"statusCode\": \(status), \"message\": \"\(message)\" }".utf8), closes: closes)
    }

    static func internalError(_ id: String) -> OwnResponse {
        var head = ResponseHead(status: 500)
        head.fields.append(.contentType, "application/json")
        let body = "{ \"statusCode\": 500, \"message\": \"Internal server error\", \"activityId\": \"\(id)\" }"
        return OwnResponse(head: head, body: Array(body.utf8))
    }
}

/// Ids of calls, in the form of a GUID: unlike in two loops, two starts and two nodes.
enum CallID {
    private static let digits = Array("0123456789abcdef".utf8)

    static func text(seed: UInt64, loop: Int, number: UInt64) -> String {
        let high = mix(seed &+ UInt64(loop) &* 0x9E37_79B9_7F4A_7C15)
        let low = mix(high ^ number)
        var text: [UInt8] = []
        text.reserveCapacity(36)
        for index in 0..<16 {
            if index == 4 || index == 6 || index == 8 || index == 10 { text.append(UInt8(ascii: "-")) }
            let word = index < 8 ? high : low
            let byte = UInt8(truncatingIfNeeded: word >> UInt64(56 - index % 8 * 8))
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// SplitMix64's last step: different numbers stay different.
    private static func mix(_ value: UInt64) -> UInt64 {
        var mixed = value
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
