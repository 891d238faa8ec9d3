// One step from what was published to what the store holds now: the blobs and tree nodes that changed, no more.
internal import Foundation
internal import GatewayConfiguration
internal import Resources
internal import ResourceStore

/// What the roots of a version are made from.
struct SnapshotBasis: Sendable {
    /// A gateway's own part.
    struct Gateway: Sendable {
        var name: String
        /// APIs that it serves, in lower case; nil for all.
        var apis: Set<String>?
        var tree: TreeReference?
    }

    var version: Revision = 0
    var blobs: [String: BlobReference] = [:]
    var products: TreeReference?
    var subscriptions: TreeReference?
    /// By name in lower case.
    var gateways: [String: Gateway] = [:]
}

/// Hashes that came in and went out.
struct HashChanges: Sendable {
    var added: Set<String> = []
    var dropped: Set<String> = []

    mutating func add(_ edit: TreeEdit) {
        added.formUnion(edit.fresh.keys)
        dropped.formUnion(edit.dropped)
    }
}

/// The step.
struct SnapshotBuild: Sendable {
    var basis: SnapshotBasis
    var auditHead = ""
    /// Where they may have changed.
    var secrets: SnapshotSecrets?
    /// New blobs by hash.
    var fresh: [String: [UInt8]] = [:]
    /// Of what all gateways share.
    var shared = HashChanges()
    /// Of each gateway's APIs.
    var gateways: [String: HashChanges] = [:]
    var apis: [String: [String: BlobReference?]] = [:]
    var products: [String: BlobReference?] = [:]
    var subscriptions: [String: SubscriptionKey?] = [:]

    /// Of more APIs than this, the whole tree is read.
    private static let lookUpsMax = 20

    /// Works out the step from `basis` to the newest revision; `all` begins from nothing.
    static func make(
        _ reader: StoreReader, from basis: SnapshotBasis, all: Bool, needsSecrets: Bool, context: ResourceContext,
        pepper: [UInt8]
    ) throws -> SnapshotBuild {
        var build = SnapshotBuild(basis: all ? SnapshotBasis() : basis)
        build.basis.version = try reader.newestRevision()
        build.auditHead = try reader.auditHead()
        let builder = BlobBuilder(reader: reader, context: context, pepper: pepper)
        var dirty = DirtyContent()
        if all {
            dirty = try builder.everything()
        } else {
            for change in try reader.changes(after: basis.version) { dirty.add(change) }
        }
        for name in dirty.blobs {
            if let blob = try builder.blob(name) { build.put(blob, as: name) }
        }
        if needsSecrets || dirty.blobs.contains(BlobName.secrets) { build.secrets = try builder.secrets() }
        for name in dirty.products {
            build.products[name] = .some(try builder.product(name).map { try build.keep($0) })
        }
        build.subscriptions = try builder.keys(dirty.keys)
        try build.editShared(reader)
        var apis: [String: BlobReference?] = [:]
        for name in dirty.apis { apis[name] = .some(try builder.api(name).map { try build.keep($0) }) }
        try build.editGateways(apis, readsLinks: dirty.gateways, reader)
        return build
    }

    /// Puts a blob of the root in the place of the former one.
    mutating func put(_ blob: Blob, as name: String) {
        let former = basis.blobs[name]
        basis.blobs[name] = blob.reference
        guard former != blob.reference else { return }
        fresh[blob.reference.sha256] = blob.bytes
        shared.added.insert(blob.reference.sha256)
        if let former { shared.dropped.insert(former.sha256) }
        // Two names may have the same content.
        for reference in basis.blobs.values { shared.dropped.remove(reference.sha256) }
    }

    private mutating func keep(_ value: some Encodable) throws -> BlobReference {
        let blob = try Blob(encoding: value)
        fresh[blob.reference.sha256] = blob.bytes
        return blob.reference
    }

    private func load(_ reader: StoreReader) -> (TreeReference) throws -> [UInt8] {
        let fresh = fresh
        return { reference in
            guard let bytes = try fresh[reference.sha256] ?? reader.blob(reference.sha256) else {
                throw StoreFailure(reason: .broken, description: "a blob of the newest snapshot is missing")
            }
            return bytes
        }
    }

    private mutating func editShared(_ reader: StoreReader) throws {
        let productEdit = try TreeEdit(
            basis.products, name: TreeName.products, changes: products, load: load(reader))
        let keyEdit = try TreeEdit(
            basis.subscriptions, name: TreeName.subscriptions, changes: subscriptions, load: load(reader))
        basis.products = productEdit.tree
        basis.subscriptions = keyEdit.tree
        for edit in [productEdit, keyEdit] {
            fresh.merge(edit.fresh) { $1 }
            shared.add(edit)
        }
        shared.added.formUnion(products.values.compactMap { $0?.sha256 })
    }

    /// `changes`: APIs that were made anew.
    private mutating func editGateways(
        _ changes: [String: BlobReference?], readsLinks: Bool, _ reader: StoreReader
    ) throws {
        try edit(Gateways.defaultName, changes, reader)
        let whole = basis.gateways[Gateways.defaultName]?.tree
        if readsLinks {
            let rows = try reader.list(ListQuery(kind: "gateways"))
            let names = Set(rows.map { $0.name.lowercased() })
            for name in basis.gateways.keys where !names.contains(name) && name != Gateways.defaultName {
                basis.gateways[name] = nil
            }
            for row in rows where row.name.lowercased() != Gateways.defaultName {
                let links = try reader.list(ListQuery(kind: "gateways/apis", parent: row.id))
                try relink(row.name, Set(links.map { $0.name.lowercased() }), changes, whole, reader)
            }
        } else {
            for (name, gateway) in basis.gateways {
                guard let apis = gateway.apis else { continue }
                try edit(name, changes.filter { apis.contains($0.key) }, reader)
            }
        }
    }

    /// A gateway whose APIs may be others than before.
    private mutating func relink(
        _ gateway: String, _ apis: Set<String>, _ changes: [String: BlobReference?], _ whole: TreeReference?,
        _ reader: StoreReader
    ) throws {
        let name = gateway.lowercased()
        let former = basis.gateways[name]?.apis ?? []
        var mine = changes.filter { apis.contains($0.key) }
        for gone in former.subtracting(apis) { mine[gone] = .some(nil) }
        // Those that were made anew are among the changes.
        let new = apis.subtracting(former).subtracting(changes.keys)
        let walk = TreeWalk<BlobReference>(name: TreeName.apis, load: load(reader))
        let entries = new.count > Self.lookUpsMax ? try walk.entries(of: whole) : nil
        for api in new { mine[api] = .some(try entries.map { $0[api] } ?? walk.value(of: api, in: whole)) }
        if basis.gateways[name] == nil { basis.gateways[name] = SnapshotBasis.Gateway(name: gateway, apis: apis) }
        basis.gateways[name]?.apis = apis
        try edit(name, mine, reader)
    }

    private mutating func edit(
        _ name: String, _ changes: [String: BlobReference?], _ reader: StoreReader
    ) throws {
        var gateway = basis.gateways[name] ?? SnapshotBasis.Gateway(name: name)
        let edit = try TreeEdit(gateway.tree, name: TreeName.apis, changes: changes, load: load(reader))
        gateway.tree = edit.tree
        basis.gateways[name] = gateway
        fresh.merge(edit.fresh) { $1 }
        gateways[name, default: HashChanges()].add(edit)
        gateways[name]?.added.formUnion(changes.values.compactMap { $0?.sha256 })
        apis[name] = changes
    }
}
