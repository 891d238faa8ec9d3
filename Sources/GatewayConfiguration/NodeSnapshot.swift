package import Cryptography

// A snapshot as the node serves it.

/// Everything that a node serves from. Immutable.
package struct NodeSnapshot: Sendable {
    package var root: SnapshotRoot
    package var service: ServiceConfiguration
    /// In the order of their names in the tree.
    package var apis: [ApiConfiguration]
    package var products: [ProductConfiguration]
    package var keys: KeyTable
    package var backends: [BackendConfiguration]
    package var certificates: [CertificateConfiguration]
    /// By display name.
    package var namedValues: [String: NamedValueConfiguration]
    /// By id.
    package var fragments: [String: PolicyText]
    package var secrets: SnapshotSecrets

    package init(
        root: SnapshotRoot, service: ServiceConfiguration, apis: [ApiConfiguration], products: [ProductConfiguration],
        keys: KeyTable, backends: [BackendConfiguration], certificates: [CertificateConfiguration],
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
