// ResourceStore keeps everything the controller must not forget, in one SQLite database: resources and their
// revisions, sealed secrets, the audit, nodes, snapshots and the usage ledger. Other rooms see values, never SQL.
internal import CrashPoints
internal import Foundation
internal import GRDB
internal import Synchronization

/// The database of a controller. WAL, synchronous FULL, one writer; writes that wait for the disk together share one
/// commit of SQLite, and each keeps a revision of its own.
package final class ResourceStore: Sendable {
    let pool: DatabasePool
    private let commits: CommitQueue
    private let watchers = Mutex<[UInt64: AsyncStream<Revision>.Continuation]>([:])
    private let watcherNumber = Atomic<UInt64>(0)
    private let readMax: Duration
    /// How long a read may last.
    package static let readMax = Duration.seconds(5)

    /// Opens the database at `path`, and makes it and brings its tables up to date where needed.
    /// `readMax` is how long a read may last (must-hold G47): it keeps the WAL from being emptied.
    /// - Throws: `StoreFailure`.
    package init(path: String, readMax: Duration = ResourceStore.readMax) throws {
        self.readMax = readMax
        var configuration = Configuration()
        configuration.journalMode = .wal
        configuration.foreignKeysEnabled = true
        configuration.busyMode = .timeout(5)
        configuration.maximumReaderCount = 8
        configuration.prepareDatabase { db in
            try db.execute(sql: "PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864")
        }
        do {
            try Schema.migrator.refuseNewer(at: path)
            pool = try DatabasePool(path: path, configuration: configuration)
            try Schema.migrator.migrate(pool, at: path)
            commits = try CommitQueue(pool: pool)
        } catch {
            throw StoreFailure(error)
        }
    }

    /// Opens the database at `path` for reading alone, as it is, also while a controller serves from it.
    /// - Throws: `StoreFailure`.
    package init(reading path: String) throws {
        readMax = Self.readMax
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(5)
        do {
            pool = try DatabasePool(path: path, configuration: configuration)
            commits = try CommitQueue(pool: pool)
        } catch {
            throw StoreFailure(error)
        }
    }

    /// Where the database is.
    package var path: String { pool.path }

    /// The newest revision; 0 before the first commit.
    package var revision: Revision { commits.revision }

    /// Runs `body` on one consistent state of the database. A read that lasts too long is interrupted; one that the
    /// controller makes for itself (`isOurs`) may last as long as it needs.
    package func read<Value: Sendable>(
        isOurs: Bool = false, _ body: @escaping @Sendable (StoreReader) throws -> Value
    ) async throws -> Value {
        let (pool, limit) = (pool, isOurs ? .seconds(600) : readMax)
        do {
            let span = ReadSpan()
            return try await withThrowingTaskGroup(of: Value?.self) { group in
                group.addTask {
                    try await pool.read { db in
                        span.begin()
                        defer { span.end() }
                        return try body(StoreReader(db: db))
                    }
                }
                group.addTask {
                    while let left = span.left(of: limit) { try await Task.sleep(for: left) }
                    return nil
                }
                defer { group.cancelAll() }
                guard let value = try await group.next() ?? nil else {
                    throw StoreFailure(reason: .busy, description: "a read lasted longer than \(limit)")
                }
                return value
            }
        } catch let error as DatabaseError {
            throw StoreFailure(error)
        }
    }

    /// `read` for callers that are not asynchronous.
    package func readNow<Value>(_ body: (StoreReader) throws -> Value) throws -> Value {
        do {
            return try pool.read { db in try body(StoreReader(db: db)) }
        } catch let error as DatabaseError {
            throw StoreFailure(error)
        }
    }

    /// Runs `body` as one transaction, after all that were asked for before. What it throws undoes all it did. All it
    /// changes is one revision; where it changes nothing there is none.
    /// - Returns: the body's value, and the revision it made, or nil.
    package func write<Value: Sendable>(
        by actor: Actor, _ body: @escaping @Sendable (StoreWriter) throws -> Value
    ) async throws -> (value: Value, revision: Revision?) {
        let result = try await commits.run(by: actor, body)
        if let revision = result.revision { announce(revision) }
        return result
    }

    /// The revisions from now on. A slow reader sees the newest alone.
    package func watch() -> AsyncStream<Revision> {
        let number = watcherNumber.add(1, ordering: .relaxed).newValue
        return AsyncStream(bufferingPolicy: .bufferingNewest(1)) { continuation in
            watchers.withLock { $0[number] = continuation }
            continuation.onTermination = { [weak self] _ in
                self?.watchers.withLock { _ = $0.removeValue(forKey: number) }
            }
        }
    }

    private func announce(_ revision: Revision) {
        for continuation in watchers.withLock({ Array($0.values) }) { continuation.yield(revision) }
    }

    /// Whether the file is sound (`PRAGMA integrity_check`).
    package func check() throws -> Bool {
        try pool.read { db in try String.fetchOne(db, sql: "PRAGMA integrity_check") == "ok" }
    }

    /// Writes a copy of the database at `source` to `path`, also while a controller serves from it: one revision, whole,
    /// and synced, or no file. The tables stay as they are, whatever program made them.
    /// - Returns: the copy's revision.
    package static func backup(from source: String, to path: String) throws -> Revision {
        do {
            var configuration = Configuration()
            configuration.busyMode = .timeout(5)
            configuration.readonly = true
            let database = try DatabaseQueue(path: source, configuration: configuration)
            defer { try? database.close() }
            return try Self.copy(database, to: path)
        } catch {
            throw StoreFailure(error)
        }
    }

    static func copy(_ source: some DatabaseReader, to path: String) throws -> Revision {
        let new = path + ".new"
        try? FileManager.default.removeItem(atPath: new)
        var isWhole = false
        defer { if !isWhole { try? FileManager.default.removeItem(atPath: new) } }
        let copy = try DatabaseQueue(path: new)
        try source.backup(to: copy)
        let revision = try copy.writeWithoutTransaction { db in
            // A file that is complete by itself, with no journal beside.
            try db.execute(sql: "PRAGMA journal_mode = DELETE")
            guard try String.fetchOne(db, sql: "PRAGMA integrity_check") == "ok" else {
                throw StoreFailure(reason: .broken, description: "the copy is not sound")
            }
            return try Int64.fetchOne(db, sql: "SELECT max(revision) FROM change") ?? 0
        }
        try copy.close()
        CrashPoint.backupCopied.pass()
        guard rename(new, path) == 0 else {
            throw StoreFailure(reason: .broken, description: "can't name \(path): \(String(cString: strerror(errno)))")
        }
        isWhole = true
        return revision
    }

    /// Takes what was overwritten out of the file, so that nothing sealed with a former key is left in it.
    package func compact() throws {
        do {
            try pool.writeWithoutTransaction { db in
                try db.execute(sql: "VACUUM")
                _ = try db.checkpoint(.truncate)
            }
        } catch {
            throw StoreFailure(error)
        }
    }

    /// Puts the journal into the file, which is then whole by itself, and lets go of it. GRDB closes its readers last, and
    /// those can't do that.
    package func close() throws {
        do {
            if !pool.configuration.readonly {
                try pool.writeWithoutTransaction { db in _ = try db.checkpoint(.truncate) }
            }
            try pool.close()
        } catch {
            throw StoreFailure(error)
        }
    }
}

extension StoreFailure {
    init(_ error: any Error) {
        if let failure = error as? StoreFailure {
            self = failure
            return
        }
        guard let error = error as? DatabaseError else {
            self.init(reason: .broken, description: "the database failed: \(error)")
            return
        }
        let reason: Reason =
            switch error.resultCode {
            case .SQLITE_FULL: .full
            case .SQLITE_READONLY: .readOnly
            case .SQLITE_BUSY, .SQLITE_LOCKED: .busy
            default: .broken
            }
        // No arguments of statements: they may hold what a log must not.
        self.init(reason: reason, description: "SQLite \(error.extendedResultCode): \(error.message ?? "no message")")
    }
}
