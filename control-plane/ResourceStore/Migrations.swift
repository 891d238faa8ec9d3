// Brings the tables up to date: every step that a database lacks in one transaction, with a copy of what was there
// beside it, and no step back (must-hold H56).
internal import CrashPoints
internal import Foundation
internal import GRDB

/// The steps from an empty database to today's tables. Which ones a database has is written in it, in the table that
/// GRDB's migrator uses; that one commits each step alone, and these go together.
struct Migrations {
    private var steps: [(name: String, body: (Database) throws -> Void)] = []

    var newest: String { steps.last?.name ?? "" }

    mutating func registerMigration(_ name: String, _ body: @escaping (Database) throws -> Void) {
        steps.append((name, body))
    }

    /// Looks without touching anything, for a pool writes as it opens.
    /// - Throws: `StoreFailure` with reason `.newer` where a later program made the tables.
    func refuseNewer(at path: String) throws {
        guard FileManager.default.fileExists(atPath: path) else { return }
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(5)
        let database = try DatabaseQueue(path: path, configuration: configuration)
        defer { try? database.close() }
        let unknown = try database.read(Self.done).subtracting(steps.map(\.name))
        if !unknown.isEmpty { throw newer(unknown, path) }
    }

    func migrate(_ pool: DatabasePool, at path: String) throws {
        let done = try pool.read(Self.done)
        let missing = steps.filter { !done.contains($0.name) }
        guard let first = missing.first else { return }
        if !done.isEmpty {
            _ = try ResourceStore.copy(pool, to: Self.backup(of: path, before: first.name))
            CrashPoint.migrateBackedUp.pass()
        }
        try pool.write { db in
            try db.execute(
                sql: "CREATE TABLE IF NOT EXISTS grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY)")
            for step in missing {
                try step.body(db)
                try db.execute(sql: "INSERT INTO grdb_migrations (identifier) VALUES (?)", arguments: [step.name])
            }
            CrashPoint.migrateBeforeCommit.pass()
        }
    }

    private static func done(_ db: Database) throws -> Set<String> {
        guard try db.tableExists("grdb_migrations") else { return [] }
        return try Set(String.fetchAll(db, sql: "SELECT identifier FROM grdb_migrations"))
    }

    /// `store.db.before-5`: what it was before step 5.
    private static func backup(of path: String, before step: String) -> String {
        "\(path).before-\(number(step))"
    }

    private static func number(_ step: String) -> String { String(step.prefix { $0 != " " }) }

    private func newer(_ unknown: Set<String>, _ path: String) -> StoreFailure {
        let theirs = unknown.max { (Int(Self.number($0)) ?? 0) < (Int(Self.number($1)) ?? 0) } ?? ""
        let next = (Int(Self.number(newest)) ?? 0) + 1
        let backup = "\(path).before-\(next)"
        let isThere = FileManager.default.fileExists(atPath: backup)
        return StoreFailure(
            reason: .newer,
            description:
                "its tables are of version \(Self.number(theirs)), this program knows version \(Self.number(newest)); "
                + "run the newer program, or put back \(isThere ? backup : "a backup that was made before the upgrade")"
        )
    }
}
