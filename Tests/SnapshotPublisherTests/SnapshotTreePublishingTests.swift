import Cryptography
import Foundation
import GRDB
import GatewayConfiguration
import JSONDocuments
import Resources
import SnapshotPublisher
import Testing

@testable import ResourceStore

/// How the publisher keeps its trees: each step as a build from nothing would have it, and told so that a node can follow.
@Suite struct SnapshotTreePublishingTests {
    private static func addApi(_ service: Publication, _ name: String) async throws {
        try await service.put(.api, "/apis/\(name)", ["displayName": .string(name), "path": .string(name)])
    }

    /// More APIs and keys than fit in one leaf.
    private static func fill(_ service: Publication) async throws {
        let context = service.context
        _ = try await service.store.write(by: .controller) { writer in
            for number in 0..<80 {
                for (kind, path, properties): (Kind, String, JSONValue) in [
                    (.api, "/apis/a\(number)", ["displayName": "a", "path": .string("a\(number)")]),
                    (.subscription, "/subscriptions/s\(number)", ["displayName": "s", "scope": "/apis"]),
                ] {
                    _ = try ResourceOperations.put(
                        kind,
                        WriteRequest(id: ResourceID(path: path), body: ["properties": properties], condition: .none),
                        in: writer, context: context)
                }
            }
        }
    }

    /// The trees that a build from nothing gives, as a controller that finds no former root makes them.
    private static func fresh(_ service: Publication, _ gateway: String) async throws -> [String: TreeReference] {
        let folder = service.folder.appending(path: UUID().uuidString + ".db")
        _ = try ResourceStore.backup(from: service.folder.appending(path: "store.db").path(), to: folder.path())
        let copy = try ResourceStore(path: folder.path())
        try await copy.pool.write { db in try db.execute(sql: "DELETE FROM snapshot; DELETE FROM blob") }
        let publisher = SnapshotPublisher(
            store: copy, context: service.context, keyring: try await SnapshotKeyring.open(copy, service.context),
            pepper: service.pepper)
        try await publisher.start()
        let signed = try #require(await publisher.root(of: gateway)).signed
        let trees = try VerifiedRoot(signed, key: await publisher.verificationKey).root.trees
        try copy.close()
        return trees
    }

    @Test func eachStepGivesTheTreesThatABuildFromNothingGives() async throws {
        let service = try await Publication()
        try await Self.fill(service)
        try await service.put(.gateway, "/gateways/Edge", ["locationData": ["name": "edge"]])
        try await service.put(.gatewayApi, "/gateways/Edge/apis/a1", [:])
        try await service.publishing { publisher in
            let steps: [@Sendable () async throws -> Void] = [
                { try await Self.addApi(service, "new") }, { try await Self.addApi(service, "a1") },
                { try await service.put(.gatewayApi, "/gateways/Edge/apis/a2", [:]) },
                { try await service.delete(.api, "/apis/a1") },
                { try await service.delete(.subscription, "/subscriptions/s7") },
                {
                    for number in 10..<40 { try await service.delete(.api, "/apis/a\(number)") }
                },
                { try await service.put(.product, "/products/p", ["displayName": "P"]) },
            ]
            for (number, step) in steps.enumerated() {
                try await step()
                for gateway in ["default", "Edge"] {
                    let root = try await service.root(publisher, of: gateway)
                    #expect(try await root.trees == Self.fresh(service, gateway), "step \(number), \(gateway)")
                }
            }
        }
    }

    @Test func H14_a_node_that_is_told_the_step_makes_the_new_trees_itself() async throws {
        let service = try await Publication()
        try await Self.fill(service)
        try await service.publishing { publisher in
            let first = try await service.root(publisher)
            let published = try #require(await publisher.root(of: "default"))
            var blobs = try await Publication.read(first, published.dataKey, publisher).blobs
            // Two changes, which a slow node hears of as one.
            try await service.put(
                .subscription, "/subscriptions/s1", ["displayName": "s", "scope": "/apis", "primaryKey": "k1"])
            _ = try await service.root(publisher)
            try await Self.addApi(service, "new")
            let root = try await service.root(publisher)
            let (newest, told) = try #require(await publisher.newest(of: "DEFAULT", since: published.hash))
            let update = try #require(told)
            #expect(newest.version == root.version && update.since == published.hash)
            #expect(update.subscriptions?.put.count == 2 && update.apis?.put.keys.sorted() == ["new"])
            for (hash, text) in update.blobs {
                let bytes = Array(try #require(Data(base64Encoded: text)))
                #expect(try ContentHash(of: bytes).description == hash)
                blobs[hash] = bytes
            }
            func make<Value: TreeValue>(_ name: String, _ changes: TreeChanges<Value>?) throws {
                let held = blobs
                let edit = try TreeEdit(first.trees[name], name: name, changes: try #require(changes).all) {
                    try #require(held[$0.sha256])
                }
                #expect(edit.tree == root.trees[name])
                blobs.merge(edit.fresh) { $1 }
            }
            try make(TreeName.apis, update.apis)
            try make(TreeName.subscriptions, update.subscriptions)
            let held = blobs
            var decoder = SnapshotDecoder()
            let snapshot = try decoder.decode(root, dataKey: published.dataKey) { held[$0] }
            #expect(snapshot.apis.count == 81 && snapshot.root.version == root.version)
            #expect(await publisher.newest(of: "default", since: "unknown")?.update == nil)
            #expect(await publisher.newest(of: "default", since: newest.hash)?.update == nil)
        }
    }

    @Test func H17_blobs_of_the_last_two_roots_are_given_and_no_others() async throws {
        let service = try await Publication()
        try await Self.fill(service)
        try await service.publishing { publisher in
            var roots = [try await service.root(publisher)]
            let key = try #require(await publisher.root(of: "default")).dataKey
            var blobs = [Set(try await Publication.read(roots[0], key, publisher).blobs.keys)]
            for number in 1...3 {
                try await service.put(
                    .subscription, "/subscriptions/s1",
                    ["displayName": "s", "scope": "/apis", "primaryKey": .string("k\(number)")])
                try await Self.addApi(service, "new\(number)")
                // One root may hold both changes, or there are two.
                var root = try await service.root(publisher)
                root = try await service.root(publisher)
                roots.append(root)
                blobs.append(Set(try await Publication.read(root, key, publisher).blobs.keys))
            }
            let newest = blobs[3]
            let found = try await publisher.blobs(Array(newest), for: "default", bytesMax: .max)
            #expect(Set(found.keys) == newest)
            // A leaf that a key came to and left is as it was.
            let old = blobs[0].subtracting(blobs[1]).subtracting(blobs[2]).subtracting(blobs[3])
            #expect(!old.isEmpty)
            #expect(try await publisher.blobs(Array(old), for: "default", bytesMax: .max).isEmpty)
            // They are kept all the same, as long as the root is.
            let kept = try await service.store.read { reader in try old.filter { try reader.hasBlob($0) } }
            #expect(kept.count == old.count)
        }
    }

    @Test func H6_a_root_of_a_former_format_is_published_anew() async throws {
        let service = try await Publication()
        let first = try await service.publisher()
        try await first.start()
        let before = try #require(await first.root(of: "default"))
        // As the version before kept it: every blob named by the root, shards of keys among them.
        let old = try await service.store.write(by: .controller) { writer in
            try writer.putBlob(String(repeating: "0", count: 64), [1])
            let text =
                #"{"auditHead":"","blobs":{"subscriptions/00":{"sha256":"\#(String(repeating: "0", count: 64))","size":1}},"created":"","dataKey":"\#(before.dataKey.id)","format":1,"gateway":"default","service":"s","signingKey":"","version":\#(before.version)}"#
            let record = SnapshotRecord(
                gateway: "default", version: before.version, created: 0, root: Array(text.utf8), signature: [2])
            try writer.putSnapshot(record)
            return record
        }.value
        let second = try await service.publisher()
        try await second.start()
        let root = try await service.root(second)
        #expect(root.format == 2 && root.version > before.version)
        #expect(try root.previous == ContentHash(of: old.root).description)
        #expect(try await service.snapshot(second).keys.count == 2)
        // What the former format alone named is forgotten with its root.
        _ = try await service.store.write(by: .controller) { writer in
            try writer.dropSnapshots(gateway: "default", keep: 1)
            try writer.dropRetiredBlobs()
        }
        #expect(try await !service.store.read { try $0.hasBlob(String(repeating: "0", count: 64)) })
        let third = try await service.publisher()
        try await third.start()
        #expect(await third.root(of: "default")?.version == root.version)
    }

    @Test func blobsOfAGatewayThatIsGoneAreForgotten() async throws {
        let service = try await Publication()
        try await service.put(.api, "/apis/a", ["displayName": "A", "path": "a"])
        try await service.put(.gateway, "/gateways/edge", ["locationData": ["name": "edge"]])
        try await service.publishing { publisher in
            _ = try await service.root(publisher, of: "edge")
            try await service.delete(.gateway, "/gateways/edge")
            _ = try await service.root(publisher)
            #expect(try await service.store.read { try $0.snapshots(gateway: "edge", limit: 1) } == [])
        }
    }
}
