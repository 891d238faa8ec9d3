import COpenSSL
import Glibc

@testable import HTTPEngine

/// OpenSSL over a blocking socket, client or server, for tests.
// Unchecked: one thread uses it at a time.
final class TestTLSSocket: @unchecked Sendable {
    private let socket: TestSocket
    private let tls: OpaquePointer?
    private let context: OpaquePointer?
    let isConnected: Bool

    /// A client that checks nothing; `before` goes out in clear first.
    init(port: UInt16, protocols: [String] = [], serverName: String? = nil, before: [UInt8] = []) {
        signal(SIGPIPE, SIG_IGN)
        socket = TestSocket(port: port)
        socket.send(before)
        context = SSL_CTX_new(TLS_client_method())
        if !protocols.isEmpty {
            let list = protocols.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
            _ = SSL_CTX_set_alpn_protos(context, list, UInt32(list.count))
        }
        tls = SSL_new(context)
        if let serverName { _ = gh_SSL_set_tlsext_host_name(tls, serverName) }
        SSL_set_fd(tls, socket.descriptor)
        isConnected = SSL_connect(tls) == 1
    }

    /// A server on an accepted socket.
    init(accepted: TestSocket, identity: TLSIdentity, asksForCertificate: Bool = false) throws {
        signal(SIGPIPE, SIG_IGN)
        socket = accepted
        context = try TLSContext.server(identity, tickets: TLSTicketKey())
        if asksForCertificate { SSL_CTX_set_verify(context, SSL_VERIFY_PEER) { _, _ in 1 } }
        tls = SSL_new(context)
        SSL_set_fd(tls, accepted.descriptor)
        isConnected = SSL_accept(tls) == 1
    }

    deinit {
        SSL_free(tls)
        SSL_CTX_free(context)
    }

    /// Of the peer, as one line; empty without one.
    var peerSubject: String {
        guard let certificate = SSL_get1_peer_certificate(tls) else { return "" }
        defer { X509_free(certificate) }
        var text = [CChar](repeating: 0, count: 256)
        X509_NAME_oneline(X509_get_subject_name(certificate), &text, 256)
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    var isResumed: Bool { SSL_session_reused(tls) == 1 }

    var chosenProtocol: String {
        var name: UnsafePointer<UInt8>?
        var length: UInt32 = 0
        SSL_get0_alpn_selected(tls, &name, &length)
        return String(decoding: UnsafeBufferPointer(start: name, count: Int(length)), as: UTF8.self)
    }

    @discardableResult
    func send(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        return SSL_write(tls, bytes, Int32(bytes.count)) == Int32(bytes.count)
    }

    func receive() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = SSL_read(tls, &bytes, Int32(bytes.count))
        return count > 0 ? Array(bytes.prefix(Int(count))) : []
    }

    func receiveUntil(_ end: String) -> String {
        var all: [UInt8] = []
        while all.firstRange(of: Array(end.utf8)) == nil {
            let piece = receive()
            if piece.isEmpty { break }
            all += piece
        }
        return String(decoding: all, as: UTF8.self)
    }

    func receiveAll() -> [UInt8] {
        var all: [UInt8] = []
        while true {
            let piece = receive()
            if piece.isEmpty { return all }
            all += piece
        }
    }

    /// close_notify, with the reading side left open.
    func shutWriting() { SSL_shutdown(tls) }
}
