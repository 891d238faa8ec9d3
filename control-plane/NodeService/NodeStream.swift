// The stream of roots to one node.
internal import ClusterProtocol
internal import Cryptography
internal import Foundation
internal import GatewayConfiguration
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import ResourceStore
internal import SnapshotPublisher

extension NodeResponder {
    static let beat = Duration.seconds(5)
    /// Requests for blobs that a node makes which is not told what changed: one a level of the trees.
    private static let levels = 6
    /// A peer that does not read is cut so long after its stream was ended.
    private static let cutAfter = TimeAmount.milliseconds(500)

    /// The ledger's name and the newest root first, then each newest one that is published; a comment line every 5 s shows
    /// that the stream lives. A node that reads slowly gets the newest root when it is ready for it, none between (H15).
    func snapshots(_ request: Request, _ node: NodeRecord, _ context: NodeContext) async throws -> Response {
        guard let after = request.uri.queryParameters["after"].flatMap({ Int64(String($0)) }) ?? 0 as Int64?, after >= 0
        else { throw NodeRefusal(400, .badRequest, "'after' must be a version.") }
        if let newest = await publisher.root(of: node.gateway), after > newest.version {
            throw NodeRefusal(409, .rootWanted, "This controller is behind: hand over the root of that version.")
        }
        let key = try NodeSealingPublicKey(bytes: node.sealingKey)
        // A sign that there is something to do: whatever waits is one.
        let (wakeUps, wake) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let channel = context.channel
        let stream = await registry.attach(node.id) {
            wake.finish()
            channel.eventLoop.scheduleTask(in: Self.cutAfter) { channel.close(mode: .all, promise: nil) }
        }
        await registry.heard(node.id, address: context.address)
        let roots = await publisher.roots()
        let gateway = node.gateway
        let source = Task {
            for await root in roots where root.gateway.lowercased() == gateway.lowercased() { wake.yield() }
        }
        let beat = Task {
            while !Task.isCancelled {
                try await Task.sleep(for: Self.beat)
                wake.yield()
            }
        }
        let (registry, publisher, blobRequests, id) = (registry, publisher, blobRequests, node.id)
        let ledger = try await ledgerEvent()
        wake.yield()
        let body = ResponseBody { writer in
            defer {
                source.cancel()
                beat.cancel()
                Task { await registry.detach(id, stream) }
            }
            try await writer.write(ByteBuffer(bytes: ledger))
            var sent: PublishedRoot?
            for await _ in wakeUps {
                if let (root, update) = await publisher.newest(of: gateway, since: sent?.hash),
                    root.version > sent?.version ?? -1
                {
                    sent = root
                    // What it will ask for is what was just published: many changes a minute hold no node up (H13).
                    let now = Date().timeIntervalSince1970
                    for _ in 0..<(update == nil ? Self.levels : 1) { blobRequests.grant(id, now: now) }
                    try await writer.write(ByteBuffer(bytes: try Self.event(root, key, update)))
                } else {
                    try await writer.write(ByteBuffer(string: ":\n\n"))
                }
            }
            try await writer.finish(nil)
        }
        return Response(
            status: .ok, headers: [.contentType: "text/event-stream", .cacheControl: "no-store"], body: body)
    }

    private func ledgerEvent() async throws -> [UInt8] {
        var name = try await store.read { try $0.ledgerIncarnation() }
        if name == nil {
            name = try await store.write(by: .controller) { writer in
                if let known = try writer.reader.ledgerIncarnation() { return known }
                let made = Hexadecimal.encode(SecureRandom.bytes(16))
                try writer.setLedgerIncarnation(made)
                return made
            }.value
        }
        return Array("event: ledger\ndata: ".utf8)
            + (try BlobCoding.encode(LedgerEvent(incarnation: name ?? ""))) + Array("\n\n".utf8)
    }

    private static func event(
        _ root: PublishedRoot, _ key: NodeSealingPublicKey, _ update: SnapshotUpdate?
    ) throws -> [UInt8] {
        let sealed = try key.seal(root.dataKey.secretBytes)
        let event = SnapshotEvent(
            root: root.signed.root, signature: root.signed.signature, sealedDataKey: Data(sealed).base64EncodedString(),
            update: update)
        return Array("event: snapshot\ndata: ".utf8) + (try BlobCoding.encode(event)) + Array("\n\n".utf8)
    }
}
