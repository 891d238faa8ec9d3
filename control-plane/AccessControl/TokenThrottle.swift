// Guessing at the token endpoint: failures are counted, and too many make the next wait.
internal import Synchronization

/// Failures a minute by (client id, address) and by address, never by client id alone, so that nobody locks another out
/// (must-hold G5). IPv6 addresses count by /64.
package final class TokenThrottle: Sendable {
    package static let failuresMax = 10
    private static let windowSeconds = 60.0
    private static let waitMinSeconds = 60.0
    private static let waitMaxSeconds = 900.0
    private static let entriesMax = 100_000

    private struct Entry {
        var failures: [Double] = []
        var blockedUntil = 0.0
        var wait = TokenThrottle.waitMinSeconds
    }

    private let entries = Mutex<[String: Entry]>([:])

    package init() {}

    /// Seconds that this caller must wait before it may try; nil where it may.
    package func wait(client: String, address: String, now: Double) -> Int? {
        entries.withLock { entries in
            let until = Self.keys(client, address).compactMap { entries[$0]?.blockedUntil }.max() ?? 0
            return until > now ? max(1, Int((until - now).rounded(.up))) : nil
        }
    }

    package func failed(client: String, address: String, now: Double) {
        entries.withLock { entries in
            if entries.count > Self.entriesMax {
                entries = entries.filter {
                    $0.value.blockedUntil > now || ($0.value.failures.last ?? 0) > now - Self.windowSeconds
                }
                // Who waits goes on waiting, as long as there is room for it.
                if entries.count > Self.entriesMax { entries = entries.filter { $0.value.blockedUntil > now } }
                if entries.count > Self.entriesMax { entries.removeAll() }
            }
            for key in Self.keys(client, address) {
                var entry = entries[key] ?? Entry()
                entry.failures = entry.failures.filter { $0 > now - Self.windowSeconds } + [now]
                if entry.failures.count >= Self.failuresMax {
                    entry.blockedUntil = now + entry.wait
                    entry.wait = min(entry.wait * 2, Self.waitMaxSeconds)
                    entry.failures = []
                }
                entries[key] = entry
            }
        }
    }

    /// A right secret forgets what its client failed there, and the next wait of the address is the shortest again. What
    /// the address has failed in this minute still counts: a guesser with a secret of its own gains nothing by it.
    package func succeeded(client: String, address: String) {
        let keys = Self.keys(client, address)
        entries.withLock { entries in
            entries[keys[0]] = nil
            entries[keys[1]]?.wait = Self.waitMinSeconds
        }
    }

    private static func keys(_ client: String, _ address: String) -> [String] {
        let network = SourceNetwork.name(of: address)
        return ["\(client.lowercased().prefix(200))|\(network)", "|\(network)"]
    }
}
