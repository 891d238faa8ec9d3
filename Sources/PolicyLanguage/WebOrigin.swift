// Origins (RFC 6454) and URLs as policies write them.

/// An origin in a form that can be compared byte for byte: scheme and host in lower case, the scheme's usual port left
/// out.
package struct WebOrigin: Hashable, Sendable {
    package let text: String

    /// From `scheme://host[:port]`, a trailing `/` put aside, or the literal `null`; nil when it is none.
    package init?(_ text: String) {
        if text == "null" {
            self.text = text
            return
        }
        guard text.utf8.count <= 2_048, let range = text.firstRange(of: "://") else { return nil }
        let scheme = text[..<range.lowerBound].lowercased()
        guard let first = scheme.utf8.first, (0x61...0x7A).contains(first),
            scheme.utf8.allSatisfy({ LiteralURL.isSchemeByte($0) })
        else { return nil }
        var rest = text[range.upperBound...]
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        guard let authority = LiteralURL.Authority(String(rest)) else { return nil }
        let usual = ["http": "80", "https": "443", "ws": "80", "wss": "443"][scheme]
        let port = authority.port.flatMap { $0 == usual ? nil : ":\($0)" } ?? ""
        self.text = "\(scheme)://\(authority.host)\(port)"
    }
}

/// What a URL in a policy must look like.
package enum LiteralURL {
    /// Host and port.
    struct Authority {
        /// In lower case.
        let host: String
        /// Without leading zeros.
        let port: String?

        init?(_ text: String) {
            let bytes = Array(text.utf8)
            guard !bytes.isEmpty else { return nil }
            var end = bytes.count
            if bytes[0] == UInt8(ascii: "[") {
                guard let close = bytes.firstIndex(of: UInt8(ascii: "]")),
                    IPAddress(String(decoding: bytes[1..<close], as: UTF8.self)) != nil
                else { return nil }
                end = close + 1
            } else if let colon = bytes.firstIndex(of: UInt8(ascii: ":")) {
                end = colon
            }
            let name = bytes[..<end]
            guard !name.isEmpty, bytes[0] == UInt8(ascii: "[") || name.allSatisfy(Self.isHostByte) else { return nil }
            host = String(decoding: name, as: UTF8.self).lowercased()
            guard end < bytes.count else {
                port = nil
                return
            }
            let digits = bytes[(end + 1)...]
            guard bytes[end] == UInt8(ascii: ":"), (1...5).contains(digits.count),
                digits.allSatisfy({ (0x30...0x39).contains($0) }),
                let number = UInt16(String(decoding: digits, as: UTF8.self))
            else { return nil }
            port = String(number)
        }

        private static func isHostByte(_ byte: UInt8) -> Bool {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
            default: false
            }
        }
    }

    static func isSchemeByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2B, 0x2D, 0x2E: true
        default: false
        }
    }

    /// Whether it is an absolute URL of http, https, ws or wss, of visible ASCII, without credentials and fragment.
    package static func isBase(_ text: String) -> Bool {
        guard text.utf8.count <= 2_048, let range = text.firstRange(of: "://"),
            ["http", "https", "ws", "wss"].contains(text[..<range.lowerBound].lowercased()),
            text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }), !text.utf8.contains(UInt8(ascii: "#")),
            !text.utf8.contains(UInt8(ascii: "\\"))
        else { return false }
        let rest = text[range.upperBound...]
        let authority = rest.prefix { $0 != "/" && $0 != "?" }
        return Authority(String(authority)) != nil
    }
}
