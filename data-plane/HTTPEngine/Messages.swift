// Requests and responses as the engine hands them to the gateway: heads as values, whatever the HTTP version.

/// A method, byte for byte (must-hold A4).
package struct Method: Hashable, Sendable, CustomStringConvertible {
    package let bytes: [UInt8]

    package init(_ text: String) { bytes = Array(text.utf8) }
    package init(bytes: some Collection<UInt8>) { self.bytes = Array(bytes) }

    package var description: String { String(decoding: bytes, as: UTF8.self) }

    package static let get = Method("GET")
    package static let head = Method("HEAD")
    package static let post = Method("POST")
    package static let put = Method("PUT")
    package static let delete = Method("DELETE")
    package static let patch = Method("PATCH")
    package static let options = Method("OPTIONS")
}

package enum URLScheme: String, Hashable, Sendable {
    case http
    case https
}

/// How long a body is.
package enum BodyLength: Hashable, Sendable, BitwiseCopyable {
    case none
    case known(UInt64)
    /// Until its framing says that it ends.
    case unknown
}

/// An address of a caller or a peer. IPv4-mapped IPv6 is held as IPv4.
package struct PeerAddress: Hashable, Sendable {
    /// 4 or 16 bytes, network order.
    package let bytes: [UInt8]
    /// As a literal, without port.
    package let text: String

    package init(bytes: [UInt8], text: String) {
        self.bytes = bytes
        self.text = text
    }
}

/// The head of a request, normalised and past the strict reader; fields that Connection names and hop-by-hop fields
/// are gone (must-hold A43, A44).
package struct RequestHead: Sendable {
    package var method: Method
    package var scheme: URLScheme
    /// Host as called, port included.
    package var authority: [UInt8]
    /// In normal form (must-hold part B): begins with `/`, no dot segments, no `//`; percent encoding kept as received.
    package var path: [UInt8]
    /// Behind the `?`, as received; nil without `?`.
    package var query: [UInt8]?
    package var fields: HeaderFields
    package var body: BodyLength

    package init(
        method: Method, scheme: URLScheme, authority: [UInt8], path: [UInt8], query: [UInt8]?, fields: HeaderFields,
        body: BodyLength
    ) {
        self.method = method
        self.scheme = scheme
        self.authority = authority
        self.path = path
        self.query = query
        self.fields = fields
        self.body = body
    }
}

/// The head of a response.
package struct ResponseHead: Sendable {
    package var status: Int
    /// nil: the usual phrase of the status.
    package var reason: String?
    package var fields: HeaderFields
    package var body: BodyLength

    package init(status: Int, reason: String? = nil, fields: HeaderFields = HeaderFields(), body: BodyLength = .none) {
        self.status = status
        self.reason = reason
        self.fields = fields
        self.body = body
    }
}

/// A response that the gateway makes itself. Content-Length is the engine's.
package struct OwnResponse: Sendable {
    package var head: ResponseHead
    package var body: [UInt8]
    /// Whether the caller's connection ends with it.
    package var closes: Bool

    package init(head: ResponseHead, body: [UInt8] = [], closes: Bool = false) {
        self.head = head
        self.body = body
        self.closes = closes
    }
}
