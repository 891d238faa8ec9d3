package import ClusterProtocol
internal import CrashPoints
internal import Cryptography
internal import Foundation
internal import GatewayConfiguration
internal import Synchronization
internal import WebClient

// The agent: enrols the node, keeps it on the newest snapshot, tells the controller how it stands and delivers usage.

/// One a node. `credentials` first, then `run` for as long as the node lives, then `stop`.
package final class NodeAgent: Sendable {
    /// What the loops share.
    struct State {
        var status = AgentStatus()
        var identity: EnrolmentAnswer?
        /// Whether the identity was given in this process: then its snapshot key is the newest.
        var isNewlyEnrolled = false
        var link: ControllerLink?
        var snapshotTrouble: String?
        var persistenceTrouble: String?
        var linkTrouble: String?
        var isStopping = false
        /// Of the ledger, as the stream told.
        var incarnation: String?
    }

    let settings: NodeSettings
    let keys: NodeKeys
    let state = Mutex(State())
    let report = Wakeup()
    let arrivals = Wakeup()
    /// The newest event of the stream that nobody looked at; an older one is dropped unread.
    let newestEvent = Mutex<SnapshotEvent?>(nil)
    let received = Atomic<UInt64>(0)
    private let identityFile: NodeIdentityFile

    /// Throws when the directory can't be used or its keys are damaged.
    package init(_ settings: NodeSettings) throws {
        try DurableFile.makeDirectory(settings.directory)
        self.settings = settings
        keys = try NodeKeys(directory: settings.directory)
        identityFile = NodeIdentityFile(directory: settings.directory)
        if let identity = identityFile.read() { try take(identity, isNew: false) }
    }

    /// Bytes of the stream and of blobs since the start.
    package var bytesReceived: UInt64 { received.load(ordering: .relaxed) }

    package var status: AgentStatus {
        state.withLock { state in
            var status = state.status
            status.warnings = [state.snapshotTrouble, state.persistenceTrouble, state.linkTrouble].compactMap { $0 }
            return status
        }
    }

    /// What the controller certified; enrols a node that is new, as often as it takes. Throws `CancellationError`.
    package func credentials() async throws -> NodeCredentials {
        var backOff = BackOff(first: settings.timing.firstRetry, longest: settings.timing.longestRetry)
        while true {
            if let credentials = currentCredentials { return credentials }
            do { try await enrol() } catch {
                note(error, during: "enrolment")
                try await Task.sleep(for: backOff.next())
            }
        }
    }

    /// Restores the last good snapshot from disk, then follows the controller until the task is cancelled or the node is
    /// revoked (`status.link`). `restored` is called when what lay on the disk serves, or nothing did; `changed` hears of
    /// every new certificate.
    package func run(
        consumer: any SnapshotConsumer, usage: (any UsageSource)?, restored: @escaping @Sendable () -> Void = {},
        changed: @escaping @Sendable (NodeCredentials) -> Void = { _ in }
    ) async throws {
        _ = try await credentials()
        guard let (identity, isNew) = state.withLock({ state in state.identity.map { ($0, state.isNewlyEnrolled) } })
        else { return }
        let applier = try SnapshotApplier(
            identity: identity, sealingKey: keys.sealingKey, directory: settings.directory, isNew: isNew,
            consumer: consumer)
        note(await applier.restore(), isPersisted: true)
        restored()
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.followSnapshots(applier) }
            group.addTask { await self.applySnapshots(applier) }
            group.addTask { await self.reportStanding(usage) }
            if let usage { group.addTask { await self.deliverUsage(usage) } }
            group.addTask { await self.renewCertificate(changed) }
            // A loop ends when the task is cancelled or the node is revoked: then all do.
            await group.next()
            group.cancelAll()
        }
    }

    /// Delivers what was counted and says that the node stops and need not be waited for; within `bound`.
    package func stop(usage: (any UsageSource)?, within bound: Duration = .seconds(5)) async {
        state.withLock { $0.isStopping = true }
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                if let usage {
                    usage.rotate()
                    _ = await self.deliverPending(usage)
                }
                await self.sendStanding(usage)
            }
            group.addTask { try? await Task.sleep(for: bound) }
            await group.next()
            group.cancelAll()
        }
    }

    // Identity

    /// What was certified so far; nil for a node that has not enrolled.
    package var currentCredentials: NodeCredentials? {
        state.withLock { state in
            state.identity.map {
                NodeCredentials(
                    node: $0.node, gateway: $0.gateway, service: $0.service,
                    listenerCertificate: $0.listenerCertificate, privateKey: keys.privateKey)
            }
        }
    }

    var link: ControllerLink? { state.withLock { $0.link } }

    func enrol() async throws {
        let link = try ControllerLink(
            controller: settings.controller, authority: settings.authority, identity: nil)
        defer { link.close() }
        let request = EnrolmentRequest(
            name: settings.name, certificateRequest: try keys.request().pem, hostNames: settings.hostNames,
            software: settings.software)
        let answer = try await link.enrol(request, token: try settings.token())
        CrashPoint.nodeEnrolled.pass()
        try identityFile.write(answer)
        try take(answer, isNew: true)
    }

    func renew() async throws {
        guard let link else { return }
        let answer = try await link.renew(
            RenewalRequest(certificateRequest: try keys.request().pem, hostNames: settings.hostNames))
        try identityFile.write(answer)
        try take(answer, isNew: false)
    }

    /// Whether the certificate has ended.
    var isExpired: Bool {
        guard let identity = state.withLock({ $0.identity }),
            let details = try? CertificateDetails(pem: identity.certificate)
        else { return false }
        return details.notAfter < Date()
    }

    private func take(_ identity: EnrolmentAnswer, isNew: Bool) throws {
        let link = try ControllerLink(
            controller: settings.controller, authority: settings.authority,
            identity: WebIdentity(certificate: identity.certificate, privateKey: keys.privateKey))
        state.withLock { state in
            state.identity = identity
            state.isNewlyEnrolled = state.isNewlyEnrolled || isNew
            state.status.node = identity.node
            if state.status.link == .enrolling || state.status.link == .expired { state.status.link = .unreachable }
            // A stream that runs goes on with the old one, whose certificate is good to its end.
            state.link = link
        }
    }

    // Standing

    func noteContact() {
        state.withLock { state in
            state.status.lastContact = Date()
            state.linkTrouble = nil
            if state.status.link != .revoked { state.status.link = .reachable }
        }
    }

    func note(_ failure: any Error, during action: String) {
        state.withLock { state in
            state.linkTrouble = "\(action): \(failure)"
            guard let failure = failure as? LinkFailure else { return }
            switch failure {
            case .refused where failure.isRefused(.nodeRevoked): state.status.link = .revoked
            case .unreachable:
                if state.status.link == .reachable { state.status.link = .unreachable }
            default: state.status.lastContact = Date()
            }
        }
    }

    func note(_ outcome: ApplyOutcome, isPersisted: Bool) {
        state.withLock { state in
            state.persistenceTrouble = isPersisted ? nil : "notPersisted: the snapshot could not be written"
            switch outcome {
            case .unchanged: break
            case .applied(let version):
                state.status.appliedVersion = version
                state.snapshotTrouble = nil
                if let refused = state.status.refusedVersion, refused <= version {
                    state.status.refusedVersion = nil
                    state.status.refusedReason = nil
                }
            case .incomplete(let version, let reason):
                state.snapshotTrouble = "snapshot refused: \(reason)"
                state.status.refusedVersion = version
                state.status.refusedReason = reason
            case .refused(let version, let reason):
                state.snapshotTrouble = "snapshot refused: \(reason)"
                if let version, version > state.status.appliedVersion {
                    state.status.refusedVersion = version
                    state.status.refusedReason = reason
                }
            }
        }
        report.signal()
    }

    var isRevoked: Bool { state.withLock { $0.status.link == .revoked } }
    var goesOn: Bool { !Task.isCancelled && !isRevoked }
}
