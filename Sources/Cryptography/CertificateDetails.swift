internal import COpenSSL
package import Foundation

// Certificates of users: read by OpenSSL, which takes what private authorities make, and shown as the API shows them.

/// What is shown of a certificate, and its bytes.
package struct CertificateDetails: Hashable, Sendable {
    package enum Refusal: Error, Hashable, Sendable {
        /// No certificate in DER or PEM, or longer than 64 KiB.
        case malformed
        case unreadableDate
    }

    package let der: [UInt8]
    package let pem: String
    /// As .NET writes it: `CN=contoso.com, O=Contoso`, most specific first.
    package let subject: String
    package let issuer: String
    /// Upper-case hexadecimal, big-endian.
    package let serialNumber: String
    /// SHA-1 over the DER: 40 upper-case hexadecimal digits.
    package let thumbprint: String
    package let notBefore: Date
    package let notAfter: Date
    /// URI names among the subject's alternative names.
    package let uriNames: [String]
    package let dnsNames: [String]
    package let isSelfIssued: Bool
    /// `RSA 2048`, `P-256`, `Ed25519`, …
    package let keyKind: String

    /// Reads DER, or the first certificate of a PEM text.
    package init(_ bytes: [UInt8]) throws {
        guard bytes.count <= 65_536 else { throw Refusal.malformed }
        let found = OpenSSLText.reading(bytes) { bio -> OpaquePointer? in
            bytes.first == 0x30
                ? d2i_X509_bio(bio, nil) : PEM_read_bio_X509(bio, nil, OpenSSLText.noPassphrase, nil)
        }
        guard let certificate = found else { throw Refusal.malformed }
        defer { X509_free(certificate) }
        try self.init(certificate)
    }

    /// Reads PEM.
    package init(pem: String) throws { try self.init(Array(pem.utf8)) }

    /// All certificates of a PEM text, in order; at most 20.
    package static func all(inPEM text: String) throws -> [CertificateDetails] {
        guard text.utf8.count <= 20 * 65_536 else { throw Refusal.malformed }
        var details: [CertificateDetails] = []
        var failure: (any Error)?
        _ = OpenSSLText.reading(Array(text.utf8)) { bio -> Bool? in
            while details.count <= 20, let one = PEM_read_bio_X509(bio, nil, OpenSSLText.noPassphrase, nil) {
                defer { X509_free(one) }
                do { details.append(try CertificateDetails(one)) } catch {
                    failure = error
                    break
                }
            }
            return nil
        }
        if let failure { throw failure }
        guard !details.isEmpty, details.count <= 20 else { throw Refusal.malformed }
        return details
    }

    init(_ certificate: OpaquePointer) throws {
        guard let der = Self.der(of: certificate),
            let pem = OpenSSLText.written({ PEM_write_bio_X509($0, certificate) == 1 }),
            let subject = Self.text(X509_get_subject_name(certificate)),
            let issuer = Self.text(X509_get_issuer_name(certificate))
        else { throw Refusal.malformed }
        self.der = der
        self.pem = pem
        self.subject = subject
        self.issuer = issuer
        thumbprint = Hexadecimal.encodeUpperCase(try Digest.sha1(der))
        serialNumber = Self.serial(of: certificate)
        guard let notBefore = Self.date(X509_get0_notBefore(certificate)),
            let notAfter = Self.date(X509_get0_notAfter(certificate))
        else { throw Refusal.unreadableDate }
        self.notBefore = notBefore
        self.notAfter = notAfter
        let names = Self.alternativeNames(of: certificate)
        uriNames = names.uris
        dnsNames = names.dns
        isSelfIssued =
            X509_NAME_cmp(X509_get_subject_name(certificate), X509_get_issuer_name(certificate)) == 0
        keyKind = X509_get0_pubkey(certificate).map(KeyKind.text) ?? "unknown"
        ERR_clear_error()
    }

    /// Whether `other`'s key signed this certificate.
    package func isSigned(by other: CertificateDetails) -> Bool {
        let answer = OpenSSLText.reading(der) { bio -> Bool? in
            guard let one = d2i_X509_bio(bio, nil) else { return nil }
            defer { X509_free(one) }
            return OpenSSLText.reading(other.der) { bio -> Bool? in
                guard let issuer = d2i_X509_bio(bio, nil) else { return nil }
                defer { X509_free(issuer) }
                return X509_get0_pubkey(issuer).map { X509_verify(one, $0) == 1 }
            }
        }
        ERR_clear_error()
        return answer ?? false
    }

    private static func der(of certificate: OpaquePointer) -> [UInt8]? {
        let count = i2d_X509(certificate, nil)
        guard count > 0 else { return nil }
        var bytes = [UInt8](repeating: 0, count: Int(count))
        let written = bytes.withUnsafeMutableBufferPointer { buffer in
            // Safe: i2d writes the `count` bytes it just announced, and moves a copy of the pointer.
            var place = buffer.baseAddress
            return i2d_X509(certificate, &place)
        }
        return written == count ? bytes : nil
    }

    private static func text(_ name: OpaquePointer?) -> String? {
        return OpenSSLText.written { gh_X509_NAME_print($0, name) >= 0 }
    }

    private static func serial(of certificate: OpaquePointer) -> String {
        guard let number = ASN1_INTEGER_to_BN(X509_get_serialNumber(certificate), nil) else { return "" }
        defer { BN_free(number) }
        var bytes = [UInt8](repeating: 0, count: Int((BN_num_bits(number) + 7) / 8))
        BN_bn2bin(number, &bytes)
        return bytes.isEmpty ? "00" : Hexadecimal.encodeUpperCase(bytes)
    }

    private static func date(_ time: UnsafePointer<ASN1_TIME>?) -> Date? {
        var parts = tm()
        guard let time, ASN1_TIME_to_tm(time, &parts) == 1 else { return nil }
        return Date(timeIntervalSince1970: Double(timegm(&parts)))
    }

    private static func alternativeNames(of certificate: OpaquePointer) -> (uris: [String], dns: [String]) {
        var uris: [String] = []
        var dns: [String] = []
        guard let found = X509_get_ext_d2i(certificate, NID_subject_alt_name, nil, nil) else { return (uris, dns) }
        let names = OpaquePointer(found)
        defer { gh_GENERAL_NAMES_free(names) }
        for index in 0..<gh_GENERAL_NAMES_num(names) {
            var kind: Int32 = 0
            var count: Int32 = 0
            guard let bytes = gh_GENERAL_NAME_text(names, index, &kind, &count), count >= 0 else { continue }
            // Safe: the string lives as long as `names`. A NUL inside stays inside, so that it matches nothing.
            let text = String(decoding: UnsafeBufferPointer(start: bytes, count: Int(count)), as: UTF8.self)
            if kind == GEN_URI { uris.append(text) } else { dns.append(text) }
        }
        return (uris, dns)
    }
}

/// What kind a key is, and which kinds we vouch for (must-hold F49).
enum KeyKind {
    /// `RSA 2048`, `P-256`, `Ed25519`; others by OpenSSL's name.
    static func text(_ key: OpaquePointer) -> String {
        switch EVP_PKEY_get_base_id(key) {
        case EVP_PKEY_RSA: return "RSA \(EVP_PKEY_get_bits(key))"
        case EVP_PKEY_ED25519: return "Ed25519"
        case EVP_PKEY_EC:
            var name = [CChar](repeating: 0, count: 80)
            guard EVP_PKEY_get_group_name(key, &name, name.count, nil) == 1 else { return "EC" }
            let text = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            return ["prime256v1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"][text] ?? text
        default: return "other"
        }
    }

    static func isSound(_ key: OpaquePointer) -> Bool {
        switch EVP_PKEY_get_base_id(key) {
        case EVP_PKEY_RSA: (2048...8192).contains(EVP_PKEY_get_bits(key))
        case EVP_PKEY_ED25519: true
        case EVP_PKEY_EC: ["P-256", "P-384", "P-521"].contains(text(key))
        default: false
        }
    }
}
