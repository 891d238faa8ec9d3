internal import COpenSSL
internal import Glibc

// OpenSSL's contexts: one a loop and side, since SSL_new counts references on the context it is given (engine.md
// section 4). Tickets are sealed with one key for all loops, so that a session resumes wherever it lands.

/// A certificate, key or authority could not be loaded.
package struct TLSFailure: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String

    /// With what OpenSSL's error queue says last; the queue is emptied.
    init(_ what: String) {
        let code = ERR_peek_last_error()
        ERR_clear_error()
        guard code != 0, let reason = ERR_reason_error_string(code) else {
            description = what
            return
        }
        description = "\(what): \(String(cString: reason))"
    }
}

/// The key that seals session tickets, random, for the life of the process.
package struct TLSTicketKey: Sendable {
    static let count = 80
    let bytes: [UInt8]

    package init() throws(TLSFailure) {
        var bytes = [UInt8](repeating: 0, count: Self.count)
        guard RAND_bytes(&bytes, Int32(bytes.count)) == 1 else { throw TLSFailure("no random bytes") }
        self.bytes = bytes
    }
}

/// Makes contexts; who asked owns what comes out and frees it with SSL_CTX_free.
enum TLSContext {
    // Values of OpenSSL's function-like macros SSL_OP_BIT(17) and SSL_OP_BIT(30).
    private static let noCompression: UInt64 = 1 << 17
    private static let noRenegotiation: UInt64 = 1 << 30
    /// Room for a whole record beside a partial one, so that most reads drain the socket.
    private static let readBufferBytes = 33_792

    /// For a listener.
    static func server(_ identity: TLSIdentity, tickets: TLSTicketKey) throws(TLSFailure) -> OpaquePointer {
        let context = try make(TLS_server_method())
        do throws(TLSFailure) {
            try load(identity, into: context)
        } catch {
            SSL_CTX_free(context)
            throw error
        }
        var key = tickets.bytes
        _ = SSL_CTX_ctrl(context, SSL_CTRL_SET_TLSEXT_TICKET_KEYS, TLSTicketKey.count, &key)
        _ = SSL_CTX_ctrl(context, SSL_CTRL_SET_SESS_CACHE_MODE, 0, nil)
        _ = SSL_CTX_set_num_tickets(context, 1)
        let name = Array("gatehouse".utf8)
        _ = SSL_CTX_set_session_id_context(context, name, UInt32(name.count))
        SSL_CTX_set_alpn_select_cb(context, selectProtocol, nil)
        return context
    }

    /// For connections to backends. Who uses it checks chain and name itself, as each origin wants.
    static func client(identity: TLSIdentity?, authorities: String?) throws(TLSFailure) -> OpaquePointer {
        let context = try make(TLS_client_method())
        do throws(TLSFailure) {
            if let identity { try load(identity, into: context) }
            _ = SSL_CTX_set_default_verify_paths(context)
            if let authorities {
                for certificate in try certificates(authorities) {
                    _ = X509_STORE_add_cert(SSL_CTX_get_cert_store(context), certificate)
                    X509_free(certificate)
                }
            }
        } catch {
            SSL_CTX_free(context)
            throw error
        }
        // The handshake records the verdict and goes on; `TLSPeer.check` reads it before a byte of a request is sent.
        SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nil)
        let offered = [UInt8(8)] + Array("http/1.1".utf8)
        _ = SSL_CTX_set_alpn_protos(context, offered, UInt32(offered.count))
        return context
    }

    private static func make(_ method: OpaquePointer?) throws(TLSFailure) -> OpaquePointer {
        guard let context = SSL_CTX_new(method) else { throw TLSFailure("no TLS context") }
        _ = gh_SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION)
        _ = SSL_CTX_set_options(context, noCompression | noRenegotiation)
        let mode =
            SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
        _ = gh_SSL_CTX_set_mode(context, Int(mode))
        _ = SSL_CTX_ctrl(context, SSL_CTRL_SET_READ_AHEAD, 1, nil)
        SSL_CTX_set_default_read_buffer_len(context, readBufferBytes)
        return context
    }

    private static func load(_ identity: TLSIdentity, into context: OpaquePointer) throws(TLSFailure) {
        let chain = try certificates(identity.chain)
        defer { for certificate in chain { X509_free(certificate) } }
        guard let leaf = chain.first, SSL_CTX_use_certificate(context, leaf) == 1 else {
            throw TLSFailure("the certificate can't be used")
        }
        for certificate in chain.dropFirst() {
            guard X509_up_ref(certificate) == 1 else { throw TLSFailure("the certificate's chain can't be used") }
            guard gh_SSL_CTX_add0_chain_cert(context, certificate) == 1 else {
                X509_free(certificate)
                throw TLSFailure("the certificate's chain can't be used")
            }
        }
        var text = Array(identity.key.utf8)
        defer { text.withUnsafeMutableBytes { OPENSSL_cleanse($0.baseAddress, $0.count) } }
        let key = text.withUnsafeBytes { bytes -> OpaquePointer? in
            guard let bio = BIO_new_mem_buf(bytes.baseAddress, Int32(bytes.count)) else { return nil }
            defer { BIO_free(bio) }
            return PEM_read_bio_PrivateKey(bio, nil, nil, nil)
        }
        guard let key else { throw TLSFailure("the certificate's key can't be read") }
        defer { EVP_PKEY_free(key) }
        guard SSL_CTX_use_PrivateKey(context, key) == 1, SSL_CTX_check_private_key(context) == 1 else {
            throw TLSFailure("the key is not the certificate's")
        }
    }

    private static func certificates(_ text: String) throws(TLSFailure) -> [OpaquePointer] {
        let found = Array(text.utf8).withUnsafeBytes { bytes -> [OpaquePointer] in
            guard let bio = BIO_new_mem_buf(bytes.baseAddress, Int32(bytes.count)) else { return [] }
            defer { BIO_free(bio) }
            var found: [OpaquePointer] = []
            while let certificate = PEM_read_bio_X509(bio, nil, nil, nil) { found.append(certificate) }
            return found
        }
        ERR_clear_error()
        if found.isEmpty { throw TLSFailure("no certificate in the PEM text") }
        return found
    }
}

/// Chooses http/1.1 where the caller offers it, and ends the handshake where it offers others alone (RFC 7301 3.2).
private func selectProtocol(
    _ tls: OpaquePointer?, _ out: UnsafeMutablePointer<UnsafePointer<UInt8>?>?,
    _ outLength: UnsafeMutablePointer<UInt8>?, _ offered: UnsafePointer<UInt8>?, _ count: UInt32,
    _ argument: UnsafeMutableRawPointer?
) -> Int32 {
    guard let out, let outLength, let offered else { return SSL_TLSEXT_ERR_NOACK }
    var index = 0
    while index < Int(count) {
        let length = Int(offered[index])
        guard index + 1 + length <= Int(count) else { break }
        let name = UnsafeBufferPointer(start: offered + index + 1, count: length)
        if name.elementsEqual("http/1.1".utf8) {
            out.pointee = offered + index + 1
            outLength.pointee = UInt8(length)
            return SSL_TLSEXT_ERR_OK
        }
        index += 1 + length
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL
}

/// Who is on the other side of a backend's connection.
enum TLSPeer {
    /// Checks what the origin wants checked; chain and name are two switches, neither implies the other.
    static func check(_ tls: OpaquePointer, _ origin: BackendOrigin) -> BackendFailure.Reason? {
        guard let certificate = SSL_get0_peer_certificate(tls) else { return .certificateNotTrusted }
        if origin.validatesCertificateChain, SSL_get_verify_result(tls) != Int(X509_V_OK) {
            return .certificateNotTrusted
        }
        if origin.validatesCertificateName {
            let isAddress = NetworkAddress(literal: origin.host, port: 0) != nil
            let isMatch =
                isAddress
                ? X509_check_ip_asc(certificate, origin.host, 0)
                : X509_check_host(certificate, origin.host, origin.host.utf8.count, 0, nil)
            if isMatch != 1 { return .certificateNameMismatch }
        }
        return nil
    }
}
