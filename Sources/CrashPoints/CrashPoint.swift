// CrashPoints names the steps of design.md section 3 at which a kill must do no harm. A debug build dies there when it is
// told to, so that a test tries each step alone; a release build passes them and has nothing of this.
internal import Foundation
internal import Glibc
internal import Synchronization

/// A step that a test can kill the process at: `GATEHOUSE_CRASH_AT=NAME` for the first pass, `NAME:N` for the N-th.
package enum CrashPoint: String, CaseIterable, Sendable {
    // The way of a change, at the controller.
    case changeBeforeCommit = "change.before-commit"
    case changeInTransaction = "change.in-transaction"
    case changeCommitted = "change.committed"
    case publishBefore = "publish.before"
    case publishBlobsKept = "publish.blobs-kept"
    case publishRootKept = "publish.root-kept"
    case publishDataKeyReplaced = "publish.data-key-replaced"
    case enrolCommitted = "enrol.committed"
    // The same way, at a node.
    case nodeEnrolled = "node.enrolled"
    case nodeBlobsWritten = "node.blobs-written"
    case nodeSwapped = "node.swapped"
    case nodeFormerWritten = "node.former-written"
    case nodeRootUnnamed = "node.root-unnamed"
    case nodeRootWritten = "node.root-written"
    case nodeTrustWritten = "node.trust-written"
    case nodeBeforeAcknowledgement = "node.before-acknowledgement"
    // The way of usage.
    case usageCounted = "usage.counted"
    case usageSealed = "usage.sealed"
    case usageBatchWritten = "usage.batch-written"
    case usageBeforeDelivery = "usage.before-delivery"
    case usageCommitted = "usage.committed"
    case usageAcknowledged = "usage.acknowledged"
    case usageDropped = "usage.dropped"
    // Maintenance of a controller's directory.
    case initialiseBeforeSettings = "init.before-settings"
    case migrateBackedUp = "migrate.backed-up"
    case migrateBeforeCommit = "migrate.before-commit"
    case backupCopied = "backup.copied"
    case restoreCopied = "restore.copied"
    case restoreBeforeRename = "restore.before-rename"
    case restoreRenamed = "restore.renamed"
    case rekeyKeyWritten = "rekey.key-written"
    case rekeySealed = "rekey.sealed"
    case rekeyKeyDropped = "rekey.key-dropped"
    case adoptBefore = "adopt.before"
    case adoptCommitted = "adopt.committed"

    /// Dies here by SIGKILL, where that was asked for.
    package func pass() {
        #if DEBUG
        guard let armed = Armed.shared, armed.point == self, armed.isDue() else { return }
        kill(getpid(), SIGKILL)
        #endif
    }
}

#if DEBUG
/// What the environment asks for.
final class Armed: Sendable {
    static let shared = Armed(ProcessInfo.processInfo.environment["GATEHOUSE_CRASH_AT"] ?? "")

    let point: CrashPoint
    private let passesLeft: Atomic<Int>

    /// `NAME` or `NAME:N`; nil for anything else, so that a typing error kills nothing.
    init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard parts.count <= 2, let point = parts.first.flatMap(CrashPoint.init(rawValue:)),
            let passes = parts.count == 2 ? Int(parts[1]) : 1, passes > 0
        else { return nil }
        self.point = point
        passesLeft = Atomic(passes)
    }

    func isDue() -> Bool { passesLeft.subtract(1, ordering: .relaxed).newValue == 0 }
}
#endif
