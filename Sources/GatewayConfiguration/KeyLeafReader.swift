internal import Cryptography

// Reads a leaf of keys in the very form in which it is written.

struct KeyLeafReader {
    private var json: WrittenJSON

    /// The leaf that `reference` names and all of `prefix` leads to; nil where the general reader must look.
    static func read(_ bytes: [UInt8], of reference: TreeReference, prefix: String) -> KeyLeaf? {
        guard bytes.count == reference.size, reference.total == reference.size,
            (1...TreeNode<SubscriptionKey>.leafMax).contains(reference.count)
        else { return nil }
        var reader = KeyLeafReader(json: WrittenJSON(bytes))
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
        guard json.take(#"{"entries":{"#) else { return nil }
        while keys.count < count {
            guard keys.isEmpty || json.take(","), json.take("\""), let digits = json.take(64),
                digits.starts(with: prefix), let hash = KeyedHashValue(lowerCaseHexadecimal: digits)
            else { return nil }
            if let last = hashes.last, last >= hash { return nil }
            guard json.take("\":"), let key = SubscriptionKey.read(&json) else { return nil }
            hashes.append(hash)
            keys.append(key)
        }
        return json.take("}}") && json.isAtEnd ? (hashes, keys) : nil
    }
}

extension SubscriptionKey {
    package static func read(_ json: inout WrittenJSON) -> SubscriptionKey? {
        guard json.take(#"{"displayName":"#), let displayName = json.text(), json.take(#","isOpen":"#),
            let isOpen = json.boolean(), json.take(#","scope":{"#), let scope = Scope.read(&json), json.take("}"),
            let start = json.member(#","start":"#, { $0.number() }), json.take(#","subscription":"#),
            let subscription = json.text(), let user = json.member(#","user":"#, { $0.text() }), json.take("}")
        else { return nil }
        return SubscriptionKey(
            subscription: subscription, displayName: displayName, scope: scope, user: user, isOpen: isOpen,
            start: start)
    }
}

extension SubscriptionKey.Scope {
    fileprivate static func read(_ json: inout WrittenJSON) -> Self? {
        if json.take(#""allApis":{}"#) { return .allApis }
        let isApi = json.take(#""api":{"_0":"#)
        guard isApi || json.take(#""product":{"_0":"#), let name = json.text(), json.take("}") else { return nil }
        return isApi ? .api(name) : .product(name)
    }
}
