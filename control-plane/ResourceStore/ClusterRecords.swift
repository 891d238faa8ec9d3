// What the store keeps of the cluster: nodes, blobs and roots of snapshots.
internal import Foundation
internal import GRDB

/// A node that has enrolled.
package struct NodeRecord: Hashable, Sendable {
    package var id: String
    package var gateway: String
    package var label: String
    /// Raw X25519 public key.
    package var sealingKey: [UInt8]
    package var software: String
    package var address: String
    package var created: Double
    package var lastSeen: Double
    package var appliedVersion: Revision
    package var refusedVersion: Revision?
    package var refusedReason: String?
    package var isStopped: Bool
    package var isRevoked: Bool

    package init(
        id: String, gateway: String, label: String, sealingKey: [UInt8], software: String, address: String,
        created: Double
    ) {
        self.id = id
        self.gateway = gateway
        self.label = label
        self.sealingKey = sealingKey
        self.software = software
        self.address = address
        self.created = created
        lastSeen = created
        appliedVersion = 0
        isStopped = false
        isRevoked = false
    }
}

/// A root as it was signed.
package struct SnapshotRecord: Hashable, Sendable {
    package var gateway: String
    package var version: Revision
    package var created: Double
    package var root: [UInt8]
    package var signature: [UInt8]

    package init(gateway: String, version: Revision, created: Double, root: [UInt8], signature: [UInt8]) {
        self.gateway = gateway
        self.version = version
        self.created = created
        self.root = root
        self.signature = signature
    }
}

extension StoreReader {
    package func nodes() throws -> [NodeRecord] {
        try Row.fetchAll(db, sql: "SELECT * FROM node ORDER BY id").map(Self.node)
    }

    package func node(_ id: String) throws -> NodeRecord? {
        try Row.fetchOne(db, sql: "SELECT * FROM node WHERE id = ?", arguments: [id]).map(Self.node)
    }

    private static func node(_ row: Row) -> NodeRecord {
        var node = NodeRecord(
            id: row["id"], gateway: row["gateway"], label: row["label"],
            sealingKey: [UInt8](row["sealing_key"] as Data), software: row["software"], address: row["address"],
            created: row["created"])
        node.lastSeen = row["last_seen"]
        node.appliedVersion = row["applied"]
        node.refusedVersion = row["refused"]
        node.refusedReason = row["refused_reason"]
        node.isStopped = row["stopped"]
        node.isRevoked = row["revoked"]
        return node
    }

    package func blob(_ hash: String) throws -> [UInt8]? {
        try Data.fetchOne(
            db.cachedStatement(sql: "SELECT bytes FROM blob WHERE hash = ?"), arguments: [hash]
        ).map { [UInt8]($0) }
    }

    package func hasBlob(_ hash: String) throws -> Bool {
        try Int.fetchOne(db.cachedStatement(sql: "SELECT 1 FROM blob WHERE hash = ?"), arguments: [hash]) != nil
    }

    /// Newest first.
    package func snapshots(gateway: String, limit: Int) throws -> [SnapshotRecord] {
        try Row.fetchAll(
            db, sql: "SELECT * FROM snapshot WHERE gateway = ? ORDER BY version DESC LIMIT ?",
            arguments: [gateway, limit]
        ).map(Self.snapshot)
    }

    package func snapshot(gateway: String, version: Revision) throws -> SnapshotRecord? {
        try Row.fetchOne(
            db, sql: "SELECT * FROM snapshot WHERE gateway = ? AND version = ?", arguments: [gateway, version]
        ).map(Self.snapshot)
    }

    private static func snapshot(_ row: Row) -> SnapshotRecord {
        SnapshotRecord(
            gateway: row["gateway"], version: row["version"], created: row["created"],
            root: [UInt8](row["root"] as Data), signature: [UInt8](row["signature"] as Data))
    }
}

extension StoreWriter {
    package func putNode(_ node: NodeRecord) throws {
        try db.execute(
            sql: """
                INSERT OR REPLACE INTO node (id, gateway, label, sealing_key, software, address, created, last_seen,
                applied, refused, refused_reason, stopped, revoked) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                node.id, node.gateway, node.label, Data(node.sealingKey), node.software, node.address, node.created,
                node.lastSeen, node.appliedVersion, node.refusedVersion, node.refusedReason, node.isStopped,
                node.isRevoked,
            ])
    }

    package func putBlob(_ hash: String, _ bytes: [UInt8]) throws {
        try db.cachedStatement(
            sql: "INSERT INTO blob (hash, bytes) VALUES (?, ?) ON CONFLICT DO UPDATE SET retired = NULL"
        ).execute(arguments: [hash, Data(bytes)])
    }

    /// The newest roots name these no more, from `version` on. They stay as long as a root that named them is kept.
    package func retireBlobs(_ hashes: some Collection<String>, from version: Revision) throws {
        for hash in hashes {
            try db.cachedStatement(sql: "UPDATE blob SET retired = ? WHERE hash = ?").execute(arguments: [
                version, hash,
            ])
        }
    }

    /// Before everything is made anew: what `putBlob` does not put again is named no more.
    package func retireAllBlobs(from version: Revision) throws {
        try db.execute(sql: "UPDATE blob SET retired = ? WHERE retired IS NULL", arguments: [version])
    }

    /// Forgets blobs that no kept root names: those that were retired before the oldest of them.
    package func dropRetiredBlobs() throws {
        try db.cachedStatement(
            sql: "DELETE FROM blob WHERE retired IS NOT NULL AND retired <= (SELECT min(version) FROM snapshot)"
        ).execute()
    }

    package func putSnapshot(_ snapshot: SnapshotRecord) throws {
        try db.cachedStatement(
            sql: "INSERT OR REPLACE INTO snapshot (gateway, version, created, root, signature) VALUES (?, ?, ?, ?, ?)"
        ).execute(arguments: [
            snapshot.gateway, snapshot.version, snapshot.created, Data(snapshot.root), Data(snapshot.signature),
        ])
    }

    /// Forgets the roots beyond the newest `keep` of a gateway.
    package func dropSnapshots(gateway: String, keep: Int) throws {
        try db.cachedStatement(
            sql: """
                DELETE FROM snapshot WHERE gateway = ? AND version <= (
                    SELECT version FROM snapshot WHERE gateway = ? ORDER BY version DESC LIMIT 1 OFFSET ?)
                """
        ).execute(arguments: [gateway, gateway, keep])
    }
}
