internal import Synchronization

// What the engine counts for metrics: relaxed atomics, one set a loop, read by whoever asks.

/// Counters of one loop.
package final class EngineCounters: Sendable {
    package enum Name: Int, CaseIterable, Sendable {
        case connectionsAccepted
        case connectionsDropped
        case connectionsOpen
        case handshakesFailed
        case proxyHeadersRefused
        case backendConnectionsOpened
        case backendConnectionsReused
        case requestsRepeated
    }

    private let connectionsAccepted = Atomic<UInt64>(0)
    private let connectionsDropped = Atomic<UInt64>(0)
    private let connectionsOpen = Atomic<UInt64>(0)
    private let handshakesFailed = Atomic<UInt64>(0)
    private let proxyHeadersRefused = Atomic<UInt64>(0)
    private let backendConnectionsOpened = Atomic<UInt64>(0)
    private let backendConnectionsReused = Atomic<UInt64>(0)
    private let requestsRepeated = Atomic<UInt64>(0)

    package init() {}

    func add(_ name: Name) {
        // One thread writes: a plain load and store are an addition.
        store(name, value(of: name) &+ 1)
    }

    func store(_ name: Name, _ value: UInt64) {
        switch name {
        case .connectionsAccepted: connectionsAccepted.store(value, ordering: .relaxed)
        case .connectionsDropped: connectionsDropped.store(value, ordering: .relaxed)
        case .connectionsOpen: connectionsOpen.store(value, ordering: .relaxed)
        case .handshakesFailed: handshakesFailed.store(value, ordering: .relaxed)
        case .proxyHeadersRefused: proxyHeadersRefused.store(value, ordering: .relaxed)
        case .backendConnectionsOpened: backendConnectionsOpened.store(value, ordering: .relaxed)
        case .backendConnectionsReused: backendConnectionsReused.store(value, ordering: .relaxed)
        case .requestsRepeated: requestsRepeated.store(value, ordering: .relaxed)
        }
    }

    package func value(of name: Name) -> UInt64 {
        switch name {
        case .connectionsAccepted: connectionsAccepted.load(ordering: .relaxed)
        case .connectionsDropped: connectionsDropped.load(ordering: .relaxed)
        case .connectionsOpen: connectionsOpen.load(ordering: .relaxed)
        case .handshakesFailed: handshakesFailed.load(ordering: .relaxed)
        case .proxyHeadersRefused: proxyHeadersRefused.load(ordering: .relaxed)
        case .backendConnectionsOpened: backendConnectionsOpened.load(ordering: .relaxed)
        case .backendConnectionsReused: backendConnectionsReused.load(ordering: .relaxed)
        case .requestsRepeated: requestsRepeated.load(ordering: .relaxed)
        }
    }
}
