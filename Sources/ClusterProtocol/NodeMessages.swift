package import GatewayConfiguration

// The messages between a node and its controller, all JSON below {nodeUrl}/node/v1/ (contract-details.md section 3).

/// POST enrol, with `Authorization: GatewayKey {gateway}&{expiry}&{signature}`.
package struct EnrolmentRequest: Codable, Hashable, Sendable {
    /// The node's name, a label.
    package var name: String
    /// PKCS#10, PEM: P-256, with the node's X25519 public key as an attribute.
    package var certificateRequest: String
    /// DNS names of the node's host for its https listener, beside localhost and loopback addresses.
    package var hostNames: [String]
    package var software: String

    package init(name: String, certificateRequest: String, hostNames: [String], software: String) {
        self.name = name
        self.certificateRequest = certificateRequest
        self.hostNames = hostNames
        self.software = software
    }
}

/// 201 to an enrolment or a renewal.
package struct EnrolmentAnswer: Codable, Hashable, Sendable {
    package var node: String
    package var gateway: String
    package var service: String
    /// clientAuth, with the URI name `gatehouse:{service}/{gateway}/{node}`; PEM.
    package var certificate: String
    /// serverAuth for the node's https listener, for the same key; PEM.
    package var listenerCertificate: String
    /// The cluster's CA, PEM.
    package var authority: String
    /// Raw Ed25519 public key that signs snapshots, base64.
    package var snapshotKey: String

    package init(
        node: String, gateway: String, service: String, certificate: String, listenerCertificate: String,
        authority: String, snapshotKey: String
    ) {
        self.node = node
        self.gateway = gateway
        self.service = service
        self.certificate = certificate
        self.listenerCertificate = listenerCertificate
        self.authority = authority
        self.snapshotKey = snapshotKey
    }
}

/// POST certificates: a new certificate for the same node, over mutual TLS.
package struct RenewalRequest: Codable, Hashable, Sendable {
    package var certificateRequest: String
    package var hostNames: [String]

    package init(certificateRequest: String, hostNames: [String]) {
        self.certificateRequest = certificateRequest
        self.hostNames = hostNames
    }
}

/// GET snapshots?after=V: an event of the stream (`event: snapshot`, `data:` this JSON on one line). A comment line
/// (`:`) every 5 s shows that the stream lives.
package struct SnapshotEvent: Codable, Hashable, Sendable {
    /// The root's exact bytes, base64.
    package var root: String
    /// Ed25519 over them, base64.
    package var signature: String
    /// The data key that the root names, sealed to this node's X25519 key by HPKE (info
    /// `gatehouse snapshot data key v1`): encapsulated key (32 bytes) and ciphertext, base64.
    package var sealedDataKey: String
    /// What changed since the root that this stream gave before; nil where that is not known, or is too much to tell.
    package var update: SnapshotUpdate?

    package init(root: String, signature: String, sealedDataKey: String, update: SnapshotUpdate? = nil) {
        self.root = root
        self.signature = signature
        self.sealedDataKey = sealedDataKey
        self.update = update
    }
}

/// GET snapshots: the first event of every stream (`event: ledger`). Another incarnation than before is a ledger that
/// was put back to an older state, or adopted: acknowledged batches are sent again (must-hold H20).
package struct LedgerEvent: Codable, Hashable, Sendable {
    package var incarnation: String

    package init(incarnation: String) { self.incarnation = incarnation }
}

/// Every answer below node/v1/ that is no success.
package struct NodeServiceError: Codable, Hashable, Sendable {
    package struct Body: Codable, Hashable, Sendable {
        package var code: String
        package var message: String
    }
    package var error: Body

    package init(code: NodeServiceErrorCode, message: String) {
        error = Body(code: code.rawValue, message: message)
    }
}

/// What `error.code` says.
package enum NodeServiceErrorCode: String, Codable, Hashable, Sendable {
    case badRequest = "BadRequest"
    /// 401: no good certificate, or no good token for an enrolment.
    case unauthenticated = "Unauthenticated"
    /// 403: revoked. The node drains and ends.
    case nodeRevoked = "NodeRevoked"
    /// 403: a certificate of another service or gateway, or no node's.
    case nodeNotAllowed = "NodeNotAllowed"
    /// 403: a node speaks for itself only.
    case notThisNode = "NotThisNode"
    /// 409 to GET snapshots: `after` is beyond the controller's own version; POST roots hands over the root that proves
    /// it (must-hold H18).
    case rootWanted = "RootWanted"
    /// 409 to POST roots: not a root that this controller signed.
    case unknownVersion = "UnknownVersion"
    /// 409: another process has this node's stream and answers (must-hold H28).
    case duplicateNode = "DuplicateNode"
    /// 409 to POST usage: other content under this id.
    case batchConflict = "BatchConflict"
    /// 400 to POST usage: the batch can't be counted; sending it again does not help.
    case badBatch = "BadBatch"
    case badCertificateRequest = "BadCertificateRequest"
    case tooManyRequests = "TooManyRequests"
    case requestTooLarge = "RequestTooLarge"
    case notImplemented = "NotImplemented"
    case internalError = "InternalServerError"
    case notFound = "NotFound"
    case unavailable = "Unavailable"
}

/// POST blobs: at most 1,000 hashes.
package struct BlobRequest: Codable, Hashable, Sendable {
    package var hashes: [String]

    package init(hashes: [String]) { self.hashes = hashes }
}

/// The blobs by hash, base64. A hash that the controller does not have (or that is not this gateway's) is absent.
package struct BlobAnswer: Codable, Hashable, Sendable {
    package var blobs: [String: String]

    package init(blobs: [String: String]) { self.blobs = blobs }
}

/// POST acknowledgements, and every 5 s as a sign of life.
package struct Acknowledgement: Codable, Hashable, Sendable {
    /// Version that serves; 0 for none.
    package var appliedVersion: Int64
    /// Newest version that was refused, with the reason, if that is newer than what serves.
    package var refusedVersion: Int64?
    package var refusedReason: String?
    package var software: String
    /// Whether the node is stopping and need not be waited for.
    package var isStopping: Bool
    /// Trouble that a person should know of ("disk full: usage waits in its segment"); empty for none.
    package var warnings: [String]

    package init(
        appliedVersion: Int64, refusedVersion: Int64?, refusedReason: String?, software: String, isStopping: Bool,
        warnings: [String]
    ) {
        self.appliedVersion = appliedVersion
        self.refusedVersion = refusedVersion
        self.refusedReason = refusedReason
        self.software = software
        self.isStopping = isStopping
        self.warnings = warnings
    }
}
