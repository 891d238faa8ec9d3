// The trees of a snapshot: thousands of names in small blobs, so that a change of one touches few of them. Which blobs
// there are follows from the entries alone, not from the way they came (docs/decisions/0008-snapshot-tree.md).

/// What a root or an inner node says of a tree below it.
package struct TreeReference: Codable, Hashable, Sendable {
    /// SHA-256 of the node's bytes in lower-case hexadecimal.
    package var sha256: String
    /// Bytes of the node.
    package var size: Int
    /// Entries of the whole tree.
    package var count: Int
    /// Bytes of all blobs of the tree, the node and what its entries refer to among them.
    package var total: Int

    package init(sha256: String, size: Int, count: Int, total: Int) {
        self.sha256 = sha256
        self.size = size
        self.count = count
        self.total = total
    }
}

/// What a tree holds under a name.
package protocol TreeValue: Codable, Hashable, Sendable {
    /// The way from the top to the entry: 64 lower-case hexadecimal digits that spread evenly; nil for a name that can't
    /// be one.
    static func way(to name: String) -> String?
    /// The blob that the entry refers to, if it does.
    var blob: BlobReference? { get }
    /// The entry as it is written; nil where the general reader must look.
    static func read(_ json: inout WrittenJSON) -> Self?
}

extension BlobReference: TreeValue {
    package static func way(to name: String) -> String? { try? ContentHash(of: Array(name.utf8)).description }
    package var blob: BlobReference? { self }
}

extension SubscriptionKey: TreeValue {
    /// Keys stand under their hashes.
    package static func way(to name: String) -> String? {
        name.utf8.count == 64 && TreeNode<Self>.areDigits(name) ? name : nil
    }
    package var blob: BlobReference? { nil }
}

/// A node of a tree as its blob holds it. At most `leafMax` entries are a leaf; more are spread over up to 16 children
/// by the next digit of their way.
package enum TreeNode<Value: TreeValue>: Hashable, Sendable {
    /// By digit.
    case inner([String: TreeReference])
    /// By name.
    case leaf([String: Value])

    package static var leafMax: Int { 64 }
    /// Nobody makes 65 names whose ways agree so far; a leaf at this depth may be longer all the same.
    package static var depthMax: Int { 16 }

    static func areDigits(_ text: String) -> Bool {
        text.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
    }

    /// Whether so many entries at this depth are spread over children.
    static func isInner(count: Int, depth: Int) -> Bool { count > leafMax && depth < depthMax }

    /// Bytes and reference of the node.
    func encoded() throws -> (bytes: [UInt8], reference: TreeReference) {
        let blob = try Blob(encoding: self)
        let count: Int
        let below: Int
        switch self {
        case .inner(let children):
            count = children.values.reduce(0) { $0 + $1.count }
            below = children.values.reduce(0) { $0 + $1.total }
        case .leaf(let entries):
            count = entries.count
            below = entries.values.reduce(0) { $0 + ($1.blob?.size ?? 0) }
        }
        let reference = TreeReference(
            sha256: blob.reference.sha256, size: blob.reference.size, count: count,
            total: blob.reference.size + below)
        return (blob.bytes, reference)
    }

    /// Reads the node that `reference` names, which all of `prefix` leads to, and refuses one that another tree of the
    /// same entries would not have (must-hold H4, H9).
    package static func read(
        _ bytes: [UInt8], of reference: TreeReference, prefix: String, tree: String
    ) throws(SnapshotRefusal) -> TreeNode {
        let place = tree + prefix
        let depth = prefix.utf8.count
        guard bytes.count == reference.size, (try? ContentHash(of: bytes))?.description == reference.sha256 else {
            throw .blobMismatch(place)
        }
        let node: TreeNode
        if let written = written(bytes) {
            node = written
        } else {
            node = try BlobCoding.decode(TreeNode.self, bytes, name: place)
        }
        var count = 0
        var total = bytes.count
        switch node {
        case .inner(let children):
            for (digit, child) in children {
                guard digit.utf8.count == 1, areDigits(digit), child.isSound else {
                    throw .unknown(blob: place, path: "children/\(digit)")
                }
                count += child.count
                total += child.total
            }
            guard isInner(count: count, depth: depth) else { throw .unknown(blob: place, path: "children") }
        case .leaf(let entries):
            for (name, value) in entries {
                guard let way = Value.way(to: name), way.hasPrefix(prefix), SnapshotBounds.isName(name),
                    value.blob?.isSound ?? true
                else { throw .unknown(blob: place, path: "entries/\(name)") }
                total += value.blob?.size ?? 0
            }
            count = entries.count
            guard count > 0, !isInner(count: count, depth: depth) else { throw .unknown(blob: place, path: "entries") }
        }
        guard count == reference.count, total == reference.total else { throw .blobMismatch(place) }
        return node
    }
}

extension TreeNode {
    /// The node that `encoded` made these bytes of; nil where the general reader must look.
    static func written(_ bytes: [UInt8]) -> TreeNode? {
        var json = WrittenJSON(bytes)
        let node: TreeNode?
        if json.take(#"{"children":"#) {
            node = json.dictionary(TreeReference.read).map(TreeNode.inner)
        } else if json.take(#"{"entries":"#) {
            node = json.dictionary(Value.read).map(TreeNode.leaf)
        } else {
            return nil
        }
        return json.take("}") && json.isAtEnd ? node : nil
    }
}

extension BlobReference {
    package static func read(_ json: inout WrittenJSON) -> BlobReference? {
        guard json.take(#"{"sha256":"#), let hash = json.text(), json.take(#","size":"#), let size = json.number(),
            json.take("}")
        else { return nil }
        return BlobReference(sha256: hash, size: Int(size))
    }
}

extension TreeReference {
    fileprivate static func read(_ json: inout WrittenJSON) -> TreeReference? {
        guard json.take(#"{"count":"#), let count = json.number(), json.take(#","sha256":"#), let hash = json.text(),
            json.take(#","size":"#), let size = json.number(), json.take(#","total":"#), let total = json.number(),
            json.take("}")
        else { return nil }
        return TreeReference(sha256: hash, size: Int(size), count: Int(count), total: Int(total))
    }
}

extension TreeNode: Codable {
    private enum Member: String, CodingKey { case children, entries }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Member.self)
        if container.contains(.children) {
            self = .inner(try container.decode([String: TreeReference].self, forKey: .children))
        } else {
            self = .leaf(try container.decode([String: Value].self, forKey: .entries))
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Member.self)
        switch self {
        case .inner(let children): try container.encode(children, forKey: .children)
        case .leaf(let entries): try container.encode(entries, forKey: .entries)
        }
    }
}

extension BlobReference {
    /// Whether it can be a blob's.
    var isSound: Bool {
        sha256.utf8.count == 64 && TreeNode<Self>.areDigits(sha256)
            && (0...SnapshotBounds.blobBytesMax).contains(size)
    }
}

extension TreeReference {
    /// Whether it can be a node's.
    var isSound: Bool {
        BlobReference(sha256: sha256, size: size).isSound && size <= SnapshotBounds.treeNodeBytesMax
            && (1...SnapshotBounds.entriesMax).contains(count)
            && total >= size && total <= SnapshotBounds.totalBytesMax
    }
}
