import GatewayConfiguration
import HTTPEngine
import PolicyLanguage

@testable import PolicyRuntime

/// Documents and calls for the tests of steps.
enum Calls {
    static let global = PolicyChecker.defaultGlobalDocument

    static func checked(
        _ text: String, _ level: PolicyLevel = .operation, references: PolicyReferences = .none
    ) throws -> CheckedDocument {
        try PolicyChecker.check(document: text, format: .rawxml, level: level, references: references).get()
    }

    /// The policies in one section of an operation's document, below the default global one.
    static func policy(
        _ policies: String, in section: PolicySection = .inbound, level: PolicyLevel = .operation,
        responses: [ResponseDefinition] = [], state: PolicyState = PolicyState()
    ) throws -> EffectivePolicy {
        let text = "<policies><\(section.rawValue)>\(policies)</\(section.rawValue)></policies>"
        let references = PolicyReferences(backendExists: { _ in true })
        let document = try checked(text, level, references: references)
        return try EffectivePolicy.compose(
            global: try checked(global, .global), product: level == .product ? document : nil,
            api: level == .api ? document : nil, operation: level == .operation ? document : nil,
            responses: responses, state: state)
    }

    static func chain(
        global: String = Calls.global, product: String? = nil, api: String? = nil, operation: String? = nil,
        state: PolicyState = PolicyState()
    ) throws -> EffectivePolicy {
        try EffectivePolicy.compose(
            global: try checked(global, .global), product: try product.map { try checked($0, .product) },
            api: try api.map { try checked($0, .api) }, operation: try operation.map { try checked($0, .operation) },
            responses: [], state: state)
    }

    static func exchange(
        _ method: String = "GET", path: String = "/items/7", query: String? = nil, fields: [(String, String)] = [],
        caller: [UInt8] = [192, 0, 2, 1], now: UInt64 = 1_000_000_000
    ) -> PolicyExchange {
        var header = HeaderFields()
        for (name, value) in fields { header.append(FieldName(name), value) }
        let head = RequestHead(
            method: Method(method), scheme: .https, authority: Array("gateway.example".utf8), path: Array(path.utf8),
            query: query.map { Array($0.utf8) }, fields: header, body: .none)
        var exchange = PolicyExchange(
            request: head, caller: PeerAddress(bytes: caller, text: caller.map(String.init).joined(separator: ".")),
            nowNanoseconds: now)
        exchange.api = "shop"
        exchange.operation = "get-item"
        exchange.product = "starter"
        exchange.subscription = "s1"
        exchange.remainingPath = Array(path.utf8)
        exchange.backend = .url("https://backend.example/v1")
        exchange.activityID = "87aeb87f-192c-424c-84d1-32d5bbfec437"
        return exchange
    }

    static func backendResponse(_ status: Int = 200, _ fields: [(String, String)] = []) -> ResponseHead {
        var header = HeaderFields()
        for (name, value) in fields { header.append(FieldName(name), value) }
        return ResponseHead(status: status, fields: header, body: .unknown)
    }
}

extension PolicyExchange {
    /// What is known of the request's header lines with this name.
    func requestLines(_ name: String) -> [String] {
        request.fields.values(of: FieldName(name)).map { String(decoding: $0, as: UTF8.self) }
    }

    func responseLines(_ name: String) -> [String] {
        (response?.fields.values(of: FieldName(name)) ?? []).map { String(decoding: $0, as: UTF8.self) }
    }

    var answerText: String { String(decoding: responseBody ?? [], as: UTF8.self) }
    var target: String? { rewrittenTarget.map { String(decoding: $0, as: UTF8.self) } }
    var queryText: String? { request.query.map { String(decoding: $0, as: UTF8.self) } }
}
