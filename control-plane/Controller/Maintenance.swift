// `backup`, `restore` and `audit verify`.
internal import ArgumentParser
internal import CrashPoints
internal import Cryptography
internal import Foundation
internal import Glibc
internal import ResourceStore

struct Backup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Writes a copy of the database while the controller serves.",
        discussion: "Keep the key-encryption key and the CA apart: the copy's secrets are sealed with the former.")

    @Option(help: "The controller's directory.") var directory: String
    @Option(help: "The file to write; it must not be there yet.") var to: String

    func run() async throws {
        let place = ControllerDirectory(path: directory)
        try place.open()
        _ = try ControllerSettings.read(place)
        try place.expectDatabase()
        guard !FileManager.default.fileExists(atPath: to) else {
            throw ProcessFailure(.failed, "\(to) is there already; name a new file")
        }
        let revision = try failing("can't write \(to)") { try ResourceStore.backup(from: place.database, to: to) }
        ControllerDirectory.syncFolder(of: to)
        print("Wrote \(to): revision \(revision). It holds no key: keep \(place.keyEncryptionKey) too, elsewhere.")
    }
}

struct Restore: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Puts a copy back in the place of the database of a stopped controller.")

    @Option(help: "The controller's directory.") var directory: String
    @Option(help: "The file that backup wrote.") var from: String

    func run() async throws {
        let place = ControllerDirectory(path: directory)
        try place.open()
        let settings = try ControllerSettings.read(place)
        let lock = try place.takeLock()
        defer { close(lock) }
        let keys = try place.readKeyEncryptionKeys()
        let candidate = place.file("restored.db")
        place.remove(candidate)
        guard FileManager.default.fileExists(atPath: from) else { throw ProcessFailure(.failed, "there is no \(from)") }
        let revision = try failing("\(from) is no sound copy of a controller's database") {
            try ResourceStore.backup(from: from, to: candidate)
        }
        CrashPoint.restoreCopied.pass()
        do {
            try await prepare(candidate, settings, keys)
        } catch {
            place.remove(candidate)
            throw error
        }
        CrashPoint.restoreBeforeRename.pass()
        // What the former database has in its journal belongs to it alone: it is put into it, so that a kill leaves
        // either one whole. One that is too damaged for that goes with its journal.
        try? ResourceStore(path: place.database).close()
        for suffix in ["-wal", "-shm"] { unlink(place.database + suffix) }
        ControllerDirectory.syncFolder(of: place.database)
        guard rename(candidate, place.database) == 0 else {
            throw ProcessFailure(.failed, "can't replace \(place.database)")
        }
        CrashPoint.restoreRenamed.pass()
        ControllerDirectory.syncFolder(of: place.database)
        place.remove(candidate)
        print("Restored revision \(revision).")
    }

    private func prepare(_ candidate: String, _ settings: ControllerSettings, _ keys: [SealingKey]) async throws {
        let store = try failing("\(from) is no copy of a controller's database") { try ResourceStore(path: candidate) }
        do {
            let sealing = try ControllerSecrets.key(in: store, among: keys)
            _ = try store.readNow { try ControllerSecrets.read($0, sealing: sealing, serviceID: settings.serviceID) }
            _ = try await store.write(by: .controller) { writer in
                // Another ledger than the one that stood here: nodes send it again what it may lack (must-hold H20).
                try writer.setLedgerIncarnation(nil)
                // It stands here because somebody put it here; it is no copy that slipped in (must-hold H48).
                try writer.setSetting(Adoption.setting, nil)
            }
            try store.close()
        } catch {
            try? store.close()
            throw error
        }
    }
}

struct Audit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit", abstract: "Looks after the audit.", subcommands: [Verify.self])

    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "verify", abstract: "Checks that no row of the audit was changed or taken out.")

        @Option(help: "The controller's directory.") var directory: String

        func run() async throws {
            let place = ControllerDirectory(path: directory)
            try place.open()
            _ = try ControllerSettings.read(place)
            try place.expectDatabase()
            let store = try failing("can't read \(place.database)") { try ResourceStore(reading: place.database) }
            defer { try? store.close() }
            if let row = try AuditLog.firstBroken(in: store) {
                throw ProcessFailure(.failed, "row \(row) of the audit is not what was written, or is missing")
            }
            print("The audit is whole.")
        }
    }
}

/// Runs `body`; what the store says ends the process with status 1 and this line.
func failing<Value>(_ what: String, _ body: () throws -> Value) throws -> Value {
    do {
        return try body()
    } catch let failure as StoreFailure {
        throw ProcessFailure(.failed, "\(what): \(failure)")
    }
}
