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

extension [UInt8] {
    fileprivate func withData(_ body: (Data) throws -> Void) rethrows { try body(Data(self)) }
}

extension ApplyOutcome {
    fileprivate var text: String {
        switch self {
        case .applied(let version): "applied \(version)"
        case .unchanged: "unchanged"
        case .refused(_, let reason): "refused \(reason)"
        case .incomplete(_, let reason): "incomplete \(reason)"
        }
    }
}

/// A controller's keys and a node's directory.
private final class Bench: Sendable {
    let path = NSTemporaryDirectory() + "gatehouse-" + UUID().uuidString
    let signingKey = SnapshotSigningKey()
    let dataKey = SealingKey(randomWithID: "d")
    let sealingKey = NodeSealingKey()
    let consumer = Consumer()
    /// How many blobs each fetch asked for.
    let asked = Mutex<[Int]>([])
    private let blobs = Mutex<[String: [UInt8]]>([:])
    private let events = Mutex<[Int64: (event: SnapshotEvent, secrets: String)]>([:])

    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }

    func remove() { try? FileManager.default.removeItem(atPath: path) }

    func applier() throws -> SnapshotApplier {
        try SnapshotApplier(
            identity: EnrolmentAnswer(
                node: "n", gateway: "default", service: "/s", certificate: "", listenerCertificate: "", authority: "",
                snapshotKey: Data(signingKey.verificationKey.bytes).base64EncodedString()),
            sealingKey: sealingKey, directory: path, isNew: false, consumer: consumer)
    }

    /// The root of a version; secrets differ from version to version.
    func event(_ version: Int64) throws -> SnapshotEvent {
        if let known = events.withLock({ $0[version] }) { return known.event }
        let secrets = SnapshotSecrets(
            pepper: "cGVwcGVy", namedValues: ["v": "marker\(version)"], backendCredentials: [:], certificateKeys: [:])
        let contents = [
            BlobName.service: try Blob(encoding: ServiceConfiguration(id: "/s", policy: nil)),
            BlobName.backends: try Blob(
                encoding: [
                    BackendConfiguration(
                        name: "b", url: "http://b", validatesCertificateChain: true, validatesCertificateName: true,
                        certificates: [])
                ]),
            BlobName.secrets: try Blob(secrets.sealed(with: dataKey)),
        ]
        blobs.withLock { blobs in for blob in contents.values { blobs[blob.reference.sha256] = blob.bytes } }
        let root = SnapshotRoot(
            service: "/s", gateway: "default", version: version, created: "", previous: nil,
            signingKey: Data(signingKey.verificationKey.bytes).base64EncodedString(), dataKey: dataKey.id,
            auditHead: "", blobs: contents.mapValues(\.reference))
        let signed = try root.signed(with: signingKey)
        let event = SnapshotEvent(
            root: signed.root, signature: signed.signature,
            sealedDataKey: Data(try sealingKey.publicKey.seal(dataKey.secretBytes)).base64EncodedString())
        let hash = try #require(contents[BlobName.secrets]).reference.sha256
        events.withLock { $0[version] = (event, hash) }
        return event
    }

    func secretsHash(_ version: Int64) throws -> String {
        _ = try event(version)
        return try #require(events.withLock { $0[version] }).secrets
    }

    @Sendable func fetch(_ sizes: [String: Int]) async throws -> [String: [UInt8]] {
        asked.withLock { $0.append(sizes.count) }
        return blobs.withLock { blobs in blobs.filter { sizes[$0.key] != nil } }
    }

    @Sendable func none(_ sizes: [String: Int]) async throws -> [String: [UInt8]] { [:] }

    func everyFile() -> [[UInt8]] {
        let names = FileManager.default.enumerator(atPath: path)?.compactMap { $0 as? String } ?? []
        return names.compactMap { FileManager.default.contents(atPath: "\(path)/\($0)").map(Array.init) }
    }
}

/// Notes the versions it was given.
private final class Consumer: SnapshotConsumer {
    private struct Refusal: Error, CustomStringConvertible { var description: String }
    private let state = Mutex<(versions: [Int64], refusal: String?)>(([], nil))

    var versions: [Int64] { state.withLock { $0.versions } }
    func refuses(_ reason: String?) { state.withLock { $0.refusal = reason } }

    func apply(_ snapshot: NodeSnapshot) async throws {
        try state.withLock { state in
            if let refusal = state.refusal { throw Refusal(description: refusal) }
            #expect(snapshot.secrets.namedValues["v"] == "marker\(snapshot.root.version)")
            state.versions.append(snapshot.root.version)
        }
    }
}
