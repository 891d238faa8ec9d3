import Foundation
import JSONDocuments
import ResourceStore
import Testing

// The write-ahead log stays small, whoever reads meanwhile (must-hold H45).

@Suite struct JournalTests {
    @Test func H45_theJournalStaysSmallUnderWritersAndReaders() async throws {
        let fixture = try ResourceStoreTests.Fixture()
        let store = fixture.store
        let journal = fixture.path + "-wal"
        func size() -> Int {
            ((try? FileManager.default.attributesOfItem(atPath: journal))?[.size] as? NSNumber)?.intValue ?? 0
        }
        let text = String(repeating: "x", count: 40_000)
        var largest = 0
        // 100 MB of changes, and a reader that looks at everything with each round of writers.
        for round in 0..<50 {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<50 {
                    group.addTask {
                        _ = try await store.write(by: .controller) { writer in
                            try writer.put(
                                ResourceID(path: "/groups/g\(number)"), kind: "groups",
                                properties: ["text": .string("\(round) \(text)")])
                        }
                    }
                }
                group.addTask {
                    _ = try await store.read {
                        try $0.usage(buckets: 0...1, filter: [:], groups: [.api], byBucket: false)
                    }
                }
                try await group.waitForAll()
            }
            largest = max(largest, size())
        }
        #expect(store.revision == 2_500)
        #expect(largest > 0 && largest <= 64 << 20, "\(largest) bytes")
    }
}
