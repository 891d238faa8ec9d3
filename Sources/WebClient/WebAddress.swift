internal import CCurl

// URLs, read by the library that connects, so that the check and the connection can't disagree.

/// An absolute http or https URL, in parts.
package struct WebAddress: Hashable, Sendable {
    package let scheme: String
    /// Lower case, numeric IPv4 spelled out; IPv6 in brackets.
    package let host: String
    package let port: UInt16
    /// Normalised text.
    package let url: String

    /// Throws `invalidRequest` for what is no absolute URL or names a user.
    package init(_ text: String) throws(WebFailure) {
        try self.init(text, from: nil)
    }

    /// What `Location: reference` in an answer from this address means.
    package func resolving(_ reference: String) throws(WebFailure) -> WebAddress {
        try WebAddress(reference, from: url)
    }

    private init(_ text: String, from base: String?) throws(WebFailure) {
        guard text.utf8.count <= 8192, !text.utf8.contains(where: { $0 <= 0x20 || $0 == 0x7f }),
            let handle = curl_url()
        else { throw .invalidRequest }
        defer { curl_url_cleanup(handle) }
        let flags = UInt32(CURLU_DISALLOW_USER | CURLU_NON_SUPPORT_SCHEME)
        if let base {
            guard curl_url_set(handle, CURLUPART_URL, base, flags) == CURLUE_OK else { throw .invalidRequest }
        }
        guard curl_url_set(handle, CURLUPART_URL, text, flags) == CURLUE_OK else { throw .invalidRequest }
        func part(_ part: CURLUPart, _ flags: UInt32 = 0) -> String? {
            var text: UnsafeMutablePointer<CChar>?
            guard curl_url_get(handle, part, &text, flags) == CURLUE_OK, let text else { return nil }
            // Safe: libcurl gives a string that is ours to free.
            defer { curl_free(text) }
            return String(cString: text)
        }
        guard let scheme = part(CURLUPART_SCHEME), let host = part(CURLUPART_HOST), let url = part(CURLUPART_URL)
        else { throw .invalidRequest }
        self.scheme = scheme.lowercased()
        self.host = host.lowercased()
        self.url = url
        port = part(CURLUPART_PORT, UInt32(CURLU_DEFAULT_PORT)).flatMap(UInt16.init) ?? 0
    }

    func hasSameOrigin(as other: WebAddress) -> Bool {
        scheme == other.scheme && host == other.host && port == other.port
    }
}
