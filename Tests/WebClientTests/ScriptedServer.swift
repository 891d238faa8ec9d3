import Foundation
import Glibc
import Synchronization

/// A plain TCP server on a port of the kernel's choice. Each connection is handed to `serve` on a thread of its own.
final class ScriptedServer: Sendable {
    let port: UInt16
    private let listener: Int32
    private let accepted = Mutex(0)

    /// How many connections there were.
    var connections: Int { accepted.withLock { $0 } }

    init(_ serve: @escaping @Sendable (Connection) -> Void) throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let size = length
        let port: UInt16? = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                guard bind(listener, pointer, size) == 0, listen(listener, 64) == 0,
                    getsockname(listener, pointer, &length) == 0
                else { return nil }
                return pointer.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                    UInt16(bigEndian: $0.pointee.sin_port)
                }
            }
        }
        guard let port else { throw CocoaError(.fileReadUnknown) }
        self.listener = listener
        self.port = port
        let thread = Thread { [self] in
            while true {
                let descriptor = accept(listener, nil, nil)
                guard descriptor >= 0 else { return }
                accepted.withLock { $0 += 1 }
                Thread {
                    serve(Connection(descriptor: descriptor))
                    close(descriptor)
                }.start()
            }
        }
        thread.start()
    }

    func stop() {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }

    func url(_ path: String = "/") -> String { "http://127.0.0.1:\(port)\(path)" }

    struct Connection {
        let descriptor: Int32

        /// Reads one request, with a body of Content-Length; nil when the peer has closed.
        func request() -> String? {
            var bytes: [UInt8] = []
            func more() -> Bool {
                var buffer = [UInt8](repeating: 0, count: 65_536)
                let count = recv(descriptor, &buffer, buffer.count, 0)
                guard count > 0 else { return false }
                bytes += buffer[..<count]
                return true
            }
            while true {
                let text = String(decoding: bytes, as: UTF8.self)
                if let end = text.range(of: "\r\n\r\n") {
                    let head = text[..<end.lowerBound].lowercased()
                    let length =
                        head.range(of: "content-length: ").flatMap {
                            Int(head[$0.upperBound...].prefix { $0.isNumber })
                        } ?? 0
                    if text[end.upperBound...].utf8.count >= length { return text }
                }
                guard more() else { return nil }
            }
        }

        /// false when the peer has closed.
        @discardableResult
        func send(_ text: String) -> Bool {
            var bytes = Array(text.utf8)[...]
            while !bytes.isEmpty {
                let count = bytes.withUnsafeBytes {
                    Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
                guard count > 0 else { return false }
                bytes = bytes.dropFirst(count)
            }
            return true
        }

        func answer(_ status: String = "200 OK", _ fields: [String] = [], _ body: String = "") {
            let lines = ["HTTP/1.1 \(status)", "Content-Length: \(body.utf8.count)"] + fields
            send(lines.joined(separator: "\r\n") + "\r\n\r\n" + body)
        }

        /// Waits until the peer has closed.
        func waitForEnd() {
            var byte: UInt8 = 0
            while recv(descriptor, &byte, 1, 0) > 0 {}
        }
    }
}
