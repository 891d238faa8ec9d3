// Tokens and content of gateways: each one's own, and nobody else's.
import ClusterProtocol
import Cryptography
import Foundation
import GatewayConfiguration
import JSONDocuments
import NodeService
import ResourceStore
import Resources
import SnapshotPublisher
import Testing
import WebClient

@Suite struct GatewayScopeTests {
    @Test func H17_a_node_is_given_the_blobs_of_its_own_gateway() async throws {
        try await Cluster.run { cluster in
            let node = try await TestNode(enrolledIn: cluster)
            _ = try await cluster.store.write(by: .controller) { writer in
                try writer.put(
                    ResourceID(path: "/gateways/edge"), kind: "gateways",
                    properties: ["locationData": ["name": "edge"]])
                try writer.put(
                    ResourceID(path: "/apis/hidden"), kind: "apis",
                    properties: ["displayName": "hidden", "path": "hidden"])
            }
            let stream = try await node.stream(cluster)
            var root = try #require(try await stream.root(node)).root
            while root.version < cluster.store.revision { root = try #require(try await stream.root(node)).root }
            #expect(root.gateway == "default")
            let read = root
            let contents = try await cluster.store.read { try SnapshotContents.list(of: read, $0) }
            let hash = try #require(contents["apis/hidden"]).sha256
            // Another node, of the gateway that serves no API.
            var record = NodeRecord(
                id: "edge-node", gateway: "edge", label: "e", sealingKey: node.sealingKey.publicKey.bytes, software: "",
                address: "", created: 0)
            record.software = "test"
            try await cluster.registry.add(record, by: .controller, serviceID: Cluster.serviceID)
            let certificate = try cluster.authority.issueNode(
                NodeIdentity(service: Cluster.serviceID, gateway: "edge", node: "edge-node"),
                for: try CertificateRequest(pem: node.request.certificateRequest), now: Date())
            let identity = WebIdentity(certificate: certificate, privateKey: node.key)
            func blobs(_ identity: WebIdentity) async throws -> [String] {
                let response = try await cluster.post("blobs", BlobRequest(hashes: [hash]), by: identity)
                return try JSONDecoder().decode(BlobAnswer.self, from: Data(response.body)).blobs.keys.sorted()
            }
            let own = try await blobs(node.identity)
            let others = try await blobs(identity)
            #expect(own == [hash] && others == [])
        }
    }

    @Test func aSilentClusterWaitsForNobody() async throws {
        try await Cluster.run { cluster in
            let empty = await cluster.registry.waitForRollout(of: 5, seconds: 60)
            #expect(empty.applied.isEmpty && empty.pending.isEmpty)
            let node = try await TestNode(enrolledIn: cluster)
            let waiting = await cluster.registry.waitForRollout(of: cluster.store.revision, seconds: 0)
            #expect(waiting.pending == ["node-1"])
            let revision = cluster.store.revision
            async let rollout = cluster.registry.waitForRollout(of: revision, seconds: 60)
            let message = Acknowledgement(
                appliedVersion: revision, refusedVersion: nil, refusedReason: nil, software: "t", isStopping: false,
                warnings: [])
            let answer = try await cluster.post("acknowledgements", message, by: node.identity)
            #expect(answer.status == 204)
            let done = await rollout
            #expect(done.applied == ["node-1"])
            // A node that is revoked is waited for no more.
            let gone = try await cluster.registry.revoke(
                node.answer.node, by: .controller, serviceID: Cluster.serviceID)
            #expect(gone)
            let after = await cluster.registry.waitForRollout(of: revision + 1, seconds: 60)
            #expect(after.applied.isEmpty && after.pending.isEmpty)
            let rows = try await cluster.store.read { try $0.audit(before: nil, limit: 2) }
            let row = rows.first { $0.action == "Microsoft.ApiManagement/service/gatehouse/nodes/delete" }
            #expect(row?.revision == cluster.store.revision, "a revocation is a revision")
        }
    }

    @Test func H27_what_is_known_of_a_node_outlives_a_restart() async throws {
        try await Cluster.run { cluster in
            let node = try await TestNode(enrolledIn: cluster)
            let revoked = try await TestNode(enrolledIn: cluster)
            let message = Acknowledgement(
                appliedVersion: 1, refusedVersion: 2, refusedReason: "Unknown", software: "soft", isStopping: false,
                warnings: ["disk"])
            _ = try await cluster.post("acknowledgements", message, by: node.identity)
            _ = try await cluster.registry.revoke(revoked.answer.node, by: .controller, serviceID: Cluster.serviceID)
            await cluster.registry.save()
            let again = try NodeRegistry(store: cluster.store)
            let list = await again.list()
            #expect(list.map(\.record.id) == [node.answer.node])
            let record = try #require(list.first).record
            #expect(record.refusedVersion == 2 && record.refusedReason == "Unknown" && record.software == "soft")
            #expect(list.first?.state == .silent, "not heard of since the restart")
            #expect(await again.isRevoked(revoked.answer.node))
            // It was live a moment ago: a change that is made before it dials again is waited for.
            #expect(await again.rollout(of: 9).pending == ["node-1"])
            #expect(await again.rollout(of: 1).applied == ["node-1"])
        }
    }
}
