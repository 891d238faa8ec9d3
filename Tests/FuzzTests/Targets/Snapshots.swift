// Roots and blobs as a node gets them. They are signed with a good key, so that what lies behind the signature is reached.
import Admission
import Cryptography
import Foundation
import GatewayConfiguration
import RequestRouting

extension FuzzTarget {
    /// A root's bytes.
    static let snapshotRoot = FuzzTarget("snapshot-root") { bytes in
        let sample = try SnapshotRun.sample.get()
        let raw = SignedRoot(
            root: String(decoding: bytes, as: UTF8.self), signature: String(decoding: bytes, as: UTF8.self))
        try promise((try? sample.trust.judge(raw)) == nil, "nothing is believed without a signature")
        let signed = SignedRoot(
            root: Data(bytes).base64EncodedString(),
            signature: Data(try sample.key.sign(bytes)).base64EncodedString())
        let verdict: SnapshotTrust.Verdict
        do throws(SnapshotRefusal) { verdict = try sample.trust.judge(signed) } catch { return }
        guard case .newer(let root) = verdict else { throw FuzzFinding("a first root is newer than none") }
        try promise((1...SnapshotBounds.versionMax).contains(root.root.version), "a version is bounded")
        var trust = sample.trust
        trust.accept(root)
        try promise(trust.version == root.root.version, "what was accepted counts")
        let second = try trust.judge(signed)
        try promise(second == .same(root), "the same root is the same")
        let blobs = sample.blobs
        var decoder = SnapshotDecoder()
        _ = try? decoder.decode(root.root, dataKey: sample.dataKey) { blobs[$0] }
    }

    /// The first byte chooses which blob the others are: one of the root, what an API or product is, or a node of a tree,
    /// whose number of entries is the second byte.
    static let blob = FuzzTarget("blob") { bytes in
        guard let choice = bytes.first else { return }
        let sample = try SnapshotRun.sample.get()
        var blobs = sample.blobs
        var root = sample.root
        var blob = try Blob(Array(bytes.dropFirst()))
        if let name = SnapshotRun.names[choice] {
            if name == BlobName.secrets { blob = try Blob(SnapshotRun.sealed(blob.bytes, sample.dataKey)) }
            root.blobs[name] = blob.reference
        } else if let (tree, entry) = SnapshotRun.entries[choice] {
            let edit = try TreeEdit(nil, name: tree, changes: [entry: Optional(blob.reference)]) { _ in [] }
            root.trees[tree] = edit.tree
            blobs.merge(edit.fresh) { $1 }
        } else if let tree = SnapshotRun.nodes[choice], bytes.count > 1 {
            blob = try Blob(Array(bytes.dropFirst(2)))
            root.trees[tree] = TreeReference(
                sha256: blob.reference.sha256, size: blob.reference.size, count: Int(bytes[1]),
                total: blob.reference.size)
        } else {
            return
        }
        blobs[blob.reference.sha256] = blob.bytes
        let all = blobs
        var decoder = SnapshotDecoder()
        let snapshot: NodeSnapshot
        do throws(SnapshotRefusal) {
            snapshot = try decoder.decode(root, dataKey: sample.dataKey) { all[$0] }
        } catch { return }
        let again = try decoder.decode(root, dataKey: sample.dataKey) { all[$0] }
        try promise(
            again.apis == snapshot.apis && again.products == snapshot.products && again.keys.all == snapshot.keys.all,
            "what was read is read alike again")
        let routes = RouteIndex(snapshot.apis)
        for path in ["/", "/echo", "/echo/a/b;rev=1/c"] {
            _ = routes.route(
                method: Array("GET".utf8), scheme: "https", path: Array(path.utf8), query: Array("a=b&v=1".utf8),
                header: { _ in [] })
        }
        _ = try? AdmissionTable(
            apis: snapshot.apis, products: snapshot.products, keys: snapshot.keys,
            pepper: Array(Data(base64Encoded: snapshot.secrets.pepper) ?? Data()))
    }
}

/// A small good snapshot and its keys.
private struct SnapshotRun {
    static let sample = Result { try SnapshotRun() }

    /// The blob of the root that a first byte stands for.
    static let names: [UInt8: String] = [
        UInt8(ascii: "s"): BlobName.service, UInt8(ascii: "b"): BlobName.backends,
        UInt8(ascii: "c"): BlobName.certificates, UInt8(ascii: "n"): BlobName.namedValues,
        UInt8(ascii: "f"): BlobName.fragments, UInt8(ascii: "x"): BlobName.secrets,
    ]
    /// The entry of a tree.
    static let entries: [UInt8: (String, String)] = [
        UInt8(ascii: "a"): (TreeName.apis, "echo;rev=1"), UInt8(ascii: "p"): (TreeName.products, "starter"),
    ]
    /// The tree whose top node it is.
    static let nodes: [UInt8: String] = [
        UInt8(ascii: "k"): TreeName.subscriptions, UInt8(ascii: "t"): TreeName.apis,
    ]

    let key: SnapshotSigningKey
    let dataKey: SealingKey
    let root: SnapshotRoot
    /// By hash.
    let blobs: [String: [UInt8]]
    let trust: SnapshotTrust

    private init() throws {
        key = try SnapshotSigningKey(secretBytes: [UInt8](repeating: 7, count: 32))
        dataKey = try SealingKey(id: "d1", bytes: [UInt8](repeating: 9, count: 32))
        let secrets = SnapshotSecrets(
            pepper: "cGVwcGVy", namedValues: ["hidden": "marker"], backendCredentials: [:], certificateKeys: [:])
        var named: [String: Blob] = [:]
        named[BlobName.service] = try Blob(encoding: ServiceConfiguration(id: "/s", policy: nil))
        named[BlobName.namedValues] = try Blob(encoding: ["n": NamedValueConfiguration(value: "v")])
        named[BlobName.secrets] = try Blob(secrets.sealed(with: dataKey))
        root = SnapshotRoot(
            service: "/s", gateway: "default", version: 1, created: "2026-01-01T00:00:00Z", previous: nil,
            signingKey: Data(key.verificationKey.bytes).base64EncodedString(), dataKey: dataKey.id, auditHead: "",
            blobs: named.mapValues(\.reference), trees: [:])
        blobs = Dictionary(named.values.map { ($0.reference.sha256, $0.bytes) }, uniquingKeysWith: { $1 })
        trust = SnapshotTrust(key: key.verificationKey, service: "/s", gateway: "default")
    }

    /// As the blob `secrets` is sealed.
    static func sealed(_ bytes: [UInt8], _ key: SealingKey) throws -> [UInt8] {
        try key.seal(bytes, associatedData: Array("secrets".utf8)).bytes
    }
}
