// NodeService is the controller's side of the nodes: enrolment with a gateway token, and over mutual TLS the stream of
// snapshots, blobs, acknowledgements, usage and renewal (contract-details.md section 3).
internal import ClusterProtocol
package import Cryptography
internal import Foundation
internal import GatewayConfiguration
internal import HTTPTypes
package import Hummingbird
package import Logging
internal import NIOCore
internal import NIOSSL
package import ResourceStore
package import SnapshotPublisher

/// The context of a node's request: the channel, which knows the peer's certificate.
package struct NodeContext: RequestContext {
    package var coreContext: CoreRequestContextStorage
    let channel: any Channel

    package init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        channel = source.channel
    }

    var address: String { channel.remoteAddress?.ipAddress ?? "" }
}

/// Why a node's request is not done.
struct NodeRefusal: Error {
    var status: Int
    var code: NodeServiceErrorCode
    var message: String

    init(_ status: Int, _ code: NodeServiceErrorCode, _ message: String) {
        self.status = status
        self.code = code
        self.message = message
    }
}

/// Answers every request of the node port.
package struct NodeResponder: HTTPResponder {
    package typealias Context = NodeContext
    /// The gateway that a token speaks for; nil where it is none.
    package typealias TokenCheck = @Sendable (_ token: String) async throws -> String?

    static let enrolBodyMax = 64 << 10
    static let usageBodyMax = 16 << 20

    let serviceID: String
    let authority: CertificateAuthority
    let registry: NodeRegistry
    let publisher: SnapshotPublisher
    let store: ResourceStore
    let checkToken: TokenCheck
    let logger: Logger
    let enrolments = MinuteThrottle(perMinute: 10)
    /// Requests for blobs, each node (must-hold H17).
    let blobRequests = MinuteThrottle(perMinute: 200)
    let strangeUsage = MinuteThrottle(perMinute: 10)

    package init(
        serviceID: String, authority: CertificateAuthority, registry: NodeRegistry, publisher: SnapshotPublisher,
        store: ResourceStore, checkToken: @escaping TokenCheck, logger: Logger
    ) {
        self.serviceID = serviceID
        self.authority = authority
        self.registry = registry
        self.publisher = publisher
        self.store = store
        self.checkToken = checkToken
        self.logger = logger
    }

    package func respond(to request: Request, context: NodeContext) async throws -> Response {
        do {
            return try await answer(request, context)
        } catch let refusal as NodeRefusal {
            return Self.error(refusal)
        } catch let failure as StoreFailure {
            logger.error("a node's request failed: \(failure)")
            return Self.error(NodeRefusal(503, .unavailable, "The store can't be written."))
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            logger.error("a node's request failed: \(error)")
            return Self.error(NodeRefusal(500, .internalError, "The request failed."))
        }
    }

    private func answer(_ request: Request, _ context: NodeContext) async throws -> Response {
        switch (request.method, request.uri.path) {
        case (.post, "/node/v1/enrol"): return try await enrol(request, context)
        case (.get, "/node/v1/snapshots"): return try await snapshots(request, try await node(context), context)
        case (.post, "/node/v1/roots"): return try await handOver(request, try await node(context))
        case (.post, "/node/v1/blobs"): return try await blobs(request, try await node(context))
        case (.post, "/node/v1/acknowledgements"):
            let node = try await node(context)
            let message = try await Self.message(Acknowledgement.self, request, limit: 64 << 10)
            await registry.acknowledge(node.id, message, address: context.address)
            return Response(status: .noContent)
        case (.post, "/node/v1/usage"): return try await usage(request, try await node(context), context)
        case (.post, "/node/v1/certificates"): return try await renew(request, try await node(context), context)
        case (.post, "/node/v1/leases"), (.post, "/node/v1/unknown-keys"):
            _ = try await node(context)
            throw NodeRefusal(501, .notImplemented, "Not built yet.")
        default:
            throw NodeRefusal(404, .notFound, "There is nothing here.")
        }
    }

    /// The node that the peer's certificate names. The chain was verified by TLS; the name says that it is a node's and
    /// not another certificate of our CA (must-hold F57, F58).
    private func node(_ context: NodeContext) async throws -> NodeRecord {
        guard let certificate = try await context.channel.nioSSL_peerCertificate().get() else {
            throw NodeRefusal(401, .unauthenticated, "A node's certificate is needed here.")
        }
        let details = try CertificateDetails(try certificate.toDERBytes())
        let notAllowed = NodeRefusal(403, .nodeNotAllowed, "This certificate is no node's of this service.")
        guard details.uriNames.count == 1, let identity = NodeIdentity(uri: details.uriNames[0]),
            identity.service.lowercased() == serviceID.lowercased(), details.notAfter > Date()
        else { throw notAllowed }
        guard let node = await registry.node(identity.node) else {
            guard await registry.isRevoked(identity.node) else { throw notAllowed }
            throw NodeRefusal(403, .nodeRevoked, "This node was revoked.")
        }
        guard node.gateway.lowercased() == identity.gateway.lowercased() else { throw notAllowed }
        return node
    }

    // Messages.

    static func message<Message: Decodable>(_ type: Message.Type, _ request: Request, limit: Int) async throws
        -> Message
    {
        var bytes: [UInt8] = []
        for try await piece in request.body {
            guard bytes.count + piece.readableBytes <= limit else {
                throw NodeRefusal(413, .requestTooLarge, "The message is larger than \(limit) bytes.")
            }
            bytes.append(contentsOf: piece.readableBytesView)
        }
        do {
            return try JSONDecoder().decode(type, from: Data(bytes))
        } catch {
            throw NodeRefusal(400, .badRequest, "The message is not understood.")
        }
    }

    static func json(encoding value: some Encodable, status: Int) throws -> Response {
        let bytes = try BlobCoding.encode(value)
        return Response(
            status: .init(code: status), headers: [.contentType: "application/json", .cacheControl: "no-store"],
            body: .init(byteBuffer: ByteBuffer(bytes: bytes)))
    }

    private static func error(_ refusal: NodeRefusal) -> Response {
        let body = NodeServiceError(code: refusal.code, message: refusal.message)
        return (try? json(encoding: body, status: refusal.status)) ?? Response(status: .init(code: refusal.status))
    }
}
