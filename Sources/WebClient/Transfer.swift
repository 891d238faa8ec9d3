internal import CCurl
internal import Glibc
internal import Synchronization

// One request under way: the driver's thread feeds it, one task waits for its head and then for its body.

/// The state that a transfer's callbacks (on the driver's thread) and its reader (a task) share.
final class Transfer: Sendable {
    /// Bytes of body that wait for the reader before the connection is no longer read.
    static let waitingBytesMax = 256 * 1024
    static let headBytesMax = 64 * 1024

    let request: WebRequest
    let address: WebAddress
    let options: WebClientOptions
    private let state = Mutex(State())
    private let driver: TransferDriver

    private struct State {
        var headBytes = 0
        var status = 0
        var fields: [WebField] = []
        var isHeadComplete = false
        var wasAddressRefused = false
        var chunks: [[UInt8]] = []
        var waitingBytes = 0
        var isPaused = false
        var ending: Result<Void, WebFailure>?
        var head: CheckedContinuation<Void, Never>?
        var body: CheckedContinuation<Void, Never>?
        var lastByte = ContinuousClock.now
    }

    let started = ContinuousClock.now

    init(request: WebRequest, address: WebAddress, options: WebClientOptions, driver: TransferDriver) {
        self.request = request
        self.address = address
        self.options = options
        self.driver = driver
    }

    func start() { driver.send(.start(self)) }
    func cancel() { driver.send(.cancel(self)) }

    // The reader's side.

    /// Waits for the head of the answer.
    func head() async throws(WebFailure) -> WebResponseHead {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isReady = state.withLock { state in
                    if state.isHeadComplete || state.ending != nil { return true }
                    state.head = continuation
                    return false
                }
                if isReady { continuation.resume() }
            }
        } onCancel: {
            cancel()
        }
        return try state.withLock { state throws(WebFailure) in
            if !state.isHeadComplete {
                switch state.ending {
                case .failure(let failure): throw failure
                case .success, nil: throw .malformedAnswer("no head")
                }
            }
            return WebResponseHead(status: state.status, fields: state.fields)
        }
    }

    /// Waits for the next piece of the body; nil at its end.
    func next() async throws(WebFailure) -> [UInt8]? {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isReady = state.withLock { state in
                    if !state.chunks.isEmpty || state.ending != nil { return true }
                    state.body = continuation
                    return false
                }
                if isReady { continuation.resume() }
            }
        } onCancel: {
            cancel()
        }
        let (chunk, resumes) = try state.withLock { state throws(WebFailure) -> ([UInt8]?, Bool) in
            if !state.chunks.isEmpty {
                let chunk = state.chunks.removeFirst()
                state.waitingBytes -= chunk.count
                let resumes = state.isPaused && state.waitingBytes < Self.waitingBytesMax / 2
                if resumes {
                    state.isPaused = false
                    state.lastByte = .now
                }
                return (chunk, resumes)
            }
            if case .failure(let failure) = state.ending { throw failure }
            return (nil, false)
        }
        if resumes { driver.send(.resume(self)) }
        return chunk
    }

    // The driver's side.

    /// A line of the head; false when the head is too large.
    func receive(headLine line: [UInt8]) -> Bool {
        let waiter = state.withLock { state -> (isGood: Bool, waiter: CheckedContinuation<Void, Never>?) in
            // What comes behind the body is a trailer, which nobody asked for.
            if state.isHeadComplete { return (true, nil) }
            state.headBytes += line.count
            if state.headBytes > Self.headBytesMax { return (false, nil) }
            var line = line[...]
            while line.last == UInt8(ascii: "\n") || line.last == UInt8(ascii: "\r") { line.removeLast() }
            if line.starts(with: "HTTP/".utf8) {
                state.fields = []
                let parts = line.split(separator: UInt8(ascii: " "))
                state.status = parts.count > 1 ? Int(String(decoding: parts[1], as: UTF8.self)) ?? 0 : 0
                return (true, nil)
            }
            if line.isEmpty {
                guard state.status >= 200 else { return (true, nil) }
                state.isHeadComplete = true
                state.lastByte = .now
                defer { state.head = nil }
                return (true, state.head)
            }
            if let colon = line.firstIndex(of: UInt8(ascii: ":")) {
                state.fields.append(
                    WebField(
                        String(decoding: line[..<colon], as: UTF8.self),
                        Self.trimmed(line[(colon + 1)...])))
            }
            return (true, nil)
        }
        waiter.waiter?.resume()
        return waiter.isGood
    }

    /// A piece of the body; false when the reader is behind and libcurl must keep it.
    func receive(body bytes: UnsafeRawBufferPointer) -> Bool {
        let answer = state.withLock { state -> (isTaken: Bool, waiter: CheckedContinuation<Void, Never>?) in
            if state.waitingBytes >= Self.waitingBytesMax {
                state.isPaused = true
                return (false, nil)
            }
            // Safe: the bytes are copied while libcurl's callback runs.
            state.chunks.append(Array(bytes))
            state.waitingBytes += bytes.count
            state.lastByte = .now
            defer { state.body = nil }
            return (true, state.body)
        }
        answer.waiter?.resume()
        return answer.isTaken
    }

    func noteRefusedAddress() { state.withLock { $0.wasAddressRefused = true } }

    /// The transfer is over; whoever waits learns it. The first ending counts.
    func finish(_ ending: Result<Void, WebFailure>) {
        let waiters = state.withLock { state -> [CheckedContinuation<Void, Never>] in
            guard state.ending == nil else { return [] }
            if case .failure(.unreachable) = ending, state.wasAddressRefused {
                state.ending = .failure(.addressNotAllowed)
            } else {
                state.ending = ending
            }
            let waiters = [state.head, state.body].compactMap { $0 }
            state.head = nil
            state.body = nil
            return waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    /// When the transfer must be looked at again, for a deadline that libcurl does not keep.
    func deadline() -> ContinuousClock.Instant? {
        state.withLock { state in
            if !state.isHeadComplete { return started.advanced(by: request.headTimeout) }
            guard let idle = request.idleTimeout, !state.isPaused, state.waitingBytes == 0 else { return nil }
            return state.lastByte.advanced(by: idle)
        }
    }

    private static func trimmed(_ bytes: ArraySlice<UInt8>) -> String {
        var bytes = bytes
        while let first = bytes.first, first == 0x20 || first == 0x09 { bytes.removeFirst() }
        while let last = bytes.last, last == 0x20 || last == 0x09 { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }
}
