internal import ClusterProtocol
internal import CrashPoints
internal import Cryptography
internal import Foundation
internal import GatewayConfiguration

// What a node keeps on disk: keys (mode 0600, made here, never sent), what the controller certified, and what it trusts.
// A file is written under another name, synced and renamed: it is whole or as it was.

/// A file could not be written.
struct DiskFailure: Error, CustomStringConvertible {
    var step: String
    var errno: Int32
    var description: String { "\(step): \(String(cString: strerror(errno)))" }
}

/// Writes that outlive a crash.
enum DurableFile {
    static func makeDirectory(_ path: String) throws(DiskFailure) {
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
            throw DiskFailure(step: "directory", errno: errno)
        }
    }

    static func write(
        _ bytes: [UInt8], to path: String, beforeRename point: CrashPoint? = nil
    ) throws(DiskFailure) {
        let new = path + ".new"
        let descriptor = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw DiskFailure(step: "create", errno: errno) }
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        do {
            try file.write(contentsOf: Data(bytes))
            try file.synchronize()
            try file.close()
        } catch {
            unlink(new)
            throw DiskFailure(step: "write", errno: ENOSPC)
        }
        point?.pass()
        guard rename(new, path) == 0 else {
            let reason = errno
            unlink(new)
            throw DiskFailure(step: "rename", errno: reason)
        }
        synchronizeDirectory(of: path)
    }

    /// Writes a file that is known by its hash, so that half of one is noticed. `synchronize` makes it last.
    static func writeUnsynced(_ bytes: [UInt8], to path: String) throws(DiskFailure) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw DiskFailure(step: "create", errno: errno) }
        defer { close(descriptor) }
        do {
            try FileHandle(fileDescriptor: descriptor, closeOnDealloc: false).write(contentsOf: Data(bytes))
        } catch {
            unlink(path)
            throw DiskFailure(step: "write", errno: ENOSPC)
        }
    }

    /// Returns when the files and their directory are on the disk.
    static func synchronize(_ paths: [String], in directory: String) throws(DiskFailure) {
        guard !paths.isEmpty else { return }
        let folder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { throw DiskFailure(step: "open", errno: errno) }
        defer { close(folder) }
        // Of a first snapshot there are thousands: one pass over everything that waits is faster than as many of one.
        let isMany = paths.count > syncedOneByOneMax
        if isMany { sync() }
        for path in paths where !isMany {
            let descriptor = open(path, O_RDONLY | O_CLOEXEC)
            // One that a later snapshot needs no more may be gone.
            guard descriptor >= 0 else { continue }
            defer { close(descriptor) }
            guard fdatasync(descriptor) == 0 else { throw DiskFailure(step: "sync", errno: errno) }
        }
        guard fsync(folder) == 0 else { throw DiskFailure(step: "sync", errno: errno) }
    }

    /// More files than this are synced with all else that waits.
    private static let syncedOneByOneMax = 64

    static func synchronizeDirectory(of path: String) {
        let directory = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        fsync(descriptor)
        close(descriptor)
    }

    /// nil for a file that is missing, no plain file, or longer than `bytesMax`.
    static func read(_ path: String, bytesMax: Int) -> [UInt8]? {
        // Never waits: a pipe in the file's place opens at once, and is none.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        // A pipe has no end to go to, and a directory none that is near.
        let size = Int(lseek(descriptor, 0, SEEK_END))
        guard (0...bytesMax).contains(size), lseek(descriptor, 0, SEEK_SET) == 0 else { return nil }
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: false)
        guard let data = try? file.read(upToCount: size + 1) ?? Data() else { return nil }
        return data.count == size ? Array(data) : nil
    }
}

/// The node's own keys.
struct NodeKeys: Sendable {
    /// P-256, PKCS#8 PEM.
    let privateKey: String
    let sealingKey: NodeSealingKey

    /// Reads the keys of `directory`, or makes them where there are none. Damaged ones are an error, for the certificate
    /// would not fit new ones.
    init(directory: String) throws {
        let keyPath = "\(directory)/node.key"
        let sealingPath = "\(directory)/sealing.key"
        if let pem = DurableFile.read(keyPath, bytesMax: 16_384) {
            privateKey = String(decoding: pem, as: UTF8.self)
        } else {
            privateKey = P256Key.make()
            try DurableFile.write(Array(privateKey.utf8), to: keyPath)
        }
        if let bytes = DurableFile.read(sealingPath, bytesMax: 32) {
            sealingKey = try NodeSealingKey(secretBytes: bytes)
        } else {
            sealingKey = NodeSealingKey()
            try DurableFile.write(sealingKey.secretBytes, to: sealingPath)
        }
    }

    func request() throws -> CertificateRequest {
        try CertificateRequest.make(privateKey: privateKey, sealingKey: sealingKey.publicKey)
    }
}

/// What the controller said at enrolment or renewal.
struct NodeIdentityFile: Sendable {
    let path: String

    init(directory: String) { path = "\(directory)/identity.json" }

    func read() -> EnrolmentAnswer? {
        DurableFile.read(path, bytesMax: 1 << 20).flatMap {
            try? JSONDecoder().decode(EnrolmentAnswer.self, from: Data($0))
        }
    }

    func write(_ answer: EnrolmentAnswer) throws { try DurableFile.write(BlobCoding.encode(answer), to: path) }
}
