import Glibc

// The access log's file: whole lines or none of a line, and a new file where the old one was moved or removed
// (must-hold H59). Used by the log's writer thread alone.

struct LogFile {
    private var descriptor: Int32
    /// nil where it can't be opened anew: standard output.
    private let path: String?
    /// The end of a line whose beginning is in the file already.
    private var rest: ArraySlice<UInt8> = []

    /// Standard output.
    static let standardOutput = LogFile(descriptor: STDOUT_FILENO, path: nil)

    private init(descriptor: Int32, path: String?) {
        self.descriptor = descriptor
        self.path = path
    }

    /// Opens the file for appending, made where it is not there; nil where that is not allowed.
    init?(path: String) {
        guard let opened = Self.open(path) else { return nil }
        self.init(descriptor: opened, path: path)
    }

    private static func open(_ path: String) -> Int32? {
        let descriptor = Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o600)
        return descriptor >= 0 ? descriptor : nil
    }

    mutating func close() {
        if path != nil { Glibc.close(descriptor) }
    }

    /// Writes whole lines; returns how many of them are lost, because the disk is full or the reader is gone.
    mutating func write(_ lines: [UInt8]) -> UInt64 {
        followName()
        rest = put(rest)
        guard rest.isEmpty else { return Self.count(lines[...]) }
        let left = put(lines[...])
        guard !left.isEmpty else { return 0 }
        // Of a line that was begun the end is kept, so that what follows it begins a line of its own.
        let isBegun = left.startIndex > lines.startIndex && lines[left.startIndex - 1] != UInt8(ascii: "\n")
        guard isBegun, let end = left.firstIndex(of: UInt8(ascii: "\n")) else { return Self.count(left) }
        rest = left[...end]
        return Self.count(left[(end + 1)...])
    }

    /// What could not be written.
    private func put(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var left = bytes
        while !left.isEmpty {
            let piece = Array(left.prefix(1 << 20))
            let count = Glibc.write(descriptor, piece, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            left = left.dropFirst(count)
        }
        return left
    }

    /// A log that was rotated away is followed by a new one of the same name; nobody has to send a signal.
    private mutating func followName() {
        guard let path else { return }
        var named = stat()
        var own = stat()
        let isSame =
            stat(path, &named) == 0 && fstat(descriptor, &own) == 0 && named.st_ino == own.st_ino
            && named.st_dev == own.st_dev
        guard !isSame, let opened = Self.open(path) else { return }
        Glibc.close(descriptor)
        descriptor = opened
        rest = []
    }

    private static func count(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reduce(0) { $1 == UInt8(ascii: "\n") ? $0 + 1 : $0 }
    }
}
