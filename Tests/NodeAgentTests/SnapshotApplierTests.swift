import ClusterProtocol
import Cryptography
import Foundation
import GatewayConfiguration
import Synchronization
import Testing

@testable import NodeAgent

@Suite struct SnapshotApplierTests {
    @Test func aRootIsCompletedAppliedAndKept() async throws {
        let bench = try Bench()
        defer { bench.remove() }
        let applier = try bench.applier()
        #expect(try await applier.take(try bench.event(1), fetch: bench.fetch).text == "applied 1")
        #expect(bench.consumer.versions == [1])
        #expect(try await applier.take(try bench.event(1), fetch: bench.fetch).text == "unchanged")
        #expect(try await applier.take(try bench.event(2), fetch: bench.fetch).text == "applied 2")
        // Only the secrets' blob is new in version 2.
        #expect(bench.asked.withLock { $0 }.last == 1)
        // H22: nothing in clear.
        for bytes in bench.everyFile() { #expect(!String(decoding: bytes, as: UTF8.self).contains("marker")) }
    }

    @Test func theNodeServesFromDiskWithoutItsController() async throws {
        let bench = try Bench()
        defer { bench.remove() }
        for version in [1, 2] {
            _ = try await bench.applier().take(try bench.event(Int64(version)), fetch: bench.fetch)
        }
        let applier = try bench.applier()
        #expect(await applier.restore().text == "applied 2")
        #expect(bench.consumer.versions == [1, 2, 2])
        #expect(try await applier.take(try bench.event(1), fetch: bench.none).text == "refused Rollback")
    }

    @Test func H5_a_wrong_blob_is_asked_for_again_once_and_then_refused() async throws {
        let bench = try Bench()
        defer { bench.remove() }
        let applier = try bench.applier()
        let wrong: @Sendable ([String: Int]) async throws -> [String: [UInt8]] = { sizes in
            bench.asked.withLock { $0.append(sizes.count) }
            return sizes.mapValues { [UInt8](repeating: 32, count: $0) }
        }
        #expect(try await applier.take(try bench.event(1), fetch: wrong).text.hasPrefix("refused BlobMismatch"))
        #expect(bench.asked.withLock { $0 } == [3, 3])
        #expect(try await applier.take(try bench.event(1), fetch: bench.none).text.hasPrefix("incomplete BlobMissing"))
        #expect(bench.consumer.versions.isEmpty)
        #expect(try await applier.take(try bench.event(1), fetch: bench.fetch).text == "applied 1")
    }

    @Test func H6_a_fetch_that_is_cut_is_no_refusal_and_its_blobs_are_kept() async throws {
        struct Cut: Error {}
        let bench = try Bench()
        defer { bench.remove() }
        let applier = try bench.applier()
        await #expect(throws: Cut.self) { try await applier.take(try bench.event(1)) { _ in throw Cut() } }
        let half: @Sendable ([String: Int]) async throws -> [String: [UInt8]] = { sizes in
            if bench.asked.withLock({ $0.count }) > 0 { throw Cut() }
            let all = try await bench.fetch(sizes)
            return all.filter { $0.key == sizes.keys.min() }
        }
        await #expect(throws: Cut.self) { try await applier.take(try bench.event(1), fetch: half) }
        bench.asked.withLock { $0 = [] }
        #expect(try await applier.take(try bench.event(1), fetch: bench.fetch).text == "applied 1")
        #expect(bench.asked.withLock { $0 } == [2])
    }

    @Test func H10_what_the_consumer_refuses_does_not_replace_the_former() async throws {
        let bench = try Bench()
        defer { bench.remove() }
        let applier = try bench.applier()
        _ = try await applier.take(try bench.event(1), fetch: bench.fetch)
        bench.consumer.refuses("no such policy")
        #expect(try await applier.take(try bench.event(2), fetch: bench.fetch).text == "refused no such policy")
        #expect(await applier.version == 1)
        bench.consumer.refuses(nil)
        let again = try bench.applier()
        #expect(await again.restore().text == "applied 1")
        #expect(try await applier.take(try bench.event(3), fetch: bench.fetch).text == "applied 3")
    }

    @Test func H8_what_lies_on_disk_is_not_trusted() async throws {
        func bench(_ change: (Bench, String) throws -> Void) async throws -> (String, [Int64]) {
            let bench = try Bench()
            defer { bench.remove() }
            let applier = try bench.applier()
            _ = try await applier.take(try bench.event(1), fetch: bench.fetch)
            let first = try Data(contentsOf: URL(fileURLWithPath: "\(bench.path)/snapshot/current.json"))
            _ = try await applier.take(try bench.event(2), fetch: bench.fetch)
            try first.write(to: URL(fileURLWithPath: "\(bench.path)/first.json"))
            try change(bench, "\(bench.path)/snapshot")
            let again = try bench.applier()
            return (await again.restore().text, bench.consumer.versions)
        }
        // A damaged newest root: the former serves.
        var (text, versions) = try await bench { _, path in
            try Data("{".utf8).write(to: URL(fileURLWithPath: "\(path)/current.json"))
        }
        #expect(text.hasPrefix("refused on disk") && versions == [1, 2, 1])
        // A damaged blob of the newest alone: the secrets.
        (text, versions) = try await bench { bench, path in
            let hash = try bench.secretsHash(2)
            try Data("x".utf8).write(to: URL(fileURLWithPath: "\(path)/blobs/\(hash)"))
        }
        #expect(text.hasPrefix("refused on disk") && versions == [1, 2, 1])
        // The older root put in the newest's place.
        (text, versions) = try await bench { bench, path in
            try FileManager.default.removeItem(atPath: "\(path)/current.json")
            try FileManager.default.copyItem(atPath: "\(bench.path)/first.json", toPath: "\(path)/current.json")
        }
        #expect(text == "refused on disk: Rollback" && versions == [1, 2])
        // Another service's root.
        (text, versions) = try await bench { bench, path in
            let other = try Bench()
            defer { other.remove() }
            try BlobCoding.encode(other.event(9)).withData {
                try $0.write(to: URL(fileURLWithPath: "\(path)/current.json"))
            }
        }
        #expect(text.hasPrefix("refused on disk") && versions == [1, 2, 1])
        // Everything gone.
        (text, versions) = try await bench { _, path in try FileManager.default.removeItem(atPath: path) }
        #expect(text == "unchanged" && versions == [1, 2])
    }

    @Test func H7_blobs_that_no_root_names_are_swept_and_two_roots_are_kept() async throws {
        let bench = try Bench()
        defer { bench.remove() }
        let applier = try bench.applier()
        for version in 1...4 { _ = try await applier.take(try bench.event(Int64(version)), fetch: bench.fetch) }
        let names = try FileManager.default.contentsOfDirectory(atPath: "\(bench.path)/snapshot/blobs")
        #expect(Set(names).count == 4)
        #expect(try Set([bench.secretsHash(3), bench.secretsHash(4)]).isSubset(of: names))
    }

    @Test func H43_a_disk_that_takes_nothing_stops_nothing() async throws {
        let bench = try Bench()
        defer { bench.remove() }
        let applier = try bench.applier()
        // In the way of every file: a directory of that name (a mode would not stop root).
        try FileManager.default.removeItem(atPath: "\(bench.path)/snapshot/blobs")
        #expect(try await applier.take(try bench.event(1), fetch: bench.fetch).text == "applied 1")
        #expect(await !applier.isPersisted)
        try FileManager.default.createDirectory(
            atPath: "\(bench.path)/snapshot/blobs", withIntermediateDirectories: true)
        #expect(try await applier.take(try bench.event(2), fetch: bench.fetch).text == "applied 2")
        #expect(await applier.isPersisted)
        let again = try bench.applier()
        #expect(await again.restore().text == "applied 2")
    }

    @Test func H22_a_data_key_for_another_node_opens_nothing() async throws {
        let bench = try Bench()
        defer { bench.remove() }
        var event = try bench.event(1)
        event.sealedDataKey = Data(try NodeSealingKey().publicKey.seal(bench.dataKey.secretBytes)).base64EncodedString()
        #expect(try await bench.applier().take(event, fetch: bench.fetch).text == "refused SecretsUnreadable")
    }
}
