internal import CCurl
internal import Foundation
internal import Glibc
internal import Synchronization

// The one thread that drives libcurl for a client: commands come in through a queue and a wake-up, callbacks go out to
// the transfers.

/// Owns a multi handle and the thread that turns it.
final class TransferDriver: Sendable {
    enum Command: Sendable {
        case start(Transfer)
        case cancel(Transfer)
        case resume(Transfer)
    }

    private struct Inbox {
        var commands: [Command] = []
        var isStopped = false
    }

    // Safe: used by the driver's thread alone, but for curl_multi_wakeup, which any thread may call until the thread
    // has ended; that is guarded by `inbox`.
    nonisolated(unsafe) private let multi: UnsafeMutableRawPointer
    private let inbox = Mutex(Inbox())

    init() throws(WebFailure) {
        guard TransferLibrary.isReady, let multi = curl_multi_init() else { throw .closed }
        self.multi = multi
    }

    func start() {
        let thread = Thread { self.run() }
        thread.name = "WebClient"
        thread.start()
    }

    /// Hands a command to the thread. After `stop` the transfer ends with `closed`.
    func send(_ command: Command) {
        let isOpen = inbox.withLock { inbox in
            guard !inbox.isStopped else { return false }
            inbox.commands.append(command)
            curl_multi_wakeup(multi)
            return true
        }
        if !isOpen {
            switch command {
            case .start(let transfer), .cancel(let transfer), .resume(let transfer): transfer.finish(.failure(.closed))
            }
        }
    }

    func stop() {
        inbox.withLock { inbox in
            guard !inbox.isStopped else { return }
            inbox.isStopped = true
            curl_multi_wakeup(multi)
        }
    }

    private func run() {
        var running: [UnsafeMutableRawPointer: RunningTransfer] = [:]
        while true {
            let (commands, isStopped) = inbox.withLock { inbox in
                defer { inbox.commands = [] }
                return (inbox.commands, inbox.isStopped)
            }
            for command in commands { carryOut(command, &running) }
            if isStopped { break }
            var count: Int32 = 0
            curl_multi_perform(multi, &count)
            finishDone(&running)
            let wait = finishLate(&running)
            // 60 s: nothing is due; a command wakes it.
            curl_multi_poll(multi, nil, 0, Int32(clamping: wait), nil)
        }
        for handle in Array(running.keys) { end(handle, .failure(.closed), &running) }
        inbox.withLock { _ in _ = curl_multi_cleanup(multi) }
    }

    private func carryOut(_ command: Command, _ running: inout [UnsafeMutableRawPointer: RunningTransfer]) {
        func handle(of transfer: Transfer) -> UnsafeMutableRawPointer? {
            running.first { $0.value.transfer === transfer }?.key
        }
        switch command {
        case .start(let transfer):
            guard let one = RunningTransfer(transfer) else {
                transfer.finish(.failure(.invalidRequest))
                return
            }
            running[one.easy] = one
            if curl_multi_add_handle(multi, one.easy) != CURLM_OK {
                running[one.easy] = nil
                transfer.finish(.failure(.closed))
            }
        case .cancel(let transfer):
            if let handle = handle(of: transfer) { end(handle, .failure(.cancelled), &running) }
            transfer.finish(.failure(.cancelled))
        case .resume(let transfer):
            if let handle = handle(of: transfer) { curl_easy_pause(handle, CURLPAUSE_CONT) }
        }
    }

    private func finishDone(_ running: inout [UnsafeMutableRawPointer: RunningTransfer]) {
        var left: Int32 = 0
        while let message = curl_multi_info_read(multi, &left) {
            var code = CURLE_OK
            guard let handle = gh_curl_message_done(message, &code) else { continue }
            let reason = running[handle]?.reason ?? ""
            end(handle, Self.ending(code, reason), &running)
        }
    }

    /// Ends what is beyond its deadline; gives the milliseconds until the next one.
    private func finishLate(_ running: inout [UnsafeMutableRawPointer: RunningTransfer]) -> Int64 {
        let now = ContinuousClock.now
        var wait = Duration.seconds(60)
        for (handle, one) in running {
            guard let deadline = one.transfer.deadline() else { continue }
            if deadline <= now {
                end(handle, .failure(.timeout), &running)
            } else {
                wait = min(wait, now.duration(to: deadline))
            }
        }
        return wait.components.seconds * 1000 + wait.components.attoseconds / 1_000_000_000_000_000 + 1
    }

    private func end(
        _ handle: UnsafeMutableRawPointer, _ ending: Result<Void, WebFailure>,
        _ running: inout [UnsafeMutableRawPointer: RunningTransfer]
    ) {
        curl_multi_remove_handle(multi, handle)
        // The last reference to the handle's owner: it is cleaned up here, on this thread.
        let one = running.removeValue(forKey: handle)
        one?.transfer.finish(ending)
    }

    private static func ending(_ code: CURLcode, _ reason: String) -> Result<Void, WebFailure> {
        switch code {
        case CURLE_OK: .success(())
        case CURLE_URL_MALFORMAT: .failure(.invalidRequest)
        case CURLE_UNSUPPORTED_PROTOCOL: .failure(.schemeNotAllowed)
        case CURLE_OPERATION_TIMEDOUT: .failure(.timeout)
        case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CACERT_BADFILE,
            CURLE_SSL_ISSUER_ERROR, CURLE_SSL_CIPHER, CURLE_USE_SSL_FAILED:
            .failure(.notTrusted(reason))
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_CONNECT, CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_GOT_NOTHING:
            .failure(.unreachable(reason))
        case CURLE_WRITE_ERROR: .failure(.tooLarge)
        default: .failure(.malformedAnswer(reason))
        }
    }
}

/// An easy handle with what it refers to. Made, used and freed on the driver's thread.
private final class RunningTransfer {
    let easy: UnsafeMutableRawPointer
    let transfer: Transfer
    private var list: UnsafeMutablePointer<curl_slist>?
    private let errorText: UnsafeMutablePointer<CChar>

    init?(_ transfer: Transfer) {
        guard let easy = curl_easy_init() else { return nil }
        self.easy = easy
        self.transfer = transfer
        errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
        errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        guard setRequest(), setConnection(), setTrust(), setCallbacks() else { return nil }
    }

    deinit {
        curl_easy_cleanup(easy)
        curl_slist_free_all(list)
        errorText.deallocate()
    }

    /// What libcurl says of the failure. It may name the host, never a field.
    var reason: String { String(cString: errorText) }

    private func set(_ option: CURLoption, _ value: Int) -> Bool {
        gh_curl_easy_setopt_long(easy, option, value) == CURLE_OK
    }

    private func set(_ option: CURLoption, _ value: String?) -> Bool {
        gh_curl_easy_setopt_string(easy, option, value) == CURLE_OK
    }

    private func setRequest() -> Bool {
        let request = transfer.request
        var fields = request.fields
        // No question before a body: the answer to it costs a round trip.
        fields.append(WebField("Expect", ""))
        if request.body != nil, !fields.contains(where: { $0.name.lowercased() == "content-type" }) {
            fields.append(WebField("Content-Type", ""))
        }
        for field in fields {
            let isRemoval = field.value.isEmpty && ["expect", "content-type"].contains(field.name.lowercased())
            let line =
                field.value.isEmpty
                ? (isRemoval ? "\(field.name):" : "\(field.name);") : "\(field.name): \(field.value)"
            guard let longer = curl_slist_append(list, line) else { return false }
            list = longer
        }
        var good = set(CURLOPT_URL, transfer.address.url)
        switch (request.method, request.body) {
        case ("GET", nil): good = good && set(CURLOPT_HTTPGET, 1)
        case ("HEAD", nil): good = good && set(CURLOPT_NOBODY, 1)
        case (_, let body):
            let body = body ?? []
            good = good && gh_curl_easy_setopt_offset(easy, CURLOPT_POSTFIELDSIZE_LARGE, body.count) == CURLE_OK
            body.withUnsafeBytes { bytes in
                // Safe: libcurl copies the bytes now and only reads them.
                let start = UnsafeMutableRawPointer(mutating: bytes.baseAddress)
                good = good && gh_curl_easy_setopt_pointer(easy, CURLOPT_COPYPOSTFIELDS, start) == CURLE_OK
            }
            if body.isEmpty { good = good && set(CURLOPT_POSTFIELDS, "") && set(CURLOPT_POST, 1) }
            good = good && set(CURLOPT_CUSTOMREQUEST, request.method)
        }
        return good && gh_curl_easy_setopt_list(easy, CURLOPT_HTTPHEADER, list) == CURLE_OK
    }

    private func setConnection() -> Bool {
        let timeout = transfer.request.timeout.map { Int($0.components.seconds * 1000) + 1 } ?? 0
        // Nothing from outside: no proxy of the environment, no .netrc, no cookies (off by default).
        return set(CURLOPT_PROXY, "") && set(CURLOPT_NOSIGNAL, 1) && set(CURLOPT_TIMEOUT_MS, timeout)
            && set(CURLOPT_CONNECTTIMEOUT_MS, 10_000) && set(CURLOPT_FOLLOWLOCATION, 0)
            && set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1)) && set(CURLOPT_TCP_KEEPALIVE, 1)
            && set(CURLOPT_PROTOCOLS_STR, transfer.options.allowsPlainText ? "http,https" : "https")
            && set(CURLOPT_USERAGENT, transfer.options.userAgent)
            && gh_curl_easy_setopt_pointer(easy, CURLOPT_ERRORBUFFER, errorText) == CURLE_OK
    }

    private func setTrust() -> Bool {
        var good =
            set(CURLOPT_SSL_VERIFYPEER, 1) && set(CURLOPT_SSL_VERIFYHOST, 2)
            && set(CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
        if let authority = transfer.options.authority {
            // The system's folder of authorities would be asked beside the given one.
            good = good && setBlob(CURLOPT_CAINFO_BLOB, authority) && set(CURLOPT_CAPATH, nil)
        }
        if let identity = transfer.options.identity {
            good =
                good && setBlob(CURLOPT_SSLCERT_BLOB, identity.certificate)
                && setBlob(CURLOPT_SSLKEY_BLOB, identity.privateKey) && set(CURLOPT_SSLCERTTYPE, "PEM")
                && set(CURLOPT_SSLKEYTYPE, "PEM")
        }
        return good
    }

    private func setBlob(_ option: CURLoption, _ text: String) -> Bool {
        Array(text.utf8).withUnsafeBytes { bytes in
            // Safe: libcurl copies the bytes.
            gh_curl_easy_setopt_copied_blob(easy, option, bytes.baseAddress, bytes.count) == CURLE_OK
        }
    }

    private func setCallbacks() -> Bool {
        // Safe: the transfer lives as long as this object, which ends after the easy handle.
        let context = Unmanaged.passUnretained(transfer).toOpaque()
        return gh_curl_easy_setopt_data_callback(easy, CURLOPT_HEADERFUNCTION, receiveHead) == CURLE_OK
            && gh_curl_easy_setopt_pointer(easy, CURLOPT_HEADERDATA, context) == CURLE_OK
            && gh_curl_easy_setopt_data_callback(easy, CURLOPT_WRITEFUNCTION, receiveBody) == CURLE_OK
            && gh_curl_easy_setopt_pointer(easy, CURLOPT_WRITEDATA, context) == CURLE_OK
            && gh_curl_easy_setopt_opensocket(easy, openSocket) == CURLE_OK
            && gh_curl_easy_setopt_pointer(easy, CURLOPT_OPENSOCKETDATA, context) == CURLE_OK
    }
}

// Safe, for all three: libcurl calls them on the driver's thread with the context that `setCallbacks` gave.

private func receiveHead(
    _ bytes: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?
) -> Int {
    guard let bytes, let context else { return 0 }
    let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
    let line = Array(UnsafeRawBufferPointer(start: bytes, count: size * count))
    return transfer.receive(headLine: line) ? size * count : 0
}

private func receiveBody(
    _ bytes: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?
) -> Int {
    guard let bytes, let context else { return 0 }
    let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
    let isTaken = transfer.receive(body: UnsafeRawBufferPointer(start: bytes, count: size * count))
    return isTaken ? size * count : gh_curl_writefunc_pause
}

/// The guard: libcurl asks for a socket to an address it has resolved, for each new connection.
private func openSocket(
    _ context: UnsafeMutableRawPointer?, _ purpose: curlsocktype, _ address: UnsafeMutablePointer<curl_sockaddr>?
) -> curl_socket_t {
    guard let context, let address else { return -1 }
    let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
    var bytes = [UInt8](repeating: 0, count: 16)
    var port: UInt16 = 0
    let count = Int(gh_curl_sockaddr_bytes(address, &bytes, &port))
    guard count > 0, transfer.options.reach.allows(Array(bytes.prefix(count)), port: port) else {
        transfer.noteRefusedAddress()
        return -1
    }
    return socket(
        address.pointee.family, address.pointee.socktype | Int32(SOCK_CLOEXEC.rawValue), address.pointee.protocol)
}
