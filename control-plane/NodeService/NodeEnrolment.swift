// Enrolment with a gateway's token, and renewal over mutual TLS: who gets which certificate.
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
    func enrol(_ request: Request, _ context: NodeContext) async throws -> Response {
        guard enrolments.mayTry(context.address, now: Date().timeIntervalSince1970) else {
            throw NodeRefusal(
                429, .tooManyRequests, "Too many enrolments from this address; try again in a minute.")
        }
        let unauthorized = NodeRefusal(
            401, .unauthenticated, "The gateway token is wrong, over, or of no gateway.")
        guard let line = request.headers[.authorization], line.hasPrefix("GatewayKey "),
            let gateway = try await checkToken(String(line.dropFirst("GatewayKey ".count)))
        else { throw unauthorized }
        let message = try await Self.message(EnrolmentRequest.self, request, limit: Self.enrolBodyMax)
        guard Self.isLabel(message.name), message.software.utf8.count <= 256 else {
            throw NodeRefusal(400, .badRequest, "'name' must be 1 to 80 letters, digits, dots, hyphens or underscores.")
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
        CrashPoint.enrolCommitted.pass()
        logger.info("node \(node.id) (\(node.label)) enrolled at gateway \(gateway)")
        return try Self.json(encoding: answer, status: 201)
    }

    private static func read(_ pem: String) throws -> CertificateRequest {
        do {
            return try CertificateRequest(pem: pem)
        } catch {
            throw NodeRefusal(400, .badCertificateRequest, "The certificate request is not taken: \(error).")
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

    /// A name is a label, the id is who it is (must-hold H27).
    private static func isLabel(_ text: String) -> Bool {
        (1...80).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                (byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7A) || (byte >= 0x30 && byte <= 0x39)
                    || "-._".utf8.contains(byte)
            }
    }

    private static func isHostName(_ text: String) -> Bool {
        (1...253).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                (byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7A) || (byte >= 0x30 && byte <= 0x39)
                    || "-.".utf8.contains(byte)
            }
    }

    func renew(_ request: Request, _ node: NodeRecord, _ context: NodeContext) async throws -> Response {
        let message = try await Self.message(RenewalRequest.self, request, limit: Self.enrolBodyMax)
        let certificateRequest = try Self.read(message.certificateRequest)
        guard certificateRequest.sealingKey.bytes == node.sealingKey else {
            throw NodeRefusal(400, .badCertificateRequest, "A renewal keeps the node's sealing key.")
        }
        await registry.heard(node.id, address: context.address)
        return try Self.json(encoding: try await issue(node, certificateRequest, message.hostNames), status: 201)
    }
}
