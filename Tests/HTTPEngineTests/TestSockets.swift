import Glibc

@testable import HTTPEngine

// Blocking sockets for tests: a client that writes exact bytes, and a backend that follows a script.

/// A blocking TCP socket. Every read gives up after 20 s, so that a test that hangs fails.
// Unchecked: a descriptor and a buffer that one thread uses at a time, the test's or a script's.
final class TestSocket: @unchecked Sendable {
    let descriptor: Int32
    private var buffer: [UInt8] = []

    init(descriptor: Int32) {
        self.descriptor = descriptor
        var on: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        var timeout = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    }

    convenience init(port: UInt16) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = Self.loopback(port)
        _ = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        self.init(descriptor: descriptor)
    }

    private var isClosed = false

    deinit { if !isClosed { close(descriptor) } }

    static func loopback(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }

    @discardableResult
    func send(_ bytes: some Collection<UInt8>) -> Bool {
        let all = Array(bytes)
        var sent = 0
        while sent < all.count {
            let rest = Array(all[sent...])
            let count = Glibc.send(descriptor, rest, rest.count, Int32(MSG_NOSIGNAL))
            if count <= 0 { return false }
            sent += count
        }
        return true
    }

    @discardableResult
    func send(_ text: String) -> Bool { send(Array(text.utf8)) }

    /// Up to `count` bytes; empty at the end or when the connection broke.
    func receive(_ count: Int = 65_536) -> [UInt8] {
        if !buffer.isEmpty {
            let taken = Array(buffer.prefix(count))
            buffer.removeFirst(taken.count)
            return taken
        }
        var bytes = [UInt8](repeating: 0, count: count)
        let got = recv(descriptor, &bytes, count, 0)
        return got > 0 ? Array(bytes.prefix(got)) : []
    }

    /// Everything up to the end of the connection.
    func receiveAll() -> [UInt8] {
        var all: [UInt8] = []
        while true {
            let piece = receive()
            if piece.isEmpty { return all }
            all += piece
        }
    }

    func receiveAllText() -> String { String(decoding: receiveAll(), as: UTF8.self) }

    /// A head up to its empty line, nil when the connection ended before.
    func receiveHead() -> String? {
        var all: [UInt8] = []
        while true {
            if let end = all.firstRange(of: Array("\r\n\r\n".utf8)) {
                buffer = Array(all[end.upperBound...]) + buffer
                return String(decoding: all[..<end.upperBound], as: UTF8.self)
            }
            let piece = receive()
            if piece.isEmpty { return nil }
            all += piece
        }
    }

    func receiveExactly(_ count: Int) -> [UInt8] {
        var all: [UInt8] = []
        while all.count < count {
            let piece = receive(count - all.count)
            if piece.isEmpty { break }
            all += piece
        }
        return all
    }

    /// A response with Content-Length or without a body; nil when the connection ended.
    func receiveResponse(bodiless: Bool = false) -> TestResponse? {
        guard let head = receiveHead() else { return nil }
        let response = TestResponse(head: head)
        guard !bodiless else { return response }
        if response.field("Transfer-Encoding") == "chunked" {
            var body: [UInt8] = []
            while let line = receiveLine(), let size = Int(line, radix: 16) {
                body += receiveExactly(size)
                _ = receiveExactly(2)
                if size == 0 { break }
            }
            return TestResponse(head: head, body: String(decoding: body, as: UTF8.self))
        }
        guard let length = response.field("Content-Length").flatMap(Int.init) else { return response }
        return TestResponse(head: head, body: String(decoding: receiveExactly(length), as: UTF8.self))
    }

    func receiveLine() -> String? {
        var line: [UInt8] = []
        while true {
            let byte = receiveExactly(1)
            if byte.isEmpty { return nil }
            line += byte
            if line.suffix(2) == [13, 10] { return String(decoding: line.dropLast(2), as: UTF8.self) }
        }
    }

    func shutWriting() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Ends the connection with a reset.
    func reset() {
        var setting = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &setting, socklen_t(MemoryLayout<linger>.size))
        close(descriptor)
        isClosed = true
    }

    /// Whether the other side has ended the connection, waited for.
    func isEnded() -> Bool { receive().isEmpty }
}

extension Array where Element == UInt8 {
    func firstRange(of other: [UInt8]) -> Range<Int>? {
        guard count >= other.count else { return nil }
        for start in 0...(count - other.count) where self[start] == other[0] {
            if self[start..<(start + other.count)].elementsEqual(other) { return start..<(start + other.count) }
        }
        return nil
    }
}

struct TestResponse {
    let head: String
    var body = ""

    var status: Int { Int(head.split(separator: " ").dropFirst().first ?? "") ?? 0 }

    func fields(_ name: String) -> [String] {
        head.split(separator: "\r\n").dropFirst().compactMap { line in
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2, parts[0].lowercased() == name.lowercased() else { return nil }
            return String(parts[1].drop { $0 == " " })
        }
    }

    func field(_ name: String) -> String? { fields(name).first }
}

/// A backend: accepts on a port of the kernel's choice and runs `script` for each connection, on a thread of its own.
// Unchecked: what changes is behind `lock`.
final class TestBackend: @unchecked Sendable {
    let port: UInt16
    private let listener: Int32
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let recorded = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var heads: [String] = []
    private var accepted = 0

    init(_ script: @escaping @Sendable (TestBackend, TestSocket) -> Void) {
        pthread_mutex_init(lock, nil)
        pthread_cond_init(recorded, nil)
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = TestSocket.loopback(0)
        _ = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        Glibc.listen(descriptor, 128)
        listener = descriptor
        port = NetworkAddress.local(of: descriptor)?.port ?? 0
        _ = EngineThread.start(name: "backend") { [weak self] in
            while true {
                let connection = accept(descriptor, nil, nil)
                guard connection >= 0 else { return }
                guard let self else {
                    close(connection)
                    return
                }
                self.withLock { self.accepted += 1 }
                let socket = TestSocket(descriptor: connection)
                _ = EngineThread.start(name: "script") { [self] in script(self, socket) }
            }
        }
    }

    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
        recorded.deallocate()
        lock.deallocate()
    }

    func withLock<Result>(_ body: () -> Result) -> Result {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        return body()
    }

    func record(_ head: String) {
        withLock { heads.append(head) }
        pthread_cond_broadcast(recorded)
    }

    /// Returns once so many requests are recorded.
    func awaitRequests(_ count: Int) {
        withLock { while heads.count < count { pthread_cond_wait(recorded, lock) } }
    }

    var requests: [String] { withLock { heads } }
    var connections: Int { withLock { accepted } }

    /// Answers every request on a connection with what it got.
    static func echo() -> TestBackend {
        TestBackend { backend, socket in
            while let head = socket.receiveHead() {
                var body: [UInt8] = []
                let request = TestResponse(head: head)
                if let length = request.field("Content-Length").flatMap(Int.init) {
                    body = socket.receiveExactly(length)
                    if body.count < length {
                        backend.record(head + "(short)")
                        return
                    }
                } else if request.field("Transfer-Encoding") == "chunked" {
                    while let line = socket.receiveLine(), let size = Int(line, radix: 16) {
                        body += socket.receiveExactly(size)
                        _ = socket.receiveExactly(2)
                        if size == 0 { break }
                    }
                }
                backend.record(head + String(decoding: body, as: UTF8.self))
                let method = head.prefix { $0 != " " }
                let target = head.split(separator: " ").dropFirst().first ?? ""
                let text = "\(target)|\(String(decoding: body, as: UTF8.self))"
                socket.send("HTTP/1.1 200 OK\r\nContent-Length: \(text.utf8.count)\r\nX-Backend: 1\r\n\r\n")
                if method != "HEAD" { socket.send(text) }
            }
        }
    }
}
