internal import CLinux
internal import COpenSSL
internal import Glibc

// OpenSSL's way to the socket, with one thing more than its own has: whether the last read drained it. An edge-triggered
// loop must know, and OpenSSL reads ahead or exactly as it likes.

/// BIOs over non-blocking sockets. What the BIO knows is in its data word: the descriptor, and `drained`.
enum SocketBIO {
    private static let drained = 1 << 32
    private static let retryFlags = BIO_FLAGS_READ | BIO_FLAGS_WRITE | BIO_FLAGS_IO_SPECIAL | BIO_FLAGS_SHOULD_RETRY

    /// Safe: made once, never freed or changed, and OpenSSL only reads it.
    nonisolated(unsafe) private static let method: OpaquePointer? = {
        guard let method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "gatehouse socket") else {
            return nil
        }
        BIO_meth_set_read(method, readBIO)
        BIO_meth_set_write(method, writeBIO)
        BIO_meth_set_ctrl(method, controlBIO)
        return method
    }()

    /// Puts `tls` on the descriptor, which stays the caller's to close.
    static func attach(_ tls: OpaquePointer, _ descriptor: Int32) -> Bool {
        guard let method, let bio = BIO_new(method) else { return false }
        BIO_set_data(bio, UnsafeMutableRawPointer(bitPattern: Int(descriptor)))
        BIO_set_init(bio, 1)
        SSL_set_bio(tls, bio, bio)
        return true
    }

    /// Whether the last read took all that there was.
    static func isDrained(_ tls: OpaquePointer) -> Bool {
        Int(bitPattern: BIO_get_data(SSL_get_rbio(tls))) & drained != 0
    }

    fileprivate static func read(_ bio: OpaquePointer, _ bytes: UnsafeMutableRawPointer?, _ count: Int32) -> Int32 {
        let word = Int(bitPattern: BIO_get_data(bio))
        BIO_clear_flags(bio, retryFlags)
        let moved = clinux_receive(Int32(truncatingIfNeeded: word & (drained - 1)), bytes, Int(count))
        if moved < 0, errno == EAGAIN || errno == EINTR { BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY) }
        let next = moved < Int(count) ? word | drained : word & ~drained
        if next != word { BIO_set_data(bio, UnsafeMutableRawPointer(bitPattern: next)) }
        return Int32(truncatingIfNeeded: moved)
    }

    fileprivate static func write(_ bio: OpaquePointer, _ bytes: UnsafePointer<CChar>?, _ count: Int32) -> Int32 {
        let word = Int(bitPattern: BIO_get_data(bio))
        BIO_clear_flags(bio, retryFlags)
        let moved = clinux_send(Int32(truncatingIfNeeded: word & (drained - 1)), bytes, Int(count))
        if moved < 0, errno == EAGAIN || errno == EINTR { BIO_set_flags(bio, BIO_FLAGS_WRITE | BIO_FLAGS_SHOULD_RETRY) }
        return Int32(truncatingIfNeeded: moved)
    }
}

private func readBIO(_ bio: OpaquePointer?, _ bytes: UnsafeMutablePointer<CChar>?, _ count: Int32) -> Int32 {
    guard let bio else { return -1 }
    return SocketBIO.read(bio, bytes, count)
}

private func writeBIO(_ bio: OpaquePointer?, _ bytes: UnsafePointer<CChar>?, _ count: Int32) -> Int32 {
    guard let bio else { return -1 }
    return SocketBIO.write(bio, bytes, count)
}

private func controlBIO(
    _ bio: OpaquePointer?, _ command: Int32, _ number: Int, _ pointer: UnsafeMutableRawPointer?
) -> Int {
    // Nothing is held back, so there is nothing to flush; nothing else is offered.
    command == BIO_CTRL_FLUSH ? 1 : 0
}
