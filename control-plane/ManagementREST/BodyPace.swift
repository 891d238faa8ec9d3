// Bodies that come too slowly: a caller must not hold a request open by sending a byte now and then (must-hold G47).
internal import Resources
internal import Synchronization

/// How far the reading of a body has come.
final class BodyReading: Sendable {
    private let count = Atomic<Int>(-1)
    private let whole = Atomic(false)

    var hasBegun: Bool { count.load(ordering: .acquiring) >= 0 }
    var isWhole: Bool { whole.load(ordering: .acquiring) }
    var bytes: Int { max(0, count.load(ordering: .acquiring)) }

    func began() { count.store(0, ordering: .releasing) }
    func took(_ bytes: Int) { count.store(bytes, ordering: .releasing) }
    func ended() { whole.store(true, ordering: .releasing) }
}

/// The least that must come in each window of time; less ends the request.
package struct BodyPace: Sendable {
    package var window: Duration
    package var bytes: Int

    /// 1 KiB a second over 30 seconds.
    package init(window: Duration = .seconds(30), bytes: Int = 30 << 10) {
        self.window = window
        self.bytes = bytes
    }

    /// Runs `read`, which says in `reading` how much it has.
    /// - Throws: `Refusal` RequestTimeout where it is too slow; what was begun is cancelled then.
    func watch(
        _ reading: BodyReading, _ read: @escaping @Sendable () async throws -> [UInt8]
    ) async throws -> [UInt8] {
        let (window, least) = (window, bytes)
        reading.began()
        return try await withThrowingTaskGroup(of: [UInt8]?.self) { group in
            group.addTask { try await read() }
            group.addTask {
                var before = 0
                while true {
                    try await Task.sleep(for: window)
                    let now = reading.bytes
                    if now - before < least { return nil }
                    before = now
                }
            }
            defer { group.cancelAll() }
            guard let bytes = try await group.next() ?? nil else {
                throw Refusal(.requestTimeout, "The body came too slowly.")
            }
            reading.ended()
            return bytes
        }
    }
}
