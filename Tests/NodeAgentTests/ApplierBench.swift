// What the tests of the applier share: a controller's keys, a node's directory, a consumer that notes what it is given.
import ClusterProtocol
import Cryptography
import Foundation
import GatewayConfiguration
import Synchronization
import Testing

@testable import NodeAgent

extension [UInt8] {
    func withData(_ body: (Data) throws -> Void) rethrows { try body(Data(self)) }
}

extension ApplyOutcome {
    var text: String {
        switch self {
        case .applied(let version): "applied \(version)"
        case .unchanged: "unchanged"
        case .refused(_, let reason): "refused \(reason)"
        case .incomplete(_, let reason): "incomplete \(reason)"
        }
    }
}

/// A controller's keys and a node's directory.
final class Bench: Sendable {
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
        let root = root(version, contents.mapValues(\.reference), trees: [:])
        let signed = try root.signed(with: signingKey)
        let event = SnapshotEvent(
            root: signed.root, signature: signed.signature,
            sealedDataKey: Data(try sealingKey.publicKey.seal(dataKey.secretBytes)).base64EncodedString())
        let hash = try #require(contents[BlobName.secrets]).reference.sha256
        events.withLock { $0[version] = (event, hash) }
        return event
    }

    private func root(
        _ version: Int64, _ blobs: [String: BlobReference], trees: [String: TreeReference]
    ) -> SnapshotRoot {
        SnapshotRoot(
            service: "/s", gateway: "default", version: version, created: "", previous: nil,
            signingKey: Data(signingKey.verificationKey.bytes).base64EncodedString(), dataKey: dataKey.id,
            auditHead: "", blobs: blobs, trees: trees)
    }

    /// The root of a version with these keys beside what `event` has.
    func event(_ version: Int64, keys: [String: SubscriptionKey]) throws -> SnapshotEvent {
        let plain = try JSONDecoder().decode(
            SnapshotRoot.self, from: try #require(Data(base64Encoded: try event(version).root)))
        let edit = try TreeEdit(nil, name: "", changes: keys.mapValues(Optional.init)) { _ in [] }
        blobs.withLock { $0.merge(edit.fresh) { $1 } }
        let signed = try root(version, plain.blobs, trees: [TreeName.subscriptions: try #require(edit.tree)])
            .signed(with: signingKey)
        return SnapshotEvent(
            root: signed.root, signature: signed.signature, sealedDataKey: try event(version).sealedDataKey)
    }

    /// A blob that the controller has.
    func blob(_ hash: String) throws -> [UInt8] { try #require(blobs.withLock { $0[hash] }) }

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
final class Consumer: SnapshotConsumer {
    private struct Refusal: Error, CustomStringConvertible { var description: String }
    private let state = Mutex<(versions: [Int64], keyCounts: [Int], refusal: String?)>(([], [], nil))

    var versions: [Int64] { state.withLock { $0.versions } }
    /// How many keys each version had.
    var keyCounts: [Int] { state.withLock { $0.keyCounts } }
    func refuses(_ reason: String?) { state.withLock { $0.refusal = reason } }

    func apply(_ snapshot: NodeSnapshot) async throws {
        try state.withLock { state in
            if let refusal = state.refusal { throw Refusal(description: refusal) }
            #expect(snapshot.secrets.namedValues["v"] == "marker\(snapshot.root.version)")
            state.versions.append(snapshot.root.version)
            state.keyCounts.append(snapshot.keys.count)
        }
    }
}
