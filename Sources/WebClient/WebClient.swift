internal import Synchronization

// The client: one for each purpose and identity, since its connections are pooled (must-hold F31, G55).

/// What a client proves itself with: PEM texts.
package struct WebIdentity: Sendable, CustomStringConvertible, CustomReflectable {
    /// Leaf first.
    package var certificate: String
    package var privateKey: String

    package init(certificate: String, privateKey: String) {
        self.certificate = certificate
        self.privateKey = privateKey
    }

    package var description: String { "WebIdentity" }
    package var customMirror: Mirror { Mirror(self, children: [:]) }
}

/// How a client connects.
package struct WebClientOptions: Sendable {
    package var reach: ReachableAddresses
    /// Whether `http` is allowed beside `https`.
    package var allowsPlainText: Bool
    /// PEM of the authorities that are trusted, in place of the system's; nil for those.
    package var authority: String?
    package var identity: WebIdentity?
    package var userAgent = "Gatehouse"

    package init(
        reach: ReachableAddresses, allowsPlainText: Bool = false, authority: String? = nil,
        identity: WebIdentity? = nil
    ) {
        self.reach = reach
        self.allowsPlainText = allowsPlainText
        self.authority = authority
        self.identity = identity
    }
}

/// Sends requests. Its connections live as long as it does; `shutDown` ends all at once.
package final class WebClient: Sendable {
    package let options: WebClientOptions
    private let driver: TransferDriver

    /// Throws `closed` where libcurl can't be had.
    package init(_ options: WebClientOptions) throws(WebFailure) {
        self.options = options
        driver = try TransferDriver()
        driver.start()
    }

    deinit { driver.stop() }

    /// Ends every transfer with `closed`; later ones end so too.
    package func shutDown() { driver.stop() }

    /// Sends a request and collects the answer's body. Redirects are followed as the request says.
    package func send(_ request: WebRequest) async throws(WebFailure) -> WebResponse {
        var request = request
        var hops = 0
        while true {
            let stream = try await stream(request)
            let head = stream.head
            if [301, 302, 303, 307, 308].contains(head.status), request.redirectsMax > 0, request.method == "GET",
                let location = head["Location"]
            {
                stream.cancel()
                hops += 1
                request = try Self.redirected(request, to: location, hops: hops)
                continue
            }
            var body: [UInt8] = []
            while let chunk = try await stream.next() {
                guard body.count + chunk.count <= request.bodyBytesMax else {
                    stream.cancel()
                    throw .tooLarge
                }
                body += chunk
            }
            return WebResponse(head: head, body: body)
        }
    }

    /// Sends a request; the answer's body comes piece by piece. Redirects are not followed.
    package func stream(_ request: WebRequest) async throws(WebFailure) -> WebStream {
        let address = try WebAddress(request.url)
        guard address.scheme == "https" || (address.scheme == "http" && options.allowsPlainText) else {
            throw .schemeNotAllowed
        }
        guard Self.isToken(request.method), request.fields.allSatisfy(Self.isSendable) else { throw .invalidRequest }
        let transfer = Transfer(request: request, address: address, options: options, driver: driver)
        transfer.start()
        let head = try await transfer.head()
        return WebStream(head: head, transfer: transfer, client: self)
    }

    private static func redirected(
        _ request: WebRequest, to location: String, hops: Int
    ) throws(WebFailure) -> WebRequest {
        guard hops <= request.redirectsMax else { throw .redirectNotAllowed }
        let from = try WebAddress(request.url)
        let next: WebAddress
        do { next = try from.resolving(location) } catch { throw .redirectNotAllowed }
        guard ["http", "https"].contains(next.scheme), from.scheme != "https" || next.scheme == "https" else {
            throw .redirectNotAllowed
        }
        var request = request
        request.url = next.url
        if !from.hasSameOrigin(as: next) {
            request.fields.removeAll { ["authorization", "cookie"].contains($0.name.lowercased()) }
        }
        return request
    }

    private static func isToken(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                byte > 0x20 && byte < 0x7f && !#""(),/:;<=>?@[\]{}"#.utf8.contains(byte)
            }
    }

    private static func isSendable(_ field: WebField) -> Bool {
        isToken(field.name) && field.value.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }
    }
}

/// An answer whose body comes piece by piece. Let go of it, or cancel it, and the connection is closed.
package final class WebStream: Sendable {
    package let head: WebResponseHead
    private let transfer: Transfer
    /// Lives as long as one of its streams.
    private let client: WebClient

    init(head: WebResponseHead, transfer: Transfer, client: WebClient) {
        self.head = head
        self.client = client
        self.transfer = transfer
    }

    deinit { transfer.cancel() }

    package func cancel() { transfer.cancel() }

    /// The next piece; nil at the end. One reader at a time. Cancelling its task ends the transfer.
    package func next() async throws(WebFailure) -> [UInt8]? { try await transfer.next() }
}
