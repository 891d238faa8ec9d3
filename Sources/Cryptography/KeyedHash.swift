internal import COpenSSL

// The keyed hash under which subscription keys travel and are looked up: HMAC-SHA-256 with the pepper of the service.

/// HMAC-SHA-256 under one key, with both pads hashed beforehand: one call is two short hashes and allocates nothing.
package struct KeyedHash: Sendable {
    /// Thrown for an empty pepper, or when OpenSSL has no SHA-256.
    package struct Failure: Error {}

    private let state: gh_keyed_hash

    /// `pepper`: The key, at least one byte; 32 random ones are right. Longer than 64 is hashed first, as
    ///   RFC 2104 says.
    package init(pepper: [UInt8]) throws {
        guard !pepper.isEmpty else { throw Failure() }
        var key = pepper.count > 64 ? try Digest.sha256(pepper) : pepper
        key += [UInt8](repeating: 0, count: 64 - key.count)
        var state = gh_keyed_hash()
        guard gh_keyed_hash_begin(&state, key.map { $0 ^ 0x36 }, key.map { $0 ^ 0x5c }) == 1 else { throw Failure() }
        self.state = state
    }

    /// The code over `bytes`.
    package func hash(of bytes: some Collection<UInt8>) -> KeyedHashValue {
        let quick = bytes.withContiguousStorageIfAvailable { hash(contiguous: $0) }
        return quick ?? Array(bytes).withUnsafeBufferPointer { hash(contiguous: $0) }
    }

    private func hash(contiguous bytes: UnsafeBufferPointer<UInt8>) -> KeyedHashValue {
        // Safe: the buffers live through the calls; SHA-256 reads `count` bytes, and writes 32 to a tuple of 32.
        var code: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        withUnsafeBytes(of: state) { state in
            withUnsafeMutableBytes(of: &code) { code in
                _ = gh_keyed_hash_make(
                    state.assumingMemoryBound(to: gh_keyed_hash.self).baseAddress, bytes.baseAddress, bytes.count,
                    code.assumingMemoryBound(to: UInt8.self).baseAddress)
            }
        }
        return KeyedHashValue(
            words: (code.0.bigEndian, code.1.bigEndian, code.2.bigEndian, code.3.bigEndian))
    }
}

/// The 32 bytes of a keyed hash, as a key of tables.
package struct KeyedHashValue: Hashable, Sendable, CustomStringConvertible {
    private let first: UInt64
    private let second: UInt64
    private let third: UInt64
    private let fourth: UInt64

    fileprivate init(words: (UInt64, UInt64, UInt64, UInt64)) {
        (first, second, third, fourth) = words
    }

    /// Reads 64 hexadecimal digits; nil for anything else.
    package init?(hexadecimal text: String) {
        guard let bytes = Hexadecimal.decode(text), bytes.count == 32 else { return nil }
        func word(_ index: Int) -> UInt64 {
            bytes[index * 8..<index * 8 + 8].reduce(0) { $0 << 8 | UInt64($1) }
        }
        self.init(words: (word(0), word(1), word(2), word(3)))
    }

    /// Reads 64 lower-case hexadecimal digits; nil for anything else.
    package init?(lowerCaseHexadecimal digits: ArraySlice<UInt8>) {
        guard digits.count == 64 else { return nil }
        var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        for (index, digit) in digits.enumerated() {
            let value: UInt64
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = UInt64(digit - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = UInt64(digit - UInt8(ascii: "a") + 10)
            default: return nil
            }
            switch index / 16 {
            case 0: words.0 = words.0 << 4 | value
            case 1: words.1 = words.1 << 4 | value
            case 2: words.2 = words.2 << 4 | value
            default: words.3 = words.3 << 4 | value
            }
        }
        self.init(words: words)
    }

    /// The first 8 bytes as a number: in the order of the hashes.
    package var prefix: UInt64 { first }

    package var bytes: [UInt8] {
        [first, second, third, fourth].flatMap { word in
            (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(56 - 8 * $0)) }
        }
    }

    /// 64 hexadecimal digits, lower case.
    package var description: String { Hexadecimal.encode(bytes) }
}

extension KeyedHashValue: Comparable {
    package static func < (left: KeyedHashValue, right: KeyedHashValue) -> Bool {
        (left.first, left.second, left.third, left.fourth) < (right.first, right.second, right.third, right.fourth)
    }
}

/// Base 16.
package enum Hexadecimal {
    /// Two lower-case digits a byte.
    package static func encode(_ bytes: some Sequence<UInt8>) -> String {
        String(decoding: digits(bytes, of: Array("0123456789abcdef".utf8)), as: UTF8.self)
    }

    /// Two upper-case digits a byte.
    package static func encodeUpperCase(_ bytes: some Sequence<UInt8>) -> String {
        String(decoding: digits(bytes, of: Array("0123456789ABCDEF".utf8)), as: UTF8.self)
    }

    /// nil when the count of digits is odd or one is not hexadecimal. Case does not count.
    package static func decode(_ text: String) -> [UInt8]? {
        let digits = text.utf8.map(value)
        guard digits.count % 2 == 0 else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(digits.count / 2)
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let high = digits[index], let low = digits[index + 1] else { return nil }
            bytes.append(high << 4 | low)
        }
        return bytes
    }

    private static func digits(_ bytes: some Sequence<UInt8>, of alphabet: [UInt8]) -> [UInt8] {
        bytes.flatMap { [alphabet[Int($0 >> 4)], alphabet[Int($0 & 15)]] }
    }

    private static func value(of digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
