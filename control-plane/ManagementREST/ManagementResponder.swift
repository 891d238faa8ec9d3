// ManagementREST is the management plane over HTTP: requests come in; authenticated, routed, decided and answered in
// ARM's envelope they go out.
internal import AccessControl
internal import Foundation
internal import HTTPTypes
package import Hummingbird
internal import JSONDocuments
internal import Logging
internal import NIOCore
internal import Resources
internal import ResourceStore

/// The context of a management request: the peer's address beside Hummingbird's own.
package struct ManagementContext: RequestContext {
    package var coreContext: CoreRequestContextStorage
    package let address: String
    private let channel: any Channel

    package init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        address = source.channel.remoteAddress?.ipAddress ?? ""
        channel = source.channel
    }

    /// Ends the connection soon: the answer has time to arrive, and what still comes is not read for ever.
    func closeSoon() {
        let channel = channel
        channel.eventLoop.scheduleTask(in: .seconds(1)) { channel.close(promise: nil) }
    }
}

/// Answers every request of the management port.
package struct ManagementResponder: HTTPResponder {
    package typealias Context = ManagementContext

    let management: Management

    package init(management: Management) { self.management = management }

    package func respond(to request: Request, context: ManagementContext) async throws -> Response {
        let requestID = UUID().uuidString.lowercased()
        let correlation = correlationID(request) ?? requestID
        let inquiry = Inquiry(request: request, address: context.address, requestID: requestID)
        var answer: Answer
        do {
            answer = try await management.answer(inquiry)
        } catch let refusal as Refusal {
            answer = Answer(refusal)
        } catch let failure as StoreFailure {
            management.logger.error("\(requestID): the store failed: \(failure)")
            answer = Answer(Self.refusal(failure))
        } catch {
            management.logger.error("\(requestID): \(error)")
            answer = Answer(Refusal(.internalError, "The request failed; the log has the reason under \(requestID)."))
        }
        if inquiry.leavesMuchUnread {
            answer.headers.append(("Connection", "close"))
            context.closeSoon()
        }
        return response(answer, isHead: request.method == .head, requestID: requestID, correlation: correlation)
    }

    private static func refusal(_ failure: StoreFailure) -> Refusal {
        switch failure.reason {
        case .full: return Refusal(.insufficientStorage, "The controller's disk is full: nothing was changed.")
        case .readOnly, .busy, .broken, .newer:
            var refusal = Refusal(.serviceUnavailable, "The store can't be written at the moment: nothing was changed.")
            refusal.retryAfterSeconds = 5
            return refusal
        }
    }

    private func correlationID(_ request: Request) -> String? {
        guard let name = HTTPField.Name("x-ms-correlation-request-id"), let value = request.headers[name] else {
            return nil
        }
        let isPlain = value.utf8.allSatisfy { byte in
            (byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7A) || (byte >= 0x30 && byte <= 0x39) || "._-".utf8.contains(byte)
        }
        return isPlain && (1...128).contains(value.utf8.count) ? value : nil
    }

    private func response(_ answer: Answer, isHead: Bool, requestID: String, correlation: String) -> Response {
        var headers = HTTPFields()
        let set = { (name: String, value: String) in
            if let name = HTTPField.Name(name) { headers[name] = value }
        }
        set("x-ms-request-id", requestID)
        set("x-ms-correlation-request-id", correlation)
        set("Cache-Control", "no-store")
        set("X-Content-Type-Options", "nosniff")
        for (name, value) in answer.headers { set(name, value) }
        if let revision = answer.revision { set("Gatehouse-Revision", String(revision)) }
        guard let body = answer.body, !isHead else {
            return Response(status: .init(code: answer.status), headers: headers)
        }
        set("Content-Type", answer.contentType)
        return Response(
            status: .init(code: answer.status), headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: body)))
    }
}

/// A request as it came, with what the answer needs of it.
struct Inquiry: Sendable {
    /// A body that nobody wants is read to its end where it is not longer, so that the connection lives on.
    private static let unreadMax = 64 << 10

    let request: Request
    let address: String
    let requestID: String
    private let reading = BodyReading()

    init(request: Request, address: String, requestID: String) {
        self.request = request
        self.address = address
        self.requestID = requestID
    }

    /// Whether more of the body is left than is worth reading.
    var leavesMuchUnread: Bool {
        if reading.isWhole { return false }
        if reading.hasBegun || header("Transfer-Encoding") != nil { return true }
        return header("Content-Length").map { Int($0) ?? .max > Self.unreadMax } ?? false
    }

    func header(_ name: String) -> String? {
        guard let name = HTTPField.Name(name) else { return nil }
        let values = request.headers[values: name]
        return values.isEmpty ? nil : values.joined(separator: ", ")
    }

    func headerLines(_ name: String) -> [String] {
        HTTPField.Name(name).map { request.headers[values: $0] } ?? []
    }

    /// The body, up to `limit` bytes, as fast as `pace` asks.
    func body(limit: Int, pace: BodyPace) async throws -> [UInt8] {
        if let length = header("Content-Length").flatMap(Int.init), length > limit { throw Self.tooLarge(limit) }
        let body = request.body
        let reading = reading
        return try await pace.watch(reading) {
            var bytes: [UInt8] = []
            for try await piece in body {
                guard bytes.count + piece.readableBytes <= limit else { throw Self.tooLarge(limit) }
                bytes.append(contentsOf: piece.readableBytesView)
                reading.took(bytes.count)
            }
            return bytes
        }
    }

    private static func tooLarge(_ limit: Int) -> Refusal {
        Refusal(.requestTooLarge, "The body is larger than \(limit) bytes.")
    }
}
