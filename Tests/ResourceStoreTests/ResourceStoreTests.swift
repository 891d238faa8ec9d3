import Foundation
import GRDB
import JSONDocuments
import ResourceStore
import Testing

@Suite struct ResourceStoreTests {
    /// A store in a folder of its own, which goes when the test ends.
    final class Fixture {
        let folder: URL
        let store: ResourceStore
        var path: String { folder.appending(path: "store.db").path() }

        init() throws {
            folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            store = try ResourceStore(path: folder.appending(path: "store.db").path())
        }

        deinit { try? FileManager.default.removeItem(at: folder) }
    }

    private let echo = ResourceID(path: "/apis/Echo")

    @Test func aResourceIsFoundInAnyCaseAndKeepsItsSpelling() async throws {
        let fixture = try Fixture()
        let made = try await fixture.store.write(by: .controller) { writer in
            try writer.put(ResourceID(path: "/apis/Echo"), kind: "apis", properties: ["path": "echo"])
        }
        #expect(made.revision == 1)
        let found = try await fixture.store.read { try $0.get(ResourceID(path: "/APIS/ECHO")) }
        #expect(found?.id.path == "/apis/Echo")
        let again = try await fixture.store.write(by: .controller) { writer in
            try writer.put(ResourceID(path: "/apis/ECHO"), kind: "apis", properties: ["path": "other"])
        }
        #expect(again.value.id.path == "/apis/Echo")
        #expect(again.value.etag != made.value.etag)
    }

    @Test func aListIsNarrowedByNamesAndTextsAreReadAlone() async throws {
        let fixture = try Fixture()
        let names = ["Alpha", "alpine", "beta", "al_ha", "100%", "gamma-al"]
        _ = try await fixture.store.write(by: .controller) { writer in
            for name in names {
                let shown: JSONValue = name == "beta" ? 7 : .string("The \(name)")
                _ = try writer.put(
                    ResourceID(path: "/apis/\(name)"), kind: "apis", properties: ["displayName": shown, "n": 1])
            }
            _ = try writer.put(
                ResourceID(path: "/apis/beta/operations/alpha"), kind: "apis/operations", properties: [:])
        }
        let found = { (condition: NameCondition) in
            try await fixture.store.read { reader in
                try reader.list(ListQuery(kind: "apis", parent: .service, name: condition)).map(\.id.name)
            }
        }
        let equal = try await found(.equals("alpha"))
        let begins = try await found(.begins("al"))
        let contains = try await found(.contains("al"))
        let ends = try await found(.ends("ha"))
        let wildcards = try await found(.contains("_")) + found(.contains("%")) + found(.begins("%"))
        #expect(equal == ["Alpha"])
        #expect(begins == ["al_ha", "Alpha", "alpine"])
        #expect(contains == ["al_ha", "Alpha", "alpine", "gamma-al"])
        #expect(ends == ["al_ha", "Alpha"])
        #expect(wildcards == ["al_ha", "100%"])
        let visited = try await fixture.store.read { reader in
            var visited: [String] = []
            try reader.each(ListQuery(kind: "apis", parent: .service)) { row in
                visited.append(row.id.name)
                // The same list again, meanwhile.
                if visited.count == 1 {
                    try reader.each(ListQuery(kind: "apis", parent: .service)) { visited.append($0.id.name) }
                }
            }
            return visited
        }
        #expect(visited.count == 2 * names.count && visited.last == "gamma-al")
        let texts = try await fixture.store.read { try $0.texts(of: "apis", ["displayName", "missing"]) }
        #expect(texts.map(\.name) == ["100%", "al_ha", "Alpha", "alpine", "beta", "gamma-al"])
        #expect(texts.map { $0.texts[0] } == ["The 100%", "The al_ha", "The Alpha", "The alpine", nil, "The gamma-al"])
        #expect(texts.allSatisfy { $0.texts[1] == nil })
        let operations = try await fixture.store.read { try $0.texts(of: "apis/operations", ["displayName"]) }
        #expect(operations.map(\.parentName) == ["beta"] && operations.map(\.name) == ["alpha"])
    }

    @Test func aWriteThatChangesNothingKeepsItsETagAndMakesNoRevision() async throws {
        let fixture = try Fixture()
        let store = fixture.store
        let write: @Sendable () async throws -> (value: StoredResource, revision: Revision?) = {
            try await store.write(by: .controller) { writer in
                try writer.put(ResourceID(path: "/groups/g"), kind: "groups", properties: ["a": 1, "b": 2])
            }
        }
        let first = try await write()
        let second = try await write()
        #expect(second.revision == nil)
        #expect(second.value.etag == first.value.etag)
        #expect(fixture.store.revision == 1)
    }

    @Test func whatThrowsUndoesItselfAndNothingElse() async throws {
        struct Stop: Error {}
        let fixture = try Fixture()
        let store = fixture.store
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<200 {
                group.addTask {
                    _ = try? await store.write(by: .controller) { writer in
                        let id = ResourceID(path: "/groups/g\(number)")
                        try writer.put(id, kind: "groups", properties: ["n": .int(Int64(number))])
                        try writer.audit(action: "write", resource: id.path, outcome: "Succeeded")
                        if number % 3 == 0 { throw Stop() }
                    }
                }
            }
        }
        let (names, changes, audit) = try await store.read { reader in
            (
                try reader.list(ListQuery(kind: "groups")).map(\.name), try reader.changes(after: 0),
                try reader.audit(before: nil, limit: 1000)
            )
        }
        #expect(names.count == 133)
        #expect(changes.map(\.revision) == Array(1...133).map(Int64.init))
        #expect(store.revision == 133)
        #expect(audit.count == 133)
        #expect(try AuditLog.firstBroken(in: store) == nil)
    }

    @Test func deletingTakesAllBelowItAndOnlyThat() async throws {
        let fixture = try Fixture()
        let store = fixture.store
        _ = try await store.write(by: .controller) { writer in
            for path in ["/apis/a", "/apis/a/operations/o", "/apis/a/policies/policy", "/apis/ab", "/apis/a;rev=2"] {
                try writer.put(ResourceID(path: path), kind: "x", properties: [:])
                try writer.setSecret(ResourceID(path: path), "f", SealedSecret(keyID: "k", bytes: [1]))
                try writer.setHeldValues(ResourceID(path: path), [("s", path)])
            }
        }
        let deleted = try await store.write(by: .controller) { try $0.delete(ResourceID(path: "/apis/A")) }
        #expect(deleted.revision == 2)
        let left = try await store.read { reader in
            (try reader.list(ListQuery(kind: "x")).map(\.id.path), try reader.secrets().map(\.resource))
        }
        #expect(left.0 == ["/apis/a;rev=2", "/apis/ab"])
        #expect(left.1.sorted() == ["/apis/a;rev=2", "/apis/ab"])
        #expect(try await store.read { try $0.holder(of: "/apis/a", in: "s") } == nil)
    }

    @Test func aValueHasOneHolder() async throws {
        let fixture = try Fixture()
        let store = fixture.store
        _ = try await store.write(by: .controller) { writer in
            try writer.put(ResourceID(path: "/users/a"), kind: "users", properties: [:])
            try writer.setHeldValues(ResourceID(path: "/users/a"), [("email", "x")])
        }
        await #expect(throws: StoreFailure.self) {
            try await store.write(by: .controller) { writer in
                try writer.put(ResourceID(path: "/users/b"), kind: "users", properties: [:])
                try writer.setHeldValues(ResourceID(path: "/users/b"), [("email", "x")])
            }
        }
        #expect(try await store.read { try $0.get(ResourceID(path: "/users/b")) } == nil)
        #expect(try await store.read { try $0.holder(of: "x", in: "email") }?.path == "/users/a")
    }

    @Test func aSecondStartFindsEverything() async throws {
        let fixture = try Fixture()
        _ = try await fixture.store.write(by: .controller) { writer in
            try writer.put(ResourceID(path: "/groups/g"), kind: "groups", properties: ["text": "é\u{0}\n"])
        }
        try fixture.store.close()
        let again = try ResourceStore(path: fixture.path)
        #expect(again.revision == 1)
        #expect(try await again.read { try $0.get(ResourceID(path: "/groups/g")) }?.properties["text"] == "é\u{0}\n")
        #expect(try again.check())
    }

    @Test func aBatchOfUsageCountsOnce() async throws {
        let fixture = try Fixture()
        let store = fixture.store
        var row = UsageRow()
        row.bucket = 900
        row.api = "a"
        row.success = 3
        row.apiTimeSum = 30
        row.apiTimeMin = 5
        row.apiTimeMax = 20
        let rows = [row]
        for _ in 0..<3 {
            _ = try await store.write(by: .controller) { writer in
                try writer.addUsageBatch(node: "n", epoch: 1, sequence: 1, rows: rows)
            }
        }
        _ = try await store.write(by: .controller) { writer in
            try writer.addUsageBatch(node: "n", epoch: 1, sequence: 2, rows: rows)
        }
        let sums = try await store.read { reader in
            try reader.usage(buckets: 0...1800, filter: [.api: "A"], groups: [.api], byBucket: false)
        }
        #expect(sums.map(\.success) == [6])
        #expect(sums.first?.apiTimeMin == 5)
        #expect(store.revision == 0, "usage is no revision")
    }

    @Test func aChangedAuditRowIsFound() async throws {
        let fixture = try Fixture()
        for number in 0..<5 {
            _ = try await fixture.store.write(by: .controller) { writer in
                try writer.audit(action: "a\(number)", resource: "/", outcome: "Succeeded")
            }
        }
        #expect(try AuditLog.firstBroken(in: fixture.store) == nil)
        let other = try DatabaseQueue(path: fixture.path)
        try await other.write { try $0.execute(sql: "UPDATE audit SET action = 'b' WHERE sequence = 3") }
        #expect(try AuditLog.firstBroken(in: fixture.store) == 3)
        try await other.write { try $0.execute(sql: "DELETE FROM audit WHERE sequence = 3") }
        #expect(try AuditLog.firstBroken(in: fixture.store) == 3)
    }
}
