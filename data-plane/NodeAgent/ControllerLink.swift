internal import ClusterProtocol
internal import Foundation
internal import GatewayConfiguration
internal import WebClient

// The controller's node service as calls.

/// Why a call to the controller gave nothing.
enum LinkFailure: Error, CustomStringConvertible {
    case unreachable(WebFailure)
    /// The controller refused; `code` is empty for an answer of another form.
    case refused(status: Int, code: String)
    case malformed

    func isRefused(_ code: NodeServiceErrorCode) -> Bool {
        if case .refused(_, let text) = self { text == code.rawValue } else { false }
    }

    var description: String {
        switch self {
        case .unreachable(let failure): "\(failure)"
        case .refused(let status, let code): "refused with \(status) \(code)"
        case .malformed: "the answer was not understood"
        }
    }
}

/// Calls below `{controller}/node/v1/` with one identity.
final class ControllerLink: Sendable {
    private let base: String
    private let client: WebClient

    /// `identity` is nil for the enrolment.
    init(controller: String, authority: String, identity: WebIdentity?) throws(WebFailure) {
        base = (controller.hasSuffix("/") ? String(controller.dropLast()) : controller) + "/node/v1/"
        var options = WebClientOptions(reach: .all, authority: authority, identity: identity)
        options.userAgent = "gatehouse-gateway"
        client = try WebClient(options)
    }

    func close() { client.shutDown() }

    func enrol(_ request: EnrolmentRequest, token: String) async throws(LinkFailure) -> EnrolmentAnswer {
        // With or without the scheme: the file may hold what generateToken gave, or the whole field.
        let value = token.hasPrefix("GatewayKey ") ? token : "GatewayKey \(token)"
        return try await post("enrol", request, fields: [WebField("Authorization", value)])
    }

    func renew(_ request: RenewalRequest) async throws(LinkFailure) -> EnrolmentAnswer {
        try await post("certificates", request)
    }

    /// The blobs, and how many bytes they came in.
    func blobs(
        _ hashes: [String], bytesMax: Int
    ) async throws(LinkFailure) -> (blobs: [String: [UInt8]], bytes: Int) {
        let body = try await send("blobs", BlobRequest(hashes: hashes), fields: [], bytesMax: bytesMax)
        guard let answer = try? JSONDecoder().decode(BlobAnswer.self, from: Data(body)) else { throw .malformed }
        return (answer.blobs.compactMapValues { Data(base64Encoded: $0).map(Array.init) }, body.count)
    }

    func acknowledge(_ acknowledgement: Acknowledgement) async throws(LinkFailure) {
        _ = try await send("acknowledgements", acknowledgement, fields: [], bytesMax: 65_536)
    }

    func deliver(_ batch: UsageBatch) async throws(LinkFailure) -> UsageAcknowledgement {
        try await post("usage", batch)
    }

    /// Proves to a controller that is behind how far it had been.
    func handOver(_ root: SignedRoot) async throws(LinkFailure) {
        _ = try await send("roots", root, fields: [], bytesMax: 65_536)
    }

    func snapshots(after version: Int64, silence: Duration) async throws(LinkFailure) -> WebStream {
        var request = WebRequest("GET", "\(base)snapshots?after=\(version)")
        request.timeout = nil
        request.idleTimeout = silence
        let stream: WebStream
        do { stream = try await client.stream(request) } catch { throw .unreachable(error) }
        guard stream.head.status == 200 else {
            var body: [UInt8] = []
            while body.count < 65_536, let piece = try? await stream.next() { body += piece }
            throw Self.refusal(stream.head.status, body)
        }
        return stream
    }

    private func post<Answer: Decodable>(
        _ path: String, _ message: some Encodable, fields: [WebField] = [], bytesMax: Int = 1 << 20
    ) async throws(LinkFailure) -> Answer {
        let body = try await send(path, message, fields: fields, bytesMax: bytesMax)
        guard let answer = try? JSONDecoder().decode(Answer.self, from: Data(body)) else { throw .malformed }
        return answer
    }

    private func send(
        _ path: String, _ message: some Encodable, fields: [WebField], bytesMax: Int
    ) async throws(LinkFailure) -> [UInt8] {
        guard let body = try? BlobCoding.encode(message) else { throw .malformed }
        var request = WebRequest(
            "POST", base + path, fields: fields + [WebField("Content-Type", "application/json")], body: body)
        request.bodyBytesMax = bytesMax
        let response: WebResponse
        do { response = try await client.send(request) } catch { throw .unreachable(error) }
        guard (200..<300).contains(response.status) else { throw Self.refusal(response.status, response.body) }
        return response.body
    }

    private static func refusal(_ status: Int, _ body: [UInt8]) -> LinkFailure {
        let error = try? JSONDecoder().decode(NodeServiceError.self, from: Data(body))
        // Shown to people: nothing but a short word.
        let code = (error?.error.code ?? "").filter { $0.isLetter && $0.isASCII }.prefix(40)
        return .refused(status: status, code: String(code))
    }
}
