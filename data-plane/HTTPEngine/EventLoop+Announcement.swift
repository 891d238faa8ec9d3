internal import Glibc

// A listener behind a load balancer: the PROXY protocol's header is read before anything else of the connection, TLS
// included, and not a byte more (must-hold B27).

extension EventLoop {
    /// Looks at what has come and takes the header once it is whole; the connection ends without an answer where it is
    /// none.
    /// - Returns: Whether the caller's own bytes are next.
    mutating func readAnnouncement(_ index: UInt32) -> Bool {
        let connection = connections[index]
        let descriptor = connection.pointee.descriptor
        let reading = withUnsafeTemporaryAllocation(byteCount: ProxyHeader.bytesMax, alignment: 1) {
            bytes -> ProxyHeader.Reading in
            // Only looked at: what is behind the header is for OpenSSL or the head's reader.
            let count = recv(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_PEEK))
            if count < 0 { return errno == EAGAIN ? .needsMore : .bad }
            guard count > 0 else { return .bad }
            let reading = ProxyHeader.read(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
            if case .complete(let header) = reading,
                recv(descriptor, bytes.baseAddress, header.length, 0) != header.length
            {
                return .bad
            }
            return reading
        }
        switch reading {
        case .complete(let header):
            if let caller = header.caller { peers[Int(index)] = caller }
            connection.pointee.phase = connection.pointee.tls == nil ? .head : .accepting
            connection.pointee.beganAt = now
            connection.pointee.progressAt = now
            connection.pointee.flags.insert(.readable)
            refile(index)
            return true
        case .needsMore where !connection.pointee.flags.contains(.hangingUp):
            connection.pointee.flags.remove(.readable)
            return false
        case .needsMore, .bad:
            counters.add(.proxyHeadersRefused)
            close(index, reset: true)
            return false
        }
    }
}
