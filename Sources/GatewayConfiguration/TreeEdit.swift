// Changes of a tree: only the nodes on the ways to what changed are made anew. The controller makes trees with this, and
// a node that is told what changed makes the very same ones, for equal entries give equal bytes.

/// What a change made of a tree.
package struct TreeEdit: Sendable {
    /// nil where nothing is left.
    package fileprivate(set) var tree: TreeReference?
    /// Nodes that were made, by hash.
    package fileprivate(set) var fresh: [String: [UInt8]] = [:]
    /// Hashes that the former tree named and this one does not: nodes, and blobs of entries.
    package fileprivate(set) var dropped: Set<String> = []

    fileprivate init() {}

    /// `changes`: name → value; nil takes the entry out. `load` gives a node's bytes; `name` is what refusals call the
    /// tree.
    package init<Value: TreeValue>(
        _ tree: TreeReference?, name: String, changes: [String: Value?],
        load: @escaping (TreeReference) throws -> [UInt8]
    ) throws {
        var editor = TreeEditor<Value>(name: name, load: load)
        self = try editor.edit(tree, changes)
    }
}

/// Edits one tree once.
private struct TreeEditor<Value: TreeValue> {
    private struct Change {
        let way: String
        let name: String
        /// nil takes the entry out.
        let value: Value?
    }

    private let name: String
    private let load: (TreeReference) throws -> [UInt8]
    private var fresh: [String: [UInt8]] = [:]
    private var dropped: Set<String> = []

    init(name: String, load: @escaping (TreeReference) throws -> [UInt8]) {
        self.name = name
        self.load = load
    }

    mutating func edit(_ tree: TreeReference?, _ changes: [String: Value?]) throws -> TreeEdit {
        var list: [Change] = []
        for (entry, value) in changes {
            guard let way = Value.way(to: entry) else { throw SnapshotRefusal.unknown(blob: name, path: entry) }
            list.append(Change(way: way, name: entry, value: value))
        }
        var result = TreeEdit()
        result.tree = try edit(tree, prefix: "", list)
        result.fresh = fresh
        result.dropped = dropped.subtracting(fresh.keys)
        for value in changes.values { if let blob = value?.blob { result.dropped.remove(blob.sha256) } }
        return result
    }

    private mutating func edit(
        _ reference: TreeReference?, prefix: String, _ changes: [Change]
    ) throws -> TreeReference? {
        guard !changes.isEmpty else { return reference }
        guard let reference else { return try make([:], prefix: prefix, with: changes) }
        dropped.insert(reference.sha256)
        switch try TreeNode<Value>.read(try load(reference), of: reference, prefix: prefix, tree: name) {
        case .leaf(let entries): return try make(entries, prefix: prefix, with: changes)
        case .inner(var children):
            for (digit, group) in Self.grouped(changes, depth: prefix.utf8.count) {
                children[digit] = try edit(children[digit], prefix: prefix + digit, group)
            }
            let count = children.values.reduce(0) { $0 + $1.count }
            guard !TreeNode<Value>.isInner(count: count, depth: prefix.utf8.count) else {
                return try keep(.inner(children))
            }
            var entries: [String: Value] = [:]
            for (digit, child) in children { try collect(child, prefix: prefix + digit, into: &entries) }
            return entries.isEmpty ? nil : try keep(.leaf(entries))
        }
    }

    /// Takes a tree apart that has become too small for its form.
    private mutating func collect(
        _ reference: TreeReference, prefix: String, into entries: inout [String: Value]
    ) throws {
        let bytes = try fresh.removeValue(forKey: reference.sha256) ?? load(reference)
        dropped.insert(reference.sha256)
        switch try TreeNode<Value>.read(bytes, of: reference, prefix: prefix, tree: name) {
        case .leaf(let more): entries.merge(more) { $1 }
        case .inner(let children):
            for (digit, child) in children { try collect(child, prefix: prefix + digit, into: &entries) }
        }
    }

    private mutating func make(
        _ former: [String: Value], prefix: String, with changes: [Change]
    ) throws -> TreeReference? {
        var entries = former
        for change in changes {
            if let old = entries[change.name]?.blob { dropped.insert(old.sha256) }
            entries[change.name] = change.value
        }
        guard TreeNode<Value>.isInner(count: entries.count, depth: prefix.utf8.count) else {
            return entries.isEmpty ? nil : try keep(.leaf(entries))
        }
        let all = entries.compactMap { name, value in
            Value.way(to: name).map { Change(way: $0, name: name, value: value) }
        }
        return try spread(all, prefix: prefix)
    }

    private mutating func spread(_ entries: [Change], prefix: String) throws -> TreeReference {
        let depth = prefix.utf8.count
        guard TreeNode<Value>.isInner(count: entries.count, depth: depth) else {
            var leaf: [String: Value] = [:]
            for entry in entries { leaf[entry.name] = entry.value }
            return try keep(.leaf(leaf))
        }
        var children: [String: TreeReference] = [:]
        for (digit, group) in Self.grouped(entries, depth: depth) {
            children[digit] = try spread(group, prefix: prefix + digit)
        }
        return try keep(.inner(children))
    }

    private mutating func keep(_ node: TreeNode<Value>) throws -> TreeReference {
        let (bytes, reference) = try node.encoded()
        fresh[reference.sha256] = bytes
        return reference
    }

    private static func grouped(_ changes: [Change], depth: Int) -> [String: [Change]] {
        Dictionary(grouping: changes) { change in
            let utf8 = change.way.utf8
            let digit = utf8[utf8.index(utf8.startIndex, offsetBy: depth)]
            return String(decoding: [digit], as: UTF8.self)
        }
    }
}
