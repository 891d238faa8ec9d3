internal import COpenSSL

// PFX files (PKCS#12) as users upload them: certificate, chain and key come out, or a typed reason. Read at the
// controller alone, for it loads OpenSSL's legacy provider (RC2 and 3DES of old Windows; must-hold F46).

/// What a PFX file holds.
package struct PersonalInformationExchange: Sendable, CustomStringConvertible, CustomReflectable {
    package enum Refusal: Error, Hashable, Sendable {
        /// No PKCS#12, or longer than 1 MiB, or more than 20 certificates.
        case malformed
        case wrongPassword
        case noPrivateKey
        /// There is a key, but none of the certificates is for it.
        case noCertificateForKey
        /// Derivations of more than 2,000,000 rounds together; the one that is too many is not begun.
        case tooManyIterations
        /// RSA below 2,048 or above 8,192 bits, an unknown curve, …: the kind.
        case unsoundKey(String)
    }

    /// The certificate that fits the key.
    package let leaf: CertificateDetails
    /// PEM: the leaf, then those that issued it in turn, without a self-issued root.
    package let chain: String
    /// PKCS#8, PEM, unencrypted.
    package let privateKey: String
    /// Whether a code over the content was there and right. Without it anybody can have changed the file.
    package let isAuthenticated: Bool

    package var description: String { "PersonalInformationExchange(\(leaf.thumbprint))" }
    package var customMirror: Mirror { Mirror(self, children: ["thumbprint": leaf.thumbprint]) }

    /// `password`: Empty and absent are the same.
    package init(_ bytes: [UInt8], password: String) throws {
        guard bytes.count <= 1 << 20, OpenSSLProviders.areLoaded else { throw Refusal.malformed }
        defer { ERR_clear_error() }
        guard let file = OpenSSLText.reading(bytes, { d2i_PKCS12_bio($0, nil) }) else { throw Refusal.malformed }
        defer { PKCS12_free(file) }
        guard gh_PKCS12_within(file, Self.roundsMax) == 1 else { throw Refusal.tooManyIterations }

        let hasCode = PKCS12_mac_present(file) == 1
        if hasCode, !Self.isRight(password, for: file) { throw Refusal.wrongPassword }
        if !hasCode, !password.isEmpty {
            // PKCS12_parse refuses a password for a file without code; one is added in memory.
            PKCS12_set_mac(file, password, Int32(clamping: password.utf8.count), nil, 0, 1, EVP_sha256())
        }
        // A key may be hidden in an encrypted part, with rounds of its own.
        guard gh_PKCS12_within_encrypted(file, password, Self.roundsMax) == 1 else { throw Refusal.tooManyIterations }
        var key: OpaquePointer?
        var certificate: OpaquePointer?
        var others: OpaquePointer?
        let parsed = PKCS12_parse(file, password, &key, &certificate, &others) == 1
        defer {
            X509_free(certificate)
            gh_sk_X509_free_all(others)
        }
        // Without a code, a wrong password shows when the bags are opened.
        guard parsed else { throw hasCode ? Refusal.malformed : Refusal.wrongPassword }
        guard let handle = KeyHandle(key) else { throw Refusal.noPrivateKey }
        guard let certificate else { throw Refusal.noCertificateForKey }
        guard KeyKind.isSound(handle.key) else { throw Refusal.unsoundKey(KeyKind.text(handle.key)) }
        guard let pem = handle.privateKeyPEM() else { throw Refusal.noPrivateKey }

        let count = gh_sk_X509_num(others)
        guard count < 20 else { throw Refusal.malformed }
        var rest: [CertificateDetails] = []
        for index in 0..<count {
            if let other = gh_sk_X509_value(others, index) { rest.append(try CertificateDetails(other)) }
        }
        leaf = try CertificateDetails(certificate)
        privateKey = pem
        isAuthenticated = hasCode
        chain = ([leaf] + leaf.issuers(among: rest)).map(\.pem).joined()
    }

    /// Reads a PEM text that holds a private key and its certificates (policies.md section 5 takes them too).
    package init(pem text: String) throws {
        guard text.utf8.count <= 1 << 20 else { throw Refusal.malformed }
        defer { ERR_clear_error() }
        guard let handle = OpenSSLText.privateKey(pem: text) else { throw Refusal.noPrivateKey }
        guard KeyKind.isSound(handle.key) else { throw Refusal.unsoundKey(KeyKind.text(handle.key)) }
        guard let pem = handle.privateKeyPEM(), let publicKey = handle.publicKeyPEM() else {
            throw Refusal.noPrivateKey
        }
        let all = try CertificateDetails.all(inPEM: text)
        guard let leaf = all.first(where: { $0.publicKeyPEM() == publicKey }) else {
            throw Refusal.noCertificateForKey
        }
        self.leaf = leaf
        privateKey = pem
        isAuthenticated = true
        chain = ([leaf] + leaf.issuers(among: all.filter { $0 != leaf })).map(\.pem).joined()
    }

    private static let roundsMax = 2_000_000

    private static func isRight(_ password: String, for file: OpaquePointer) -> Bool {
        if password.isEmpty, PKCS12_verify_mac(file, nil, 0) == 1 { return true }
        return PKCS12_verify_mac(file, password, Int32(clamping: password.utf8.count)) == 1
    }
}

extension CertificateDetails {
    /// Those of `others` that issued this certificate in turn, up to but without a self-issued one.
    package func issuers(among others: [CertificateDetails]) -> [CertificateDetails] {
        var path: [CertificateDetails] = []
        var left = others.filter { !$0.isSelfIssued }
        var last = self
        while let index = left.firstIndex(where: { $0.subject == last.issuer && last.isSigned(by: $0) }) {
            last = left.remove(at: index)
            path.append(last)
        }
        return path
    }

    /// SubjectPublicKeyInfo, PEM.
    package func publicKeyPEM() -> String? {
        OpenSSLText.reading(der) { bio -> String? in
            guard let one = d2i_X509_bio(bio, nil) else { return nil }
            defer { X509_free(one) }
            guard let key = X509_get0_pubkey(one) else { return nil }
            return OpenSSLText.written { PEM_write_bio_PUBKEY($0, key) == 1 }
        }
    }
}

/// OpenSSL's providers for old files: loaded once, when the first PFX is read.
private enum OpenSSLProviders {
    static let areLoaded: Bool = {
        // Loading one by name takes away the implicit default, which therefore is loaded too.
        let legacy = OSSL_PROVIDER_load(nil, "legacy")
        let standard = OSSL_PROVIDER_load(nil, "default")
        ERR_clear_error()
        // Old files alone need the former; without it they are refused as unreadable.
        _ = legacy
        return standard != nil
    }()
}
