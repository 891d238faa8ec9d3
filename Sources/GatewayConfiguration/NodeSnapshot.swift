package import Cryptography

// A snapshot as the node serves it, and how it is read from blobs: what did not change is not read again.

/// Everything that a node serves from. Immutable.
package struct NodeSnapshot: Sendable {
    package var root: SnapshotRoot
    package var service: ServiceConfiguration
    /// In the order of their blobs' names.
    package var apis: [ApiConfiguration]
    package var products: [ProductConfiguration]
    /// Of all shards.
    package var keys: [SubscriptionKeyEntry]
    package var backends: [BackendConfiguration]
    package var certificates: [CertificateConfiguration]
    /// By display name.
    package var namedValues: [String: NamedValueConfiguration]
    /// By id.
    package var fragments: [String: PolicyText]
    package var secrets: SnapshotSecrets

    package init(
        root: SnapshotRoot, service: ServiceConfiguration, apis: [ApiConfiguration], products: [ProductConfiguration],
        keys: [SubscriptionKeyEntry], backends: [BackendConfiguration], certificates: [CertificateConfiguration],
        namedValues: [String: NamedValueConfiguration], fragments: [String: PolicyText], secrets: SnapshotSecrets
    ) {
        self.root = root
        self.service = service
        self.apis = apis
        self.products = products
        self.keys = keys
        self.backends = backends
        self.certificates = certificates
        self.namedValues = namedValues
        self.fragments = fragments
        self.secrets = secrets
    }
}

extension SnapshotSecrets {
    /// Where the blob stands, for its seal.
    private static let associatedData = Array(BlobName.secrets.utf8)

    /// The blob's bytes: nonce, ciphertext, tag.
    package func sealed(with key: SealingKey) throws -> [UInt8] {
        try key.seal(BlobCoding.encode(self), associatedData: Self.associatedData).bytes
    }

    /// Opens the blob of a root that names `key`.
    package static func opened(_ bytes: [UInt8], with key: SealingKey) throws(SnapshotRefusal) -> SnapshotSecrets {
        let plain: [UInt8]
        do {
            plain = try key.open(SealedBytes(keyID: key.id, bytes: bytes), associatedData: associatedData)
        } catch {
            throw .secretsUnreadable
        }
        return try BlobCoding.decode(SnapshotSecrets.self, plain, name: BlobName.secrets)
    }
}

/// Reads snapshots, and keeps what it has read of the last one by content hash.
package struct SnapshotDecoder: Sendable {
    private struct Read: Sendable {
        var service: [String: ServiceConfiguration] = [:]
        var apis: [String: ApiConfiguration] = [:]
        var products: [String: ProductConfiguration] = [:]
        var keys: [String: [SubscriptionKeyEntry]] = [:]
        var backends: [String: [BackendConfiguration]] = [:]
        var certificates: [String: [CertificateConfiguration]] = [:]
        var namedValues: [String: [String: NamedValueConfiguration]] = [:]
        var fragments: [String: [String: PolicyText]] = [:]
    }

    private var read = Read()
    /// How many blobs the last `decode` had to read.
    package private(set) var blobsRead = 0

    package init() {}

    /// Reads the snapshot of `root`. `content` gives a blob's bytes by its hash, nil for none; they are checked against
    /// hash and size before they are read (must-hold H5). Nothing is kept of a snapshot that is refused.
    package mutating func decode(
        _ root: SnapshotRoot, dataKey: SealingKey, content: @escaping (String) -> [UInt8]?
    ) throws(SnapshotRefusal) -> NodeSnapshot {
        guard dataKey.id == root.dataKey else { throw .secretsUnreadable }
        var next = Read()
        blobsRead = 0
        var snapshot = NodeSnapshot(
            root: root, service: ServiceConfiguration(id: root.service, policy: nil), apis: [], products: [], keys: [],
            backends: [], certificates: [], namedValues: [:], fragments: [:],
            secrets: SnapshotSecrets(pepper: "", namedValues: [:], backendCredentials: [:], certificateKeys: [:]))
        var hasSecrets = false
        var hasService = false
        for (name, blob) in root.blobs.sorted(by: { $0.key < $1.key }) {
            let source = Source(name: name, blob: blob, content: content)
            switch name {
            case BlobName.service:
                snapshot.service = try take(source, read.service, &next.service)
                hasService = true
            case BlobName.backends: snapshot.backends = try take(source, read.backends, &next.backends)
            case BlobName.certificates:
                snapshot.certificates = try take(source, read.certificates, &next.certificates)
            case BlobName.namedValues: snapshot.namedValues = try take(source, read.namedValues, &next.namedValues)
            case BlobName.fragments: snapshot.fragments = try take(source, read.fragments, &next.fragments)
            case BlobName.secrets:
                snapshot.secrets = try SnapshotSecrets.opened(try source.bytes(), with: dataKey)
                hasSecrets = true
            default:
                if name.hasPrefix(BlobName.apis) {
                    snapshot.apis.append(try take(source, read.apis, &next.apis))
                } else if name.hasPrefix(BlobName.products) {
                    snapshot.products.append(try take(source, read.products, &next.products))
                } else if name.hasPrefix(BlobName.subscriptions) {
                    let keys = try take(source, read.keys, &next.keys)
                    try Self.check(keys, ofShard: String(name.dropFirst(BlobName.subscriptions.count)), name: name)
                    snapshot.keys += keys
                } else {
                    throw .unknown(blob: name, path: "")
                }
            }
        }
        guard hasSecrets else { throw .blobMissing(BlobName.secrets) }
        guard hasService else { throw .blobMissing(BlobName.service) }
        read = next
        return snapshot
    }

    private struct Source {
        let name: String
        let blob: BlobReference
        let content: (String) -> [UInt8]?

        func bytes() throws(SnapshotRefusal) -> [UInt8] {
            guard let bytes = content(blob.sha256) else { throw .blobMissing(name) }
            guard bytes.count == blob.size, let hash = try? ContentHash(of: bytes), hash.description == blob.sha256
            else { throw .blobMismatch(name) }
            return bytes
        }
    }

    private mutating func take<Value: Codable>(
        _ source: Source, _ known: [String: Value], _ next: inout [String: Value]
    ) throws(SnapshotRefusal) -> Value {
        let hash = source.blob.sha256
        if let value = known[hash] ?? next[hash] {
            next[hash] = value
            return value
        }
        let value = try BlobCoding.decode(Value.self, try source.bytes(), name: source.name)
        blobsRead += 1
        next[hash] = value
        return value
    }

    /// A key in a shard that is not its own would never be found.
    private static func check(
        _ keys: [SubscriptionKeyEntry], ofShard shard: String, name: String
    ) throws(SnapshotRefusal) {
        for (index, key) in keys.enumerated()
        where KeyedHashValue(hexadecimal: key.keyHash) == nil || !key.keyHash.hasPrefix(shard) {
            throw .unknown(blob: name, path: "\(index)/keyHash")
        }
    }
}
