import ClusterProtocol
import Cryptography
import Foundation
import GatewayConfiguration
import NodeService
import ResourceStore
import SnapshotPublisher
import Testing
import WebClient

@Suite struct NodeServiceTests {
    @Test func aNodeEnrolsAndReadsItsSnapshotWhole() async throws {
        try await Cluster.run { cluster in
            let node = try await TestNode(enrolledIn: cluster)
            let details = try CertificateDetails(pem: node.answer.certificate)
            #expect(
                details.uriNames == [
                    NodeIdentity(service: Cluster.serviceID, gateway: "default", node: node.answer.node).uri
                ])
            let stream = try await node.stream(cluster)
            let first = try #require(try await stream.next())
            #expect(first.name == "ledger" && first.data.contains("incarnation"))
            let (root, event) = try #require(try await stream.root(node))
            let sealed = try #require(Data(base64Encoded: event.sealedDataKey))
            let dataKey = try SealingKey(id: root.dataKey, bytes: node.sealingKey.open(Array(sealed)))
            let snapshot = try await cluster.snapshot(root, dataKey, node)
            #expect(snapshot.service.id == Cluster.serviceID)
            #expect(snapshot.keys.count == 2 && snapshot.secrets.pepper.count == 44)
        }
    }

    @Test func H13_each_change_comes_on_every_stream() async throws {
        try await Cluster.run { cluster in
            let nodes = [try await TestNode(enrolledIn: cluster), try await TestNode(enrolledIn: cluster)]
            #expect(nodes[0].answer.node != nodes[1].answer.node)
            let streams = [try await nodes[0].stream(cluster), try await nodes[1].stream(cluster)]
            var versions: [Int64] = []
            for (node, stream) in zip(nodes, streams) {
                versions.append(try #require(try await stream.root(node)).root.version)
            }
            for number in 0..<3 {
                try await cluster.change("f\(number)")
                let revision = cluster.store.revision
                for (node, stream) in zip(nodes, streams) {
                    var root: SnapshotRoot
                    repeat { root = try #require(try await stream.root(node)).root } while root.version < revision
                    #expect(root.version == revision)
                }
            }
        }
    }

    @Test func F57_without_a_nodes_certificate_nothing_is_served() async throws {
        try await Cluster.run { cluster in
            let node = try await TestNode(enrolledIn: cluster)
            let message = BlobRequest(hashes: [])
            for path in ["blobs", "acknowledgements", "usage", "certificates", "roots", "leases", "unknown-keys"] {
                let response = try await cluster.post(path, message, by: nil)
                #expect(response.status == 401 && response.code == "Unauthenticated", "\(path)")
            }
            // A client certificate of our CA that is no node's, or another service's.
            let request = try CertificateRequest(pem: node.request.certificateRequest)
            let foreign = try cluster.authority.issueNode(
                NodeIdentity(service: "/other", gateway: "default", node: node.answer.node), for: request, now: Date())
            let unknown = try cluster.authority.issueNode(
                NodeIdentity(service: Cluster.serviceID, gateway: "default", node: "nobody"), for: request, now: Date())
            let gateway = try cluster.authority.issueNode(
                NodeIdentity(service: Cluster.serviceID, gateway: "g2", node: node.answer.node), for: request,
                now: Date())
            for certificate in [foreign, unknown, gateway] {
                let identity = WebIdentity(certificate: certificate, privateKey: node.key)
                let response = try await cluster.post("blobs", message, by: identity)
                #expect(response.status == 403 && response.code == "NodeNotAllowed")
            }
            // serverAuth only, another CA, expired: the handshake fails.
            let server = try cluster.authority.issueListener(names: [.dns("x")], for: request, now: Date())
            let other = try CertificateAuthority(commonName: "Test", now: Date())
            let stranger = try other.issueNode(
                NodeIdentity(service: Cluster.serviceID, gateway: "default", node: node.answer.node), for: request,
                now: Date())
            let expired = try cluster.authority.issueNode(
                NodeIdentity(service: Cluster.serviceID, gateway: "default", node: node.answer.node), for: request,
                now: Date().addingTimeInterval(-31 * 86400))
            for certificate in [server, stranger, expired] {
                let identity = WebIdentity(certificate: certificate, privateKey: node.key)
                await #expect(throws: WebFailure.self) { try await cluster.post("blobs", message, by: identity) }
            }
        }
    }

    @Test func H23_an_enrolment_needs_a_good_token_and_is_bounded() async throws {
        try await Cluster.run { cluster in
            let node = TestNode()
            for token in [nil, "", "bad"] {
                let response = try await cluster.post("enrol", try node.request, by: nil, token: token)
                #expect(response.status == 401 && response.code == "Unauthenticated")
            }
            for name in ["", "a b", "a/b", "\u{202E}x", String(repeating: "n", count: 81)] {
                var request = try node.request
                request.name = name
                #expect(try await cluster.post("enrol", request, by: nil, token: "good").status == 400)
            }
            var request = try node.request
            request.certificateRequest = "junk"
            let response = try await cluster.post("enrol", request, by: nil, token: "good")
            #expect(response.status == 400 && response.code == "BadCertificateRequest")
            #expect(try await cluster.post("enrol", try node.request, by: nil, token: "good").status == 201)
            #expect(try await cluster.post("enrol", try node.request, by: nil, token: "good").status == 429)
        }
    }

    @Test func H29_a_revoked_node_is_out() async throws {
        try await Cluster.run { cluster in
            let node = try await TestNode(enrolledIn: cluster)
            let other = try await TestNode(enrolledIn: cluster)
            let stream = try await node.stream(cluster)
            let before = try #require(try await stream.root(node)).root
            #expect(
                try await cluster.registry.revoke(node.answer.node, by: .controller, serviceID: Cluster.serviceID))
            try await cluster.publisher.replaceDataKey()
            // Ends, orderly or cut, and never gives another root.
            #expect((try? await stream.root(node)) == nil)
            for path in ["blobs", "usage", "certificates", "acknowledgements"] {
                let response = try await cluster.post(path, BlobRequest(hashes: []), by: node.identity)
                #expect(response.status == 403 && response.code == "NodeRevoked", "\(path)")
            }
            #expect(try await node.streamStatus(cluster, after: 0) == 403)
            let (root, _) = try #require(try await other.stream(cluster).root(other))
            #expect(root.dataKey != before.dataKey)
            #expect(root.blobs[BlobName.secrets] != before.blobs[BlobName.secrets])
        }
    }

    @Test func H31_and_H32_a_batch_counts_once_and_has_one_content() async throws {
        try await Cluster.run { cluster in
            let node = try await TestNode(enrolledIn: cluster)
            var counters = UsageCounters()
            counters.success = 3
            counters.apiTimeSum = 9
            counters.apiTimeMin = 1
            counters.apiTimeMax = 5
            let key = UsageKey(api: "a", operation: "o", product: "", subscription: "", user: "", bucket: 900)
            var batch = UsageBatch(
                id: UsageBatchID(node: node.answer.node, epoch: 7, sequence: 1),
                records: [UsageRecord(key: key, counters: counters)])
            for isNew in [true, false, false] {
                let response = try await cluster.post("usage", batch, by: node.identity)
                let answer = try JSONDecoder().decode(UsageAcknowledgement.self, from: Data(response.body))
                #expect(response.status == 200 && answer.id == batch.id && answer.isNew == isNew)
            }
            batch.records[0].counters.success = 4
            #expect(try await cluster.post("usage", batch, by: node.identity).code == "BatchConflict")
            batch.id.sequence = 2
            #expect(try await cluster.post("usage", batch, by: node.identity).status == 200)
            batch.id.node = "another"
            #expect(try await cluster.post("usage", batch, by: node.identity).code == "NotThisNode")
            let rows = try await cluster.store.read {
                try $0.usage(buckets: 0...10_000, filter: [:], groups: [.api], byBucket: false)
            }
            #expect(rows.map(\.success) == [7])
        }
    }

    @Test func H37_nonsense_is_refused_whole() async throws {
        try await Cluster.run { cluster in
            let node = try await TestNode(enrolledIn: cluster)
            func code(_ change: (inout UsageRecord) -> Void) async throws -> String? {
                var counters = UsageCounters()
                counters.success = 1
                counters.apiTimeMin = 1
                counters.apiTimeMax = 1
                var record = UsageRecord(
                    key: UsageKey(api: "a", operation: "", product: "", subscription: "", user: "", bucket: 900),
                    counters: counters)
                change(&record)
                let batch = UsageBatch(
                    id: UsageBatchID(node: node.answer.node, epoch: UInt64.random(in: 1...1 << 52), sequence: 1),
                    records: [record])
                return try await cluster.post("usage", batch, by: node.identity).code
            }
            #expect(try await code { _ in } == nil)
            #expect(try await code { $0.key.bucket = 901 } == "BadBatch")
            #expect(try await code { $0.key.bucket = -900 } == "BadBatch")
            #expect(try await code { $0.counters.bytesIn = 1 << 53 + 1 } == "BadBatch")
            #expect(try await code { $0.counters.apiTimeMin = 2 } == "BadBatch")
            #expect(try await code { $0.counters.success = 0 } == "BadBatch")
            #expect(try await code { $0.key.api = String(repeating: "x", count: 1025) } == "BadBatch")
        }
    }

    @Test func H39_a_clock_that_is_ahead_moves_no_counts_out_of_reach() {
        var counters = UsageCounters()
        counters.success = 1
        counters.apiTimeMin = 0
        func bucket(_ bucket: Int64) -> Int64? {
            let key = UsageKey(api: "", operation: "", product: "", subscription: "", user: "", bucket: bucket)
            let batch = UsageBatch(
                id: UsageBatchID(node: "n", epoch: 1, sequence: 1),
                records: [UsageRecord(key: key, counters: counters)])
            return UsageIntake.rows(batch, now: 10_000_000)?.first?.bucket
        }
        let present: Int64 = 10_000_000 / 900 * 900
        #expect(bucket(present) == present)
        #expect(bucket(present + 3600) == present + 3600)
        #expect(bucket(present + 4500) == present)
        #expect(bucket(900) == 900)
    }

    @Test func H17_blobs_of_other_roots_are_not_given() async throws {
        try await Cluster.run { cluster in
            let node = try await TestNode(enrolledIn: cluster)
            // Another content than any other blob's.
            try await cluster.change("zero")
            let stream = try await node.stream(cluster)
            var root = try #require(try await stream.root(node)).root
            while root.version < cluster.store.revision { root = try #require(try await stream.root(node)).root }
            let old = try #require(root.blobs[BlobName.fragments]).sha256
            func has(_ hash: String) async throws -> Bool {
                let response = try await cluster.post("blobs", BlobRequest(hashes: [hash]), by: node.identity)
                return try JSONDecoder().decode(BlobAnswer.self, from: Data(response.body)).blobs[hash] != nil
            }
            func waitFor(_ revision: Int64) async throws {
                while try #require(try await stream.root(node)).root.version < revision {}
            }
            #expect(try await has(old))
            #expect(try await !has(String(repeating: "0", count: 64)))
            try await cluster.change("one")
            try await waitFor(cluster.store.revision)
            // A node may be fetching the former root's.
            #expect(try await has(old))
            try await cluster.change("two")
            try await waitFor(cluster.store.revision)
            #expect(try await !has(old))
            let many = BlobRequest(hashes: Array(repeating: old, count: 1001))
            #expect(try await cluster.post("blobs", many, by: node.identity).status == 400)
        }
    }

    @Test func H18_and_H19_a_controller_that_is_behind_is_moved_up_by_its_own_root_alone() async throws {
        try await Cluster.run { cluster in
            let node = try await TestNode(enrolledIn: cluster)
            let (root, event) = try #require(try await node.stream(cluster).root(node))
            let own = SignedRoot(root: event.root, signature: event.signature)
            // Not behind, a stranger's root, an edited one: nothing moves.
            #expect(try await cluster.post("roots", own, by: node.identity).code == "UnknownVersion")
            var ahead = root
            ahead.version = 140
            let stranger = try ahead.signed(with: SnapshotSigningKey())
            #expect(try await cluster.post("roots", stranger, by: node.identity).code == "UnknownVersion")
            let edited = SignedRoot(root: stranger.root, signature: own.signature)
            #expect(try await cluster.post("roots", edited, by: node.identity).code == "UnknownVersion")
            #expect(cluster.store.revision == root.version)
            let behind = try await node.streamStatus(cluster, after: 140)
            #expect(behind == 409)
            // What this controller signed before it was put back.
            let ledger = try await cluster.store.read { try $0.ledgerIncarnation() }
            let proof = try ahead.signed(with: cluster.keyring.signing)
            #expect(try await cluster.post("roots", proof, by: node.identity).status == 204)
            #expect(cluster.store.revision == 141)
            let stream = try await node.stream(cluster, after: 0)
            var newest = try #require(try await stream.root(node)).root
            while newest.version < 141 { newest = try #require(try await stream.root(node)).root }
            #expect(newest.version == 141 && newest.blobs == root.blobs && newest.trees == root.trees)
            #expect(try await cluster.store.read { try $0.ledgerIncarnation() } != ledger)
            #expect(try await cluster.post("roots", proof, by: node.identity).code == "UnknownVersion")
            try await cluster.change("after")
            #expect(cluster.store.revision == 142)
        }
    }

    @Test func F60_a_renewal_keeps_node_and_sealing_key() async throws {
        try await Cluster.run { cluster in
            let node = try await TestNode(enrolledIn: cluster)
            let same = RenewalRequest(certificateRequest: try node.request.certificateRequest, hostNames: [])
            let response = try await cluster.post("certificates", same, by: node.identity)
            let answer = try JSONDecoder().decode(EnrolmentAnswer.self, from: Data(response.body))
            #expect(response.status == 201 && answer.node == node.answer.node)
            #expect(answer.certificate != node.answer.certificate)
            let other = RenewalRequest(
                certificateRequest: try CertificateRequest.make(
                    privateKey: node.key, sealingKey: NodeSealingKey().publicKey
                ).pem, hostNames: [])
            #expect(try await cluster.post("certificates", other, by: node.identity).code == "BadCertificateRequest")
        }
    }

    @Test func H10_a_refusal_is_seen_and_ends_by_itself() async throws {
        try await Cluster.run { cluster in
            let node = try await TestNode(enrolledIn: cluster)
            func acknowledge(_ applied: Int64, refused: Int64? = nil, isStopping: Bool = false) async throws {
                let message = Acknowledgement(
                    appliedVersion: applied, refusedVersion: refused, refusedReason: refused.map { _ in "Unknown" },
                    software: "t", isStopping: isStopping, warnings: [])
                #expect(try await cluster.post("acknowledgements", message, by: node.identity).status == 204)
            }
            try await acknowledge(1)
            #expect(await cluster.registry.rollout(of: 2).pending == ["node-1"])
            try await acknowledge(1, refused: 2)
            #expect(await cluster.registry.waitForRollout(of: 2, seconds: 60).refused == ["node-1": "Unknown"])
            try await acknowledge(3)
            #expect(await cluster.registry.waitForRollout(of: 3, seconds: 60).applied == ["node-1"])
            try await acknowledge(3, isStopping: true)
            #expect(await cluster.registry.rollout(of: 4).pending.isEmpty)
        }
    }
}
