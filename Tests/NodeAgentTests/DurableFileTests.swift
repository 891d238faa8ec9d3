import Foundation
import Glibc
import Testing

@testable import NodeAgent

@Suite struct DurableFileTests {
    @Test func onlyAPlainFileOfBoundedLengthIsRead() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        func path(_ name: String) -> String { folder.appending(path: name).path() }
        let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 * 7) }
        try DurableFile.write(bytes, to: path("file"))
        try DurableFile.write([], to: path("empty"))
        #expect(DurableFile.read(path("file"), bytesMax: bytes.count) == bytes)
        #expect(DurableFile.read(path("file"), bytesMax: bytes.count - 1) == nil)
        #expect(DurableFile.read(path("empty"), bytesMax: 0) == [])
        #expect(DurableFile.read(path("missing"), bytesMax: 10) == nil)
        #expect(DurableFile.read(folder.path(), bytesMax: 1 << 20) == nil, "a directory")
        #expect(symlink(path("file"), path("link")) == 0)
        #expect(DurableFile.read(path("link"), bytesMax: bytes.count) == nil, "a link")
        #expect(mkfifo(path("pipe"), 0o600) == 0)
        #expect(DurableFile.read(path("pipe"), bytesMax: 10) == nil, "a pipe that nobody writes to")
    }
}
