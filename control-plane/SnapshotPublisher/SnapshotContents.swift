// What a kept snapshot holds by name, and what two of them differ in.
package import GatewayConfiguration
package import ResourceStore

package enum SnapshotContents {
    /// Names of what two snapshots differ in: blobs, `apis/{name}`, `products/{name}`, `subscriptions/{name}`.
    package struct Difference: Sendable {
        package var added: Set<String> = []
        package var removed: Set<String> = []
        package var changed: Set<String> = []

        fileprivate mutating func add(_ old: Set<String>, _ new: Set<String>) {
            added.formUnion(new.subtracting(old))
            removed.formUnion(old.subtracting(new))
            changed.formUnion(old.intersection(new))
        }
    }

    /// Blobs, APIs and products by name; keys, which have no blobs of their own, as their whole tree.
    package static func list(of root: SnapshotRoot, _ reader: StoreReader) throws -> [String: BlobReference] {
        var all = root.blobs
        for name in [TreeName.apis, TreeName.products] {
            let entries = try walk(name, BlobReference.self, reader).entries(of: root.trees[name])
            for (entry, blob) in entries { all[name + entry] = blob }
        }
        if let keys = root.trees[TreeName.subscriptions] {
            all[TreeName.subscriptions] = BlobReference(sha256: keys.sha256, size: keys.total)
        }
        return all
    }

    package static func difference(
        _ old: SnapshotRoot, _ new: SnapshotRoot, _ reader: StoreReader
    ) throws -> Difference {
        var difference = Difference()
        difference.add(
            Set(old.blobs.filter { new.blobs[$0.key] != $0.value }.keys),
            Set(new.blobs.filter { old.blobs[$0.key] != $0.value }.keys))
        for name in [TreeName.apis, TreeName.products] {
            let found = try walk(name, BlobReference.self, reader).difference(old.trees[name], new.trees[name])
            difference.add(Set(found.old.keys.map { name + $0 }), Set(found.new.keys.map { name + $0 }))
        }
        let name = TreeName.subscriptions
        let keys = try walk(name, SubscriptionKey.self, reader).difference(old.trees[name], new.trees[name])
        let before = Set(keys.old.values.map { name + $0.subscription })
        difference.add(before, Set(keys.new.values.map { name + $0.subscription }))
        return difference
    }

    private static func walk<Value: TreeValue>(
        _ name: String, _ type: Value.Type, _ reader: StoreReader
    ) -> TreeWalk<Value> {
        TreeWalk(name: name) { reference in
            guard let bytes = try reader.blob(reference.sha256) else {
                throw StoreFailure(reason: .broken, description: "a blob of a kept snapshot is missing")
            }
            return bytes
        }
    }
}
