// A controller's directory: database, keys, CA. Everything in it is for its owner alone (must-hold G59).
internal import CLinux
internal import Cryptography
internal import Foundation
internal import Glibc
internal import ResourceStore

struct ControllerDirectory {
    let path: String

    var database: String { file("store.db") }
    var keyEncryptionKey: String { file("kek") }
    var authority: String { file("ca.pem") }
    var authorityKey: String { file("ca.key") }
    var owner: String { file("owner.json") }
    var settings: String { file("settings.json") }
    var lock: String { file("lock") }

    func file(_ name: String) -> String { "\(path)/\(name)" }

    var isInitialised: Bool { FileManager.default.fileExists(atPath: settings) }

    /// Checks that the directory is there and ours alone.
    func open() throws {
        umask(0o077)
        var status = stat()
        guard lstat(path, &status) == 0 else {
            throw ProcessFailure(
                .cannotStart, "there is no directory \(path); run: gatehouse-controller init --directory \(path)")
        }
        try check(status)
    }

    /// A database that is missing is not made anew: what it held is elsewhere.
    func expectDatabase() throws {
        guard FileManager.default.fileExists(atPath: database) else {
            throw ProcessFailure(
                .cannotStart,
                "the database is missing: \(database). Put a backup back with: gatehouse-controller restore")
        }
    }

    func openStore() throws -> ResourceStore {
        try expectDatabase()
        do {
            return try ResourceStore(path: database)
        } catch {
            throw ProcessFailure(.cannotStart, "can't open \(database): \(error)")
        }
    }

    /// Removes a database with all that lies beside it.
    func remove(_ database: String) {
        let name = database.split(separator: "/").last.map(String.init) ?? ""
        for entry in (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [] where entry.hasPrefix(name) {
            unlink(file(entry))
        }
    }

    /// Makes the directory, or checks that what is there is ours alone.
    func prepare() throws {
        umask(0o077)
        var status = stat()
        if lstat(path, &status) == 0 {
            try check(status)
        } else {
            do {
                try FileManager.default.createDirectory(
                    atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            } catch {
                throw ProcessFailure(.cannotStart, "can't make the directory \(path): \(error.localizedDescription)")
            }
        }
    }

    private func check(_ status: stat) throws {
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw ProcessFailure(
                .cannotStart, "\(path) is no directory; name one that is, or one that is not there yet")
        }
        guard status.st_uid == geteuid() else {
            throw ProcessFailure(.cannotStart, "\(path) belongs to another user; run as its owner")
        }
        guard status.st_mode & 0o077 == 0 else {
            throw ProcessFailure(.cannotStart, "\(path) is open to others; run: chmod 700 \(path)")
        }
    }

    /// Writes a file of mode 0600, whole or not at all.
    func write(_ bytes: [UInt8], to path: String) throws {
        let temporary = path + ".new"
        unlink(temporary)
        let descriptor = Glibc.open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure("can't write \(temporary)") }
        defer { close(descriptor) }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = Glibc.write(descriptor, Array(rest), rest.count)
            guard count > 0 else { throw failure("can't write \(temporary)") }
            rest = rest.dropFirst(count)
        }
        guard fsync(descriptor) == 0, rename(temporary, path) == 0 else { throw failure("can't write \(path)") }
        Self.syncFolder(of: path)
    }

    /// A name that was given or taken outlives a loss of power once its folder is synced.
    static func syncFolder(of path: String) {
        let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        let descriptor = Glibc.open(folder.isEmpty ? "/" : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        fsync(descriptor)
        close(descriptor)
    }

    /// Reads a file of ours that must be for the owner alone.
    func readPrivate(_ path: String, what: String) throws -> [UInt8] {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            throw ProcessFailure(
                .cannotStart,
                "\(what) is missing: \(path). Put it back from where you keep it; without it nothing sealed can be opened"
            )
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw ProcessFailure(.cannotStart, "\(path) is no ordinary file")
        }
        guard status.st_uid == geteuid(), status.st_mode & 0o077 == 0 else {
            throw ProcessFailure(.cannotStart, "\(path) is open to others; run: chmod 600 \(path)")
        }
        guard let data = FileManager.default.contents(atPath: path) else { throw failure("can't read \(path)") }
        return [UInt8](data)
    }

    /// Holds the directory for this process; two controllers on one directory would be two writers. The kernel lets go
    /// of the lock with the process; the number in the file is for people alone.
    func takeLock() throws -> Int32 {
        let descriptor = Glibc.open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw failure("can't open \(lock)") }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let reason = errno
            close(descriptor)
            guard reason == EWOULDBLOCK else {
                throw ProcessFailure(
                    .cannotStart,
                    "locks do not work in \(path) (\(String(cString: strerror(reason)))); use a local file system")
            }
            let holder = String(decoding: FileManager.default.contents(atPath: lock) ?? Data(), as: UTF8.self)
            let process = Int32(holder.trimmingCharacters(in: .whitespacesAndNewlines)).map { "process \($0)" }
            throw ProcessFailure(
                .cannotStart, "\(path) is in use by \(process ?? "another controller"); stop it first")
        }
        let number = Array("\(getpid())\n".utf8)
        guard ftruncate(descriptor, 0) == 0, pwrite(descriptor, number, number.count, 0) == number.count else {
            close(descriptor)
            throw failure("can't write \(lock)")
        }
        return descriptor
    }

    /// What a copy of this directory does not have: the lock file's number and the time it was made. The lock file
    /// stays as long as the directory does.
    func identity() throws -> String {
        var status = stat()
        guard lstat(lock, &status) == 0 else { throw failure("can't look at \(lock)") }
        return "\(status.st_ino):\(clinux_file_birth(lock))"
    }

    private func failure(_ what: String) -> ProcessFailure {
        ProcessFailure(.cannotStart, "\(what): \(String(cString: strerror(errno)))")
    }

    /// The key-encryption keys, `id:base64` a line: one, and while `rekey` is on its way the new one before it.
    func readKeyEncryptionKeys() throws -> [SealingKey] {
        let text = String(decoding: try readPrivate(keyEncryptionKey, what: "the key-encryption key"), as: UTF8.self)
        return try text.split(whereSeparator: \.isNewline).map { line in
            let parts = line.trimmingCharacters(in: .whitespaces).split(separator: ":").map(String.init)
            guard parts.count == 2, let bytes = Data(base64Encoded: parts[1]),
                let key = try? SealingKey(id: parts[0], bytes: [UInt8](bytes))
            else {
                throw ProcessFailure(
                    .cannotStart,
                    "the key-encryption key in \(keyEncryptionKey) is not readable; put the right file back")
            }
            return key
        }
    }

    func writeKeyEncryptionKeys(_ keys: [SealingKey]) throws {
        let lines = keys.map { "\($0.id):\(Data($0.secretBytes).base64EncodedString())\n" }
        try write(Array(lines.joined().utf8), to: keyEncryptionKey)
    }
}
