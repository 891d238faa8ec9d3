// Names of resources: the path below the service, compared without regard to case.

internal import Foundation

/// A resource's path below the service (`/apis/echo/operations/get`; the service itself is the empty path). ARM ids are
/// this behind the service's own id. Equal without regard to case; the spelling it was made with is kept.
package struct ResourceID: Sendable, CustomStringConvertible {
    /// As written, decoded.
    package let path: String
    /// What it is found by.
    package let key: String

    package init(path: String) {
        self.path = path
        key = path.lowercased()
    }

    package static let service = ResourceID(path: "")

    /// Whether a text is spelled as ids are: in Unicode's normal form C. Any other spelling would be equal to an id for one
    /// reader (Swift's `==` is canonical equivalence) and another name for the next (SQLite compares bytes): must-hold G15.
    package static func isNormalised(_ text: some StringProtocol) -> Bool {
        text.utf8.allSatisfy { $0 < 0x80 }
            || text.utf8.elementsEqual(text.precomposedStringWithCanonicalMapping.utf8)
    }

    package var description: String { path }

    /// The last segment; empty for the service.
    package var name: String { String(path[(path.lastIndex(of: "/").map(path.index(after:)) ?? path.endIndex)...]) }

    /// The resource that this one is in: two segments shorter.
    package var parent: ResourceID {
        let segments = path.split(separator: "/", omittingEmptySubsequences: true)
        return ResourceID(path: segments.dropLast(2).map { "/\($0)" }.joined())
    }

    /// Segments without slashes: kinds at even places, names at odd ones.
    package var segments: [Substring] { path.split(separator: "/", omittingEmptySubsequences: true) }

    package func appending(_ kind: String, _ name: String) -> ResourceID {
        ResourceID(path: "\(path)/\(kind)/\(name)")
    }
}

extension ResourceID: Hashable {
    package static func == (left: Self, right: Self) -> Bool { left.key == right.key }
    package func hash(into hasher: inout Hasher) { hasher.combine(key) }
}
