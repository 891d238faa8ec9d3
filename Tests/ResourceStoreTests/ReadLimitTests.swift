// A read transaction ends in its time, whatever it does, and writers do not wait for it.
import Foundation
import GRDB
import JSONDocuments
import Testing

@testable import ResourceStore

@Suite struct ReadLimitTests {
    private static func withStore(_ body: (ResourceStore) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let store = try ResourceStore(path: folder.appending(path: "store.db").path(), readMax: .milliseconds(300))
        try await body(store)
        try store.close()
    }

    private static let endless =
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"

    @Test func G47_a_read_that_never_ends_is_interrupted_and_holds_no_writer() async throws {
        try await Self.withStore { store in
            async let reading = store.read { reader in try Int.fetchOne(reader.db, sql: Self.endless) }
            // Writes go on meanwhile.
            for number in 0..<20 {
                _ = try await store.write(by: .controller) { writer in
                    try writer.put(ResourceID(path: "/groups/g\(number)"), kind: "groups", properties: [:])
                }
            }
            do {
                _ = try await reading
                Issue.record("it ended")
            } catch {
                #expect((error as? StoreFailure)?.reason == .busy, "\(error)")
            }
            // The connection is as good as before.
            for _ in 0..<20 {
                let count = try await store.read(isOurs: true) { try $0.count(ListQuery(kind: "groups")) }
                #expect(count == 20)
            }
        }
    }

    @Test func G47_many_small_reads_in_one_transaction_end_as_well() async throws {
        try await Self.withStore { store in
            await #expect(throws: StoreFailure.self) {
                try await store.read { reader in
                    while true { _ = try reader.get(ResourceID(path: "/groups/g")) }
                }
            }
            let exists = try await store.read(isOurs: true) { try $0.exists(ResourceID(path: "/groups/g")) }
            #expect(!exists)
        }
    }
}
