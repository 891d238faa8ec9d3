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
    var code: String
    var message: String
}

/// Answers every request of the node port.
package struct NodeResponder: HTTPResponder {
    package typealias Context = NodeContext
    /// The gateway that a token speaks for; nil where it is none.
    package typealias TokenCheck = @Sendable (_ token: String) async throws -> String?

    static let enrolBodyMax = 64 << 10
    static let usageBodyMax = 16 << 20
    static let beat = Duration.seconds(5)

    let serviceID: String
    let authority: CertificateAuthority
    let registry: NodeRegistry
    let publisher: SnapshotPublisher
    let store: ResourceStore
    let checkToken: TokenCheck
    let logger: Logger
    let enrolments = EnrolmentThrottle()

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
            return Self.json(["code": refusal.code, "message": refusal.message], status: refusal.status)
        } catch let failure as StoreFailure {
            logger.error("a node's request failed: \(failure)")
            return Self.json(["code": "ServiceUnavailable", "message": "The store can't be written."], status: 503)
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            logger.error("a node's request failed: \(error)")
            return Self.json(["code": "InternalServerError", "message": "The request failed."], status: 500)
        }
    }

    private func answer(_ request: Request, _ context: NodeContext) async throws -> Response {
        switch (request.method, request.uri.path) {
        case (.post, "/node/v1/enrol"): return try await enrol(request, context)
        case (.get, "/node/v1/snapshots"): return try await snapshots(try await node(context), context)
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
            throw NodeRefusal(status: 501, code: "NotImplemented", message: "Not built yet.")
        default:
            throw NodeRefusal(status: 404, code: "NotFound", message: "There is nothing here.")
        }
    }

    /// The node that the peer's certificate names.
    private func node(_ context: NodeContext) async throws -> NodeRecord {
        let certificate = try await context.channel.nioSSL_peerCertificate().get()
        guard let certificate else {
            throw NodeRefusal(status: 401, code: "NoCertificate", message: "A node's certificate is needed here.")
        }
        let details = try CertificateDetails(try certificate.toDERBytes())
        // The chain was verified by TLS; the name says that it is a node's and not another certificate of our CA.
        guard let identity = details.uriNames.compactMap(NodeIdentity.init(uri:)).first,
            identity.service.lowercased() == serviceID.lowercased(), let node = await registry.node(identity.node),
            node.gateway.lowercased() == identity.gateway.lowercased(), details.notAfter > Date()
        else {
            throw NodeRefusal(
                status: 401, code: "UnknownNode", message: "This certificate is no node's, or it is revoked.")
        }
        return node
    }

    private func enrol(_ request: Request, _ context: NodeContext) async throws -> Response {
        guard enrolments.mayTry(context.address, now: Date().timeIntervalSince1970) else {
            throw NodeRefusal(
                status: 429, code: "TooManyRequests",
                message: "Too many enrolments from this address; try again in a minute.")
        }
        let unauthorized = NodeRefusal(
            status: 401, code: "InvalidToken", message: "The gateway token is wrong, over, or of no gateway.")
        guard let line = request.headers[.authorization], line.hasPrefix("GatewayKey "),
            let gateway = try await checkToken(String(line.dropFirst("GatewayKey ".count)))
        else { throw unauthorized }
        let message = try await Self.message(EnrolmentRequest.self, request, limit: Self.enrolBodyMax)
        guard (1...256).contains(message.name.unicodeScalars.count), message.software.utf8.count <= 256 else {
            throw NodeRefusal(status: 400, code: "BadRequest", message: "'name' must have 1 to 256 characters.")
        }
        let certificateRequest = try Self.read(message.certificateRequest)
        let node = NodeRecord(
            id: UUID().uuidString.lowercased(), gateway: gateway, label: message.name,
            sealingKey: certificateRequest.sealingKey.bytes, software: message.software, address: context.address,
            created: Date().timeIntervalSince1970)
        let answer = try await issue(node, certificateRequest, message.hostNames)
        try await registry.add(
            node, by: Actor(principal: "", application: "gateway:\(gateway)", address: context.address, request: ""),
            serviceID: serviceID)
        logger.info("node \(node.id) (\(node.label.filter { !$0.isNewline })) enrolled at gateway \(gateway)")
        return try Self.json(encoding: answer, status: 201)
    }

    private static func read(_ pem: String) throws -> CertificateRequest {
        do {
            return try CertificateRequest(pem: pem)
        } catch {
            throw NodeRefusal(
                status: 400, code: "BadCertificateRequest", message: "The certificate request is not taken: \(error).")
        }
    }

    private func issue(_ node: NodeRecord, _ request: CertificateRequest, _ hostNames: [String]) async throws
        -> EnrolmentAnswer
    {
        let now = Date()
        var names = ["localhost", "127.0.0.1", "::1"].map(ServerName.init)
        for text in hostNames.prefix(8) where Self.isHostName(text) && !names.contains(ServerName(text)) {
            names.append(ServerName(text))
        }
        return EnrolmentAnswer(
            node: node.id, gateway: node.gateway, service: serviceID,
            certificate: try authority.issueNode(
                NodeIdentity(service: serviceID, gateway: node.gateway, node: node.id), for: request, now: now),
            listenerCertificate: try authority.issueListener(names: names, for: request, now: now),
            authority: authority.certificate,
            snapshotKey: Data(await publisher.verificationKey.bytes).base64EncodedString())
    }

    private static func isHostName(_ text: String) -> Bool {
        (1...253).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                (byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7A) || (byte >= 0x30 && byte <= 0x39) || "-.".utf8.contains(byte)
            }
    }

    private func renew(_ request: Request, _ node: NodeRecord, _ context: NodeContext) async throws -> Response {
        let message = try await Self.message(RenewalRequest.self, request, limit: Self.enrolBodyMax)
        let certificateRequest = try Self.read(message.certificateRequest)
        guard certificateRequest.sealingKey.bytes == node.sealingKey else {
            throw NodeRefusal(
                status: 400, code: "BadCertificateRequest", message: "A renewal keeps the node's sealing key.")
        }
        await registry.heard(node.id, address: context.address)
        return try Self.json(encoding: try await issue(node, certificateRequest, message.hostNames), status: 201)
    }

    /// The stream: the newest root first, then each one that is published; a comment line every 5 s shows that it lives.
    private func snapshots(_ node: NodeRecord, _ context: NodeContext) async throws -> Response {
        let key = try NodeSealingPublicKey(bytes: node.sealingKey)
        let (events, continuation) = AsyncStream.makeStream(of: StreamItem.self, bufferingPolicy: .bufferingNewest(2))
        let stream = await registry.attach(node.id) { continuation.finish() }
        let roots = await publisher.roots()
        let first = await publisher.root(of: node.gateway)
        let gateway = node.gateway.lowercased()
        let source = Task {
            if let first { continuation.yield(.root(first)) }
            for await root in roots where root.gateway.lowercased() == gateway { continuation.yield(.root(root)) }
        }
        let beat = Task {
            while !Task.isCancelled {
                try await Task.sleep(for: Self.beat)
                continuation.yield(.beat)
            }
        }
        let registry = registry
        let id = node.id
        await registry.heard(id, address: context.address)
        let body = ResponseBody { writer in
            defer {
                source.cancel()
                beat.cancel()
                Task { await registry.detach(id, stream) }
            }
            var sent: PublishedRoot?
            for await item in events {
                switch item {
                case .beat: try await writer.write(ByteBuffer(string: ":\n\n"))
                case .root(let root):
                    if let sent, sent.version >= root.version { continue }
                    sent = root
                    try await writer.write(ByteBuffer(bytes: try Self.event(root, key)))
                }
            }
            try await writer.finish(nil)
        }
        return Response(
            status: .ok, headers: [.contentType: "text/event-stream", .cacheControl: "no-store"], body: body)
    }

    private enum StreamItem: Sendable {
        case root(PublishedRoot)
        case beat
    }

    private static func event(_ root: PublishedRoot, _ key: NodeSealingPublicKey) throws -> [UInt8] {
        let sealed = try key.seal(root.dataKey.secretBytes)
        let event = SnapshotEvent(
            root: root.signed.root, signature: root.signed.signature, sealedDataKey: Data(sealed).base64EncodedString())
        return Array("event: snapshot\ndata: ".utf8) + [UInt8](try JSONEncoder().encode(event)) + Array("\n\n".utf8)
    }

    private func blobs(_ request: Request, _ node: NodeRecord) async throws -> Response {
        let message = try await Self.message(BlobRequest.self, request, limit: 256 << 10)
        guard message.hashes.count <= 1000 else {
            throw NodeRefusal(status: 400, code: "BadRequest", message: "At most 1,000 hashes a request.")
        }
        var answer = BlobAnswer(blobs: [:])
        var size = 0
        for hash in message.hashes where size < 64 << 20 {
            guard let bytes = await publisher.blob(hash, for: node.gateway) else { continue }
            size += bytes.count
            answer.blobs[hash] = Data(bytes).base64EncodedString()
        }
        return try Self.json(encoding: answer, status: 200)
    }

    private func usage(_ request: Request, _ node: NodeRecord, _ context: NodeContext) async throws -> Response {
        let batch = try await Self.message(UsageBatch.self, request, limit: Self.usageBodyMax)
        guard batch.id.node == node.id else {
            throw NodeRefusal(status: 403, code: "NotThisNode", message: "A node delivers its own usage alone.")
        }
        guard let rows = UsageIntake.rows(batch), let epoch = Int64(exactly: batch.id.epoch),
            let sequence = Int64(exactly: batch.id.sequence)
        else {
            throw NodeRefusal(
                status: 400, code: "BadRequest", message: "The batch holds counters or names that can't be.")
        }
        await registry.heard(node.id, address: context.address)
        let isNew = try await store.write(by: .controller) { writer in
            try writer.addUsageBatch(node: node.id, epoch: epoch, sequence: sequence, rows: rows)
        }.value
        return try Self.json(encoding: UsageAcknowledgement(id: batch.id, isNew: isNew), status: 200)
    }

    // Messages.

    private static func message<Message: Decodable>(_ type: Message.Type, _ request: Request, limit: Int) async throws
        -> Message
    {
        var bytes: [UInt8] = []
        for try await piece in request.body {
            guard bytes.count + piece.readableBytes <= limit else {
                throw NodeRefusal(
                    status: 413, code: "RequestTooLarge", message: "The message is larger than \(limit) bytes.")
            }
            bytes.append(contentsOf: piece.readableBytesView)
        }
        do {
            return try JSONDecoder().decode(type, from: Data(bytes))
        } catch {
            throw NodeRefusal(status: 400, code: "BadRequest", message: "The message is not understood.")
        }
    }

    private static func json(encoding value: some Encodable, status: Int) throws -> Response {
        let bytes = try JSONEncoder().encode(value)
        return Response(
            status: .init(code: status), headers: [.contentType: "application/json", .cacheControl: "no-store"],
            body: .init(byteBuffer: ByteBuffer(bytes: bytes)))
    }

    private static func json(_ error: [String: String], status: Int) -> Response {
        (try? json(encoding: ["error": error], status: status)) ?? Response(status: .init(code: status))
    }
}
