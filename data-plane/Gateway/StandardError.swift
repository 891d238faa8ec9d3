import Foundation

// Lines for the person who runs the node.

enum StandardError {
    /// One line. Where it can't be written (a log on a full disk, a terminal that is gone) the node goes on without:
    /// `FileHandle.write(_:)` would end the process (must-hold H43).
    static func say(_ line: String) {
        try? FileHandle.standardError.write(contentsOf: Data("gatehouse-gateway: \(line)\n".utf8))
    }
}
