internal import ClusterProtocol
internal import CrashPoints
internal import Cryptography
internal import Foundation
internal import GatewayConfiguration
internal import Synchronization
internal import WebClient

// The agent's loops. Each runs until its task is cancelled or the node is revoked, and none throws: what fails is noted
// and tried again.

extension NodeAgent {
    /// Bytes of blobs asked for in one request, and hashes (must-hold H17).
    static let blobBytesInRequest = 8 << 20
    static let hashesInRequest = 1000

    /// Holds the stream of roots open.
    func followSnapshots(_ applier: SnapshotApplier) async {
        var backOff = BackOff(first: settings.timing.firstRetry, longest: settings.timing.longestRetry)
        var isRecovered = false
        while goesOn {
            do {
                guard let link else { return }
                let stream = try await link.snapshots(after: await applier.version, silence: settings.timing.silence)
                noteContact()
                isRecovered = false
                try await read(stream) { backOff.succeeded() }
            } catch {
                if await recover(from: error, applier), !isRecovered {
                    // Nothing to wait for: the controller has just been told what it lacked. Once, until it is heard.
                    isRecovered = true
                    continue
                }
            }
            guard goesOn else { return }
            try? await Task.sleep(for: backOff.next())
        }
    }

    private func read(_ stream: WebStream, heard: () -> Void) async throws {
        var parser = EventStreamParser()
        while let piece = try await stream.next() {
            heard()
            noteContact()
            received.add(UInt64(piece.count), ordering: .relaxed)
            for event in try parser.eat(piece) { try take(event) }
        }
    }

    private func take(_ event: EventStreamParser.Event) throws {
        switch event.name {
        case "snapshot":
            let snapshot = try JSONDecoder().decode(SnapshotEvent.self, from: Data(event.data.utf8))
            newestEvent.withLock { $0 = Self.newest(snapshot, after: $0) }
            arrivals.signal()
        case "ledger":
            let ledger = try JSONDecoder().decode(LedgerEvent.self, from: Data(event.data.utf8))
            state.withLock { $0.incarnation = ledger.incarnation }
        default: break
        }
    }

    /// `event` in the place of one that nobody looked at. What changed between is not lost where both tell it.
    private static func newest(_ event: SnapshotEvent, after waiting: SnapshotEvent?) -> SnapshotEvent {
        guard let waiting, let first = waiting.update, let second = event.update,
            SignedRoot(root: waiting.root, signature: waiting.signature).rootHash == second.since
        else { return event }
        var event = event
        event.update = first.followed(by: second)
        return event
    }

    /// Does what the failure asks for; true where the controller can be asked again at once.
    private func recover(from failure: any Error, _ applier: SnapshotApplier) async -> Bool {
        let failure = (failure as? WebFailure).map(LinkFailure.unreachable) ?? failure
        note(failure, during: "snapshots")
        do {
            if (failure as? LinkFailure)?.isRefused(.rootWanted) == true, let root = await applier.signedRoot {
                try await handOver(root)
                return true
            }
            if isExpired {
                state.withLock { $0.status.link = .expired }
                try await enrol()
                return true
            }
        } catch {
            note(error, during: "recovery")
        }
        return false
    }

    private func handOver(_ root: SignedRoot) async throws {
        let failure: LinkFailure?
        do {
            try await link?.handOver(root)
            failure = nil
        } catch {
            failure = error
        }
        // Refused where another node was first.
        if let failure, !failure.isRefused(.unknownVersion) { throw failure }
    }

    /// Takes the newest root that came.
    func applySnapshots(_ applier: SnapshotApplier) async {
        while goesOn {
            guard
                let event = newestEvent.withLock({ event in
                    defer { event = nil }
                    return event
                })
            else {
                let isPersisted = await applier.isPersisted
                await arrivals.wait(atMost: .seconds(isPersisted ? 60 : 1))
                if !isPersisted {
                    await applier.keepAgain()
                    if await applier.isPersisted { note(.unchanged, isPersisted: true) }
                }
                continue
            }
            do {
                let outcome = try await applier.take(event) { try await self.fetch($0) }
                if case .incomplete = outcome, await isReplaced() { continue }
                note(outcome, isPersisted: await applier.isPersisted)
            } catch {
                note(error, during: "blobs")
                // The root still counts; a newer one replaces it.
                newestEvent.withLock { if $0 == nil { $0 = event } }
                guard goesOn else { return }
                try? await Task.sleep(for: .milliseconds(500))
            }
        }
    }

    /// Whether a newer root is here, or comes soon: the controller gives the blobs of its last two roots alone.
    private func isReplaced() async -> Bool {
        for _ in 0..<2 {
            if newestEvent.withLock({ $0 != nil }) { return true }
            await arrivals.wait(atMost: .seconds(1))
        }
        return newestEvent.withLock { $0 != nil }
    }

    /// Blobs by hash; in several requests where they are many.
    private func fetch(_ sizes: [String: Int]) async throws -> [String: [UInt8]] {
        guard let link else { throw LinkFailure.malformed }
        var found: [String: [UInt8]] = [:]
        var hashes: [String] = []
        var bytes = 0
        func ask() async throws {
            guard !hashes.isEmpty else { return }
            // Base64 makes four bytes of three; names and quotes come on top.
            let most = bytes / 3 * 4 + hashes.count * 100 + 4096
            let answer = try await link.blobs(hashes, bytesMax: most)
            received.add(UInt64(answer.bytes), ordering: .relaxed)
            found.merge(answer.blobs) { $1 }
            hashes = []
            bytes = 0
        }
        for (hash, size) in sizes.sorted(by: { $0.key < $1.key }) {
            if hashes.count == Self.hashesInRequest || bytes + size > Self.blobBytesInRequest { try await ask() }
            hashes.append(hash)
            bytes += size
        }
        try await ask()
        return found
    }

    /// Tells the controller how the node stands: at each change, and as a sign of life.
    func reportStanding(_ usage: (any UsageSource)?) async {
        while goesOn {
            await sendStanding(usage)
            guard goesOn else { return }
            await report.wait(atMost: settings.timing.heartbeat)
        }
    }

    func sendStanding(_ usage: (any UsageSource)?) async {
        let (link, isStopping) = state.withLock { ($0.link, $0.isStopping) }
        let status = status
        let standing = Acknowledgement(
            appliedVersion: status.appliedVersion, refusedVersion: status.refusedVersion,
            refusedReason: status.refusedReason, software: settings.software, isStopping: isStopping,
            warnings: status.warnings + (usage?.warnings() ?? []))
        CrashPoint.nodeBeforeAcknowledgement.pass()
        do {
            try await link?.acknowledge(standing)
            noteContact()
        } catch {
            note(error, during: "acknowledgement")
        }
    }

    /// Makes batches each second and delivers them.
    func deliverUsage(_ usage: any UsageSource) async {
        var backOff = BackOff(first: settings.timing.usage, longest: .seconds(30))
        while goesOn {
            usage.rotate()
            checkLedger(usage)
            let isDone = await deliverPending(usage)
            guard goesOn else { return }
            if isDone { backOff.succeeded() }
            try? await Task.sleep(for: isDone ? settings.timing.usage : max(settings.timing.usage, backOff.next()))
        }
    }

    /// Another ledger than before wants what it may not have.
    private func checkLedger(_ usage: any UsageSource) {
        guard let incarnation = state.withLock({ $0.incarnation }) else { return }
        let path = "\(settings.directory)/ledger"
        let known = DurableFile.read(path, bytesMax: 1024).map { String(decoding: $0, as: UTF8.self) }
        guard known != incarnation else { return }
        if known != nil { usage.resendAcknowledged() }
        try? DurableFile.write(Array(incarnation.utf8), to: path)
    }

    /// Delivers batches, oldest first; false where the controller took one not yet.
    func deliverPending(_ usage: any UsageSource) async -> Bool {
        guard
            let (link, node) = state.withLock({ state in
                state.link.flatMap { link in state.identity.map { (link, $0.node) } }
            })
        else { return false }
        for id in usage.pendingBatches() {
            guard !Task.isCancelled, var batch = usage.batch(id) else { continue }
            // A node that had to enrol anew speaks under its new id.
            batch.id.node = node
            do {
                CrashPoint.usageBeforeDelivery.pass()
                _ = try await link.deliver(batch)
                CrashPoint.usageAcknowledged.pass()
                usage.acknowledge(id)
                CrashPoint.usageDropped.pass()
            } catch  where error.isRefused(.batchConflict) {
                usage.readdress(id)
            } catch  where error.isRefused(.badBatch) {
                usage.reject(id)
            } catch {
                note(error, during: "usage")
                return false
            }
        }
        return true
    }

    /// Renews the certificate when two thirds of its life are over.
    func renewCertificate(_ changed: @Sendable (NodeCredentials) -> Void) async {
        while goesOn {
            if isRenewalDue {
                do {
                    if isExpired { try await enrol() } else { try await renew() }
                    if let credentials = currentCredentials { changed(credentials) }
                } catch {
                    note(error, during: "renewal")
                }
            }
            guard goesOn else { return }
            try? await Task.sleep(for: settings.timing.renewalCheck)
        }
    }

    private var isRenewalDue: Bool {
        guard let identity = state.withLock({ $0.identity }),
            let details = try? CertificateDetails(pem: identity.certificate)
        else { return false }
        let life = details.notAfter.timeIntervalSince(details.notBefore)
        return Date() >= details.notBefore.addingTimeInterval(life * settings.timing.renewal)
    }
}
