// Why the engine itself refuses a request, before any gateway code sees it: a bounded list, used in logs and metrics;
// the caller is told the status alone (contract-details.md section 4).

/// A request that is not taken. The caller sees `status` and `message`, never the case.
package enum Refusal: UInt8, Error, Hashable, Sendable, CaseIterable, BitwiseCopyable {
    case emptyLines
    case controlByte
    case lineEnd
    case requestLine
    case version
    case unknownVersion
    case methodTooLong
    case requestLineTooLong
    case headTooLarge
    case tooManyFields
    case fieldSyntax
    case foldedLine
    case host
    case hostMismatch
    case schemeMismatch
    case target
    case path
    case query
    case connect
    case contentLength
    case contentLengthAndTransferEncoding
    case transferEncoding
    case transferCoding
    case expectation
    case maxForwards
    case repeatedField
    case chunk
    case trailers
    case trailersTooLarge
    case bodyCutShort
    case headTimeout
    case bodyTimeout
    case bodyTooSlow
    case loop

    /// The status that the caller gets.
    package var status: Int {
        switch self {
        case .headTimeout, .bodyTimeout, .bodyTooSlow: 408
        case .requestLineTooLong: 414
        case .expectation: 417
        case .schemeMismatch: 421
        case .headTooLarge, .tooManyFields, .trailersTooLarge: 431
        case .methodTooLong, .transferCoding: 501
        case .unknownVersion: 505
        case .loop: 508
        case .emptyLines, .controlByte, .lineEnd, .requestLine, .version, .fieldSyntax, .foldedLine, .host,
            .hostMismatch, .target, .path, .query, .connect, .contentLength, .contentLengthAndTransferEncoding,
            .transferEncoding, .maxForwards, .repeatedField, .chunk, .trailers, .bodyCutShort:
            400
        }
    }

    /// Whether the connection goes on, since where the request ends is known.
    package var keepsConnection: Bool {
        switch self {
        case .schemeMismatch, .repeatedField: true
        case .emptyLines, .controlByte, .lineEnd, .requestLine, .version, .unknownVersion, .methodTooLong,
            .requestLineTooLong, .headTooLarge, .tooManyFields, .fieldSyntax, .foldedLine, .host, .hostMismatch,
            .target, .path, .query, .connect, .contentLength, .contentLengthAndTransferEncoding, .transferEncoding,
            .transferCoding, .expectation, .maxForwards, .chunk, .trailers, .trailersTooLarge, .bodyCutShort,
            .headTimeout, .bodyTimeout, .bodyTooSlow, .loop:
            false
        }
    }

    /// The label of logs and metrics.
    package var label: String { "\(self)" }

    /// The whole answer's body.
    package var body: String {
        "{ \"statusCode\": \(status), \"message\": \"\(ReasonPhrase.of(status))\" }"
    }
}

/// The usual phrases of statuses (RFC 9110 section 15), with those that the gateway's own contract names.
package enum ReasonPhrase {
    /// Empty for a status without one.
    package static func of(_ status: Int) -> String {
        switch status {
        case 200...299: success(status)
        case 300...399: redirection(status)
        case 400...499: clientError(status)
        case 500...599: serverError(status)
        case 100: "Continue"
        case 101: "Switching Protocols"
        case 103: "Early Hints"
        default: ""
        }
    }

    private static func success(_ status: Int) -> String {
        switch status {
        case 200: "OK"
        case 201: "Created"
        case 202: "Accepted"
        case 203: "Non-Authoritative Information"
        case 204: "No Content"
        case 205: "Reset Content"
        case 206: "Partial Content"
        case 207: "Multi-Status"
        default: ""
        }
    }

    private static func redirection(_ status: Int) -> String {
        switch status {
        case 300: "Multiple Choices"
        case 301: "Moved Permanently"
        case 302: "Found"
        case 303: "See Other"
        case 304: "Not Modified"
        case 307: "Temporary Redirect"
        case 308: "Permanent Redirect"
        default: ""
        }
    }

    private static func clientError(_ status: Int) -> String {
        switch status {
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 402: "Payment Required"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 406: "Not Acceptable"
        case 407: "Proxy Authentication Required"
        case 408: "Request Timeout"
        case 409: "Conflict"
        case 410: "Gone"
        case 411: "Length Required"
        case 412: "Precondition Failed"
        case 413: "Content Too Large"
        case 414: "URI Too Long"
        case 415: "Unsupported Media Type"
        case 416: "Range Not Satisfiable"
        case 417: "Expectation Failed"
        case 418: "I'm a teapot"
        case 421: "Misdirected Request"
        case 422: "Unprocessable Content"
        case 423: "Locked"
        case 424: "Failed Dependency"
        case 425: "Too Early"
        case 426: "Upgrade Required"
        case 428: "Precondition Required"
        case 429: "Too Many Requests"
        case 431: "Request Header Fields Too Large"
        case 451: "Unavailable For Legal Reasons"
        default: ""
        }
    }

    private static func serverError(_ status: Int) -> String {
        switch status {
        case 500: "Internal Server Error"
        case 501: "Not Implemented"
        case 502: "Bad Gateway"
        case 503: "Service Unavailable"
        case 504: "Gateway Timeout"
        case 505: "HTTP Version Not Supported"
        case 507: "Insufficient Storage"
        case 508: "Loop Detected"
        case 511: "Network Authentication Required"
        default: ""
        }
    }
}
