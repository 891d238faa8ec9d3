import ClusterProtocol
import Cryptography
import Foundation
import GatewayConfiguration
import Synchronization
import Testing

@testable import NodeAgent

/// What the stream tells beside a root, and what lies on the disk of a node of the version before.
@Suite struct SnapshotUpdateTests {
    private static func key(_ name: String) -> SubscriptionKey {
        SubscriptionKey(subscription: name, displayName: name, scope: .allApis, user: nil, isOpen: true)
    }

    private static func keys(_ count: Int) throws -> [String: SubscriptionKey] {
        var keys: [String: SubscriptionKey] = [:]
        for number in 0..<count { keys[try ContentHash(of: Array("\(number)".utf8)).description] = key("s\(number)") }
        return keys
    }

    /// The second of two roots, with the step to it from the first.
    private static func second(_ bench: Bench, after first: SnapshotEvent) throws -> SnapshotEvent {
        let before = try keys(200)
        let after = try keys(201)
        var event = try bench.event(2, keys: after)
        var update = SnapshotUpdate(
            since: try #require(SignedRoot(root: first.root, signature: first.signature).rootHash))
        update.subscriptions = TreeChanges(
            after.filter { before[$0.key] == nil }.mapValues { key -> SubscriptionKey? in key })
        let secrets = try bench.secretsHash(2)
        update.blobs[secrets] = Data(try bench.blob(secrets)).base64EncodedString()
        event.update = update
        return event
    }

    @Test func H14_a_node_that_is_told_what_changed_asks_for_nothing() async throws {
        let bench = try Bench()
        defer { bench.remove() }
        let applier = try bench.applier()
        let first = try bench.event(1, keys: Self.keys(200))
        #expect(try await applier.take(first, fetch: bench.fetch).text == "applied 1")
        #expect(bench.consumer.keyCounts == [200])
        let asked = bench.asked.withLock { $0.count }
        #expect(try await applier.take(Self.second(bench, after: first), fetch: bench.fetch).text == "applied 2")
        #expect(bench.consumer.keyCounts == [200, 201])
        #expect(bench.asked.withLock { $0.count } == asked)
        // What it made itself lies on its disk like what it was given.
        let again = try bench.applier()
        #expect(await again.restore().text == "applied 2")
        #expect(bench.consumer.keyCounts == [200, 201, 201])
    }

    @Test func H6_a_step_that_is_wrong_costs_a_fetch_and_no_more() async throws {
        let changes: [(inout SnapshotUpdate) throws -> Void] = [
            { $0.since = "another" }, { $0.blobs = [:] }, { $0.subscriptions = nil },
            { $0.blobs = $0.blobs.mapValues { _ in "junk" } },
            { $0.blobs = $0.blobs.mapValues { _ in Data("other".utf8).base64EncodedString() } },
            { $0.subscriptions = TreeChanges(try Self.keys(3).mapValues { key -> SubscriptionKey? in key }) },
            { $0.subscriptions?.removed = ["no hash"] }, { $0.apis = TreeChanges(["a": BlobReference?.none]) },
        ]
        for change in changes {
            let bench = try Bench()
            defer { bench.remove() }
            let applier = try bench.applier()
            let first = try bench.event(1, keys: Self.keys(200))
            _ = try await applier.take(first, fetch: bench.fetch)
            var event = try Self.second(bench, after: first)
            var update = try #require(event.update)
            try change(&update)
            event.update = update
            #expect(try await applier.take(event, fetch: bench.fetch).text == "applied 2")
            #expect(bench.consumer.keyCounts == [200, 201])
            // A root that is the same with and without.
            event.update = nil
            #expect(try await applier.take(event, fetch: bench.fetch).text == "unchanged")
        }
    }

    @Test func H8_a_root_of_the_former_format_on_disk_does_no_harm() async throws {
        let bench = try Bench()
        defer { bench.remove() }
        let first = try bench.event(1)
        let applier = try bench.applier()
        _ = try await applier.take(first, fetch: bench.fetch)
        // What the version before had kept: a rightly signed root of format 1 that is its newest.
        let text = String(decoding: try #require(Data(base64Encoded: first.root)), as: UTF8.self)
            .replacing(#""format":2"#, with: #""format":1"#).replacing(#","trees":{}"#, with: "")
        let old = SignedRoot(
            root: Data(text.utf8).base64EncodedString(),
            signature: Data(try bench.signingKey.sign(Array(text.utf8))).base64EncodedString())
        let hash = try #require(SignedRoot(root: first.root, signature: first.signature).rootHash)
        let folder = URL(fileURLWithPath: "\(bench.path)/snapshot")
        let event = SnapshotEvent(root: old.root, signature: old.signature, sealedDataKey: first.sealedDataKey)
        try Data(BlobCoding.encode(event)).write(to: folder.appending(path: "current.json"))
        let trust = String(decoding: try Data(contentsOf: folder.appending(path: "trust.json")), as: UTF8.self)
        #expect(trust.contains(hash))
        try Data(trust.replacing(hash, with: try #require(old.rootHash)).utf8)
            .write(to: folder.appending(path: "trust.json"))
        let again = try bench.applier()
        #expect(await again.restore().text == "refused on disk: BadFormat: format")
        #expect(await again.version == 0)
        #expect(try await again.take(try bench.event(2), fetch: bench.fetch).text == "applied 2")
        // Its version is still the floor.
        #expect(try await again.take(first, fetch: bench.fetch).text == "refused Rollback")
    }
}
