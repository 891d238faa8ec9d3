internal import HTTPEngine
internal import PolicyLanguage

// cors at run time: preflights, and the fields of real answers.

final class Cors: PolicyStep {
    static let declaration = PolicyDeclaration.cors

    /// nil: every origin, and then never with credentials (must-hold I53).
    private let origins: Set<String>?
    /// The same as bytes: what browsers send is nearly always just that.
    private let originBytes: [[UInt8]]
    private let allowsCredentials: Bool
    private let terminatesUnmatched: Bool
    private let methods: [String]
    private let headers: [String]
    /// Joined; empty where there are none.
    private let exposed: String
    private let maxAge: Int64?

    init(_ policy: CheckedPolicy, in surroundings: StepSurroundings) throws(PolicyCompileFailure) {
        func list(_ element: String, _ item: String) throws(PolicyCompileFailure) -> [String] {
            try policy.children(element).first?.texts(of: item) ?? []
        }
        let origins = try list("allowed-origins", "origin")
        let compared = origins.compactMap { WebOrigin($0)?.text }
        self.origins = origins.contains("*") ? nil : Set(compared)
        originBytes = compared.map { Array($0.utf8) }
        allowsCredentials = try policy.requiredFlag("allow-credentials") && self.origins != nil
        terminatesUnmatched = try policy.requiredFlag("terminate-unmatched-request")
        let methods = policy.children("allowed-methods").first
        self.methods = methods == nil ? ["GET", "POST"] : try list("allowed-methods", "method")
        maxAge = methods?.integer("preflight-result-max-age") ?? 0
        headers = try list("allowed-headers", "header")
        exposed = try list("expose-headers", "header").joined(separator: ",")
    }

    func run(_ exchange: inout PolicyExchange) throws(PolicyFailure) -> StepOutcome {
        guard decide(&exchange) == .unmatched else { return .goOn }
        let isSimple = exchange.request.method == .get || exchange.request.method == .head
        guard terminatesUnmatched, isSimple else { return .goOn }
        exchange.response = ResponseHead(status: 200)
        exchange.responseBody = []
        return .finished
    }

    /// Puts the fields of this policy on the answer to come, unless an earlier one has allowed the origin. Gives what is
    /// known of the origin then.
    @discardableResult
    func decide(_ exchange: inout PolicyExchange) -> CorsState {
        // On every answer: without it a cache would give one origin's answer to another (must-hold I54).
        if exchange.corsState == .notAsked { exchange.answerFields.set(.vary, "Origin") }
        guard exchange.corsState != .matched, exchange.request.fields.contains(.origin) else {
            return exchange.corsState
        }
        guard let origin = allowedOrigin(exchange.request.fields) else {
            exchange.corsState = .unmatched
            return .unmatched
        }
        exchange.corsState = .matched
        exchange.answerFields.set(.accessControlAllowOrigin, origin)
        if allowsCredentials { exchange.answerFields.set(.accessControlAllowCredentials, "true") }
        if !exposed.isEmpty {
            exchange.answerFields.set(.accessControlExposeHeaders, exposed)
        }
        return .matched
    }

    /// What Access-Control-Allow-Origin says for the request's origin; nil when it is not allowed. Two lines are no
    /// origin.
    private func allowedOrigin(_ fields: HeaderFields) -> ArraySlice<UInt8>? {
        guard let value = fields.first(.origin), value.count <= 2_048, fields.count(of: .origin) == 1 else {
            return nil
        }
        guard let origins else { return [UInt8(ascii: "*")][...] }
        if originBytes.contains(where: { $0.elementsEqual(value) }) { return value }
        let text = String(decoding: value, as: UTF8.self)
        guard let origin = WebOrigin(text), origins.contains(origin.text) else { return nil }
        return value
    }

    // MARK: Preflights

    static func isPreflight(_ request: RequestHead) -> Bool {
        request.method == .options && request.fields.contains(.origin) && request.fields.contains(.requestMethod)
    }

    /// An empty 200, with the fields of the first policy that allows the origin (policies.md 3.6).
    static func preflightAnswer(_ request: RequestHead, _ policies: [Cors]) -> ResponseHead {
        var head = ResponseHead(status: 200)
        head.fields.append(.vary, "Origin")
        for policy in policies {
            if let origin = policy.allowedOrigin(request.fields) {
                policy.allow(origin, request, &head.fields)
                break
            }
            if policy.terminatesUnmatched { break }
        }
        return head
    }

    private func allow(_ origin: ArraySlice<UInt8>, _ request: RequestHead, _ fields: inout HeaderFields) {
        fields.append(.accessControlAllowOrigin, origin)
        if methods.contains("*") {
            fields.append(.allowMethods, request.fields.first(.requestMethod) ?? [])
        } else if !methods.isEmpty {
            fields.append(.allowMethods, methods.joined(separator: ","))
        }
        if headers.contains("*") {
            if let requested = request.fields.first(.requestHeaders) { fields.append(.allowHeaders, requested) }
        } else if !headers.isEmpty {
            fields.append(.allowHeaders, headers.joined(separator: ","))
        }
        if let maxAge { fields.append(.maxAge, String(maxAge)) }
        if allowsCredentials { fields.append(.accessControlAllowCredentials, "true") }
    }
}

extension FieldName {
    fileprivate static let requestMethod = FieldName("Access-Control-Request-Method")
    fileprivate static let requestHeaders = FieldName("Access-Control-Request-Headers")
    fileprivate static let allowMethods = FieldName("Access-Control-Allow-Methods")
    fileprivate static let allowHeaders = FieldName("Access-Control-Allow-Headers")
    fileprivate static let maxAge = FieldName("Access-Control-Max-Age")
}
