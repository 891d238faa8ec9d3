// `rekey`: every secret is sealed again under a new key-encryption key.
internal import ArgumentParser
internal import CrashPoints
internal import Cryptography
internal import Foundation
internal import Glibc
internal import Resources
internal import ResourceStore

struct Rekey: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rekey", abstract: "Seals every secret of a stopped controller under a new key-encryption key.",
        discussion:
            "Killed at any moment, the directory starts: the former key stays in the file until nothing is sealed with it. Backups that were made before need the former key."
    )

    @Option(help: "The controller's directory.") var directory: String

    func run() async throws {
        let place = ControllerDirectory(path: directory)
        try place.open()
        let settings = try ControllerSettings.read(place)
        let lock = try place.takeLock()
        defer { close(lock) }
        let keys = try place.readKeyEncryptionKeys()
        let store = try place.openStore()
        defer { try? store.close() }
        let former = try ControllerSecrets.key(in: store, among: keys)
        let serviceID = settings.serviceID
        _ = try store.readNow { try ControllerSecrets.read($0, sealing: former, serviceID: serviceID) }
        let fresh = SealingKey()
        // Both keys lie there while either may be the one in use.
        try place.writeKeyEncryptionKeys([fresh, former])
        CrashPoint.rekeyKeyWritten.pass()
        let count = try await store.write(by: .controller) { writer in
            let count = try ResourceContext.reseal(writer, serviceID: serviceID, from: former, to: fresh)
            try writer.audit(action: "system:rekey", resource: serviceID, outcome: "Succeeded")
            return count
        }.value
        CrashPoint.rekeySealed.pass()
        try place.writeKeyEncryptionKeys([fresh])
        CrashPoint.rekeyKeyDropped.pass()
        try failing("the secrets are under the new key, but the file still has old pages; free the disk and run again")
        {
            try store.compact()
        }
        print(
            "Sealed \(count) secrets under the key \(fresh.id). Backups made before need the key \(former.id): keep your copy of it with them."
        )
    }
}
