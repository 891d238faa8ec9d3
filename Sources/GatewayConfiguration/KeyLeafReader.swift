internal import Cryptography

// Reads a leaf of keys in the very form in which it is written, many times faster than by way of Codable: a node that
// starts reads hundreds of thousands of keys. Anything else, escapes among it, is left to the reader that says what is
// wrong.

struct KeyLeafReader {
    private let bytes: [UInt8]
    private var position = 0

    private init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// The leaf that `reference` names and all of `prefix` leads to; nil where the general reader must look.
    static func read(_ bytes: [UInt8], of reference: TreeReference, prefix: String) -> KeyLeaf? {
        guard bytes.count == reference.size, reference.total == reference.size,
            (1...TreeNode<SubscriptionKey>.leafMax).contains(reference.count)
        else { return nil }
        var reader = KeyLeafReader(bytes)
        guard let (hashes, keys) = reader.entries(prefix: Array(prefix.utf8), count: reference.count) else {
            return nil
        }
        return KeyLeaf(prefix: prefix, hashes: hashes, keys: keys)
    }

    private mutating func entries(prefix: [UInt8], count: Int) -> ([KeyedHashValue], [SubscriptionKey])? {
        var hashes: [KeyedHashValue] = []
        var keys: [SubscriptionKey] = []
        hashes.reserveCapacity(count)
        keys.reserveCapacity(count)
        guard take(#"{"entries":{"#) else { return nil }
        while keys.count < count {
            guard keys.isEmpty || take(","), take("\""), bytes.count - position > 64 else { return nil }
            let digits = bytes[position..<(position + 64)]
            guard digits.starts(with: prefix), let hash = KeyedHashValue(lowerCaseHexadecimal: digits) else {
                return nil
            }
            position += 64
            if let last = hashes.last, last >= hash { return nil }
            guard take("\":"), let key = key() else { return nil }
            hashes.append(hash)
            keys.append(key)
        }
        guard take("}}"), position == bytes.count else { return nil }
        return (hashes, keys)
    }

    private mutating func key() -> SubscriptionKey? {
        guard take(#"{"displayName":"#), let displayName = text(), take(#","isOpen":"#) else { return nil }
        let isOpen = take("true")
        guard isOpen || take("false"), take(#","scope":{"#), let scope = scope(), take("}") else {
            return nil
        }
        var start: Int64?
        if take(#","start":"#) {
            start = number()
            guard start != nil else { return nil }
        }
        guard take(#","subscription":"#), let subscription = text() else { return nil }
        var user: String?
        if take(#","user":"#) {
            user = text()
            guard user != nil else { return nil }
        }
        guard take("}") else { return nil }
        return SubscriptionKey(
            subscription: subscription, displayName: displayName, scope: scope, user: user, isOpen: isOpen, start: start
        )
    }

    /// A whole number without sign, of at most 18 digits.
    private mutating func number() -> Int64? {
        let begin = position
        var value: Int64 = 0
        while position < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[position]) {
            guard position - begin < 18 else { return nil }
            value = value * 10 + Int64(bytes[position] - UInt8(ascii: "0"))
            position += 1
        }
        let digits = position - begin
        return digits == 0 || (digits > 1 && bytes[begin] == UInt8(ascii: "0")) ? nil : value
    }

    private mutating func scope() -> SubscriptionKey.Scope? {
        if take(#""allApis":{}"#) { return .allApis }
        let isApi = take(#""api":{"_0":"#)
        guard isApi || take(#""product":{"_0":"#), let name = text(), take("}") else { return nil }
        return isApi ? .api(name) : .product(name)
    }

    /// A string without escapes.
    private mutating func text() -> String? {
        guard take("\"") else { return nil }
        let start = position
        while position < bytes.count, bytes[position] != UInt8(ascii: "\"") {
            guard bytes[position] >= 0x20, bytes[position] != UInt8(ascii: "\\") else { return nil }
            position += 1
        }
        guard position < bytes.count else { return nil }
        defer { position += 1 }
        return String(validating: bytes[start..<position], as: UTF8.self)
    }

    private mutating func take(_ expected: StaticString) -> Bool {
        let count = expected.utf8CodeUnitCount
        guard bytes.count - position >= count else { return false }
        let isEqual = expected.withUTF8Buffer { expected in
            for index in 0..<count where expected[index] != bytes[position + index] { return false }
            return true
        }
        if isEqual { position += count }
        return isEqual
    }
}
