// A connection that sends exactly the bytes it is given, from an address of the test's choice.
import Foundation
import Glibc

enum RawConnection {
    /// Sends the text, and gives all that comes until the peer closes.
    static func exchange(_ port: Int, from source: String = "127.0.0.1", _ text: String) async -> String {
        await exchange(port, from: source, [Array(text.utf8)])
    }

    /// Sends the pieces one after the other as long as the peer takes them, and gives all that comes until it closes.
    static func exchange(_ port: Int, from source: String = "127.0.0.1", _ pieces: [[UInt8]]) async -> String {
        // On a thread of its own: it blocks.
        await withCheckedContinuation { continuation in
            Thread {
                continuation.resume(returning: blocking(port, source, pieces))
            }.start()
        }
    }

    private static func blocking(_ port: Int, _ source: String, _ pieces: [[UInt8]]) -> String {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        defer { close(descriptor) }
        guard bind(descriptor, address(source, 0)), connect(descriptor, address("127.0.0.1", UInt16(port))) else {
            return "no connection"
        }
        for piece in pieces where !send(descriptor, piece) { break }
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count > 0 else { break }
            answer += buffer[..<count]
        }
        return String(decoding: answer, as: UTF8.self)
    }

    private static func send(_ descriptor: Int32, _ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    private static func address(_ host: String, _ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = inet_addr(host)
        return address
    }

    private static func bind(_ descriptor: Int32, _ address: sockaddr_in) -> Bool {
        var address = address
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }

    private static func connect(_ descriptor: Int32, _ address: sockaddr_in) -> Bool {
        var address = address
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}
