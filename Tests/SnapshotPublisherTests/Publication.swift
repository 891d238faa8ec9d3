// A store with its publisher, and a node's view of what it publishes.
import Cryptography
import Foundation
import GatewayConfiguration
import JSONDocuments
import ResourceStore
import Resources
import SnapshotPublisher
import Testing

final class Publication: Sendable {
    static let serviceID = "/subscriptions/0/resourceGroups/g/providers/Microsoft.ApiManagement/service/local"

    let folder: URL
    let store: ResourceStore
    let context: ResourceContext
    let pepper: [UInt8]

    init() async throws {
        folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        store = try ResourceStore(path: folder.appending(path: "store.db").path())
        pepper = SecureRandom.bytes(32)
        context = ResourceContext(
            serviceID: Self.serviceID, sealing: SealingKey(), keyHash: try KeyedHash(pepper: pepper))
        let context = context
        _ = try await store.write(by: .controller) { writer in
            try Bootstrap.make(
                service: ["properties": ["publisherEmail": "a@b", "publisherName": "x"]], administratorEmail: "a@b",
                globalPolicy: "<policies><inbound /></policies>", in: writer, context: context)
        }
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    /// A publisher over the store, as a start of the controller makes it.
    func publisher() async throws -> SnapshotPublisher {
        SnapshotPublisher(
            store: store, context: context, keyring: try await SnapshotKeyring.open(store, context), pepper: pepper)
    }

    /// Runs `body` while a started publisher publishes.
    func publishing(_ body: @escaping @Sendable (SnapshotPublisher) async throws -> Void) async throws {
        let publisher = try await publisher()
        try await publisher.start()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                do { try await publisher.run() } catch is CancellationError {}
            }
            try await body(publisher)
            group.cancelAll()
        }
    }

    @discardableResult
    func put(_ kind: Kind, _ path: String, _ properties: JSONValue) async throws -> StoredResource {
        let context = context
        return try await store.write(by: .controller) { writer in
            try ResourceOperations.put(
                kind, WriteRequest(id: ResourceID(path: path), body: ["properties": properties], condition: .none),
                in: writer, context: context)
        }.value.resource
    }

    func delete(_ kind: Kind, _ path: String) async throws {
        let context = context
        _ = try await store.write(by: .controller) { writer in
            try ResourceOperations.delete(
                kind, ResourceID(path: path), condition: .exists, query: [:], in: writer, context: context)
        }
    }

    /// The newest root of a gateway once it is of the store's present revision, verified as a node does it.
    func root(_ publisher: SnapshotPublisher, of gateway: String = "default") async throws -> SnapshotRoot {
        let revision = store.revision
        let published = await publisher.roots()
        var newest = await publisher.root(of: gateway)
        if newest.map({ $0.version < revision }) ?? true {
            for await root in published where root.gateway == gateway && root.version >= revision {
                newest = root
                break
            }
        }
        let signed = try #require(newest).signed
        return try VerifiedRoot(signed, key: await publisher.verificationKey).root
    }

    /// A snapshot as a node of the gateway reads it.
    func snapshot(_ publisher: SnapshotPublisher, of gateway: String = "default") async throws -> NodeSnapshot {
        let root = try await root(publisher, of: gateway)
        let key = try #require(await publisher.root(of: gateway)).dataKey
        return try await Self.read(root, key, publisher).snapshot
    }

    /// Reads a root as a node does, level by level; and the blobs it took.
    static func read(
        _ root: SnapshotRoot, _ key: SealingKey, _ publisher: SnapshotPublisher
    ) async throws -> (snapshot: NodeSnapshot, blobs: [String: [UInt8]]) {
        var decoder = SnapshotDecoder()
        var blobs: [String: [UInt8]] = [:]
        while true {
            let held = blobs
            let lacking: [String: BlobReference]
            switch try decoder.read(root, dataKey: key, content: { held[$0] }) {
            case .whole(let snapshot): return (snapshot, blobs)
            case .lacking(let names): lacking = names
            }
            let hashes = Set(lacking.values.map(\.sha256))
            let found = try await publisher.blobs(Array(hashes), for: root.gateway, bytesMax: .max)
            try #require(Set(found.keys) == hashes)
            blobs.merge(found) { $1 }
        }
    }

    /// What a kept snapshot holds by name.
    func contents(_ root: SnapshotRoot) async throws -> [String: BlobReference] {
        try await store.read { try SnapshotContents.list(of: root, $0) }
    }

    /// Names of what differs from a former root; `subscriptions/{name}` for keys.
    func changed(_ root: SnapshotRoot, since former: SnapshotRoot) async throws -> Set<String> {
        let difference = try await store.read { try SnapshotContents.difference(former, root, $0) }
        return difference.added.union(difference.removed).union(difference.changed)
    }
}

extension SnapshotPublisher {
    func blob(_ hash: String, for gateway: String) async throws -> [UInt8]? {
        try await blobs([hash], for: gateway, bytesMax: .max)[hash]
    }
}
