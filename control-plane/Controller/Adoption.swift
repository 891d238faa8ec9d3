// A controller's directory that was copied starts only when it is told to (must-hold H48): two controllers of one service
// would lead the same nodes apart and count the same usage twice.
internal import CrashPoints
internal import Cryptography
internal import Foundation
internal import ResourceStore

enum Adoption {
    /// Where the database keeps which directory it stands in.
    static let setting = "directory"

    /// Checks that the database stands in the directory it was used in; a copy is refused, or made its own. Nothing is
    /// changed where it is refused.
    static func check(_ place: ControllerDirectory, _ store: ResourceStore, adopt: Bool, serviceID: String) async throws
    {
        let here = try place.identity()
        let known = try store.readNow { try $0.setting(setting) }
        guard known != here else { return }
        guard known == nil || adopt else {
            throw ProcessFailure(
                .cannotStart,
                "\(place.path) is a copy of another controller's directory; where that one is gone for good, start with --adopt"
            )
        }
        CrashPoint.adoptBefore.pass()
        _ = try await store.write(by: .controller) { writer in
            try writer.setSetting(setting, here)
            guard known != nil else { return }
            // What the original goes on to count is not in here: another ledger.
            try writer.setLedgerIncarnation(Hexadecimal.encode(SecureRandom.bytes(16)))
            try writer.audit(action: "system:adopt", resource: serviceID, outcome: "Succeeded")
        }
        CrashPoint.adoptCommitted.pass()
    }
}
