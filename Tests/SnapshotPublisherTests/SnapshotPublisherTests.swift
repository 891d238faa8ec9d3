import Cryptography
import Foundation
import GRDB
import GatewayConfiguration
import JSONDocuments
import Resources
import SnapshotPublisher
import Testing

@testable import ResourceStore

@Suite struct SnapshotPublisherTests {
    private static func fill(_ service: Publication) async throws {
        try await service.put(.api, "/apis/a", ["displayName": "A", "path": "a", "serviceUrl": "https://a.example"])
        try await service.put(
            .operation, "/apis/a/operations/o", ["displayName": "O", "method": "GET", "urlTemplate": "/o"])
        try await service.put(.api, "/apis/b", ["displayName": "B", "path": "b"])
        try await service.put(.product, "/products/p", ["displayName": "P"])
        try await service.put(.productApi, "/products/p/apis/a", [:])
        try await service.put(.subscription, "/subscriptions/s", ["displayName": "s", "scope": "/products/p"])
        try await service.put(.namedValue, "/namedValues/n", ["displayName": "n", "value": "plain"])
        try await service.put(
            .namedValue, "/namedValues/h", ["displayName": "h", "value": "marker-51c0", "secret": true])
        try await service.put(
            .backend, "/backends/k",
            [
                "url": "https://k.example", "protocol": "http",
                "credentials": ["header": ["x-key": ["marker-51c0"]]],
            ])
    }

    @Test func theFirstRootHoldsTheServiceWhole() async throws {
        let service = try await Publication()
        try await Self.fill(service)
        let publisher = try await service.publisher()
        try await publisher.start()
        let snapshot = try await service.snapshot(publisher)
        #expect(snapshot.root.version == service.store.revision && snapshot.root.previous == nil)
        #expect(snapshot.service.id == Publication.serviceID)
        #expect(snapshot.apis.map(\.name) == ["a", "b"])
        #expect(snapshot.apis.first?.operations.map(\.urlTemplate) == ["/o"])
        #expect(snapshot.products.map(\.apis) == [["a"]])
        #expect(Set(snapshot.keys.all.map(\.subscription)) == ["master", "s"] && snapshot.keys.count == 4)
        #expect(
            snapshot.keys.all.filter { $0.subscription == "s" }.allSatisfy { $0.scope == .product("p") && $0.isOpen })
        #expect(snapshot.namedValues["n"]?.value == "plain" && snapshot.namedValues["h"]?.value == nil)
        #expect(snapshot.secrets.namedValues == ["h": "marker-51c0"])
        #expect(snapshot.secrets.backendCredentials["k"]?.headers == ["x-key": ["marker-51c0"]])
        #expect(snapshot.secrets.pepper == Data(service.pepper).base64EncodedString())
        let head = try await service.store.read { try $0.auditHead() }
        #expect(snapshot.root.auditHead == head)
    }

    @Test func F55_no_blob_but_the_sealed_one_holds_a_secret() async throws {
        let service = try await Publication()
        try await Self.fill(service)
        let publisher = try await service.publisher()
        try await publisher.start()
        let root = try await service.root(publisher)
        let key = try #require(await publisher.root(of: "default")).dataKey
        let blobs = try await Publication.read(root, key, publisher).blobs
        #expect(blobs.count >= 10)
        for (hash, bytes) in blobs {
            let text = String(decoding: bytes, as: UTF8.self)
            #expect(!text.contains("marker-51c0"), "\(text)")
            #expect(!text.contains(Data(service.pepper).base64EncodedString()), "\(text)")
            #expect(try ContentHash(of: bytes).description == hash)
        }
        let secrets = try #require(root.blobs[BlobName.secrets])
        let sealed = try #require(try await publisher.blob(secrets.sha256, for: "default"))
        #expect(throws: SnapshotRefusal.secretsUnreadable) {
            try SnapshotSecrets.opened(sealed, with: SealingKey())
        }
    }

    @Test func H14_a_change_makes_its_own_blobs_anew_and_no_other() async throws {
        let service = try await Publication()
        try await Self.fill(service)
        try await service.publishing { publisher in
            var former = try await service.root(publisher)
            func changed(_ change: () async throws -> Void) async throws -> Set<String> {
                try await change()
                let root = try await service.root(publisher)
                #expect(root.version == service.store.revision && root.version > former.version)
                #expect(root.previous != nil)
                defer { former = root }
                return try await service.changed(root, since: former)
            }
            let key = try await changed {
                try await service.put(
                    .subscription, "/subscriptions/t",
                    ["displayName": "t", "scope": "/apis", "primaryKey": "k1", "secondaryKey": "k2"])
            }
            #expect(key == ["subscriptions/t"])
            let operation = try await changed {
                try await service.put(
                    .operation, "/apis/a/operations/o2", ["displayName": "O", "method": "PUT", "urlTemplate": "/o"])
            }
            #expect(operation == ["apis/a"])
            let plain = try await changed {
                try await service.put(.namedValue, "/namedValues/n", ["displayName": "n", "value": "other"])
            }
            #expect(plain == [BlobName.namedValues])
            let secret = try await changed {
                try await service.put(
                    .namedValue, "/namedValues/h", ["displayName": "h", "value": "other", "secret": true])
            }
            #expect(secret == [BlobName.secrets])
            let group = try await changed { try await service.put(.group, "/groups/g", ["displayName": "g"]) }
            #expect(group == [])
            let api = try await changed { try await service.delete(.api, "/apis/b") }
            #expect(api == ["apis/b"])
            let gone = try await changed { try await service.delete(.subscription, "/subscriptions/t") }
            #expect(gone == key)
            let blocked = try await changed {
                try await service.put(
                    .user, "/users/u", ["firstName": "f", "lastName": "l", "email": "f@l", "state": "active"])
                try await service.put(
                    .subscription, "/subscriptions/u",
                    ["displayName": "u", "scope": "/apis", "ownerId": "/users/u", "primaryKey": "k1"])
            }
            let again = try await changed {
                try await service.put(
                    .user, "/users/u", ["firstName": "f", "lastName": "l", "email": "f@l", "state": "blocked"])
            }
            #expect(again == blocked)
            let snapshot = try await service.snapshot(publisher)
            #expect(snapshot.keys.all.filter { $0.subscription == "u" }.map(\.isOpen) == [false, false])
        }
    }

    @Test func whatIsCommittedBeforeAnybodyWatchesIsPublishedToo() async throws {
        let service = try await Publication()
        let publisher = try await service.publisher()
        try await publisher.start()
        try await service.put(.group, "/groups/g", ["displayName": "g"])
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                do { try await publisher.run() } catch is CancellationError {}
            }
            let root = try await service.root(publisher)
            #expect(root.version == service.store.revision)
            group.cancelAll()
        }
    }

    @Test func H6_a_restart_goes_on_with_the_very_same_root() async throws {
        let service = try await Publication()
        try await Self.fill(service)
        let first = try await service.publisher()
        try await first.start()
        let before = try #require(await first.root(of: "default"))
        let firstRoot = try await service.root(first)
        let revision = service.store.revision
        let second = try await service.publisher()
        try await second.start()
        let after = try #require(await second.root(of: "default"))
        #expect(after.signed == before.signed && after.dataKey.id == before.dataKey.id)
        #expect(service.store.revision == revision)
        #expect(try await service.snapshot(second).apis.count == 2)
        // A change while nobody published: a version of its own.
        try await service.put(.group, "/groups/g", ["displayName": "g"])
        let third = try await service.publisher()
        try await third.start()
        let root = try await service.root(third)
        #expect(root.version == service.store.revision && root.version > before.version)
        #expect(try await service.changed(root, since: firstRoot).subtracting([BlobName.secrets]) == [])
        #expect(root.previous == before.signed.rootHash)
    }

    @Test func aGatewayServesTheApisThatAreLinkedToIt() async throws {
        let service = try await Publication()
        try await Self.fill(service)
        try await service.put(.gateway, "/gateways/edge", ["locationData": ["name": "edge"]])
        try await service.put(.gatewayApi, "/gateways/edge/apis/b", [:])
        try await service.publishing { publisher in
            #expect(try await service.snapshot(publisher, of: "edge").apis.map(\.name) == ["b"])
            #expect(try await service.snapshot(publisher).apis.map(\.name) == ["a", "b"])
            let root = try await service.root(publisher)
            let hidden = try #require(try await service.contents(root)["apis/a"]).sha256
            let tree = try #require(root.trees[TreeName.apis]).sha256
            for hash in [hidden, tree] {
                #expect(try await publisher.blob(hash, for: "edge") == nil)
                #expect(try await publisher.blob(hash, for: "DEFAULT") != nil)
                #expect(try await publisher.blob(hash, for: "none") == nil)
            }
            try await service.put(.gatewayApi, "/gateways/edge/apis/a", [:])
            #expect(try await service.snapshot(publisher, of: "edge").apis.map(\.name) == ["a", "b"])
            try await service.delete(.gatewayApi, "/gateways/edge/apis/b")
            #expect(try await service.snapshot(publisher, of: "edge").apis.map(\.name) == ["a"])
            try await service.delete(.gateway, "/gateways/edge")
            _ = try await service.root(publisher)
            #expect(await publisher.root(of: "edge") == nil)
        }
    }

    @Test func H29_a_new_data_key_seals_the_secrets_anew() async throws {
        let service = try await Publication()
        try await Self.fill(service)
        try await service.publishing { publisher in
            let before = try await service.root(publisher)
            let old = try #require(await publisher.root(of: "default")).dataKey
            try await publisher.replaceDataKey()
            let after = try await service.root(publisher)
            #expect(after.version > before.version && after.dataKey != before.dataKey)
            #expect(try await service.changed(after, since: before) == [BlobName.secrets])
            #expect(after.trees == before.trees)
            #expect(try await service.snapshot(publisher).secrets.namedValues["h"] == "marker-51c0")
            let hash = try #require(after.blobs[BlobName.secrets]).sha256
            let sealed = try #require(try await publisher.blob(hash, for: "default"))
            #expect(throws: SnapshotRefusal.self) { try SnapshotSecrets.opened(sealed, with: old) }
        }
        // The new key outlives a restart.
        let again = try await service.publisher()
        try await again.start()
        #expect(try await service.snapshot(again).secrets.namedValues["h"] == "marker-51c0")
    }

    @Test func everyRootCanBeReadWhileKeysAreReplacedAndThingsChange() async throws {
        let service = try await Publication()
        try await Self.fill(service)
        try await service.publishing { publisher in
            let roots = await publisher.roots()
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    for number in 0..<10 {
                        try await service.put(
                            .namedValue, "/namedValues/n", ["displayName": "n", "value": .string("\(number)")])
                        await Task.yield()
                    }
                }
                group.addTask { for _ in 0..<5 { try await publisher.replaceDataKey() } }
                try await group.waitForAll()
            }
            let last = try await service.root(publisher).version
            var version: Int64 = 0
            for await published in roots {
                let root = try VerifiedRoot(published.signed, key: await publisher.verificationKey).root
                #expect(root.version > version && root.dataKey == published.dataKey.id)
                version = root.version
                let hash = try #require(root.blobs[BlobName.secrets]).sha256
                if let sealed = try await service.store.read({ try $0.blob(hash) }) {
                    #expect(throws: Never.self) { try SnapshotSecrets.opened(sealed, with: published.dataKey) }
                }
                if version == last { break }
            }
        }
    }

    @Test func aRootThatCannotBeKeptLeavesNothingBehindAndComesLater() async throws {
        let service = try await Publication()
        let publisher = try await service.publisher()
        try await publisher.start()
        let before = try #require(await publisher.root(of: "default"))
        let text = "<fragment>" + String(repeating: "<!-- filler -->", count: 20_000) + "</fragment>"
        try await service.put(.policyFragment, "/policyFragments/f", ["format": "rawxml", "value": .string(text)])
        // The disk is full from here on.
        try await service.store.pool.writeWithoutTransaction { db in
            let pages = try Int.fetchOne(db, sql: "PRAGMA page_count") ?? 0
            try db.execute(sql: "PRAGMA max_page_count = \(pages)")
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                do { try await publisher.run() } catch is CancellationError {}
            }
            while await publisher.failure == nil { await Task.yield() }
            #expect(await publisher.failure?.reason == .full)
            #expect(await publisher.root(of: "default")?.signed == before.signed)
            try await service.store.pool.writeWithoutTransaction { db in
                try db.execute(sql: "PRAGMA max_page_count = 1000000")
            }
            let snapshot = try await service.snapshot(publisher)
            #expect(snapshot.root.version == service.store.revision && snapshot.fragments["f"] != nil)
            #expect(await publisher.failure == nil)
            group.cancelAll()
        }
    }

    @Test func aThousandRootsAreKeptAndTheirBlobsAreNot() async throws {
        let service = try await Publication()
        _ = try await service.store.write(by: .controller) { writer in
            for version in 1...1010 {
                try writer.putSnapshot(
                    SnapshotRecord(
                        gateway: "default", version: Int64(version), created: 0, root: [1], signature: [2]))
            }
            try writer.dropSnapshots(gateway: "default", keep: SnapshotPublisher.rootsKept)
        }
        let kept = try await service.store.read { try $0.snapshots(gateway: "default", limit: 5000) }
        #expect(kept.map(\.version) == Array((11...1010).reversed()))
    }
}
