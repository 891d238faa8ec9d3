// A tree as a node has read it: immutable, and shared from snapshot to snapshot where nothing changed.

/// A node of a tree with all below it.
final class TreeImage<Leaf: Sendable>: Sendable {
    let reference: TreeReference
    /// By digit; none for a leaf.
    let children: [String: TreeImage]
    let leaf: Leaf?
    /// Hashes of the blobs that a leaf's entries refer to.
    let blobs: [String]

    init(_ reference: TreeReference, children: [String: TreeImage]) {
        self.reference = reference
        self.children = children
        leaf = nil
        blobs = []
    }

    init(_ reference: TreeReference, leaf: Leaf, blobs: [String]) {
        self.reference = reference
        children = [:]
        self.leaf = leaf
        self.blobs = blobs
    }

    /// All leaves in the order of the ways to them.
    var leaves: [Leaf] {
        if let leaf { return [leaf] }
        return children.sorted { $0.key < $1.key }.flatMap(\.value.leaves)
    }

    /// Adds the hashes of all blobs of the tree.
    func addHashes(to hashes: inout Set<String>) {
        hashes.insert(reference.sha256)
        hashes.formUnion(blobs)
        for child in children.values { child.addHashes(to: &hashes) }
    }

    /// Adds the hashes that one of two trees alone may name.
    static func addDifference(
        _ old: TreeImage?, _ new: TreeImage?, dropped: inout Set<String>, added: inout Set<String>
    ) {
        guard old?.reference != new?.reference else { return }
        guard let old, let new, old.leaf == nil, new.leaf == nil else {
            old?.addHashes(to: &dropped)
            new?.addHashes(to: &added)
            return
        }
        dropped.insert(old.reference.sha256)
        added.insert(new.reference.sha256)
        for digit in Set(old.children.keys).union(new.children.keys) {
            addDifference(old.children[digit], new.children[digit], dropped: &dropped, added: &added)
        }
    }
}

extension TreeImage where Leaf == [String: BlobReference] {
    /// Entries of the parts of two trees that are not the same: what the old one had there, and what the new one has.
    static func changes(
        from old: TreeImage?, to new: TreeImage?
    ) -> (gone: [String: BlobReference], put: [String: BlobReference]) {
        var (gone, put): ([String: BlobReference], [String: BlobReference]) = ([:], [:])
        addChanges(old, new, &gone, &put)
        return (gone, put)
    }

    private static func addChanges(
        _ old: TreeImage?, _ new: TreeImage?, _ gone: inout [String: BlobReference],
        _ put: inout [String: BlobReference]
    ) {
        guard old?.reference != new?.reference else { return }
        guard let old, let new, old.leaf == nil, new.leaf == nil else {
            for leaf in old?.leaves ?? [] { gone.merge(leaf) { $1 } }
            for leaf in new?.leaves ?? [] { put.merge(leaf) { $1 } }
            return
        }
        for digit in Set(old.children.keys).union(new.children.keys) {
            addChanges(old.children[digit], new.children[digit], &gone, &put)
        }
    }
}
