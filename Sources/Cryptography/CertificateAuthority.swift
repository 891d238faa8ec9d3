internal import Crypto
package import Foundation
internal import SwiftASN1
internal import X509

// The cluster's own certificate authority: it certifies the controller's servers, the nodes and the nodes' listeners,
// and nothing that was asked for but the public key.

/// A name that a server answers to.
package enum ServerName: Hashable, Sendable {
    case dns(String)
    /// Four or sixteen bytes.
    case address([UInt8])

    /// Reads an IPv4 or IPv6 literal as address, anything else as DNS name.
    package init(_ text: String) {
        if let bytes = AddressLiteral.bytes(of: text) { self = .address(bytes) } else { self = .dns(text) }
    }
}

/// What the URI name of a node's certificate says: `gatehouse:{service}/{gateway}/{node}`.
package struct NodeIdentity: Hashable, Sendable {
    /// ARM id, with its leading slash.
    package var service: String
    package var gateway: String
    /// The id given at enrolment.
    package var node: String

    package init(service: String, gateway: String, node: String) {
        self.service = service
        self.gateway = gateway
        self.node = node
    }

    package var uri: String { "gatehouse:\(service)/\(gateway)/\(node)" }

    /// nil for another scheme, an escape (`%`), or an empty part.
    package init?(uri: String) {
        guard uri.hasPrefix("gatehouse:/"), !uri.contains("%"), !uri.contains("?"), !uri.contains("#") else {
            return nil
        }
        var parts = uri.dropFirst("gatehouse:".count).split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count >= 4, parts.first == "", parts.dropFirst().allSatisfy({ !$0.isEmpty }) else { return nil }
        node = String(parts.removeLast())
        gateway = String(parts.removeLast())
        service = parts.joined(separator: "/")
    }
}

/// A certificate with its private key, PEM.
package struct CertificateAndKey: Sendable, CustomStringConvertible, CustomReflectable {
    package var certificate: String
    /// PKCS#8.
    package var privateKey: String

    package init(certificate: String, privateKey: String) {
        self.certificate = certificate
        self.privateKey = privateKey
    }

    package var description: String { "CertificateAndKey" }
    package var customMirror: Mirror { Mirror(self, children: ["certificate": certificate]) }
}

/// ECDSA P-256 authority of one cluster.
package struct CertificateAuthority: Sendable, CustomStringConvertible, CustomReflectable {
    /// The authority's own certificate, PEM.
    package let certificate: String
    private let parsed: Certificate
    private let key: P256.Signing.PrivateKey

    /// A new authority, good for 10 years from `now` (its start lies 5 minutes back, for clocks that are behind).
    package init(commonName: String, now: Date) throws {
        let key = P256.Signing.PrivateKey()
        let name = try DistinguishedName { CommonName(commonName) }
        let identifier = SubjectKeyIdentifier(hash: Certificate.PublicKey(key.publicKey))
        let certificate = try Certificate(
            version: .v3, serialNumber: Self.serial(), publicKey: .init(key.publicKey),
            notValidBefore: now.addingTimeInterval(-300), notValidAfter: now.addingTimeInterval(3650 * day),
            issuer: name, subject: name, signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
                Critical(KeyUsage(keyCertSign: true, cRLSign: true))
                identifier
                AuthorityKeyIdentifier(keyIdentifier: identifier.keyIdentifier)
            },
            issuerPrivateKey: .init(key))
        self.init(key: key, parsed: certificate, pem: try certificate.serializeAsPEM().pemString)
    }

    /// An authority as `certificateAndKey` gave it.
    /// Throws when one of them can't be read, or they do not belong together.
    package init(_ stored: CertificateAndKey) throws {
        let key = try P256.Signing.PrivateKey(pemRepresentation: stored.privateKey)
        let certificate = try Certificate(pemEncoded: stored.certificate)
        guard certificate.publicKey == .init(key.publicKey) else { throw BadKey() }
        self.init(key: key, parsed: certificate, pem: stored.certificate)
    }

    private init(key: P256.Signing.PrivateKey, parsed: Certificate, pem: String) {
        self.key = key
        self.parsed = parsed
        certificate = pem
    }

    /// What to keep, mode 0600.
    package var certificateAndKey: CertificateAndKey {
        CertificateAndKey(certificate: certificate, privateKey: key.pemRepresentation)
    }

    package var description: String { "CertificateAuthority" }
    package var customMirror: Mirror { Mirror(self, children: ["certificate": certificate]) }

    /// A certificate for a server of the controller, 1 year, with a new key.
    /// `names`: At least one; the first is the common name too.
    package func issueServer(names: [ServerName], now: Date) throws -> CertificateAndKey {
        let key = P256.Signing.PrivateKey()
        let pem = try issue(
            to: .init(key.publicKey), commonName: names.first.map(Self.text) ?? "server", names: try names.map(general),
            usage: .serverAuth, days: 365, now: now)
        return CertificateAndKey(certificate: pem, privateKey: key.pemRepresentation)
    }

    /// A node's certificate: clientAuth, the identity as URI name, 30 days.
    /// Gives PEM.
    package func issueNode(_ identity: NodeIdentity, for request: CertificateRequest, now: Date) throws -> String {
        try issue(
            to: request.publicKey, commonName: identity.node, names: [.uniformResourceIdentifier(identity.uri)],
            usage: .clientAuth, days: 30, now: now)
    }

    /// A certificate for a node's https listener, for the request's key: serverAuth, 30 days.
    /// Gives PEM.
    package func issueListener(names: [ServerName], for request: CertificateRequest, now: Date) throws -> String {
        try issue(
            to: request.publicKey, commonName: names.first.map(Self.text) ?? "listener",
            names: try names.map(general), usage: .serverAuth, days: 30, now: now)
    }

    private func issue(
        to publicKey: Certificate.PublicKey, commonName: String, names: [GeneralName],
        usage: ExtendedKeyUsage.Usage, days: Double, now: Date
    ) throws -> String {
        let authority = SubjectKeyIdentifier(hash: parsed.publicKey)
        let certificate = try Certificate(
            version: .v3, serialNumber: Self.serial(), publicKey: publicKey,
            notValidBefore: now.addingTimeInterval(-300),
            notValidAfter: min(now.addingTimeInterval(days * day), parsed.notValidAfter), issuer: parsed.subject,
            // The common name of RFC 5280 has at most 64 characters.
            subject: try DistinguishedName { CommonName(String(commonName.prefix(64))) },
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                Critical(KeyUsage(digitalSignature: true))
                try ExtendedKeyUsage([usage])
                SubjectAlternativeNames(names)
                SubjectKeyIdentifier(hash: publicKey)
                AuthorityKeyIdentifier(keyIdentifier: authority.keyIdentifier)
            },
            issuerPrivateKey: .init(key))
        return try certificate.serializeAsPEM().pemString
    }

    private func general(_ name: ServerName) throws -> GeneralName {
        switch name {
        case .dns(let text):
            guard !text.isEmpty, text.utf8.count <= 253, text.utf8.allSatisfy(Self.isHostNameByte) else {
                throw BadServerName(name: text)
            }
            return .dnsName(text)
        case .address(let bytes):
            guard bytes.count == 4 || bytes.count == 16 else { throw BadServerName(name: "address") }
            return .ipAddress(ASN1OctetString(contentBytes: bytes[...]))
        }
    }

    private static func isHostNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"):
            true
        default: false
        }
    }

    private static func text(_ name: ServerName) -> String {
        switch name {
        case .dns(let text): text
        case .address(let bytes): AddressLiteral.text(of: bytes)
        }
    }

    /// 20 octets at most (RFC 5280 4.1.2.2): 16 random ones, positive, never zero.
    private static func serial() -> Certificate.SerialNumber {
        var bytes = SecureRandom.bytes(16)
        bytes[0] = bytes[0] & 0x7f | 0x40
        return Certificate.SerialNumber(bytes: bytes)
    }
}

/// A name that can't stand in a certificate.
package struct BadServerName: Error, Hashable, Sendable {
    package var name: String
}

/// A day in seconds.
private let day: Double = 86400
