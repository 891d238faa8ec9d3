package import Cryptography
internal import Foundation
internal import JSONDocuments

// Which roots a node believes: signed by the key it knows, its own service's and gateway's, and no way back.

/// Why a snapshot was refused. `description` is what the controller shows.
package enum SnapshotRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    case badSignature
    case wrongService
    case wrongGateway
    /// An older version than the node has had.
    case rollback
    /// The node's version with other content.
    case fork
    /// With the member.
    case badFormat(String)
    /// A blob that does not hash to its name, or has another size.
    case blobMismatch(String)
    /// A blob that nobody gave.
    case blobMissing(String)
    /// Something that this version of the software does not know.
    case unknown(blob: String, path: String)
    /// The data key is missing, or the secrets are not sealed with it.
    case secretsUnreadable

    package var description: String {
        switch self {
        case .badSignature: "BadSignature"
        case .wrongService: "WrongService"
        case .wrongGateway: "WrongGateway"
        case .rollback: "Rollback"
        case .fork: "Fork"
        case .badFormat(let member): "BadFormat: \(member)"
        case .blobMismatch(let name): "BlobMismatch: \(name)"
        case .blobMissing(let name): "BlobMissing: \(name)"
        case .unknown(let blob, let path): "Unknown: \(blob) \(path)"
        case .secretsUnreadable: "SecretsUnreadable"
        }
    }
}

/// Bounds of a snapshot.
package enum SnapshotBounds {
    package static let rootBytesMax = 1 << 20
    /// Entries of all trees together.
    package static let entriesMax = 10_000_000
    /// Greatest version: what every reader of JSON keeps.
    package static let versionMax: Int64 = 1 << 53 - 1
    package static let blobBytesMax = 64 << 20
    package static let treeNodeBytesMax = 1 << 20
    /// What a root names itself: blobs and trees, each.
    package static let namesMax = 100
    package static let totalBytesMax = 2 << 30
    package static let nameScalarsMax = 300
    package static let depthMax = 64

    /// Whether `name` can be a name in a tree.
    static func isName(_ name: String) -> Bool {
        (1...nameScalarsMax).contains(name.unicodeScalars.count) && !name.contains("..")
            && !name.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7f }
    }
}

extension SnapshotRoot {
    /// The root's bytes and their signature.
    package func signed(with key: SnapshotSigningKey) throws -> SignedRoot {
        let bytes = try BlobCoding.encode(self)
        return SignedRoot(
            root: Data(bytes).base64EncodedString(), signature: Data(try key.sign(bytes)).base64EncodedString())
    }
}

extension SignedRoot {
    /// The root's exact bytes; nil for no base64.
    package var rootBytes: [UInt8]? { Data(base64Encoded: root).map(Array.init) }

    /// SHA-256 of the root's bytes: what the next root names as `previous`.
    package var rootHash: String? { rootBytes.flatMap { try? ContentHash(of: $0).description } }
}

/// A root whose signature, form and place were found good.
package struct VerifiedRoot: Hashable, Sendable {
    package let root: SnapshotRoot
    package let signed: SignedRoot
    /// SHA-256 of its bytes.
    package let hash: String
    /// The key that signs from the next root on.
    package let nextKey: SnapshotVerificationKey

    /// Checks the signature before anything of the JSON is used, then reads it strictly.
    package init(_ signed: SignedRoot, key: SnapshotVerificationKey) throws(SnapshotRefusal) {
        guard signed.root.utf8.count <= SnapshotBounds.rootBytesMax / 3 * 4 + 4, let bytes = signed.rootBytes,
            let signature = Data(base64Encoded: signed.signature)
        else { throw .badFormat("root") }
        guard key.verifies(Array(signature), over: bytes) else { throw .badSignature }
        root = try Self.read(bytes)
        self.signed = signed
        guard let hash = try? ContentHash(of: bytes).description else { throw .badFormat("root") }
        self.hash = hash
        guard let raw = Data(base64Encoded: root.signingKey),
            let next = try? SnapshotVerificationKey(bytes: Array(raw))
        else { throw .badFormat("signingKey") }
        nextKey = next
    }

    private static func read(_ bytes: [UInt8]) throws(SnapshotRefusal) -> SnapshotRoot {
        // The strict reader refuses a member that stands twice, which Foundation's does not.
        guard let document = try? JSONReader.read(bytes, depthMax: SnapshotBounds.depthMax),
            let format = document["format"]?.integer
        else { throw .badFormat("format") }
        guard format == Int64(SnapshotRoot.currentFormat) else { throw .badFormat("format") }
        guard let version = document["version"]?.integer, (1...SnapshotBounds.versionMax).contains(version) else {
            throw .badFormat("version")
        }
        for member in ["blobs", "trees"] {
            guard let names = document[member]?.members, names.count <= SnapshotBounds.namesMax else {
                throw .badFormat(member)
            }
        }
        let root: SnapshotRoot
        do {
            root = try BlobCoding.decode(SnapshotRoot.self, bytes, name: "root")
        } catch {
            if case .unknown(_, let path) = error { throw .badFormat(path) }
            throw error
        }
        var entries = 0
        var total = 0
        for (name, blob) in root.blobs {
            guard SnapshotBounds.isName(name) else { throw .badFormat("blobs") }
            guard blob.isSound else { throw .badFormat("blobs/\(name)") }
            total += blob.size
        }
        for (name, tree) in root.trees {
            guard SnapshotBounds.isName(name) else { throw .badFormat("trees") }
            guard tree.isSound else { throw .badFormat("trees/\(name)") }
            entries += tree.count
            total += tree.total
        }
        guard entries <= SnapshotBounds.entriesMax, total <= SnapshotBounds.totalBytesMax else {
            throw .badFormat("trees")
        }
        return root
    }
}

/// What a node holds a new root against. Kept apart from the roots, so that an old one can't lower it.
package struct SnapshotTrust: Codable, Hashable, Sendable {
    /// A root that was accepted, with the key that signed it (which may have been replaced by that very root).
    package struct Accepted: Codable, Hashable, Sendable {
        package let version: Int64
        /// SHA-256 of the root's bytes.
        package let hash: String
        let key: String
    }

    /// Raw Ed25519 key that the next root must be signed with, base64. From enrolment, then from root to root.
    package private(set) var key: String
    package let service: String
    package let gateway: String
    /// The newest root that was accepted, and the one before.
    package private(set) var accepted: [Accepted] = []

    package enum Verdict: Hashable, Sendable {
        case newer(VerifiedRoot)
        /// The version the node has, byte for byte.
        case same(VerifiedRoot)
    }

    package init(key: SnapshotVerificationKey, service: String, gateway: String) {
        self.key = Data(key.bytes).base64EncodedString()
        self.service = service
        self.gateway = gateway
    }

    /// Highest version that was accepted; 0 for none.
    package var version: Int64 { accepted.first?.version ?? 0 }

    /// Whether `signed` may be taken (must-hold H1 to H3).
    package func judge(_ signed: SignedRoot) throws(SnapshotRefusal) -> Verdict {
        if let newest = accepted.first, signed.rootHash == newest.hash {
            return .same(try Self.verified(signed, newest.key))
        }
        let verified = try Self.verified(signed, key)
        guard Self.same(verified.root.service, service) else { throw .wrongService }
        guard Self.same(verified.root.gateway, gateway) else { throw .wrongGateway }
        if verified.root.version < version { throw .rollback }
        if verified.root.version == version { throw .fork }
        return .newer(verified)
    }

    /// The root before the newest, for a node whose newest one was damaged on its disk; nil when `signed` is another.
    package func former(_ signed: SignedRoot) -> VerifiedRoot? {
        guard accepted.count > 1, signed.rootHash == accepted[1].hash else { return nil }
        return try? Self.verified(signed, accepted[1].key)
    }

    /// Notes that `root`, which `judge` found newer, is in force.
    package mutating func accept(_ root: VerifiedRoot) {
        let entry = Accepted(version: root.root.version, hash: root.hash, key: key)
        accepted = [entry] + accepted.prefix(1)
        key = Data(root.nextKey.bytes).base64EncodedString()
    }

    /// Takes the key that the controller named at a new enrolment, over TLS.
    package mutating func adopt(_ key: SnapshotVerificationKey) { self.key = Data(key.bytes).base64EncodedString() }

    private static func verified(_ signed: SignedRoot, _ key: String) throws(SnapshotRefusal) -> VerifiedRoot {
        guard let raw = Data(base64Encoded: key), let key = try? SnapshotVerificationKey(bytes: Array(raw)) else {
            throw .badSignature
        }
        return try VerifiedRoot(signed, key: key)
    }

    /// Ids of ARM are equal without regard to the case of ASCII letters.
    private static func same(_ one: String, _ other: String) -> Bool {
        func folded(_ byte: UInt8) -> UInt8 { (65...90).contains(byte) ? byte | 0x20 : byte }
        return one.utf8.map(folded) == other.utf8.map(folded)
    }
}
