import HTTPEngine
import Synchronization

// What the node counts for /metrics. Labels are bounded: a status class, a refusal's reason; never a key, a path or an
// address (contract-details.md section 4).

/// Counters of one loop; the loop adds, anybody reads.
final class LoopMetrics: Sendable {
    private struct Counts {
        /// By status class, 1 to 5.
        var calls = [UInt64](repeating: 0, count: 6)
        var seconds = 0.0
        var bytesIn: UInt64 = 0
        var bytesOut: UInt64 = 0
        var refusals = [UInt64](repeating: 0, count: Refusal.allCases.count)
        var backendFailures: UInt64 = 0
    }

    private let counts = Mutex(Counts())

    func add(_ summary: CallSummary) {
        counts.withLock { counts in
            counts.calls[min(5, max(0, summary.status / 100))] += 1
            counts.seconds += Double(summary.apiMicroseconds) / 1_000_000
            counts.bytesIn += summary.bytesIn
            counts.bytesOut += summary.bytesOut
            if let refusal = summary.refusal { counts.refusals[Int(refusal.rawValue)] += 1 }
        }
    }

    func add(_ refusal: Refusal) { counts.withLock { $0.refusals[Int(refusal.rawValue)] += 1 } }

    func addBackendFailure() { counts.withLock { $0.backendFailures += 1 } }

    fileprivate func read(into total: inout GatewayMetrics.Total) {
        counts.withLock { counts in
            for (index, count) in counts.calls.enumerated() { total.calls[index] += count }
            for (index, count) in counts.refusals.enumerated() { total.refusals[index] += count }
            total.seconds += counts.seconds
            total.bytesIn += counts.bytesIn
            total.bytesOut += counts.bytesOut
            total.backendFailures += counts.backendFailures
        }
    }
}

/// All loops together, as text.
final class GatewayMetrics: Sendable {
    fileprivate struct Total {
        var calls = [UInt64](repeating: 0, count: 6)
        var refusals = [UInt64](repeating: 0, count: Refusal.allCases.count)
        var seconds = 0.0
        var bytesIn: UInt64 = 0
        var bytesOut: UInt64 = 0
        var backendFailures: UInt64 = 0
    }

    let loops: [LoopMetrics]
    private let engines = Mutex<[EngineCounters]>([])

    init(loops: Int) { self.loops = (0..<loops).map { _ in LoopMetrics() } }

    func watch(_ counters: [EngineCounters]) { engines.withLock { $0 += counters } }

    /// Prometheus' text format.
    func text(version: Int64, controllerBytes: UInt64, droppedLogLines: UInt64) -> String {
        var total = Total()
        for loop in loops { loop.read(into: &total) }
        var lines: [String] = []
        func metric(_ name: String, _ kind: String, _ help: String, _ values: [(labels: String, value: String)]) {
            lines.append("# HELP gatehouse_\(name) \(help)")
            lines.append("# TYPE gatehouse_\(name) \(kind)")
            for entry in values { lines.append("gatehouse_\(name)\(entry.labels) \(entry.value)") }
        }
        metric(
            "calls_total", "counter", "Calls that ended, by class of status.",
            (1...5).map { ("{class=\"\($0)xx\"}", String(total.calls[$0])) })
        metric("call_seconds_total", "counter", "Time of all calls.", [("", String(total.seconds))])
        metric(
            "caller_bytes_total", "counter", "Bytes between callers and node.",
            [("{direction=\"in\"}", String(total.bytesIn)), ("{direction=\"out\"}", String(total.bytesOut))])
        metric(
            "refusals_total", "counter", "Requests refused by the HTTP engine.",
            Refusal.allCases.map { ("{reason=\"\($0.label)\"}", String(total.refusals[Int($0.rawValue)])) })
        metric(
            "backend_failures_total", "counter", "Calls that no backend answered.",
            [("", String(total.backendFailures))])
        let engines = self.engines.withLock { $0 }
        func sum(_ name: EngineCounters.Name) -> String { String(engines.reduce(0) { $0 &+ $1.value(of: name) }) }
        metric("connections_accepted_total", "counter", "Callers' connections.", [("", sum(.connectionsAccepted))])
        metric("connections_dropped_total", "counter", "Connections not taken.", [("", sum(.connectionsDropped))])
        metric("connections_open", "gauge", "Callers' connections that are open.", [("", sum(.connectionsOpen))])
        metric("handshakes_failed_total", "counter", "TLS handshakes that failed.", [("", sum(.handshakesFailed))])
        metric(
            "proxy_headers_refused_total", "counter", "Connections closed for want of a good PROXY header.",
            [("", sum(.proxyHeadersRefused))])
        metric(
            "backend_connections_total", "counter", "Connections to backends, by how they were had.",
            [
                ("{kind=\"opened\"}", sum(.backendConnectionsOpened)),
                ("{kind=\"reused\"}", sum(.backendConnectionsReused)),
            ])
        metric("requests_repeated_total", "counter", "Requests sent twice.", [("", sum(.requestsRepeated))])
        metric("access_log_dropped_total", "counter", "Lines not written.", [("", String(droppedLogLines))])
        metric("snapshot_version", "gauge", "Version that serves; 0 for none.", [("", String(version))])
        metric(
            "controller_bytes_received_total", "counter", "Bytes of snapshots that the controller sent.",
            [("", String(controllerBytes))])
        return lines.joined(separator: "\n") + "\n"
    }
}
