import ClusterProtocol
import Foundation
import Testing
import UsageMeter

// Names of batches over starts, copies and conflicts (must-hold H32, H35).

@Suite struct EpochTests {
    private let echo = UsageSubject(api: "echo", operation: "get", product: "p", subscription: "s", user: "1")
    private let sample = UsageSample(
        status: 200, bytesIn: 10, bytesOut: 20, apiMicroseconds: 300, serviceMicroseconds: 100)

    private func place() -> String { NSTemporaryDirectory() + "gatehouse-" + UUID().uuidString }
    private func remove(_ path: String) { try? FileManager.default.removeItem(atPath: path) }
    private func total(of meter: UsageMeter) -> UInt64 {
        meter.pendingBatches().compactMap(meter.batch).flatMap(\.records).reduce(0) { $0 + $1.counters.total }
    }

    @Test func H35_everyStartHasAnEpochOfItsOwn() throws {
        let path = place()
        defer { remove(path) }
        var epochs: Set<UInt64> = []
        for start in 0..<1_000 {
            let meter = try UsageMeter(directory: path, node: "n")
            #expect(epochs.insert(meter.epoch).inserted)
            if start % 100 == 0 { try meter.makeLane().record(echo, sample, bucket: 0) }
        }
        // Random over their whole width: a counter or a clock would leave the top bits alike.
        #expect(Set(epochs.map { $0 >> 45 }).count > 200)
        // What a start left is a batch under that start's epoch, once.
        let last = try UsageMeter(directory: path, node: "n")
        let ids = last.pendingBatches()
        #expect(ids.count == 10 && Set(ids.map(\.epoch)).count == 10 && Set(ids.map(\.epoch)).isSubset(of: epochs))
        #expect(total(of: last) == 10)
    }

    @Test func H35_copiesOfADirectoryShareTheirPastAndNothingElse() throws {
        let path = place()
        let copy = place()
        defer { [path, copy].forEach(remove) }
        let meter = try UsageMeter(directory: path, node: "n")
        let lane = try meter.makeLane()
        lane.record(echo, sample, bucket: 0)
        meter.rotate()
        lane.record(echo, sample, bucket: 900)
        try FileManager.default.copyItem(atPath: path, toPath: copy)
        let other = try UsageMeter(directory: copy, node: "n")
        #expect(other.epoch != meter.epoch)
        // Both seal what was in the segment under one name with one content: the ledger takes it once.
        meter.rotate()
        let own = meter.pendingBatches().compactMap(meter.batch)
        let copied = other.pendingBatches().compactMap(other.batch)
        #expect(own.count == 2 && Set(own) == Set(copied))
        // What each counts from now on has a name of its own.
        lane.record(echo, sample, bucket: 1800)
        try other.makeLane().record(echo, sample, bucket: 1800)
        meter.rotate()
        other.rotate()
        let new = Set(meter.pendingBatches()).symmetricDifference(other.pendingBatches())
        #expect(new.count == 2)
    }

    @Test func H32_whatTheLedgerHasOtherwiseIsSentWholeUnderAnotherName() throws {
        let path = place()
        defer { remove(path) }
        var former: UsageBatchID?
        do {
            let meter = try UsageMeter(directory: path, node: "n")
            let lane = try meter.makeLane()
            for bucket: Int64 in [0, 900] { lane.record(echo, sample, bucket: bucket) }
            meter.rotate()
            former = meter.pendingBatches().first
        }
        let meter = try UsageMeter(directory: path, node: "n")
        let id = try #require(former)
        let records = try #require(meter.batch(id)).records
        meter.readdress(id)
        let ids = meter.pendingBatches()
        #expect(ids.count == 1 && ids[0] != id && ids[0].epoch == meter.epoch)
        #expect(meter.batch(ids[0])?.records == records && total(of: meter) == 2)
        // It outlives a restart, and is not made twice.
        meter.readdress(id)
        #expect(meter.pendingBatches() == ids)
    }

    private func batches(_ path: String) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).filter { $0.hasSuffix(".batch") }
    }

    @Test func H41_daysWithoutTheControllerAreFewFiles() throws {
        let path = place()
        defer { remove(path) }
        let meter = try UsageMeter(directory: path, node: "n")
        let lane = try meter.makeLane()
        // Ten quarters of an hour, each with many batches that nobody takes.
        for number in 0..<1_000 {
            lane.record(echo, sample, bucket: Int64(number / 100) * 900)
            meter.rotate()
        }
        #expect(meter.pendingBatches().count < 70 && batches(path).count < 70)
        #expect(total(of: meter) == 1_000)
        let records = meter.pendingBatches().compactMap(meter.batch).flatMap(\.records)
        #expect(records.reduce(0) { $0 + $1.counters.bytesIn } == 10_000)
        #expect(records.allSatisfy { $0.counters.apiTimeMin == 300 && $0.counters.apiTimeMax == 300 })
        for bucket: Int64 in 0..<10 {
            #expect(records.filter { $0.key.bucket == bucket * 900 }.reduce(0) { $0 + $1.counters.total } == 100)
        }
        // After a restart it is all there, under the names that it has now.
        let ids = meter.pendingBatches()
        let copy = place()
        defer { remove(copy) }
        try FileManager.default.copyItem(atPath: path, toPath: copy)
        let again = try UsageMeter(directory: copy, node: "n")
        #expect(Set(again.pendingBatches()) == Set(ids) && total(of: again) == 1_000)
    }

    @Test func H41_whatTheLedgerMayKnowKeepsItsName() throws {
        let path = place()
        defer { remove(path) }
        let meter = try UsageMeter(directory: path, node: "n")
        let lane = try meter.makeLane()
        lane.record(echo, sample, bucket: 0)
        meter.rotate()
        let sent = meter.pendingBatches()[0]
        let content = meter.batch(sent)
        for _ in 0..<200 {
            lane.record(echo, sample, bucket: 0)
            meter.rotate()
        }
        #expect(meter.pendingBatches().first == sent && meter.batch(sent) == content)
        #expect(meter.pendingBatches().count < 70 && total(of: meter) == 201)
    }

    @Test func H41_aKillWhileBatchesArePutTogetherCountsNothingTwice() throws {
        let path = place()
        let copy = place()
        defer { [path, copy].forEach(remove) }
        let meter = try UsageMeter(directory: path, node: "n")
        let lane = try meter.makeLane()
        while batches(path).count < 63 {
            lane.record(echo, sample, bucket: 0)
            meter.rotate()
        }
        try FileManager.default.copyItem(atPath: path, toPath: copy)
        lane.record(echo, sample, bucket: 0)
        meter.rotate()
        #expect(batches(path).count == 1)
        // The merged one is there, and none of the others is gone yet.
        for name in batches(path) {
            try FileManager.default.copyItem(atPath: "\(path)/\(name)", toPath: "\(copy)/\(name)")
        }
        for name in try FileManager.default.contentsOfDirectory(atPath: copy) where name.hasSuffix(".segment") {
            remove("\(copy)/\(name)")
        }
        let again = try UsageMeter(directory: copy, node: "n")
        #expect(again.pendingBatches() == meter.pendingBatches() && total(of: again) == 64)
        #expect(batches(copy).count == 1)
    }

    @Test func H41_manyKeysAreNotPutIntoOneDelivery() throws {
        let path = place()
        defer { remove(path) }
        let meter = try UsageMeter(directory: path, node: "n")
        let lane = try meter.makeLane()
        for round in 0..<80 {
            for number in 0..<300 {
                let subject = UsageSubject(
                    api: "a\(round)-\(number)", operation: "", product: "", subscription: "", user: "")
                lane.record(subject, sample, bucket: 0)
            }
            meter.rotate()
        }
        #expect(total(of: meter) == 24_000)
        let sizes = meter.pendingBatches().compactMap(meter.batch).map(\.records.count)
        #expect(sizes.allSatisfy { $0 <= 10_000 } && sizes.count < 60)
    }
}
