package import GatewayConfiguration
package import HTTPEngine

// BackendCalls says where a call goes: a base URL or a backend entity comes in; the origin whose connections it shares,
// and what is put before its path, go out.

/// Why a text is no base URL of a backend. Never holds the text: it may have come from a caller.
package enum BackendTargetFailure: String, Error, Hashable, Sendable, CustomStringConvertible {
    case scheme = "the URL of a backend begins with http:// or https://"
    case authority = "the host of a backend's URL is a name or an address with at most one port, nothing else"
    case path = "the path of a backend's URL is not usable"

    package var description: String { rawValue }
}

/// A backend's base URL, parsed once by the engine's own strict reader (must-hold B30).
package struct BackendTarget: Hashable, Sendable {
    package let origin: BackendOrigin
    /// Put before the rest of a call's path; no slash at its end.
    package let basePath: [UInt8]
    /// Put before the call's query; nil without one.
    package let baseQuery: [UInt8]?

    /// Parses `http[s]://host[:port][/path][?query]`.
    package init(
        url: String, validatesCertificateChain: Bool = true, validatesCertificateName: Bool = true,
        identity: TLSIdentity? = nil, authorities: String? = nil
    ) throws(BackendTargetFailure) {
        let bytes = Array(url.utf8)
        let scheme: URLScheme
        if Self.begins(bytes, "https://") {
            scheme = .https
        } else if Self.begins(bytes, "http://") {
            scheme = .http
        } else {
            throw .scheme
        }
        let start = scheme == .https ? 8 : 7
        let end = bytes[start...].firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") } ?? bytes.count
        guard !bytes.contains(where: { $0 <= 0x20 || $0 >= 0x7F || $0 == UInt8(ascii: "#") || $0 == 0x5C }) else {
            throw .authority
        }
        let authority = Array(bytes[start..<end])
        guard let syntax = HostSyntax(authority), syntax.port != 0 else { throw .authority }
        let host = String(decoding: authority[syntax.host], as: UTF8.self).lowercased()
        guard Self.isUsable(host, isIPv6: syntax.isIPv6) else { throw .authority }
        origin = BackendOrigin(
            scheme: scheme, host: host, port: UInt16(syntax.port ?? (scheme == .https ? 443 : 80)),
            validatesCertificateChain: validatesCertificateChain, validatesCertificateName: validatesCertificateName,
            identity: scheme == .https ? identity : nil, authorities: authorities)
        let query = bytes[end...].firstIndex(of: UInt8(ascii: "?"))
        var path = Array(bytes[end..<(query ?? bytes.count)])
        if !path.isEmpty {
            guard let normal = TargetNormalizer.normalized(path) else { throw .path }
            path = normal
        }
        while path.last == UInt8(ascii: "/") { path.removeLast() }
        basePath = path
        baseQuery = query.map { Array(bytes[($0 + 1)...]) }
    }

    /// A host whose last label is a number is an address: it must be a whole one, as inet_pton reads it; the short,
    /// octal and hexadecimal spellings of inet_aton are none (must-hold B31).
    private static func isUsable(_ host: String, isIPv6: Bool) -> Bool {
        if isIPv6 { return true }
        guard let last = host.split(separator: ".").last, let first = last.utf8.first,
            first >= UInt8(ascii: "0"), first <= UInt8(ascii: "9")
        else { return true }
        let isNumber = last.allSatisfy { $0.isASCII && $0.isHexDigit } || last.hasPrefix("0x")
        return !isNumber || NetworkAddress(literal: host, port: 0) != nil
    }

    private static func begins(_ bytes: [UInt8], _ prefix: String) -> Bool {
        bytes.count > prefix.utf8.count && zip(bytes, prefix.utf8).allSatisfy { FieldName.lower($0) == $1 }
    }
}

/// The certificates and credentials of a backend entity, resolved.
package struct BackendEntity: Sendable {
    package let target: BackendTarget
    /// Lines to send, each name once a value.
    package let fields: [(name: FieldName, values: [[UInt8]])]
    /// `name=value` pairs to add to the query, encoded.
    package let query: [[UInt8]]
    /// Whether every value may stand in a head. A backend is not called without the credentials that it asks for, and a
    /// line end in one would be another field (must-hold A49).
    package let canSendCredentials: Bool

    /// - Throws: `BackendTargetFailure` for a URL that is none.
    package init(
        _ configuration: BackendConfiguration, credentials: SnapshotSecrets.BackendCredentials?,
        identity: TLSIdentity?
    ) throws(BackendTargetFailure) {
        target = try BackendTarget(
            url: configuration.url, validatesCertificateChain: configuration.validatesCertificateChain,
            validatesCertificateName: configuration.validatesCertificateName, identity: identity)
        var fields: [(name: FieldName, values: [[UInt8]])] = []
        if let authorization = credentials?.authorization {
            fields.append((.authorization, [Array(authorization.utf8)]))
        }
        for (name, values) in (credentials?.headers ?? [:]).sorted(by: { $0.key < $1.key }) {
            fields.append((FieldName(name), values.map { Array($0.utf8) }))
        }
        self.fields = fields
        canSendCredentials = fields.allSatisfy { field in
            field.values.allSatisfy { value in value.allSatisfy { ($0 >= 0x20 && $0 != 0x7F) || $0 == 0x09 } }
        }
        query = (credentials?.query ?? [:]).sorted { $0.key < $1.key }.flatMap { name, values in
            values.map { Self.encoded(name) + [UInt8(ascii: "=")] + Self.encoded($0) }
        }
    }

    private static func encoded(_ text: String) -> [UInt8] {
        let digits = Array("0123456789ABCDEF".utf8)
        var result: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                result.append(byte)
            default: result += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return result
    }
}
