// What the store keeps: resources, the rows of a change, who made it, and the conditions of a write.
package import JSONDocuments

/// The number of a commit; the version of the snapshot made from it.
package typealias Revision = Int64

/// A resource as it is stored. Secrets are not in `properties`.
package struct StoredResource: Hashable, Sendable {
    package var id: ResourceID
    /// `apis/operations`: the path without names.
    package var kind: String
    package var properties: JSONValue
    /// Quoted, as it is sent.
    package var etag: String
    /// Seconds since 1970.
    package var created: Double
    package var modified: Double
    /// Of the commit that wrote it last.
    package var revision: Revision

    package init(
        id: ResourceID, kind: String, properties: JSONValue, etag: String, created: Double, modified: Double,
        revision: Revision
    ) {
        self.id = id
        self.kind = kind
        self.properties = properties
        self.etag = etag
        self.created = created
        self.modified = modified
        self.revision = revision
    }

    package var name: String { id.name }
}

/// One resource of a commit.
package struct ChangeRow: Hashable, Sendable {
    package enum Verb: String, Sendable { case put, delete }
    package var revision: Revision
    package var id: ResourceID
    package var kind: String
    package var verb: Verb
    /// What the publisher must know of a resource that is gone: the hashes of a subscription's keys.
    package var detail: String

    package init(revision: Revision, id: ResourceID, kind: String, verb: Verb, detail: String) {
        self.revision = revision
        self.id = id
        self.kind = kind
        self.verb = verb
        self.detail = detail
    }
}

/// Who asks, for the audit.
package struct Actor: Hashable, Sendable {
    /// Object id; empty for the controller itself.
    package var principal: String
    package var application: String
    package var address: String
    package var request: String

    package init(principal: String, application: String, address: String, request: String) {
        self.principal = principal
        self.application = application
        self.address = address
        self.request = request
    }

    package static let controller = Actor(principal: "", application: "", address: "", request: "")
}

/// What a write asks of the resource's ETag.
package enum ETagCondition: Hashable, Sendable {
    case none
    /// `If-Match: *`
    case exists
    /// `If-Match: "…", "…"`
    case matchesOne(of: [String])
    /// `If-None-Match: *`
    case isNew

    /// Whether a resource with this ETag (nil: none is there) may be written.
    package func allows(_ etag: String?) -> Bool {
        switch self {
        case .none, .exists: true
        case .matchesOne(let etags): etag.map(etags.contains) ?? false
        case .isNew: etag == nil
        }
    }
}

/// A sealed secret beside the key that sealed it.
package struct SealedSecret: Hashable, Sendable {
    package var keyID: String
    package var bytes: [UInt8]

    package init(keyID: String, bytes: [UInt8]) {
        self.keyID = keyID
        self.bytes = bytes
    }
}

/// One row of the audit.
package struct AuditRow: Hashable, Sendable {
    package var sequence: Int64
    package var time: Double
    /// nil for a refusal.
    package var revision: Revision?
    package var actor: Actor
    package var action: String
    package var resource: String
    package var outcome: String
    package var count: Int64
    /// SHA-256 over the former row's hash and this row, hexadecimal.
    package var hash: String
}

/// The store failed. `isFull` and `isReadOnly` tell a caller what to do.
package struct StoreFailure: Error, CustomStringConvertible {
    package enum Reason: Sendable {
        case full, readOnly, busy, broken
        /// A later program made the tables.
        case newer
    }
    package var reason: Reason
    /// For the log.
    package var description: String

    package init(reason: Reason, description: String) {
        self.reason = reason
        self.description = description
    }
}
