// The one writer: transactions run one after the other, and those that are ready together share one commit.
internal import CrashPoints
internal import Foundation
internal import GRDB
internal import Synchronization

/// Transactions in the order in which they came. Each is a savepoint, so that one that fails undoes itself alone; what
/// waits while the disk syncs goes into the next commit together.
final class CommitQueue: Sendable {
    /// At most this many transactions share a commit.
    private static let batchMax = 256

    private struct State {
        var waiting: [any PendingWrite] = []
        var isRunning = false
    }

    private let pool: DatabasePool
    private let state = Mutex(State())
    private let newest: Atomic<Int64>

    init(pool: DatabasePool) throws {
        self.pool = pool
        newest = Atomic(try pool.read { db in try Int64.fetchOne(db, sql: "SELECT max(revision) FROM change") ?? 0 })
    }

    var revision: Revision { newest.load(ordering: .acquiring) }

    func run<Value: Sendable>(
        by actor: Actor, _ body: @escaping @Sendable (StoreWriter) throws -> Value
    ) async throws -> (value: Value, revision: Revision?) {
        let result: Written<Value> = try await withCheckedThrowingContinuation { continuation in
            let pending = Pending(actor: actor, body: body, continuation: continuation)
            let mustStart = state.withLock { state in
                state.waiting.append(pending)
                defer { state.isRunning = true }
                return !state.isRunning
            }
            if mustStart { drain() }
        }
        return (result.value, result.revision)
    }

    private func drain() {
        pool.asyncWriteWithoutTransaction { db in
            while true {
                let batch = self.state.withLock { state -> [any PendingWrite] in
                    if state.waiting.isEmpty {
                        state.isRunning = false
                        return []
                    }
                    let batch = Array(state.waiting.prefix(Self.batchMax))
                    state.waiting.removeFirst(batch.count)
                    return batch
                }
                if batch.isEmpty { return }
                self.commit(batch, db)
            }
        }
    }

    private func commit(_ batch: [any PendingWrite], _ db: Database) {
        var next = revision
        CrashPoint.changeBeforeCommit.pass()
        do {
            try db.inTransaction(.immediate) {
                for pending in batch {
                    if let made = pending.run(db, revision: next + 1) { next = made }
                    // SQLite undoes the whole transaction where the disk fails (ENOSPC, EIO): nothing of it stands.
                    guard db.isInsideTransaction else {
                        throw StoreFailure(reason: .full, description: "SQLite undid a transaction; the disk failed")
                    }
                }
                CrashPoint.changeInTransaction.pass()
                return .commit
            }
            CrashPoint.changeCommitted.pass()
            newest.store(next, ordering: .releasing)
            for pending in batch { pending.finish(nil) }
        } catch {
            let failure = StoreFailure(error)
            for pending in batch { pending.finish(failure) }
        }
    }
}

private struct Written<Value: Sendable>: Sendable {
    var value: Value
    var revision: Revision?
}

private protocol PendingWrite: Sendable {
    /// Runs in a savepoint. Returns the revision that it made; nil for none.
    func run(_ db: Database, revision: Revision) -> Revision?
    /// After the commit, or its failure.
    func finish(_ failure: StoreFailure?)
}

private final class Pending<Value: Sendable>: PendingWrite {
    private let actor: Actor
    private let body: @Sendable (StoreWriter) throws -> Value
    private let continuation: CheckedContinuation<Written<Value>, any Error>
    private let outcome = Mutex<Result<Written<Value>, any Error>?>(nil)

    init(
        actor: Actor, body: @escaping @Sendable (StoreWriter) throws -> Value,
        continuation: CheckedContinuation<Written<Value>, any Error>
    ) {
        self.actor = actor
        self.body = body
        self.continuation = continuation
    }

    func run(_ db: Database, revision: Revision) -> Revision? {
        let writer = StoreWriter(db: db, actor: actor, revision: revision)
        do {
            var value: Value?
            try db.inSavepoint {
                value = try body(writer)
                return .commit
            }
            guard let value else { throw StoreFailure(reason: .broken, description: "a savepoint did not run") }
            let made = writer.hasChanged ? writer.revision : nil
            outcome.withLock { $0 = .success(Written(value: value, revision: made)) }
            return made
        } catch {
            let reported: any Error = error is DatabaseError ? StoreFailure(error) : error
            outcome.withLock { $0 = .failure(reported) }
            return nil
        }
    }

    func finish(_ failure: StoreFailure?) {
        let outcome = outcome.withLock { $0 }
        switch (outcome, failure) {
        case (.failure(let error), _): continuation.resume(throwing: error)
        case (_, .some(let failure)): continuation.resume(throwing: failure)
        case (.success(let written), nil): continuation.resume(returning: written)
        case (nil, nil):
            continuation.resume(throwing: StoreFailure(reason: .broken, description: "a transaction did not run"))
        }
    }
}
