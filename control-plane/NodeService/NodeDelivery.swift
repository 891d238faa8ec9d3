// What nodes fetch and deliver: blobs, usage, and the proof that a controller is behind.
internal import ClusterProtocol
internal import CrashPoints
internal import Cryptography
internal import Foundation
internal import GatewayConfiguration
internal import HTTPTypes
internal import Hummingbird
internal import Logging
internal import NIOCore
internal import ResourceStore
internal import SnapshotPublisher

extension NodeResponder {
    func blobs(_ request: Request, _ node: NodeRecord) async throws -> Response {
        guard blobRequests.mayTry(node.id, now: Date().timeIntervalSince1970) else {
            throw NodeRefusal(429, .tooManyRequests, "At most 200 requests for blobs a minute.")
        }
        let message = try await Self.message(BlobRequest.self, request, limit: 256 << 10)
        guard message.hashes.count <= 1000 else {
            throw NodeRefusal(400, .badRequest, "At most 1,000 hashes a request.")
        }
        let found = try await publisher.blobs(message.hashes, for: node.gateway, bytesMax: 64 << 20)
        let answer = BlobAnswer(blobs: found.mapValues { Data($0).base64EncodedString() })
        return try Self.json(encoding: answer, status: 200)
    }

    func usage(_ request: Request, _ node: NodeRecord, _ context: NodeContext) async throws -> Response {
        let batch = try await Self.message(UsageBatch.self, request, limit: Self.usageBodyMax)
        guard batch.id.node == node.id else {
            try await auditStrangeUsage(of: node, context)
            throw NodeRefusal(403, .notThisNode, "A node delivers its own usage alone.")
        }
        guard let rows = UsageIntake.rows(batch, now: Date().timeIntervalSince1970),
            let epoch = Int64(exactly: batch.id.epoch), let sequence = Int64(exactly: batch.id.sequence)
        else { throw NodeRefusal(400, .badBatch, "The batch holds counters or names that can't be.") }
        await registry.heard(node.id, address: context.address)
        let digest = try ContentHash(of: BlobCoding.encode(batch.records)).description
        let outcome = try await store.write(by: .controller) { writer in
            try writer.addUsageBatch(node: node.id, epoch: epoch, sequence: sequence, digest: digest, rows: rows)
        }.value
        CrashPoint.usageCommitted.pass()
        guard outcome != .conflict else {
            logger.warning("node \(node.id) sent other content under batch \(epoch)/\(sequence)")
            throw NodeRefusal(409, .batchConflict, "Another batch of this id was counted.")
        }
        return try Self.json(
            encoding: UsageAcknowledgement(id: batch.id, isNew: outcome == .added), status: 200)
    }

    /// A node that speaks for another one is worth a row of the audit, a few a minute (must-hold H26).
    private func auditStrangeUsage(of node: NodeRecord, _ context: NodeContext) async throws {
        logger.warning("node \(node.id) delivered usage of another node")
        guard strangeUsage.mayTry(node.id, now: Date().timeIntervalSince1970) else { return }
        let actor = Actor(
            principal: "", application: "node:\(node.id)", address: context.address, request: "")
        let resource = "\(serviceID)/gatehouse/nodes/\(node.id)"
        _ = try await store.write(by: actor) { writer in
            try writer.audit(
                action: "Microsoft.ApiManagement/service/gatehouse/nodes/usage/action", resource: resource,
                outcome: "Forbidden")
        }
    }

    /// A node that is ahead of this controller proves it.
    func handOver(_ request: Request, _ node: NodeRecord) async throws -> Response {
        let signed = try await Self.message(SignedRoot.self, request, limit: SnapshotBounds.rootBytesMax * 2)
        guard try await publisher.handOver(signed, of: node.gateway) else {
            logger.warning("node \(node.id) says that it is ahead and can't prove it")
            throw NodeRefusal(409, .unknownVersion, "This controller has not signed that root, or is not behind it.")
        }
        logger.warning("node \(node.id) is ahead of this store, which was put back: its revision was moved up")
        return Response(status: .noContent)
    }
}
