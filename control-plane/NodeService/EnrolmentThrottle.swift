// Enrolments a minute and address, so that nobody guesses at tokens (must-hold H23).
internal import Synchronization

final class EnrolmentThrottle: Sendable {
    private static let perMinute = 10
    private static let addressesMax = 10_000
    private let tries = Mutex<[String: [Double]]>([:])

    func mayTry(_ address: String, now: Double) -> Bool {
        tries.withLock { tries in
            if tries.count > Self.addressesMax { tries = tries.filter { ($0.value.last ?? 0) > now - 60 } }
            let recent = (tries[address] ?? []).filter { $0 > now - 60 }
            guard recent.count < Self.perMinute else { return false }
            tries[address] = recent + [now]
            return true
        }
    }
}
