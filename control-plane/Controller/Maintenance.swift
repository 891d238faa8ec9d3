// `backup`, `restore` and `audit verify`.
internal import ArgumentParser
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
        _ = try ControllerSettings.read(place)
        umask(0o077)
        guard !FileManager.default.fileExists(atPath: to) else {
            throw ProcessFailure(.failed, "\(to) is there already; name a new file")
        }
        let store = try ResourceStore(path: place.database)
        try store.backup(to: to)
        let revision = store.revision
        try store.close()
        print("Wrote \(to): revision \(revision).")
    }
}

struct Restore: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Puts a copy back in the place of the database of a stopped controller.")

    @Option(help: "The controller's directory.") var directory: String
    @Option(help: "The file that backup wrote.") var from: String

    func run() async throws {
        let place = ControllerDirectory(path: directory)
        _ = try ControllerSettings.read(place)
        let lock = try place.takeLock()
        defer { close(lock) }
        guard let copy = FileManager.default.contents(atPath: from) else {
            throw ProcessFailure(.failed, "can't read \(from)")
        }
        let candidate = place.file("restored.db")
        try place.write([UInt8](copy), to: candidate)
        let store = try ResourceStore(path: candidate)
        guard try store.check(), store.revision > 0 else {
            throw ProcessFailure(.failed, "\(from) is no sound copy of a controller's database")
        }
        let revision = store.revision
        // Another ledger than the one that stood here: nodes send it again what it may lack (must-hold H20).
        _ = try await store.write(by: .controller) { try $0.setLedgerIncarnation(nil) }
        try store.close()
        for suffix in ["-wal", "-shm"] {
            unlink(place.database + suffix)
            unlink(candidate + suffix)
        }
        guard rename(candidate, place.database) == 0 else {
            throw ProcessFailure(.failed, "can't replace \(place.database)")
        }
        print("Restored revision \(revision).")
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
            _ = try ControllerSettings.read(place)
            let store = try ResourceStore(path: place.database)
            defer { try? store.close() }
            if let row = try AuditLog.firstBroken(in: store) {
                throw ProcessFailure(.failed, "row \(row) of the audit is not what was written, or is missing")
            }
            print("The audit is whole.")
        }
    }
}
