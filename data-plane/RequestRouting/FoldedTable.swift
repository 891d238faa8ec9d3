// A table from bytes to numbers without regard to the case of ASCII letters: one probe of a hash that is worked out on
// the way along the path, so that thousands of APIs cost what ten do.

/// The hash of folded bytes, a byte at a time (FNV-1a). Keys come from the configuration and look-ups only probe, so a
/// caller can't make two keys collide.
struct FoldedHash {
    private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

    init() {}

    init(_ bytes: some Sequence<UInt8>) {
        for byte in bytes { add(byte) }
    }

    mutating func add(_ byte: UInt8) {
        value = (value ^ UInt64(ASCIICase.lower(byte))) &* 0x0000_0100_0000_01B3
    }
}

/// Case of ASCII letters, the only one that is folded (must-hold B12).
enum ASCIICase {
    @inline(__always)
    static func lower(_ byte: UInt8) -> UInt8 {
        byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
    }

    static func equal(_ left: some Collection<UInt8>, _ right: some Collection<UInt8>) -> Bool {
        guard left.count == right.count else { return false }
        for (one, other) in zip(left, right) where lower(one) != lower(other) { return false }
        return true
    }
}

/// An immutable hash table with open addressing.
struct FoldedTable: Sendable {
    private var slots: [Int32]
    private let keys: [[UInt8]]
    private let mask: Int

    /// Key number n maps to n. A key that comes twice finds its first place.
    init(_ keys: [[UInt8]]) {
        var size = 4
        while size < keys.count * 2 { size *= 2 }
        self.keys = keys
        mask = size - 1
        slots = [Int32](repeating: -1, count: size)
        for (number, key) in keys.enumerated() {
            var slot = Int(truncatingIfNeeded: FoldedHash(key).value) & mask
            while slots[slot] >= 0 { slot = (slot + 1) & mask }
            slots[slot] = Int32(number)
        }
    }

    /// The number of `key`, whose hash is `hash`.
    func find(_ key: ArraySlice<UInt8>, _ hash: FoldedHash) -> Int? {
        var slot = Int(truncatingIfNeeded: hash.value) & mask
        while slots[slot] >= 0 {
            let number = Int(slots[slot])
            if ASCIICase.equal(keys[number], key) { return number }
            slot = (slot + 1) & mask
        }
        return nil
    }
}
