// A controller's directory: database, keys, CA. Everything in it is for its owner alone (must-hold G59).
internal import Cryptography
internal import Foundation
internal import Glibc

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
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure("can't write \(temporary)") }
        defer { close(descriptor) }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = Glibc.write(descriptor, Array(rest), rest.count)
            guard count > 0 else { throw failure("can't write \(temporary)") }
            rest = rest.dropFirst(count)
        }
        guard fsync(descriptor) == 0, rename(temporary, path) == 0 else { throw failure("can't write \(path)") }
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

    /// Holds the directory for this process; two controllers on one directory would be two writers.
    func takeLock() throws -> Int32 {
        let descriptor = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure("can't open \(lock)") }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw ProcessFailure(.cannotStart, "\(path) is in use by another controller; stop it first")
        }
        return descriptor
    }

    private func failure(_ what: String) -> ProcessFailure {
        ProcessFailure(.cannotStart, "\(what): \(String(cString: strerror(errno)))")
    }

    /// The key-encryption key: `id:base64`.
    func readKeyEncryptionKey() throws -> SealingKey {
        let text = String(decoding: try readPrivate(keyEncryptionKey, what: "the key-encryption key"), as: UTF8.self)
        let parts = text.trimmingCharacters(in: .whitespacesAndNewlines).split(separator: ":").map(String.init)
        guard parts.count == 2, let bytes = Data(base64Encoded: parts[1]),
            let key = try? SealingKey(id: parts[0], bytes: [UInt8](bytes))
        else {
            throw ProcessFailure(
                .cannotStart, "the key-encryption key in \(keyEncryptionKey) is not readable; put the right file back")
        }
        return key
    }
}
