// So many tries a minute and key, so that nobody guesses at tokens or asks without end (must-hold H17, H23).
internal import Synchronization

final class MinuteThrottle: Sendable {
    private static let keysMax = 10_000
    private let perMinute: Int
    private let tries = Mutex<[String: [Double]]>([:])

    init(perMinute: Int) { self.perMinute = perMinute }

    /// Whether one more is allowed; `now` in seconds.
    func mayTry(_ key: String, now: Double) -> Bool {
        tries.withLock { tries in
            if tries.count > Self.keysMax { tries = tries.filter { ($0.value.last ?? 0) > now - 60 } }
            let recent = (tries[key] ?? []).filter { $0 > now - 60 }
            guard recent.count < perMinute else { return false }
            tries[key] = recent + [now]
            return true
        }
    }
}
