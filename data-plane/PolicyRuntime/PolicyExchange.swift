package import HTTPEngine

// What the steps of a policy document see and change: one call on its way through the gateway.

/// Where a call goes: what `serviceUrl`, set-backend-service and rewrite-uri have come to.
package enum BackendChoice: Hashable, Sendable {
    /// No backend is known: forwarding fails with 500.
    case none
    /// A base URL, from the API or set-backend-service.
    case url(String)
    /// A backend entity's name.
    case entity(String)
}

/// What an error was (policies.md 2.2). Filled before on-error runs.
package struct LastError: Sendable {
    package var source: String
    package var reason: String
    package var message: String
    package var scope: String
    package var section: String
    package var path: String
    package var policyID: String

    package init(
        source: String, reason: String, message: String, scope: String = "", section: String = "inbound",
        path: String = "", policyID: String = ""
    ) {
        self.source = source
        self.reason = reason
        self.message = message
        self.scope = scope
        self.section = section
        self.path = path
        self.policyID = policyID
    }
}

/// The value of a context variable.
package enum VariableValue: Hashable, Sendable {
    case integer(Int64)
    case text(String)
}

/// How far the cors policies of a call have come.
enum CorsState: Hashable, Sendable {
    /// No policy ran, or the request has no Origin.
    case notAsked
    /// None allowed the origin so far.
    case unmatched
    /// One allowed the origin: the others are put aside.
    case matched
}

/// A call while policies run. The engine's side fills it before inbound; steps change it; what is left decides what
/// goes to the backend and to the caller.
package struct PolicyExchange: Sendable {
    /// As it will go to the backend. Its path and query are the caller's until `forwardTarget` is set.
    package var request: RequestHead
    /// Replaces the caller's body; nil keeps it.
    package var requestBody: [UInt8]?
    /// From the backend or made here; nil before there is one.
    package var response: ResponseHead?
    /// Replaces the backend's body; nil keeps it.
    package var responseBody: [UInt8]?
    /// The caller, forwarded addresses of trusted proxies resolved (context.Request.IpAddress).
    package var caller: PeerAddress
    /// Names, empty where there is none.
    package var api: String
    package var operation: String
    package var product: String
    package var subscription: String
    package var user: String
    /// Values of the operation's template, by name, percent-decoded once.
    package var matchedParameters: [(name: String, value: String)]
    /// The path behind the API's path (and version), begins with `/` or is empty; the backend's base path is put before.
    package var remainingPath: [UInt8]
    /// Set by rewrite-uri: path and query relative to the backend's base URL.
    package var rewrittenTarget: [UInt8]?
    /// What the query parameters named by the operation's template are, for rewrite-uri.
    package var templateQueryNames: [String]
    package var backend: BackendChoice
    /// Head timeout chosen by forward-request, milliseconds; nil is the default of 300 s.
    package var forwardTimeoutMilliseconds: Int64?
    package var lastError: LastError?
    /// Fields that every answer made here must carry (CORS, decided for this request).
    package var answerFields: HeaderFields
    /// Monotonic clock, nanoseconds, at the start of this turn of the loop.
    package var nowNanoseconds: UInt64
    /// The call's id, which the generic 500 names (policies.md 2.4); empty leaves it out.
    package var activityID: String
    /// What limits of `api` and `operation` by display name look at; empty where it is not known.
    package var apiDisplayName: String
    package var operationDisplayName: String
    /// When the subscription began, Unix milliseconds: the periods of quota start there. 0 where it is not known.
    package var subscriptionStart: Int64
    /// Whether set-header wrote Host, which then goes to the backend in place of the backend's own name.
    package var writesHost: Bool
    /// What policies keep for later ones, by name.
    package var variables: [String: VariableValue]
    /// Where the backend section goes on after the response's head has arrived.
    var backendPosition: Int
    /// What limits have counted for this call, to be given back should it be refused later in inbound.
    var takenTickets: [LimitTicket]
    /// What the blocks hold that the call is in, outermost first.
    var openBlocks: [any HeldByBlock]
    /// What the cors policies have found out about the call.
    var corsState: CorsState

    package init(request: RequestHead, caller: PeerAddress, nowNanoseconds: UInt64) {
        self.request = request
        self.caller = caller
        self.nowNanoseconds = nowNanoseconds
        api = ""
        operation = ""
        product = ""
        subscription = ""
        user = ""
        matchedParameters = []
        remainingPath = []
        templateQueryNames = []
        activityID = ""
        apiDisplayName = ""
        operationDisplayName = ""
        subscriptionStart = 0
        writesHost = false
        variables = [:]
        backendPosition = 0
        takenTickets = []
        openBlocks = []
        corsState = .notAsked
        backend = .none
        answerFields = HeaderFields()
    }
}
