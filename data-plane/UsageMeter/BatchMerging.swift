internal import ClusterProtocol
internal import Glibc
internal import Synchronization

// Days without the controller: a batch a second would be a file a second. Those that the ledger can't know yet are put
// together, so that the files grow with the keys and quarters that were counted, not with the time (must-hold H41).

extension BatchStore {
    /// So many wait before they are put together.
    static let mergedAt = 64
    /// A batch with so many records is left as it is: a delivery stays bounded.
    static let mergedRecordsMax = 10_000

    /// Puts the oldest batches that were never offered into one of the name that `name` gives. The new one is on the disk
    /// before the others go, and says which they are: a kill between counts nothing twice.
    func merge(under name: () -> UsageBatchID) {
        contents.withLock { contents in
            let places = contents.pending.indices.filter { index in
                let entry = contents.pending[index]
                return !entry.wasOffered && entry.path != nil && entry.records <= Self.mergedRecordsMax / 2
            }
            guard places.count >= Self.mergedAt else { return }
            var sums: [UsageKey: UsageCounters] = [:]
            var order: [UsageKey] = []
            var taken: [Int] = []
            for place in places {
                guard order.count + contents.pending[place].records <= Self.mergedRecordsMax else { break }
                guard let path = contents.pending[place].path, let batch = BatchFile.read(path) else { continue }
                for record in batch.records {
                    if sums[record.key] == nil { order.append(record.key) }
                    sums[record.key, default: UsageCounters()].add(record.counters)
                }
                taken.append(place)
            }
            guard taken.count > 1 else { return }
            let id = name()
            let records = order.compactMap { key in sums[key].map { UsageRecord(key: key, counters: $0) } }
            let path = path(id.epoch, id.sequence, "batch")
            guard
                BatchFile.write(
                    UsageBatch(id: id, records: records), replacing: taken.map { contents.pending[$0].id }, to: path)
            else { return }
            for place in taken { if let old = contents.pending[place].path { unlink(old) } }
            synchronizeDirectory()
            contents.pending[taken[0]] = Entry(id: id, path: path, wasOffered: false, records: records.count)
            for place in taken.dropFirst().reversed() { contents.pending.remove(at: place) }
        }
    }

    /// What was removed stays removed, also where the power fails: the merged batch may be sent from now on.
    private func synchronizeDirectory() {
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        fsync(descriptor)
        close(descriptor)
    }
}

extension UsageCounters {
    /// Adds the counts of other calls; a sum stops at its bound and does not wrap (must-hold H37).
    mutating func add(_ other: UsageCounters) {
        func sum(_ left: UInt64, _ right: UInt64) -> UInt64 {
            let (sum, overflows) = left.addingReportingOverflow(right)
            return overflows || sum > UInt64(Int64.max) ? UInt64(Int64.max) : sum
        }
        success = sum(success, other.success)
        blocked = sum(blocked, other.blocked)
        failed = sum(failed, other.failed)
        self.other = sum(self.other, other.other)
        bytesIn = sum(bytesIn, other.bytesIn)
        bytesOut = sum(bytesOut, other.bytesOut)
        cacheHits = sum(cacheHits, other.cacheHits)
        cacheMisses = sum(cacheMisses, other.cacheMisses)
        apiTimeSum = sum(apiTimeSum, other.apiTimeSum)
        apiTimeMin = min(apiTimeMin, other.apiTimeMin)
        apiTimeMax = max(apiTimeMax, other.apiTimeMax)
        serviceCalls = sum(serviceCalls, other.serviceCalls)
        serviceTimeSum = sum(serviceTimeSum, other.serviceTimeSum)
        serviceTimeMin = min(serviceTimeMin, other.serviceTimeMin)
        serviceTimeMax = max(serviceTimeMax, other.serviceTimeMax)
    }
}
