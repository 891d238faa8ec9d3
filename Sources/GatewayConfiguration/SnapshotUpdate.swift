// What changed from one root to a later one, told beside the root so that a node that has the former makes the new trees
// itself and asks for nothing. A hint, no more: the root's hashes decide.

/// Changed entries of a tree.
package struct TreeChanges<Value: TreeValue>: Codable, Hashable, Sendable {
    package var put: [String: Value] = [:]
    package var removed: [String] = []

    package init() {}

    /// `changes`: name → value; nil takes the entry out.
    package init(_ changes: [String: Value?]) {
        for (name, value) in changes {
            if let value { put[name] = value } else { removed.append(name) }
        }
        removed.sort()
    }

    /// As `TreeEdit` takes them.
    package var all: [String: Value?] {
        var all: [String: Value?] = put.mapValues { .some($0) }
        for name in removed { all[name] = .some(nil) }
        return all
    }

    package var isEmpty: Bool { put.isEmpty && removed.isEmpty }
    package var count: Int { put.count + removed.count }
}

/// The step from the root with the hash `since`.
package struct SnapshotUpdate: Codable, Hashable, Sendable {
    package var since: String
    package var apis: TreeChanges<BlobReference>?
    package var products: TreeChanges<BlobReference>?
    package var subscriptions: TreeChanges<SubscriptionKey>?
    /// Small blobs that are new, base64 by hash.
    package var blobs: [String: String]

    /// More changes than this are not told: the node fetches what it lacks.
    package static let changesMax = 1000
    /// Bytes of blobs that are told, and of one of them.
    package static let blobBytesMax = 256 << 10
    package static let oneBlobBytesMax = 48 << 10

    package init(since: String) {
        self.since = since
        blobs = [:]
    }

    /// This step and the one after it as one; nil where that would be too much.
    package func followed(by later: SnapshotUpdate) -> SnapshotUpdate? {
        var sum = self
        sum.apis = Self.joined(apis, later.apis)
        sum.products = Self.joined(products, later.products)
        sum.subscriptions = Self.joined(subscriptions, later.subscriptions)
        sum.blobs.merge(later.blobs) { $1 }
        let count = (sum.apis?.count ?? 0) + (sum.products?.count ?? 0) + (sum.subscriptions?.count ?? 0)
        let bytes = sum.blobs.values.reduce(0) { $0 + $1.utf8.count }
        return count <= Self.changesMax && bytes <= Self.blobBytesMax / 3 * 4 ? sum : nil
    }

    private static func joined<Value: TreeValue>(
        _ one: TreeChanges<Value>?, _ other: TreeChanges<Value>?
    ) -> TreeChanges<Value>? {
        guard let one, let other else { return one ?? other }
        return TreeChanges(one.all.merging(other.all) { $1 })
    }
}
