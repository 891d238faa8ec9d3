// What a route answers, before it becomes an HTTP response.
package import JSONDocuments
package import Resources

/// An answer of the management plane.
package struct Answer: Sendable {
    package var status: Int
    package var headers: [(name: String, value: String)] = []
    /// nil is no body.
    package var body: [UInt8]?
    package var contentType = "application/json; charset=utf-8"
    /// The revision of a write, for `Gatehouse-Revision`.
    package var revision: Int64?

    package init(status: Int, body: [UInt8]? = nil) {
        self.status = status
        self.body = body
    }

    package static func json(_ value: JSONValue, status: Int = 200, etag: String? = nil) -> Answer {
        var answer = Answer(status: status, body: value.encoded())
        if let etag { answer.headers.append(("ETag", etag)) }
        return answer
    }

    package static func empty(_ status: Int, etag: String? = nil) -> Answer {
        var answer = Answer(status: status)
        if let etag { answer.headers.append(("ETag", etag)) }
        return answer
    }

    /// ARM's error envelope.
    package init(_ refusal: Refusal) {
        let details: JSONValue =
            refusal.problems.map { problems in
                .array(
                    problems.map {
                        .object(
                            JSONObject([
                                ("code", .string($0.code)), ("target", .string($0.target)),
                                ("message", .string($0.message)),
                            ]))
                    })
            } ?? .null
        let error = JSONObject([
            ("code", .string(refusal.code.rawValue)), ("message", .string(refusal.message)), ("details", details),
        ])
        self.init(
            status: refusal.code.status, body: JSONValue.object(JSONObject([("error", .object(error))])).encoded())
        if !refusal.allowed.isEmpty { headers.append(("Allow", refusal.allowed.joined(separator: ", "))) }
        if let seconds = refusal.retryAfterSeconds { headers.append(("Retry-After", String(seconds))) }
        if let challenge = refusal.challenge { headers.append(("WWW-Authenticate", challenge)) }
        if refusal.code == .unsupportedMediaType { headers.append(("Accept-Encoding", "identity")) }
    }
}
