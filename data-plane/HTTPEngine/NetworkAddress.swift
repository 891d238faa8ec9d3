internal import CLinux
internal import Glibc

// Addresses of sockets: literals in, what the kernel wants out, and back.

/// An IPv4 or IPv6 address with its port.
package struct NetworkAddress: Sendable {
    private var storage: sockaddr_storage
    private var length: socklen_t

    /// Reads a literal; nil for a name.
    package init?(literal: String, port: UInt16) {
        var address = sockaddr_storage()
        length = clinux_address_parse(literal, port, &address)
        guard length > 0 else { return nil }
        storage = address
    }

    init(_ address: sockaddr_storage) {
        storage = address
        let family = Int32(address.ss_family)
        length = socklen_t(family == AF_INET6 ? MemoryLayout<sockaddr_in6>.size : MemoryLayout<sockaddr_in>.size)
    }

    /// 4 or 16 bytes in network order, without a port.
    init(bytes: [UInt8]) {
        var address = sockaddr_storage()
        if bytes.count == 4 {
            address.ss_family = sa_family_t(AF_INET)
            withUnsafeMutableBytes(of: &address) { $0[4..<8].copyBytes(from: bytes) }
        } else {
            address.ss_family = sa_family_t(AF_INET6)
            withUnsafeMutableBytes(of: &address) { $0[8..<24].copyBytes(from: bytes.prefix(16)) }
        }
        self.init(address)
    }

    /// `ADDR:PORT`, an IPv6 address in brackets.
    package init?(text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        self.init(literal: String(host), port: port)
    }

    package var isIPv6: Bool { Int32(storage.ss_family) == AF_INET6 }

    package var port: UInt16 {
        var address = storage
        return clinux_address_port(&address)
    }

    /// Without port; an IPv4-mapped IPv6 address as IPv4.
    package var peer: PeerAddress {
        var address = storage
        if isIPv6 {
            let bytes = withUnsafeBytes(of: &address) { all in
                all.withMemoryRebound(to: sockaddr_in6.self) { six in
                    var raw = six[0].sin6_addr
                    return withUnsafeBytes(of: &raw) { Array($0) }
                }
            }
            let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]
            if bytes.starts(with: mapped) { return Self.four(Array(bytes[12...])) }
            return PeerAddress(bytes: bytes, text: Self.text(of: &address))
        }
        return Self.four(
            withUnsafeBytes(of: &address) { all in
                all.withMemoryRebound(to: sockaddr_in.self) { four in
                    var raw = four[0].sin_addr
                    return withUnsafeBytes(of: &raw) { Array($0) }
                }
            })
    }

    private static func four(_ bytes: [UInt8]) -> PeerAddress {
        PeerAddress(bytes: bytes, text: bytes.map { String($0) }.joined(separator: "."))
    }

    private static func text(of address: inout sockaddr_storage) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer in
            guard let base = buffer.baseAddress, clinux_address_text(&address, base, 64) else { return "" }
            return String(cString: base)
        }
    }

    /// A listener's descriptor, or the error's number.
    func listen(reusingPort: Bool) -> Result<Int32, SystemFailure> {
        var address = storage
        let descriptor = clinux_listen(&address, length, 1_024, reusingPort)
        return descriptor < 0 ? .failure(SystemFailure(number: errno)) : .success(descriptor)
    }

    /// A connection begun, or the error's number.
    func connect() -> Result<Int32, SystemFailure> {
        var address = storage
        let descriptor = clinux_connect(&address, length)
        return descriptor < 0 ? .failure(SystemFailure(number: errno)) : .success(descriptor)
    }

    static func local(of descriptor: Int32) -> NetworkAddress? {
        var address = sockaddr_storage()
        guard clinux_local_address(descriptor, &address) == 0 else { return nil }
        return NetworkAddress(address)
    }
}

extension NetworkAddress: CustomStringConvertible {
    package var description: String {
        let text = peer.text
        return isIPv6 ? "[\(text)]:\(port)" : "\(text):\(port)"
    }
}

/// What the kernel said.
package struct SystemFailure: Error, Hashable, Sendable, CustomStringConvertible {
    package let number: Int32

    package var isAddressInUse: Bool { number == EADDRINUSE }
    package var description: String { String(cString: strerror(number)) }
}
