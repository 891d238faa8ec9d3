package import Cryptography

// The keys of all subscriptions as a node has them: leaf by leaf of their tree, so that a snapshot shares with the one
// before it all leaves but those that changed.

/// Keys whose hashes begin alike, in the order of their hashes.
package final class KeyLeaf: Sendable {
    /// What all hashes begin with, hexadecimal.
    package let prefix: String
    package let hashes: [KeyedHashValue]
    package let keys: [SubscriptionKey]

    /// `hashes` in their order, with what each opens.
    init(prefix: String, hashes: [KeyedHashValue], keys: [SubscriptionKey]) {
        self.prefix = prefix
        self.hashes = hashes
        self.keys = keys
    }

    /// nil where a hash is none.
    package init?(prefix: String, _ entries: [String: SubscriptionKey]) {
        var hashes: [KeyedHashValue] = []
        var keys: [SubscriptionKey] = []
        hashes.reserveCapacity(entries.count)
        keys.reserveCapacity(entries.count)
        for (text, key) in entries.sorted(by: { $0.key < $1.key }) {
            guard let hash = KeyedHashValue(hexadecimal: text) else { return nil }
            hashes.append(hash)
            keys.append(key)
        }
        self.prefix = prefix
        self.hashes = hashes
        self.keys = keys
    }
}

/// All leaves, in the order of their prefixes, which cut the hashes into ranges.
package struct KeyTable: Sendable {
    package let leaves: [KeyLeaf]

    package init(leaves: [KeyLeaf]) { self.leaves = leaves }

    /// A table of one leaf; nil where a hash is none.
    package init?(_ entries: [String: SubscriptionKey]) {
        guard let leaf = KeyLeaf(prefix: "", entries) else { return nil }
        leaves = entries.isEmpty ? [] : [leaf]
    }

    package var count: Int { leaves.reduce(0) { $0 + $1.keys.count } }

    /// Every key.
    package var all: [SubscriptionKey] { leaves.flatMap(\.keys) }
}
