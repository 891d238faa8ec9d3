// What a node may say and for whom, and how usage is taken (must-hold H15, H19, H25, H26, H32, H33).
import ClusterProtocol
import Cryptography
import Foundation
import GatewayConfiguration
import NodeService
import ResourceStore
import SnapshotPublisher
import Testing
import WebClient

@Suite struct NodeDutyTests {
    private func batch(_ node: TestNode, epoch: UInt64 = 7, _ sequence: UInt64, success: UInt64 = 1) -> UsageBatch {
        var counters = UsageCounters()
        counters.success = success
        counters.apiTimeSum = 9
        counters.apiTimeMin = 1
        counters.apiTimeMax = 5
        let key = UsageKey(api: "a", operation: "o", product: "", subscription: "", user: "", bucket: 900)
        return UsageBatch(
            id: UsageBatchID(node: node.answer.node, epoch: epoch, sequence: sequence),
            records: [UsageRecord(key: key, counters: counters)])
    }

    private func total(_ cluster: Cluster) async throws -> Int64 {
        try await cluster.store.read {
            try $0.usage(buckets: 0...10_000, filter: [:], groups: [.api], byBucket: false)
        }.reduce(0) { $0 + $1.success }
    }

    @Test func H26_a_node_speaks_for_itself_alone() async throws {
        try await Cluster.run { cluster in
            let one = try await TestNode(enrolledIn: cluster)
            let other = try await TestNode(enrolledIn: cluster)
            for _ in 0..<12 {
                let answer = try await cluster.post("usage", batch(other, 1), by: one.identity)
                #expect(answer.status == 403 && answer.code == "NotThisNode")
            }
            let counted = try await total(cluster)
            #expect(counted == 0)
            // An acknowledgement and a renewal carry no id: they are of the certificate's node.
            let message = Acknowledgement(
                appliedVersion: 3, refusedVersion: nil, refusedReason: nil, software: "t", isStopping: false,
                warnings: [])
            let acknowledged = try await cluster.post("acknowledgements", message, by: one.identity)
            #expect(acknowledged.status == 204)
            let list = await cluster.registry.list()
            #expect(list.first { $0.record.id == one.answer.node }?.record.appliedVersion == 3)
            #expect(list.first { $0.record.id == other.answer.node }?.record.appliedVersion != 3)
            // A key of another node does not renew for it: the sealing key is not its own.
            let renewal = RenewalRequest(certificateRequest: try other.request.certificateRequest, hostNames: [])
            let renewed = try await cluster.post("certificates", renewal, by: one.identity)
            #expect(renewed.code == "BadCertificateRequest")
            let rows = try await cluster.store.read { try $0.audit(before: nil, limit: 100) }.filter {
                $0.action == "Microsoft.ApiManagement/service/gatehouse/nodes/usage/action"
            }
            // A node that never stops does not fill the audit.
            #expect(rows.count == 10)
            #expect(rows.allSatisfy { $0.outcome == "Forbidden" && $0.resource.hasSuffix(one.answer.node) })
        }
    }

    @Test func H32_one_batch_id_has_one_content() async throws {
        try await Cluster.run { cluster in
            let node = try await TestNode(enrolledIn: cluster)
            let first = try await cluster.post("usage", batch(node, 1, success: 3), by: node.identity)
            #expect(first.status == 200)
            for success: UInt64 in [2, 4, 1 << 40] {
                let answer = try await cluster.post("usage", batch(node, 1, success: success), by: node.identity)
                #expect(answer.status == 409 && answer.code == "BatchConflict")
            }
            let kept = try await total(cluster)
            #expect(kept == 3)
            // What the node does then: the whole batch under an epoch of its own.
            let again = try await cluster.post("usage", batch(node, epoch: 8, 1, success: 4), by: node.identity)
            #expect(again.status == 200)
            let sum = try await total(cluster)
            #expect(sum == 7)
        }
    }

    @Test func H33_order_does_not_matter() async throws {
        try await Cluster.run { cluster in
            let node = try await TestNode(enrolledIn: cluster)
            for (place, sequence) in ([5, 4, 7, 6, 9, 8, 5, 9] as [UInt64]).enumerated() {
                let answer = try await cluster.post(
                    "usage", batch(node, sequence, success: 1 << sequence), by: node.identity)
                #expect(answer.status == 200)
                let told = try JSONDecoder().decode(UsageAcknowledgement.self, from: Data(answer.body))
                #expect(told.isNew == (place < 6) && told.id.sequence == sequence)
            }
            let sum = try await total(cluster)
            #expect(sum == (4...9).reduce(0) { $0 + (1 << $1) })
        }
    }

    @Test func H19_nobody_moves_the_version_up_without_a_signed_root() async throws {
        try await Cluster.run { cluster in
            let node = try await TestNode(enrolledIn: cluster)
            let (root, event) = try #require(try await node.stream(cluster).root(node))
            let before = cluster.store.revision
            #expect(try await node.streamStatus(cluster, after: 9_007_199_254_740_991) == 409)
            #expect(try await node.streamStatus(cluster, after: -1) == 400)
            var ahead = root
            ahead.version = 140
            var elsewhere = ahead
            elsewhere.service = "/subscriptions/0/other"
            var foreign = ahead
            foreign.gateway = "g2"
            var far = ahead
            far.version = 9_007_199_254_740_992
            let own = SignedRoot(root: event.root, signature: event.signature)
            for (name, root) in [
                ("none", SignedRoot(root: "", signature: "")), ("its own", own),
                ("unsigned", SignedRoot(root: try ahead.signed(with: SnapshotSigningKey()).root, signature: "")),
                ("by a stranger", try ahead.signed(with: SnapshotSigningKey())),
                (
                    "edited",
                    SignedRoot(root: try ahead.signed(with: SnapshotSigningKey()).root, signature: own.signature)
                ), ("of another service", try elsewhere.signed(with: cluster.keyring.signing)),
                ("of another gateway", try foreign.signed(with: cluster.keyring.signing)),
                ("beyond 2^53", try far.signed(with: cluster.keyring.signing)),
            ] {
                let answer = try await cluster.post("roots", root, by: node.identity)
                #expect(answer.status == 409 && answer.code == "UnknownVersion", "\(name)")
                #expect(cluster.store.revision == before, "\(name)")
            }
            // The node's stream goes on with the newest root.
            let next = try #require(try await node.stream(cluster, after: 0).root(node)).root
            #expect(next.version == root.version)
        }
    }

    @Test func H15_a_slow_node_hurts_nobody_else() async throws {
        try await Cluster.run { cluster in
            let slow = try await TestNode(enrolledIn: cluster)
            let quick = try await TestNode(enrolledIn: cluster)
            // One never reads, and never acknowledges.
            let unread = try await slow.stream(cluster)
            let stream = try await quick.stream(cluster)
            var version = try #require(try await stream.root(quick)).root.version
            for number in 0..<40 {
                try await cluster.change("change-\(number)")
                let wanted = cluster.store.revision
                while version < wanted { version = try #require(try await stream.root(quick)).root.version }
                let message = Acknowledgement(
                    appliedVersion: version, refusedVersion: nil, refusedReason: nil, software: "t",
                    isStopping: false, warnings: [])
                let told = try await cluster.post("acknowledgements", message, by: quick.identity)
                #expect(told.status == 204)
            }
            let rollout = await cluster.registry.rollout(of: cluster.store.revision)
            // The slow one is waited for as long as it is live, which is a matter of time.
            #expect(rollout.applied.count == 1 && rollout.pending.count <= 1 && rollout.refused.isEmpty)
            // When it reads at last, the newest one is there.
            var late: Int64 = 0
            while late < cluster.store.revision { late = try #require(try await unread.root(slow)).root.version }
            #expect(late == cluster.store.revision)
        }
    }

    @Test func H25_an_owners_token_and_other_certificates_open_nothing_here() async throws {
        try await Cluster.run { cluster in
            let node = try await TestNode(enrolledIn: cluster)
            let body = try BlobCoding.encode(BlobRequest(hashes: []))
            for fields in [
                [WebField("Authorization", "Bearer token")], [WebField("Authorization", "GatewayKey good")],
                [WebField("X-Client-Cert", node.answer.certificate.replacing("\n", with: " "))],
                [WebField("Client-Cert", ":AAAA:"), WebField("X-ARR-ClientCert", "AAAA")],
            ] {
                var request = WebRequest("POST", cluster.url + "blobs", body: body)
                request.fields += fields
                let answer = try await cluster.client(nil).send(request)
                #expect(answer.status == 401 && answer.code == "Unauthenticated", "\(fields)")
            }
            // The server's own certificate is no client's: the handshake refuses its purpose.
            let server = try cluster.authority.issueServer(names: [.dns("localhost")], now: Date())
            let identity = WebIdentity(certificate: server.certificate, privateKey: server.privateKey)
            await #expect(throws: WebFailure.self) {
                try await cluster.post("blobs", BlobRequest(hashes: []), by: identity)
            }
            let good = try await cluster.post("blobs", BlobRequest(hashes: []), by: node.identity)
            #expect(good.status == 200)
        }
    }
}
