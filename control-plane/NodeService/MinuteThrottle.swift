// So many tries a minute and key, so that nobody guesses at tokens or asks without end (must-hold H17, H23).
internal import Synchronization

final class MinuteThrottle: Sendable {
    private static let keysMax = 10_000
    private let perMinute: Int

    private struct Key {
        /// When it tried, and when it was given one more: seconds, in order.
        var tries: [Double] = []
        var grants: [Double] = []

        mutating func forget(before time: Double) {
            tries.removeFirst(tries.prefix { $0 <= time }.count)
            grants.removeFirst(grants.prefix { $0 <= time }.count)
        }
    }

    private let keys = Mutex<[String: Key]>([:])

    init(perMinute: Int) { self.perMinute = perMinute }

    /// Whether one more is allowed; `now` in seconds.
    func mayTry(_ key: String, now: Double) -> Bool {
        update(key, now) { state in
            guard state.tries.count < perMinute + state.grants.count else { return false }
            state.tries.append(now)
            return true
        }
    }

    /// One more try within this minute: what it needs has come up for a reason that is not the key's own.
    func grant(_ key: String, now: Double) {
        update(key, now) { $0.grants.append(now) }
    }

    private func update<Result>(_ key: String, _ now: Double, _ body: (inout Key) -> Result) -> Result {
        keys.withLock { keys in
            if keys.count > Self.keysMax {
                for name in Array(keys.keys) {
                    keys[name]?.forget(before: now - 60)
                    if let state = keys[name], state.tries.isEmpty, state.grants.isEmpty { keys[name] = nil }
                }
            }
            var state = keys.removeValue(forKey: key) ?? Key()
            state.forget(before: now - 60)
            defer { keys[key] = state }
            return body(&state)
        }
    }
}
