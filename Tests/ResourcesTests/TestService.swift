// A store with what a new service has, and the kinds' operations on it.
import Cryptography
import Foundation
import JSONDocuments
import ResourceStore
import Resources
import Testing

struct TestService: Sendable {
    static let id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ApiManagement/service/local"

    let store: ResourceStore
    let context: ResourceContext

    static func run(_ body: (TestService) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let store = try ResourceStore(path: folder.appending(path: "store.db").path())
        let context = ResourceContext(
            serviceID: id, sealing: SealingKey(), keyHash: try KeyedHash(pepper: SecureRandom.bytes(32)))
        _ = try await store.write(by: .controller) { writer in
            try Bootstrap.make(
                service: ["properties": ["publisherEmail": "a@b", "publisherName": "x"]], administratorEmail: "a@b",
                globalPolicy: "<policies><inbound /></policies>", in: writer, context: context)
        }
        try await body(TestService(store: store, context: context))
        try store.close()
    }

    /// PUT, with an imported document where one is given.
    @discardableResult
    func put(
        _ kind: Kind, _ path: String, _ properties: JSONValue, imported: JSONValue? = nil, isStrict: Bool = false
    ) async throws -> WriteResult {
        let context = context
        return try await store.write(by: .controller) { writer in
            var request = WriteRequest(
                id: ResourceID(path: path), body: ["properties": properties], condition: .none, isStrict: isStrict)
            if let imported { request.attachments = ["imported": imported] }
            return try ResourceOperations.put(kind, request, in: writer, context: context)
        }.value
    }

    @discardableResult
    func patch(_ kind: Kind, _ path: String, _ properties: JSONValue) async throws -> WriteResult {
        let context = context
        return try await store.write(by: .controller) { writer in
            try ResourceOperations.patch(
                kind,
                WriteRequest(id: ResourceID(path: path), body: ["properties": properties], condition: .exists),
                in: writer, context: context)
        }.value
    }

    @discardableResult
    func delete(_ kind: Kind, _ path: String, _ query: [String: String] = [:]) async throws -> Bool {
        let context = context
        return try await store.write(by: .controller) { writer in
            try ResourceOperations.delete(
                kind, ResourceID(path: path), condition: .exists, query: query, in: writer, context: context)
        }.value
    }

    func exists(_ path: String) async throws -> Bool {
        try await store.read { try $0.exists(ResourceID(path: path)) }
    }

    func names(_ kind: String, below parent: String) async throws -> [String] {
        try await store.read { try $0.list(ListQuery(kind: kind, parent: ResourceID(path: parent))).map(\.name) }
    }

    /// The properties of a GET.
    func shown(_ kind: Kind, _ path: String) async throws -> JSONValue {
        let context = context
        return try await store.read { reader in
            guard let resource = try reader.get(ResourceID(path: path)) else { return .null }
            return try ResourceOperations.show(
                kind, resource, Viewing(answer: .get), reader: reader, context: context)["properties"] ?? .null
        }
    }

    func secret(_ path: String, _ field: String) async throws -> String? {
        let context = context
        return try await store.read { try context.secret(ResourceID(path: path), field, $0) }
    }

    /// The refusal of a write, which must change nothing.
    func refusal(_ write: () async throws -> Void) async -> Refusal? {
        let before = store.revision
        do {
            try await write()
            return nil
        } catch {
            #expect(store.revision == before)
            #expect(error is Refusal, "\(error)")
            return error as? Refusal
        }
    }
}

extension Refusal {
    var targets: [String] { (problems ?? []).map(\.target) }
}
