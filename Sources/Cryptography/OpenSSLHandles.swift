internal import COpenSSL

// Owners of OpenSSL's objects: each is freed once, by deinit.

/// An EVP_PKEY. OpenSSL counts its references atomically and does not change a key that is only used.
final class KeyHandle: Sendable {
    // Safe: set once, never handed out but for the time of a call; EVP_PKEY may be used by many threads at once.
    nonisolated(unsafe) let key: OpaquePointer

    /// Takes ownership; nil for nil.
    init?(_ key: OpaquePointer?) {
        guard let key else { return nil }
        self.key = key
    }

    deinit { EVP_PKEY_free(key) }

    /// PKCS#8, PEM, unencrypted.
    func privateKeyPEM() -> String? {
        OpenSSLText.written { PEM_write_bio_PKCS8PrivateKey($0, key, nil, nil, 0, nil, nil) == 1 }
    }

    /// SubjectPublicKeyInfo, PEM.
    func publicKeyPEM() -> String? { OpenSSLText.written { PEM_write_bio_PUBKEY($0, key) == 1 } }
}

/// Text in and out of OpenSSL's BIO.
enum OpenSSLText {
    /// What `body` wrote to a memory BIO; nil when it failed. Wiped before it is freed.
    static func written(_ body: (OpaquePointer) -> Bool) -> String? {
        guard let bio = BIO_new(BIO_s_secmem()) else { return nil }
        defer { BIO_free(bio) }
        guard body(bio) else {
            ERR_clear_error()
            return nil
        }
        var data: UnsafeMutablePointer<CChar>?
        let count = gh_BIO_get_mem_data(bio, &data)
        guard count > 0, let data else { return "" }
        // Safe: the BIO owns `count` bytes at `data` until it is freed.
        return data.withMemoryRebound(to: UInt8.self, capacity: count) {
            String(decoding: UnsafeBufferPointer(start: $0, count: count), as: UTF8.self)
        }
    }

    /// A read-only BIO over `bytes` for the time of `body`.
    static func reading<Result>(_ bytes: [UInt8], _ body: (OpaquePointer) -> Result?) -> Result? {
        bytes.withUnsafeBytes { buffer in
            guard let bio = BIO_new_mem_buf(buffer.baseAddress, Int32(clamping: buffer.count)) else { return nil }
            defer { BIO_free(bio) }
            let result = body(bio)
            if result == nil { ERR_clear_error() }
            return result
        }
    }

    /// Never asks at the terminal for a passphrase, which OpenSSL does by default.
    static let noPassphrase:
        @convention(c) (UnsafeMutablePointer<CChar>?, Int32, Int32, UnsafeMutableRawPointer?)
            -> Int32 = { _, _, _, _ in -1 }

    /// A private key in PEM without passphrase.
    static func privateKey(pem: String) -> KeyHandle? {
        KeyHandle(reading(Array(pem.utf8)) { PEM_read_bio_PrivateKey($0, nil, noPassphrase, nil) })
    }

    /// A public key in PEM (SubjectPublicKeyInfo).
    static func publicKey(pem: String) -> KeyHandle? {
        KeyHandle(reading(Array(pem.utf8)) { PEM_read_bio_PUBKEY($0, nil, noPassphrase, nil) })
    }
}
