// The border between engine and gateway: what the engine asks for each exchange, and what it is told. A generic
// parameter of the loop, so that nothing is boxed on the hot path.

/// What serves the calls of one loop. The loop's thread alone calls it.
package protocol GatewayApplication {
    /// What the application keeps for an exchange. Used again by the next one.
    associatedtype Call

    mutating func makeCall() -> Call

    /// Once before the events of a wake-up: the moment to take a new configuration.
    mutating func turn(_ clock: LoopClock)

    /// Once behind the events of a wake-up, before the loop waits again.
    mutating func turnEnded()

    /// A request's head came. The body may not be here yet.
    mutating func begin(
        _ call: inout Call, request: inout RequestHead, forward: inout ForwardRequest, context: CallContext,
        origins: inout OriginTable
    ) -> CallDecision

    /// The backend's final head came.
    mutating func answered(
        _ call: inout Call, request: inout RequestHead, response: inout ResponseHead, clock: LoopClock
    ) -> ResponseDecision

    /// No response can come from the backend.
    mutating func failed(
        _ call: inout Call, request: inout RequestHead, failure: BackendFailure, clock: LoopClock
    ) -> OwnResponse

    /// The exchange is over: called before the last byte of the response is handed to the kernel.
    mutating func ended(_ call: inout Call, request: inout RequestHead, summary: CallSummary)

    /// A request was refused before it was an exchange.
    mutating func refused(_ refused: RefusedRequest)
}

/// Time, read once a wake-up.
package struct LoopClock: Sendable, BitwiseCopyable {
    /// Monotonic, nanoseconds.
    package var nanoseconds: UInt64
    /// Seconds since 1970, UTC.
    package var wallSeconds: Int64
    /// Milliseconds of that second.
    package var wallMilliseconds: Int64

    package init(nanoseconds: UInt64, wallSeconds: Int64, wallMilliseconds: Int64 = 0) {
        self.nanoseconds = nanoseconds
        self.wallSeconds = wallSeconds
        self.wallMilliseconds = wallMilliseconds
    }
}

/// What an exchange came over.
package struct CallContext: Sendable {
    package var clock: LoopClock
    /// The peer of the connection.
    package var peer: PeerAddress
    /// Which loop, and which exchange of it: together unique in the process.
    package var loop: Int
    package var number: UInt64
    package var isHTTP10: Bool
}

/// What becomes of a request.
package enum CallDecision: Sendable {
    /// To the backend, as `ForwardRequest` says.
    case forward
    /// The gateway answers itself.
    case answer(OwnResponse)
}

/// What becomes of a backend's response.
package enum ResponseDecision: Sendable {
    case pass
    /// The backend's body is dropped for this one.
    case replaceBody([UInt8])
}

/// Where a request goes and what of it is changed. Filled by the application; its storage is used again.
package struct ForwardRequest: Sendable {
    /// Index into the loop's origins.
    package var origin: Int32 = -1
    /// Path and query at the backend.
    package var target: [UInt8] = []
    /// Host to send; empty is the origin's own.
    package var host: [UInt8] = []
    /// Sent in the place of the caller's body.
    package var body: [UInt8]?
    /// To the response's head, milliseconds; nil is the engine's default.
    package var timeoutMilliseconds: Int64?

    package init() {}

    mutating func reset() {
        origin = -1
        target.removeAll(keepingCapacity: true)
        host.removeAll(keepingCapacity: true)
        body = nil
        timeoutMilliseconds = nil
    }
}

/// Why a backend gave no response that can be passed on.
package struct BackendFailure: Error, Hashable, Sendable {
    package enum Reason: String, Hashable, Sendable, BitwiseCopyable {
        case noOrigin
        case nameNotFound
        case connectionRefused
        case connectionClosed
        case handshakeFailed
        case certificateNotTrusted
        case certificateNameMismatch
        case malformedResponse
        case unexpectedUpgrade
        case timeout
        case callerBodyBroken
    }

    package var reason: Reason

    package init(_ reason: Reason) { self.reason = reason }

    package var isTimeout: Bool { reason == .timeout }
}

/// What an exchange came to.
package struct CallSummary: Sendable {
    package enum Outcome: Hashable, Sendable, BitwiseCopyable {
        case complete
        /// The caller went away.
        case callerGone
        /// The response broke off behind its head.
        case cut
        /// The caller's body was refused.
        case refused
    }

    package var clock: LoopClock
    package var outcome: Outcome
    /// Of the answer; 499 where the caller went away before one.
    package var status: Int
    package var refusal: Refusal?
    package var failure: BackendFailure.Reason?
    /// Bytes of heads and bodies between caller and gateway.
    package var bytesIn: UInt64
    package var bytesOut: UInt64
    package var apiMicroseconds: UInt64
    /// nil where no backend was reached.
    package var serviceMicroseconds: UInt64?
}

/// A request that never became an exchange.
package struct RefusedRequest: Sendable {
    package var refusal: Refusal
    package var peer: PeerAddress
    package var clock: LoopClock
}
