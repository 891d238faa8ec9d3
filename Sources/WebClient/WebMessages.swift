// What goes out and what comes back, as values.

/// A field of a head.
package struct WebField: Hashable, Sendable {
    package var name: String
    package var value: String

    package init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}

/// A request.
package struct WebRequest: Sendable {
    package var method: String
    /// Absolute.
    package var url: String
    package var fields: [WebField]
    package var body: [UInt8]?
    /// Most bytes of the answer's body; more is `tooLarge`. Not for streams, which their reader bounds.
    package var bodyBytesMax = 1 << 20
    /// From the start to the answer's head.
    package var headTimeout = Duration.seconds(10)
    /// From the start to the end; nil for a stream.
    package var timeout: Duration? = .seconds(30)
    /// Between two pieces of the body.
    package var idleTimeout: Duration?
    /// Hops that are followed, for GET alone. Each is checked as the first URL is, and https is never left.
    package var redirectsMax = 0

    package init(_ method: String, _ url: String, fields: [WebField] = [], body: [UInt8]? = nil) {
        self.method = method
        self.url = url
        self.fields = fields
        self.body = body
    }
}

/// The head of an answer.
package struct WebResponseHead: Hashable, Sendable {
    package var status: Int
    package var fields: [WebField]

    /// The value of the first field of that name; case does not count.
    package subscript(_ name: String) -> String? {
        fields.first { $0.name.lowercased() == name.lowercased() }?.value
    }
}

/// An answer with its body.
package struct WebResponse: Hashable, Sendable {
    package var head: WebResponseHead
    package var body: [UInt8]

    package var status: Int { head.status }
}

/// Why there is no answer.
package enum WebFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// No absolute URL, one with a user or password, or a field with a line end.
    case invalidRequest
    case schemeNotAllowed
    /// The guard refused every address of the name.
    case addressNotAllowed
    /// No such name, no route, connection refused or lost.
    case unreachable(String)
    case timeout
    /// The certificate is not trusted, not for this name, or the handshake failed.
    case notTrusted(String)
    /// Head or body beyond its bound.
    case tooLarge
    case redirectNotAllowed
    /// What came is no HTTP, or was cut.
    case malformedAnswer(String)
    case cancelled
    /// The client was shut down.
    case closed

    /// Says nothing of URL and fields, which may hold secrets.
    package var description: String {
        switch self {
        case .invalidRequest: "the request is not valid"
        case .schemeNotAllowed: "the URL's scheme is not allowed"
        case .addressNotAllowed: "the address is not allowed"
        case .unreachable(let reason): "unreachable: \(reason)"
        case .timeout: "timeout"
        case .notTrusted(let reason): "TLS: \(reason)"
        case .tooLarge: "the answer is too large"
        case .redirectNotAllowed: "the redirect is not allowed"
        case .malformedAnswer(let reason): "the answer is malformed: \(reason)"
        case .cancelled: "cancelled"
        case .closed: "the client is closed"
        }
    }
}
