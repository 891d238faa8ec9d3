// The root of a snapshot: which blobs a version of the configuration consists of, signed over its exact bytes.

/// A snapshot's root (docs/decisions/0008-snapshot-tree.md). Its bytes are JSON with sorted keys; the signature is Ed25519
/// over them.
package struct SnapshotRoot: Codable, Hashable, Sendable {
    /// 1 named every blob. A node refuses a root of another format than this.
    package static let currentFormat = 2

    package var format: Int
    /// ARM id of the service, as created.
    package var service: String
    /// Name of the gateway whose nodes this root is for (`default` serves every API).
    package var gateway: String
    /// The store's revision.
    package var version: Int64
    /// ISO 8601, UTC.
    package var created: String
    /// SHA-256 (hexadecimal) of the bytes of this gateway's former root; nil for the first.
    package var previous: String?
    /// Raw Ed25519 public key, base64. Where it differs from the key that signed, it is the key from the next root on.
    package var signingKey: String
    /// The data key that the blob `secrets` is sealed with.
    package var dataKey: String
    /// Hash of the newest audit row (must-hold G63).
    package var auditHead: String
    /// Name → content. Names: see `BlobName`.
    package var blobs: [String: BlobReference]
    /// Name → top node; an empty tree is left out. Names: see `TreeName`.
    package var trees: [String: TreeReference]

    package init(
        service: String, gateway: String, version: Int64, created: String, previous: String?, signingKey: String,
        dataKey: String, auditHead: String, blobs: [String: BlobReference], trees: [String: TreeReference]
    ) {
        format = Self.currentFormat
        self.service = service
        self.gateway = gateway
        self.version = version
        self.created = created
        self.previous = previous
        self.signingKey = signingKey
        self.dataKey = dataKey
        self.auditHead = auditHead
        self.blobs = blobs
        self.trees = trees
    }
}

/// What a blob must hash to, and how long it is.
package struct BlobReference: Codable, Hashable, Sendable {
    /// SHA-256 in lower-case hexadecimal.
    package var sha256: String
    /// Bytes.
    package var size: Int

    package init(sha256: String, size: Int) {
        self.sha256 = sha256
        self.size = size
    }
}

/// A root as it travels and as it lies on a node's disk.
package struct SignedRoot: Codable, Hashable, Sendable {
    /// The root's exact bytes, base64.
    package var root: String
    /// Ed25519 signature over those bytes, base64.
    package var signature: String

    package init(root: String, signature: String) {
        self.root = root
        self.signature = signature
    }
}

/// Names of blobs in a root.
package enum BlobName {
    /// `ServiceConfiguration`
    package static let service = "service"
    /// `[BackendConfiguration]`
    package static let backends = "backends"
    /// `[CertificateConfiguration]`
    package static let certificates = "certificates"
    /// `[String: NamedValueConfiguration]` by display name
    package static let namedValues = "named-values"
    /// `[String: PolicyText]` by fragment id
    package static let fragments = "fragments"
    /// `SnapshotSecrets`, sealed with the root's data key (AES-256-GCM: 12 bytes nonce, ciphertext, 16 bytes tag;
    /// associated data is `secrets`)
    package static let secrets = "secrets"

    package static let all = [service, backends, certificates, namedValues, fragments, secrets]
}

/// Names of trees in a root.
package enum TreeName {
    /// `ApiConfiguration`s by name with revision (`echo`, `echo;rev=2`)
    package static let apis = "apis/"
    /// `ProductConfiguration`s by name
    package static let products = "products/"
    /// `SubscriptionKey`s by the key's hash
    package static let subscriptions = "subscriptions/"

    package static let all = [apis, products, subscriptions]
}
