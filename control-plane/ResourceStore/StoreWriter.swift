// Writing the store: everything that one request changes, with its change rows and its audit row, in one transaction.
internal import Foundation
internal import GRDB
package import JSONDocuments

/// A transaction. Valid inside the closure it was handed to.
package final class StoreWriter {
    package let reader: StoreReader
    package let actor: Actor
    /// The revision that this transaction makes, if it changes anything.
    package private(set) var revision: Revision
    /// The time of all that is written, seconds since 1970.
    package let now: Double
    let db: Database
    private var ordinal = 0

    init(db: Database, actor: Actor, revision: Revision) {
        self.db = db
        self.actor = actor
        self.revision = revision
        reader = StoreReader(db: db)
        now = (Date().timeIntervalSince1970 * 1000).rounded() / 1000
    }

    /// Moves this transaction's revision up to `revision`: the store was put back to an older state, and its nodes have
    /// seen that far (must-hold H18). Only before anything is changed; false where it is not higher.
    package func moveRevision(to revision: Revision) -> Bool {
        guard !hasChanged, revision > self.revision else { return false }
        self.revision = revision
        return true
    }

    /// Whether this transaction has made its revision.
    package var hasChanged: Bool { ordinal > 0 }

    /// What a resource that this transaction writes answers as its ETag.
    package var etag: String {
        var bytes: [UInt8] = []
        for shift in stride(from: 56, through: 0, by: -8) { bytes.append(UInt8(truncatingIfNeeded: revision >> shift)) }
        return "\"\(Data(bytes).base64EncodedString())\""
    }

    /// Makes or replaces a resource. One that stays as it is keeps its ETag and makes no revision, unless `touching` (a
    /// secret of it has changed). `detail` is what the change row says beside.
    @discardableResult
    package func put(
        _ id: ResourceID, kind: String, properties: JSONValue, touching: Bool = false, detail: String = ""
    ) throws -> StoredResource {
        let former = try reader.get(id)
        if let former, !touching, former.properties == properties { return former }
        let resource = StoredResource(
            id: former?.id ?? id, kind: kind, properties: properties, etag: etag, created: former?.created ?? now,
            modified: now, revision: revision)
        try db.cachedStatement(
            sql: """
                INSERT OR REPLACE INTO resource
                (key, path, kind, parent, name, properties, etag, created, modified, revision)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """
        ).execute(arguments: [
            resource.id.key, resource.id.path, kind, resource.id.parent.key, resource.id.name.lowercased(),
            properties.encodedText(), resource.etag, resource.created, resource.modified, revision,
        ])
        try addChange(resource.id, kind: kind, verb: .put, detail: detail)
        return resource
    }

    /// Removes a resource, all below it, and their secrets, references and held values.
    package func delete(_ id: ResourceID, detail: (StoredResource) throws -> String = { _ in "" }) throws {
        for resource in try reader.subtree(id) {
            let told = try detail(resource)
            for table in ["secret WHERE resource", "reference WHERE source", "uniqueness WHERE resource"] {
                try db.cachedStatement(sql: "DELETE FROM \(table) = ?").execute(arguments: [resource.id.key])
            }
            try db.cachedStatement(sql: "DELETE FROM resource WHERE key = ?").execute(arguments: [resource.id.key])
            try addChange(resource.id, kind: resource.kind, verb: .delete, detail: told)
        }
    }

    /// Says that something that depends on this resource must be made anew, without changing it.
    package func addChange(_ id: ResourceID, kind: String, verb: ChangeRow.Verb, detail: String) throws {
        ordinal += 1
        try db.cachedStatement(
            sql: "INSERT INTO change (revision, ordinal, path, kind, verb, detail) VALUES (?, ?, ?, ?, ?, ?)"
        ).execute(arguments: [revision, ordinal, id.path, kind, verb.rawValue, detail])
    }

    package func setSecret(_ id: ResourceID, _ field: String, _ secret: SealedSecret?) throws {
        guard let secret else {
            try db.cachedStatement(sql: "DELETE FROM secret WHERE resource = ? AND field = ?")
                .execute(arguments: [id.key, field])
            return
        }
        try db.cachedStatement(
            sql: "INSERT OR REPLACE INTO secret (resource, field, key_id, sealed) VALUES (?, ?, ?, ?)"
        ).execute(arguments: [id.key, field, secret.keyID, Data(secret.bytes)])
    }

    /// Replaces what a resource refers to.
    package func setReferences(_ id: ResourceID, _ targets: [ResourceID]) throws {
        try db.cachedStatement(sql: "DELETE FROM reference WHERE source = ?").execute(arguments: [id.key])
        for target in Set(targets) {
            try db.cachedStatement(sql: "INSERT INTO reference (source, target) VALUES (?, ?)")
                .execute(arguments: [id.key, target.key])
        }
    }

    /// Replaces the values that a resource alone may hold. Check with `holder(of:in:)` before: a value that another
    /// holds fails the transaction.
    package func setHeldValues(_ id: ResourceID, _ values: [(scope: String, value: String)]) throws {
        try db.cachedStatement(sql: "DELETE FROM uniqueness WHERE resource = ?").execute(arguments: [id.key])
        for (scope, value) in values {
            try db.cachedStatement(sql: "INSERT INTO uniqueness (scope, value, resource) VALUES (?, ?, ?)")
                .execute(arguments: [scope, value, id.key])
        }
    }

    package func setSetting(_ name: String, _ value: String?) throws {
        guard let value else {
            try db.execute(sql: "DELETE FROM setting WHERE name = ?", arguments: [name])
            return
        }
        try db.execute(sql: "INSERT OR REPLACE INTO setting (name, value) VALUES (?, ?)", arguments: [name, value])
    }

    /// Writes a row of the audit. With a revision where this transaction has changed something.
    package func audit(action: String, resource: String, outcome: String, count: Int64 = 1) throws {
        try AuditLog.append(
            db, time: now, revision: hasChanged ? revision : nil, actor: actor, action: action, resource: resource,
            outcome: outcome, count: count)
    }
}
