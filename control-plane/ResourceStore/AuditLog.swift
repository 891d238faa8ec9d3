// The audit: rows that name who did what, chained by their hashes so that one taken out or changed is seen.
internal import Cryptography
internal import Foundation
internal import GRDB

package enum AuditLog {
    static func append(
        _ db: Database, time: Double, revision: Revision?, actor: Actor, action: String, resource: String,
        outcome: String, count: Int64
    ) throws {
        let last = try Row.fetchOne(db, sql: "SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1")
        var row = AuditRow(
            sequence: (last?["sequence"] ?? 0) + 1, time: time, revision: revision, actor: actor, action: action,
            resource: resource, outcome: outcome, count: count, hash: "")
        row.hash = try hash(of: row, after: last?["hash"] ?? "")
        try db.cachedStatement(
            sql: """
                INSERT INTO audit (sequence, time, revision, principal, application, action, resource, outcome,
                address, request, count, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """
        ).execute(arguments: [
            row.sequence, row.time, row.revision, actor.principal, actor.application, action, resource, outcome,
            actor.address, actor.request, count, row.hash,
        ])
    }

    static func row(_ row: Row) -> AuditRow {
        AuditRow(
            sequence: row["sequence"], time: row["time"], revision: row["revision"],
            actor: Actor(
                principal: row["principal"], application: row["application"], address: row["address"],
                request: row["request"]), action: row["action"], resource: row["resource"], outcome: row["outcome"],
            count: row["count"], hash: row["hash"])
    }

    /// The hash that a row must have behind a row with this one.
    static func hash(of row: AuditRow, after former: String) throws -> String {
        let parts: [String] = [
            former, String(row.sequence), String(row.time), row.revision.map(String.init) ?? "-", row.actor.principal,
            row.actor.application, row.actor.address, row.actor.request, row.action, row.resource, row.outcome,
            String(row.count),
        ]
        // Lengths before texts, so that no two rows have the same bytes.
        let text = parts.map { "\($0.utf8.count):\($0)" }.joined()
        let digest = try Digest.sha256(Array(text.utf8))
        return digest.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }

    /// The sequence of the first row whose hash is not what it must be, or that is missing; nil where all hold.
    package static func firstBroken(in store: ResourceStore) throws -> Int64? {
        try store.pool.read { db in
            var former = ""
            var expected: Int64 = 1
            let rows = try Row.fetchCursor(db, sql: "SELECT * FROM audit ORDER BY sequence")
            while let next = try rows.next() {
                let row = row(next)
                guard row.sequence == expected, try hash(of: row, after: former) == row.hash else { return expected }
                former = row.hash
                expected += 1
            }
            return nil
        }
    }
}
