// One request and its response on their way through the loop. A connection serves many, HTTP/2 several at once.

/// How far an exchange is.
enum ExchangeStage: UInt8, BitwiseCopyable {
    case free
    /// The gateway looks at the request.
    case deciding
    /// The backend's name is being resolved.
    case resolving
    /// Goes to the backend; no response head yet.
    case forwarding
    /// The gateway looks at the response.
    case answered
    /// No response will come; the gateway makes one.
    case failed
    /// The response goes to the caller.
    case responding
    /// The last byte of the response is staged; the gateway counts, then it goes out.
    case ending
}

/// What is true of an exchange beside its stage.
struct ExchangeFlags: OptionSet, BitwiseCopyable {
    let rawValue: UInt16

    static let closesClient = Self(rawValue: 1 << 0)
    /// The caller waits for 100 Continue.
    static let awaitsContinue = Self(rawValue: 1 << 1)
    /// An interim 100 was sent.
    static let continued = Self(rawValue: 1 << 2)
    /// Something of the response is staged or sent.
    static let responseBegun = Self(rawValue: 1 << 3)
    /// The caller's body does not go to the backend.
    static let discardsBody = Self(rawValue: 1 << 4)
    /// A byte of the caller's body went to the backend, so the request can't be repeated.
    static let bodyStreamed = Self(rawValue: 1 << 5)
    static let backendWasPooled = Self(rawValue: 1 << 6)
    static let repeated = Self(rawValue: 1 << 7)
    static let clientGone = Self(rawValue: 1 << 8)
    static let backendCloses = Self(rawValue: 1 << 9)
    static let answersHead = Self(rawValue: 1 << 10)
    static let isHTTP10 = Self(rawValue: 1 << 11)
    /// Whole request at the backend.
    static let requestSent = Self(rawValue: 1 << 12)
    /// The body of the response is replaced by the gateway.
    static let ownBody = Self(rawValue: 1 << 13)
}

/// How a body is framed on its way out.
enum OutgoingFrame: BitwiseCopyable, Hashable {
    case none
    case length
    case chunked
    case untilClose
}

/// An exchange. Its heads' storage is used again by the next one.
struct Exchange: SlabElement {
    var generation: UInt32 = 1
    var stage = ExchangeStage.free
    var flags: ExchangeFlags = []
    var client = SlabReference(index: noIndex, generation: 0)
    var backend = noIndex
    var request = RequestHead(
        method: .get, scheme: .http, authority: [], path: [], query: nil, fields: HeaderFields(), body: .none)
    var response = ResponseHead(status: 0)
    var forward = ForwardRequest()
    var requestFraming = RequestFraming()
    var responseEndsWithConnection = false
    var toBackend = OutgoingFrame.none
    var toClient = OutgoingFrame.none
    var failure = BackendFailure.Reason.connectionClosed
    var outcome = CallSummary.Outcome.complete
    var refusal: Refusal?
    var status = 0
    var interim: Int32 = 0
    var attempts: Int32 = 0

    // Nanoseconds of the monotonic clock.
    var startedAt: UInt64 = 0
    var forwardedAt: UInt64 = 0
    var backendEndedAt: UInt64 = 0
    /// Milliseconds of the loop's clock.
    var forwardDeadline: UInt64 = 0
    var continueDeadline: UInt64 = 0
    var bytesIn: UInt64 = 0
    var bytesOut: UInt64 = 0
    /// Bytes of the caller's body in the present 60 s, for the least rate.
    var windowBytes: UInt64 = 0
    var windowStart: UInt64 = 0

    init() {}

    /// Makes it ready for another request.
    mutating func reset() {
        stage = .free
        flags = []
        backend = noIndex
        request.fields.removeAll()
        response.fields.removeAll()
        forward.reset()
        requestFraming = RequestFraming()
        responseEndsWithConnection = false
        toBackend = .none
        toClient = .none
        outcome = .complete
        refusal = nil
        status = 0
        interim = 0
        attempts = 0
        forwardedAt = 0
        backendEndedAt = 0
        forwardDeadline = 0
        continueDeadline = 0
        bytesIn = 0
        bytesOut = 0
        windowBytes = 0
        windowStart = 0
    }
}
