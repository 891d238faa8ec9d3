// Reading of trees: all entries, one entry, all hashes, and what two trees differ in. Equal parts are not looked at.

/// Looks into the trees of a store of blobs.
package struct TreeWalk<Value: TreeValue> {
    private let name: String
    private let load: (TreeReference) throws -> [UInt8]

    /// `load` gives a node's bytes; `name` is what refusals call the tree.
    package init(name: String, load: @escaping (TreeReference) throws -> [UInt8]) {
        self.name = name
        self.load = load
    }

    private func node(_ reference: TreeReference, _ prefix: String) throws -> TreeNode<Value> {
        try TreeNode<Value>.read(try load(reference), of: reference, prefix: prefix, tree: name)
    }

    package func entries(of tree: TreeReference?, prefix: String = "") throws -> [String: Value] {
        guard let tree else { return [:] }
        switch try node(tree, prefix) {
        case .leaf(let entries): return entries
        case .inner(let children):
            var all: [String: Value] = [:]
            all.reserveCapacity(tree.count)
            for (digit, child) in children { all.merge(try entries(of: child, prefix: prefix + digit)) { $1 } }
            return all
        }
    }

    package func value(of entry: String, in tree: TreeReference?) throws -> Value? {
        guard var reference = tree, let way = Value.way(to: entry) else { return nil }
        var prefix = ""
        for digit in way {
            switch try node(reference, prefix) {
            case .leaf(let entries): return entries[entry]
            case .inner(let children):
                prefix.append(digit)
                guard let child = children[String(digit)] else { return nil }
                reference = child
            }
        }
        return nil
    }

    /// Hashes of all blobs of the tree. Leaves whose entries refer to no blob are not loaded.
    package func hashes(of tree: TreeReference?, refersToBlobs: Bool, prefix: String = "") throws -> Set<String> {
        guard let tree else { return [] }
        var hashes: Set = [tree.sha256]
        guard refersToBlobs || tree.count > TreeNode<Value>.leafMax else { return hashes }
        switch try node(tree, prefix) {
        case .leaf(let entries): hashes.formUnion(entries.values.compactMap { $0.blob?.sha256 })
        case .inner(let children):
            for (digit, child) in children {
                hashes.formUnion(
                    try self.hashes(of: child, refersToBlobs: refersToBlobs, prefix: prefix + digit))
            }
        }
        return hashes
    }

    /// Entries that one of two trees alone has; one that changed is in both.
    package func difference(
        _ old: TreeReference?, _ new: TreeReference?, prefix: String = ""
    ) throws -> (old: [String: Value], new: [String: Value]) {
        guard old != new else { return ([:], [:]) }
        if let old, let new, case .inner(let before) = try node(old, prefix),
            case .inner(let after) = try node(new, prefix)
        {
            var found: (old: [String: Value], new: [String: Value]) = ([:], [:])
            for digit in Set(before.keys).union(after.keys) {
                let part = try difference(before[digit], after[digit], prefix: prefix + digit)
                found.old.merge(part.old) { $1 }
                found.new.merge(part.new) { $1 }
            }
            return found
        }
        let before = try entries(of: old, prefix: prefix)
        let after = try entries(of: new, prefix: prefix)
        return (before.filter { after[$0.key] != $0.value }, after.filter { before[$0.key] != $0.value })
    }
}
