// What every target has in common: bytes come in; whatever they are, there is an answer, and the answer keeps what the
// reader promises. The same functions run under libFuzzer (LibFuzzer/Entry.swift) and in the suite (FuzzTests.swift).

/// A reader of hostile bytes, and what must hold of what it gives.
struct FuzzTarget: Sendable {
    /// As `ops/fuzz` and the folders of `Tests/Fuzz/corpus` have it.
    let name: String
    /// Longest input that is tried.
    let bytesMax: Int
    /// Throws `FuzzFinding` where a promise is broken.
    let run: @Sendable ([UInt8]) throws -> Void

    init(_ name: String, bytesMax: Int = 4_096, run: @escaping @Sendable ([UInt8]) throws -> Void) {
        self.name = name
        self.bytesMax = bytesMax
        self.run = run
    }
}

/// A promise that was broken.
struct FuzzFinding: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

func promise(_ holds: Bool, _ what: @autoclosure () -> String) throws {
    if !holds { throw FuzzFinding(what()) }
}

enum FuzzTargets {
    static let all: [FuzzTarget] = [
        .requestHead, .responseHead, .chunkedBody, .target, .host, .queryKey, .json, .yaml, .description, .filter,
        .managementTarget, .policy, .fragment, .snapshotRoot, .blob, .eventStream, .usageBatch, .batchFile, .segment,
        .certificateRequest, .pfx, .certificate, .token, .keySet,
    ]
}

/// Seeded: the same numbers for the same seed.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    /// A seed from the input itself, so that what a target chooses can be found again.
    init(_ bytes: [UInt8]) {
        self.init(seed: bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 })
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// Places at which a stream of `count` bytes is cut, in order; the last is its end.
    mutating func cuts(_ count: Int) -> [Int] {
        let pieces = Int.random(in: 0...5, using: &self)
        return (0..<pieces).map { _ in Int.random(in: 0...count, using: &self) }.sorted() + [count]
    }
}
