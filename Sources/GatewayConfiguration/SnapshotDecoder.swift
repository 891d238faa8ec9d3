package import Cryptography

// How a snapshot is read from blobs: what did not change is not read again, and what is not here is named.

/// Reads snapshots, and keeps what it has read of the last one.
package struct SnapshotDecoder: Sendable {
    package enum Outcome: Sendable {
        case whole(NodeSnapshot)
        /// Blobs that were not to be had, by name. There may be more behind them.
        case lacking([String: BlobReference])
    }

    /// Trees whose entries refer to blobs.
    struct Directory<Value: Codable & Sendable>: Sendable {
        var tree: TreeImage<[String: BlobReference]>?
        /// Names of entries in their order.
        var names: [String] = []
        /// What the blobs of the entries hold, in the same order.
        var sorted: [Value] = []
    }

    /// Everything that was read of one snapshot.
    struct Content: Sendable {
        var blobs: [String: BlobReference] = [:]
        var service: ServiceConfiguration?
        var backends: [BackendConfiguration] = []
        var certificates: [CertificateConfiguration] = []
        var namedValues: [String: NamedValueConfiguration] = [:]
        var fragments: [String: PolicyText] = [:]
        var secrets: SnapshotSecrets?
        var apis = Directory<ApiConfiguration>()
        var products = Directory<ProductConfiguration>()
        var keys: TreeImage<KeyLeaf>?
        var keyTable = KeyTable(leaves: [])
    }

    private var content = Content()
    /// How many blobs the last snapshot needed to be read.
    package private(set) var blobsRead = 0

    package init() {}

    /// Reads the snapshot of `root`. `content` gives a blob's bytes by its hash, nil for none; they are checked against
    /// hash and size before they are read (must-hold H5). Nothing is kept of a snapshot that is refused or not whole.
    package mutating func read(
        _ root: SnapshotRoot, dataKey: SealingKey, content bytes: @escaping (String) -> [UInt8]?
    ) throws(SnapshotRefusal) -> Outcome {
        guard dataKey.id == root.dataKey else { throw .secretsUnreadable }
        for name in root.blobs.keys where !BlobName.all.contains(name) { throw .unknown(blob: name, path: "") }
        for name in root.trees.keys where !TreeName.all.contains(name) { throw .unknown(blob: name, path: "") }
        var reading = SnapshotReading(former: content, dataKey: dataKey, bytes: bytes)
        let next = try reading.read(root)
        guard reading.lacking.isEmpty else { return .lacking(reading.lacking) }
        guard let secrets = next.secrets else { throw .blobMissing(BlobName.secrets) }
        guard let service = next.service else { throw .blobMissing(BlobName.service) }
        content = next
        blobsRead = reading.blobsRead
        return .whole(
            NodeSnapshot(
                root: root, service: service, apis: next.apis.sorted, products: next.products.sorted,
                keys: next.keyTable, backends: next.backends, certificates: next.certificates,
                namedValues: next.namedValues, fragments: next.fragments, secrets: secrets))
    }

    /// `read` where everything must be here.
    package mutating func decode(
        _ root: SnapshotRoot, dataKey: SealingKey, content: @escaping (String) -> [UInt8]?
    ) throws(SnapshotRefusal) -> NodeSnapshot {
        switch try read(root, dataKey: dataKey, content: content) {
        case .whole(let snapshot): return snapshot
        case .lacking(let names): throw .blobMissing(names.keys.min() ?? "")
        }
    }

    /// Hashes of all blobs of the last snapshot.
    package var hashes: Set<String> {
        var hashes = Set(content.blobs.values.map(\.sha256))
        content.apis.tree?.addHashes(to: &hashes)
        content.products.tree?.addHashes(to: &hashes)
        content.keys?.addHashes(to: &hashes)
        return hashes
    }

    /// Hashes that the last snapshot of `former` named and the one here does not, and those that are new here.
    package func difference(from former: SnapshotDecoder) -> (dropped: Set<String>, added: Set<String>) {
        let (old, new) = (former.content, content)
        var dropped = Set(old.blobs.values.map(\.sha256))
        var added = Set(new.blobs.values.map(\.sha256))
        TreeImage.addDifference(old.apis.tree, new.apis.tree, dropped: &dropped, added: &added)
        TreeImage.addDifference(old.products.tree, new.products.tree, dropped: &dropped, added: &added)
        TreeImage.addDifference(old.keys, new.keys, dropped: &dropped, added: &added)
        return (dropped.subtracting(added), added)
    }
}

/// The reading of one snapshot.
struct SnapshotReading {
    let former: SnapshotDecoder.Content
    let dataKey: SealingKey
    let bytes: (String) -> [UInt8]?
    private(set) var lacking: [String: BlobReference] = [:]
    private(set) var blobsRead = 0

    init(former: SnapshotDecoder.Content, dataKey: SealingKey, bytes: @escaping (String) -> [UInt8]?) {
        self.former = former
        self.dataKey = dataKey
        self.bytes = bytes
    }

    mutating func read(_ root: SnapshotRoot) throws(SnapshotRefusal) -> SnapshotDecoder.Content {
        var next = SnapshotDecoder.Content()
        next.blobs = root.blobs
        next.service = try take(BlobName.service, root, former.service)
        next.backends = try take(BlobName.backends, root, former.backends) ?? []
        next.certificates = try take(BlobName.certificates, root, former.certificates) ?? []
        next.namedValues = try take(BlobName.namedValues, root, former.namedValues) ?? [:]
        next.fragments = try take(BlobName.fragments, root, former.fragments) ?? [:]
        if let reference = root.blobs[BlobName.secrets], let sealed = try found(BlobName.secrets, reference) {
            next.secrets = try SnapshotSecrets.opened(sealed, with: dataKey)
        }
        if let reference = root.trees[TreeName.subscriptions] {
            next.keys = try image(
                reference, prefix: "", tree: TreeName.subscriptions, known: former.keys, of: SubscriptionKey.self,
                quick: { KeyLeafReader.read($0, of: $1, prefix: $2) }
            ) { prefix, entries throws(SnapshotRefusal) in
                guard let leaf = KeyLeaf(prefix: prefix, entries) else {
                    throw .unknown(blob: TreeName.subscriptions + prefix, path: "entries")
                }
                return leaf
            }
            let isSame = next.keys === former.keys
            next.keyTable = isSame ? former.keyTable : KeyTable(leaves: next.keys?.leaves ?? [])
        }
        next.products = try directory(TreeName.products, root, former.products) { _ in nil }
        // Last, for where something lacks they are not read, and they are the most to read.
        next.apis = try directory(TreeName.apis, root, former.apis, quick: ApiConfiguration.read)
        return next
    }

    /// A blob's bytes, checked; nil, and noted, for one that is not here.
    private mutating func found(_ name: String, _ blob: BlobReference) throws(SnapshotRefusal) -> [UInt8]? {
        guard let bytes = bytes(blob.sha256) else {
            lacking[name] = blob
            return nil
        }
        guard bytes.count == blob.size, (try? ContentHash(of: bytes))?.description == blob.sha256 else {
            throw .blobMismatch(name)
        }
        return bytes
    }

    /// What a blob of the root holds; nil where the root has none or it is not here.
    private mutating func take<Value: Codable>(
        _ name: String, _ root: SnapshotRoot, _ known: Value?
    ) throws(SnapshotRefusal) -> Value? {
        guard let reference = root.blobs[name] else { return nil }
        if reference == former.blobs[name], let known { return known }
        guard let bytes = try found(name, reference) else { return nil }
        blobsRead += 1
        return try BlobCoding.decode(Value.self, bytes, name: name)
    }

    private mutating func directory<Value: Codable & Sendable>(
        _ name: String, _ root: SnapshotRoot, _ known: SnapshotDecoder.Directory<Value>,
        quick: ([UInt8]) -> Value?
    ) throws(SnapshotRefusal) -> SnapshotDecoder.Directory<Value> {
        guard let reference = root.trees[name] else { return SnapshotDecoder.Directory() }
        let tree = try image(
            reference, prefix: "", tree: name, known: known.tree, of: BlobReference.self
        ) { _, entries throws(SnapshotRefusal) in entries }
        guard let tree else { return SnapshotDecoder.Directory() }
        if tree === known.tree { return known }
        var (gone, put) = TreeImage.changes(from: known.tree, to: tree)
        for (entry, blob) in put where gone[entry] == blob { (gone[entry], put[entry]) = (nil, nil) }
        var next = SnapshotDecoder.Directory<Value>(tree: tree)
        next.names.reserveCapacity(reference.count)
        next.sorted.reserveCapacity(reference.count)
        var place = 0
        // Both are in the order of names; most stays as it was.
        func keep(before name: String?) {
            while place < known.names.count, name.map({ known.names[place] < $0 }) ?? true {
                if gone[known.names[place]] == nil {
                    next.names.append(known.names[place])
                    next.sorted.append(known.sorted[place])
                }
                place += 1
            }
        }
        for (entry, blob) in put.sorted(by: { $0.key < $1.key }) {
            keep(before: entry)
            guard let bytes = try found(name + entry, blob), lacking.isEmpty else { continue }
            blobsRead += 1
            next.names.append(entry)
            if let value = quick(bytes) {
                next.sorted.append(value)
            } else {
                next.sorted.append(try BlobCoding.decode(Value.self, bytes, name: name + entry))
            }
        }
        keep(before: nil)
        return next
    }

    /// A tree; nil where something of it is not here.
    private mutating func image<Value: TreeValue, Leaf: Sendable>(
        _ reference: TreeReference, prefix: String, tree: String, known: TreeImage<Leaf>?, of type: Value.Type,
        quick: (([UInt8], TreeReference, String) -> Leaf?)? = nil,
        leaf: (String, [String: Value]) throws(SnapshotRefusal) -> Leaf
    ) throws(SnapshotRefusal) -> TreeImage<Leaf>? {
        if let known, known.reference == reference { return known }
        let place = BlobReference(sha256: reference.sha256, size: reference.size)
        guard let bytes = try found(tree + prefix, place) else { return nil }
        blobsRead += 1
        if let leaf = quick?(bytes, reference, prefix) { return TreeImage(reference, leaf: leaf, blobs: []) }
        switch try TreeNode<Value>.read(bytes, of: reference, prefix: prefix, tree: tree) {
        case .leaf(let entries):
            return TreeImage(
                reference, leaf: try leaf(prefix, entries), blobs: entries.values.compactMap { $0.blob?.sha256 })
        case .inner(let references):
            var children: [String: TreeImage<Leaf>] = [:]
            for (digit, child) in references {
                children[digit] = try image(
                    child, prefix: prefix + digit, tree: tree, known: known?.children[digit], of: type,
                    quick: quick, leaf: leaf)
            }
            return children.count == references.count ? TreeImage(reference, children: children) : nil
        }
    }
}
