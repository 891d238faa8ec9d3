import ClusterProtocol
import Foundation
import Synchronization
import Testing
import UsageMeter

@Suite struct UsageMeterTests {
    private let echo = UsageSubject(api: "echo", operation: "get", product: "p", subscription: "s", user: "1")
    private let sample = UsageSample(
        status: 200, bytesIn: 10, bytesOut: 20, apiMicroseconds: 300, serviceMicroseconds: 100)

    @Test func whatWasCountedComesInOneBatch() throws {
        let folder = Folder()
        defer { folder.remove() }
        let meter = try UsageMeter(directory: folder.path, node: "n")
        let lane = try meter.makeLane()
        lane.record(echo, sample, bucket: 900)
        lane.record(
            echo, UsageSample(status: 429, bytesIn: 1, bytesOut: 2, apiMicroseconds: 5, serviceMicroseconds: nil),
            bucket: 900)
        lane.record(echo, sample, bucket: 1800)
        #expect(meter.pendingBatches().isEmpty)
        meter.rotate()
        let ids = meter.pendingBatches()
        #expect(ids.count == 1)
        let batch = try #require(meter.batch(ids[0]))
        #expect(batch.records.map(\.key.bucket) == [900, 1800])
        let counters = batch.records[0].counters
        #expect(counters.success == 1 && counters.blocked == 1 && counters.total == 2)
        #expect(counters.bytesIn == 11 && counters.bytesOut == 22)
        #expect(counters.apiTimeSum == 305 && counters.apiTimeMin == 5 && counters.apiTimeMax == 300)
        #expect(counters.serviceCalls == 1 && counters.serviceTimeMin == 100 && counters.serviceTimeMax == 100)
        #expect(meter.batch(ids[0]) == batch)
        meter.acknowledge(ids[0])
        meter.rotate()
        #expect(meter.pendingBatches().isEmpty)
    }

    @Test(arguments: [
        (200, \UsageCounters.success), (301, \.success), (304, \.success), (307, \.success), (101, \.success),
        (302, \.other), (308, \.other), (404, \.other), (499, \.other), (600, \.other), (401, \.blocked),
        (403, \.blocked), (429, \.blocked), (400, \.failed), (500, \.failed), (599, \.failed),
    ])
    func callsAreDividedByTheirStatus(status: Int, path: any KeyPath<UsageCounters, UInt64> & Sendable) throws {
        let folder = Folder()
        defer { folder.remove() }
        let meter = try UsageMeter(directory: folder.path, node: "n")
        let lane = try meter.makeLane()
        lane.record(
            echo, UsageSample(status: status, bytesIn: 0, bytesOut: 0, apiMicroseconds: 0, serviceMicroseconds: nil),
            bucket: 0)
        meter.rotate()
        let counters = try #require(meter.batch(meter.pendingBatches()[0])).records[0].counters
        #expect(counters[keyPath: path] == 1 && counters.total == 1)
    }

    @Test func H34_a_process_that_is_killed_has_counted_what_it_counted() throws {
        let folder = Folder()
        let copy = Folder()
        defer {
            folder.remove()
            copy.remove()
        }
        let meter = try UsageMeter(directory: folder.path, node: "n")
        let lane = try meter.makeLane()
        for number in 0..<100 { lane.record(echo, sample, bucket: Int64(number % 3) * 900) }
        // What a kill leaves: the files as the kernel has them, no object closed.
        try folder.copy(to: copy)
        let again = try UsageMeter(directory: copy.path, node: "n")
        #expect(total(of: again) == 100)
        #expect(again.pendingBatches().allSatisfy { $0.epoch == meter.epoch })
        #expect(again.epoch != meter.epoch)
        withExtendedLifetime(lane) {}
    }

    @Test func H34_a_batch_whose_segment_was_not_removed_counts_once() throws {
        let folder = Folder()
        let copy = Folder()
        defer {
            folder.remove()
            copy.remove()
        }
        let meter = try UsageMeter(directory: folder.path, node: "n")
        let lane = try meter.makeLane()
        lane.record(echo, sample, bucket: 0)
        try folder.copy(to: copy)
        meter.rotate()
        // The segment as it was before the batch was written, beside the batch.
        for name in folder.names where name.hasSuffix(".batch") {
            try FileManager.default.copyItem(atPath: "\(folder.path)/\(name)", toPath: "\(copy.path)/\(name)")
        }
        let again = try UsageMeter(directory: copy.path, node: "n")
        #expect(again.pendingBatches() == meter.pendingBatches())
        #expect(total(of: again) == 1)
        // Acknowledged, it is known too.
        let third = Folder()
        defer { third.remove() }
        try folder.copy(to: third)
        meter.acknowledge(meter.pendingBatches()[0])
        withExtendedLifetime(lane) {}
    }

    @Test func H36_a_torn_batch_is_not_believed_but_made_again() throws {
        let folder = Folder()
        defer { folder.remove() }
        var whole: [UInt8] = []
        var name = ""
        do {
            let meter = try UsageMeter(directory: folder.path, node: "n")
            try meter.makeLane().record(echo, sample, bucket: 0)
            meter.rotate()
            name = try #require(folder.names.first { $0.hasSuffix(".batch") })
            whole = try folder.read(name)
        }
        for count in stride(from: 0, to: whole.count, by: 7) {
            try folder.write(name, Array(whole[..<count]))
            #expect(try UsageMeter(directory: folder.path, node: "n").pendingBatches().isEmpty)
        }
        for index in stride(from: 0, to: whole.count, by: 5) {
            var changed = whole
            changed[index] ^= 0x10
            try folder.write(name, changed)
            #expect(try UsageMeter(directory: folder.path, node: "n").pendingBatches().isEmpty)
        }
        try folder.write(name, whole)
        #expect(try UsageMeter(directory: folder.path, node: "n").pendingBatches().count == 1)
    }

    @Test func H36_a_damaged_segment_never_counts_a_huge_number() throws {
        let folder = Folder()
        let base = Folder()
        defer {
            folder.remove()
            base.remove()
        }
        let meter = try UsageMeter(directory: folder.path, node: "n")
        let lane = try meter.makeLane()
        for number in 0..<50 {
            lane.record(
                UsageSubject(api: "a\(number)", operation: "o", product: "", subscription: "", user: ""), sample,
                bucket: 0)
        }
        try folder.copy(to: base)
        let segment = try #require(
            base.names.first { name in
                name.hasSuffix(".segment") && (try? base.read(name).contains { $0 != 0 }) == true
                    && (try? base.read(name)[48..<56].contains { $0 != 0 }) == true
            })
        let whole = try base.read(segment)
        func open(_ bytes: [UInt8]) throws -> (total: UInt64, lost: Int) {
            let copy = Folder()
            defer { copy.remove() }
            try FileManager.default.createDirectory(atPath: copy.path, withIntermediateDirectories: true)
            try copy.write(segment, bytes)
            let meter = try UsageMeter(directory: copy.path, node: "n")
            return (total(of: meter), meter.damagedSlots)
        }
        #expect(try open(whole).total == 50)
        #expect(try open(Array(whole.dropLast())) == (0, 1))
        #expect(try open(Array(whole.prefix(100))) == (0, 1))
        #expect(try open([]) == (0, 0))
        // A page of zeros, and two pages that changed places.
        var zeroed = whole
        zeroed.replaceSubrange(4096..<8192, with: [UInt8](repeating: 0, count: 4096))
        let first = try open(zeroed)
        #expect(first.total < 50 && first.lost > 0 && first.total + UInt64(first.lost) == 50)
        var swapped = whole
        swapped.replaceSubrange(4096..<8192, with: whole[8192..<12_288])
        swapped.replaceSubrange(8192..<12_288, with: whole[4096..<8192])
        let second = try open(swapped)
        #expect(second.total <= 50 && second.lost > 0)
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<200 {
            var changed = whole
            for _ in 0..<8 {
                changed[Int.random(in: 0..<20_000, using: &generator)] = UInt8.random(
                    in: .min ... .max, using: &generator)
            }
            _ = try open(changed)
        }
        withExtendedLifetime(lane) {}
    }

    @Test func aFullSegmentIsFollowedByAnother() throws {
        let folder = Folder()
        defer { folder.remove() }
        let meter = try UsageMeter(directory: folder.path, node: "n")
        let lane = try meter.makeLane()
        for round in 0..<2 {
            for number in 0..<5000 {
                lane.record(
                    UsageSubject(api: "a\(number)", operation: "o", product: "", subscription: "", user: ""), sample,
                    bucket: Int64(round) * 900)
            }
        }
        let huge = String(repeating: "x", count: 60_000)
        lane.record(
            UsageSubject(api: huge, operation: huge, product: huge, subscription: "", user: ""), sample, bucket: 0)
        meter.rotate()
        #expect(total(of: meter) == 10_001)
        #expect(Set(meter.pendingBatches()).count == meter.pendingBatches().count)
    }

    @Test func countingAndRotatingAtOnceLosesNothing() async throws {
        let folder = Folder()
        defer { folder.remove() }
        let meter = try UsageMeter(directory: folder.path, node: "n")
        let running = Running()
        let calls = 100_000
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<2 {
                let lane = try meter.makeLane()
                let sample = sample
                group.addTask {
                    for call in 0..<calls {
                        lane.record(
                            UsageSubject(
                                api: "a\(number)", operation: "\(call % 700)", product: "", subscription: "", user: ""),
                            sample, bucket: 0)
                    }
                    running.lanes.subtract(1, ordering: .releasing)
                }
            }
            group.addTask {
                while running.lanes.load(ordering: .acquiring) > 0 { meter.rotate() }
            }
            try await group.waitForAll()
        }
        meter.rotate()
        #expect(total(of: meter) == UInt64(2 * calls))
    }

    @Test func H20_what_is_acknowledged_is_sent_again_to_another_ledger() throws {
        let folder = Folder()
        defer { folder.remove() }
        var ids: [UsageBatchID] = []
        do {
            let meter = try UsageMeter(directory: folder.path, node: "n")
            let lane = try meter.makeLane()
            for _ in 0..<3 {
                lane.record(echo, sample, bucket: 0)
                meter.rotate()
            }
            ids = meter.pendingBatches()
            for id in ids { meter.acknowledge(id) }
            #expect(meter.pendingBatches().isEmpty)
        }
        let meter = try UsageMeter(directory: folder.path, node: "n")
        #expect(meter.pendingBatches().isEmpty)
        meter.resendAcknowledged()
        #expect(Set(meter.pendingBatches()) == Set(ids))
        #expect(total(of: meter) == 3)
    }

    @Test func H20_what_is_acknowledged_is_bounded() throws {
        let folder = Folder()
        defer { folder.remove() }
        let meter = try UsageMeter(directory: folder.path, node: "n", keep: UsageRetention(seconds: 86400, bytes: 2000))
        let lane = try meter.makeLane()
        for _ in 0..<20 {
            lane.record(echo, sample, bucket: 0)
            meter.rotate()
            meter.acknowledge(meter.pendingBatches()[0])
        }
        let sent = folder.names.filter { $0.hasSuffix(".sent") }
        #expect(try sent.reduce(0) { $0 + (try folder.read($1).count) } <= 2000)
        #expect(!sent.isEmpty)
    }

    @Test func H37_a_refused_batch_is_put_aside_and_the_next_goes_on() throws {
        let folder = Folder()
        defer { folder.remove() }
        let meter = try UsageMeter(directory: folder.path, node: "n")
        let lane = try meter.makeLane()
        for _ in 0..<2 {
            lane.record(echo, sample, bucket: 0)
            meter.rotate()
        }
        let ids = meter.pendingBatches()
        meter.reject(ids[0])
        #expect(meter.pendingBatches() == [ids[1]])
        #expect(folder.names.contains { $0.hasSuffix(".rejected") })
        #expect(meter.warnings() == ["usage: 1 batches were refused"])
    }

    @Test func H37_counters_stop_and_do_not_wrap() throws {
        let folder = Folder()
        defer { folder.remove() }
        let meter = try UsageMeter(directory: folder.path, node: "n")
        let lane = try meter.makeLane()
        let large = UsageSample(
            status: 200, bytesIn: .max, bytesOut: UInt64(Int64.max) - 1, apiMicroseconds: .max,
            serviceMicroseconds: .max)
        lane.record(echo, large, bucket: 0)
        lane.record(echo, large, bucket: 0)
        meter.rotate()
        let counters = try #require(meter.batch(meter.pendingBatches()[0])).records[0].counters
        #expect(counters.bytesIn == UInt64(Int64.max) && counters.bytesOut == UInt64(Int64.max))
        #expect(counters.apiTimeMax == UInt64(Int64.max))
    }

    @Test func H28_one_directory_has_one_meter() throws {
        let folder = Folder()
        defer { folder.remove() }
        let meter = try UsageMeter(directory: folder.path, node: "n")
        let failure = #expect(throws: UsageMeterFailure.self) { try UsageMeter(directory: folder.path, node: "n") }
        #expect(failure?.step == .lock)
        withExtendedLifetime(meter) {}
    }

    private func total(of meter: UsageMeter) -> UInt64 {
        meter.pendingBatches().compactMap(meter.batch).flatMap(\.records).reduce(0) { $0 + $1.counters.total }
    }
}

/// How many lanes still count.
private final class Running: Sendable {
    let lanes = Atomic<Int>(2)
}

/// A path for the time of a test.
private struct Folder {
    let path = NSTemporaryDirectory() + "gatehouse-" + UUID().uuidString

    var names: [String] { (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [] }
    func remove() { try? FileManager.default.removeItem(atPath: path) }
    func read(_ name: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: "\(path)/\(name)"))) }
    func write(_ name: String, _ bytes: [UInt8]) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: "\(path)/\(name)"))
    }
    func copy(to other: Folder) throws { try FileManager.default.copyItem(atPath: path, toPath: other.path) }
}
