import Foundation
import GRDB
import JSONDocuments
import Testing

@testable import ResourceStore

/// Databases as every version of the tables had them are kept in Tests/Fixtures as SQL.
@Suite struct MigrationTests {
    private let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    private var path: String { folder.appending(path: "store.db").path() }

    private func make(version: Int) throws {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let fixture = tests.appending(path: "Fixtures/store-\(version).sql")
        let sql = try String(contentsOf: fixture, encoding: .utf8)
        let database = try DatabaseQueue(path: path)
        try database.writeWithoutTransaction { db in try db.execute(sql: sql) }
        try database.close()
    }

    /// What the tables are, and what is in those of version 1.
    private func content(_ path: String) throws -> (tables: [String], rows: [String: Int]) {
        let database = try DatabaseQueue(path: path)
        defer { try? database.close() }
        return try database.read { db in
            let tables = try String.fetchAll(
                db, sql: "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'grdb_%' ORDER BY name")
            var rows: [String: Int] = [:]
            for table in ["resource", "change", "secret", "reference", "uniqueness", "audit"] {
                rows[table] = try Int.fetchOne(db, sql: "SELECT count(*) FROM \(table)")
            }
            return (tables, rows)
        }
    }

    /// Spaces and the order of columns that were added later are no difference.
    private func names(_ tables: [String]) -> Set<String> {
        Set(tables.map { $0.split { !$0.isLetter && $0 != "_" && !$0.isNumber }.sorted().joined(separator: " ") })
    }

    @Test(arguments: 1...4) func H56_each_earlier_database_becomes_todays_with_a_copy_beside(version: Int) async throws
    {
        defer { try? FileManager.default.removeItem(at: folder) }
        try make(version: version)
        let before = try content(path)
        #expect(before.rows["resource"] != 0 && before.rows["audit"] != 0)
        let store = try ResourceStore(path: path)
        #expect(try store.check())
        #expect(try AuditLog.firstBroken(in: store) == nil)
        let api = try await store.read { try $0.get(ResourceID(path: "/apis/echo")) }
        #expect(api?.kind == "apis")
        let written = try await store.write(by: .controller) { writer in
            try writer.put(ResourceID(path: "/groups/g"), kind: "groups", properties: [:])
            return try writer.addUsageBatch(node: "n", epoch: 1, sequence: 1, digest: "d", rows: [])
        }
        #expect(written.value == .added)
        try store.close()
        let fresh = folder.appending(path: "fresh.db").path()
        try ResourceStore(path: fresh).close()
        #expect(names(try content(path).tables) == names(try content(fresh).tables))
        let copy = "\(path).before-\(version + 1)"
        #expect(FileManager.default.fileExists(atPath: copy) == (version < 4))
        if version < 4 { #expect(try content(copy).rows == before.rows) }
        #expect(!FileManager.default.fileExists(atPath: "\(fresh).before-1"))
    }

    @Test func H56_a_newer_database_is_refused_and_stays_as_it_is() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        try make(version: 4)
        let database = try DatabaseQueue(path: path)
        try database.write { db in
            try db.execute(sql: "INSERT INTO grdb_migrations (identifier) VALUES ('12 later')")
        }
        try database.close()
        let before = try Data(contentsOf: URL(filePath: path))
        let failure = #expect(throws: StoreFailure.self) { try ResourceStore(path: path) }
        #expect(failure?.reason == .newer)
        #expect(failure?.description.contains("12") == true && failure?.description.contains("version 4") == true)
        #expect(try Data(contentsOf: URL(filePath: path)) == before)
    }
}
