internal import HTTPEngine

// The last touch on an answer, whoever made it: fields that were decided on the way, and a legal framing.

extension FieldName {
    static let accessControlAllowOrigin = FieldName("Access-Control-Allow-Origin")
    static let accessControlAllowCredentials = FieldName("Access-Control-Allow-Credentials")
    static let accessControlExposeHeaders = FieldName("Access-Control-Expose-Headers")
}

extension PolicyExchange {
    /// Puts `answerFields` on the response. They replace what the backend sent, but for Vary, which is joined
    /// (RFC 9110 section 12.5.5). May be called again.
    ///
    /// `backendStatus` is that of the response that the backend sent; its body goes on where neither it nor the status
    /// was changed.
    mutating func finishAnswer(backendStatus: Int?) {
        guard var head = response else { return }
        if corsState != .notAsked {
            // The backend's own do not count: a list of two origins is refused by browsers, and an origin that no
            // policy allows must not get in through the backend.
            head.fields.remove(.accessControlAllowOrigin)
            head.fields.remove(.accessControlAllowCredentials)
            head.fields.remove(.accessControlExposeHeaders)
        }
        for index in 0..<answerFields.count {
            let value = answerFields.value(at: index)
            if answerFields.isNamed(.vary, at: index) {
                Self.addToVary(value, &head.fields)
            } else {
                let name = answerFields.name(at: index)
                Self.remove(name, from: &head.fields)
                head.fields.append(name, value)
            }
        }
        let isWithoutBody = head.status == 204 || head.status == 304
        if isWithoutBody, responseBody != nil || head.status != backendStatus {
            responseBody = []
            head.body = .none
            head.fields.remove(.contentLength)
        }
        response = head
    }

    /// Removes the lines of a name that is there as bytes; to make a `FieldName` of it would cost more than to look.
    private static func remove(_ name: ArraySlice<UInt8>, from fields: inout HeaderFields) {
        var index = fields.count - 1
        while index >= 0 {
            let other = fields.name(at: index)
            if other.count == name.count, zip(other, name).allSatisfy({ FieldName.lower($0) == FieldName.lower($1) }) {
                fields.remove(at: index)
            }
            index -= 1
        }
    }

    /// Adds a name to Vary unless it is there, or `*` is.
    private static func addToVary(_ name: ArraySlice<UInt8>, _ fields: inout HeaderFields) {
        guard fields.contains(.vary) else { return fields.append(.vary, name) }
        let present = fields.values(of: .vary)
        let names = present.flatMap { $0.split(separator: UInt8(ascii: ",")) }
            .map { part in part.filter { $0 != 0x20 && $0 != 0x09 }.map(FieldName.lower) }
        if names.contains(name.map(FieldName.lower)) || names.contains([UInt8(ascii: "*")]) { return }
        let joined = (present.filter { !$0.isEmpty } + [name]).joined(separator: Array(", ".utf8))
        fields.set(.vary, Array(joined))
    }

    /// Replaces the body of the response by text or bytes made here: what described the old one goes.
    mutating func replaceResponseBody(_ bytes: [UInt8]) {
        responseBody = bytes
        response?.body = bytes.isEmpty ? .none : .known(UInt64(bytes.count))
        response?.fields.remove(.contentLength)
        response?.fields.remove(.transferEncoding)
        response?.fields.remove(.contentEncoding)
        response?.fields.makeCharsetTrue()
    }

    /// Replaces the body of the request by text made here.
    mutating func replaceRequestBody(_ bytes: [UInt8]) {
        requestBody = bytes
        request.body = bytes.isEmpty ? .none : .known(UInt64(bytes.count))
        request.fields.remove(.contentLength)
        request.fields.remove(.transferEncoding)
        request.fields.remove(.contentEncoding)
        request.fields.makeCharsetTrue()
    }
}

extension FieldName {
    static let contentEncoding = FieldName("Content-Encoding")
}

extension HeaderFields {
    /// Text written here is UTF-8: a `charset` that says otherwise is corrected (policies.md 3.4).
    fileprivate mutating func makeCharsetTrue() {
        guard let value = first(.contentType), value.contains(UInt8(ascii: ";")) else { return }
        let parts = value.split(separator: UInt8(ascii: ";"), omittingEmptySubsequences: false)
        var isChanged = false
        let corrected = parts.map { part -> [UInt8] in
            let text = String(decoding: part, as: UTF8.self)
            let trimmed = text.drop { $0 == " " || $0 == "\t" }.lowercased()
            guard trimmed.hasPrefix("charset=") else { return Array(part) }
            let charset = trimmed.dropFirst("charset=".count).filter { $0 != "\"" && $0 != " " }
            if charset == "utf-8" || charset == "us-ascii" { return Array(part) }
            isChanged = true
            return Array(" charset=utf-8".utf8)
        }
        if isChanged { set(.contentType, Array(corrected.joined(separator: [UInt8(ascii: ";")]))) }
    }
}
