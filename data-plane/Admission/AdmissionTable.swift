internal import Cryptography
package import GatewayConfiguration

// Admission decides whether a subscription key opens an API: a key and an API come in; the subscription and its
// product, or why not, go out (resources.md 2.3). Keys are known by their keyed hashes alone.

/// Who a call is from, and under which product.
package struct Admitted: Hashable, Sendable {
    /// Index into the products the table was made of; nil where no product's policies run.
    package var product: Int?
    /// Place in the keys the table was made of; nil for a call without a key.
    package var key: KeyPlace?

    package init(product: Int?, key: KeyPlace?) {
        self.product = product
        self.key = key
    }
}

/// Where a key stands in its table.
package struct KeyPlace: Hashable, Sendable {
    package var leaf: Int
    package var entry: Int

    package init(leaf: Int, entry: Int) {
        self.leaf = leaf
        self.entry = entry
    }
}

/// What becomes of a call at the gate.
package enum AdmissionDecision: Hashable, Sendable {
    case admitted(Admitted)
    /// No key, and one is needed.
    case missing
    /// A key that is unknown, not active, or for something else.
    case invalid
}

/// A snapshot whose subscriptions can't be used.
package struct AdmissionTableFailure: Error, Sendable, CustomStringConvertible {
    package let description: String
}

/// The subscriptions and products of one snapshot. Immutable, shared by all loops; leaves of keys that did not change are
/// shared with the table before.
package struct AdmissionTable: Sendable {
    private enum Opens: Sendable {
        case everything
        case api(Int32)
        case product(Int32)
        case nothing
    }

    /// Names as numbers, which stay the same from table to table.
    private struct Numbers: Sendable {
        private var known: [String: Int32] = [:]

        mutating func number(of name: String) -> Int32 {
            let folded = name.lowercased()
            if let number = known[folded] { return number }
            let number = Int32(known.count)
            known[folded] = number
            return number
        }

        var count: Int { known.count }
    }

    private final class Leaf: Sendable {
        let source: KeyLeaf
        let opens: [Opens]

        init(_ source: KeyLeaf, opens: [Opens]) {
            self.source = source
            self.opens = opens
        }
    }

    private let hash: KeyedHash
    private let leaves: [Leaf]
    /// Where each leaf's range of hashes begins.
    private let starts: [UInt64]
    private var apiNumbers = Numbers()
    private var productNumbers = Numbers()
    /// By API: its number among API names, whether it needs a key.
    private let apiNames: [Int32]
    private let needsKey: [Bool]
    /// By number of an API's name: the product that opens it to anybody.
    private let openProducts: [Int32?]
    /// By number of a product's name: its index.
    private let productPlaces: [Int32?]
    /// By product: numbers of the API names in it.
    private let productApis: [Set<Int32>]

    /// `pepper`: the key of the keyed hash, as the snapshot's secrets have it. `former`: the table before, whose API number
    /// `sameApis[n]` and product number `sameProducts[n]` are as number n here; nil for one that is new or changed.
    /// - Throws: `AdmissionTableFailure` for a pepper that is none.
    package init(
        apis: [ApiConfiguration], products: [ProductConfiguration], keys: KeyTable, pepper: [UInt8],
        former: AdmissionTable? = nil, sameApis: [Int?] = [], sameProducts: [Int?] = []
    ) throws(AdmissionTableFailure) {
        guard let hash = try? KeyedHash(pepper: pepper) else {
            throw AdmissionTableFailure(description: "the pepper of subscription keys is not usable")
        }
        self.hash = hash
        var apiNumbers = former?.apiNumbers ?? Numbers()
        var productNumbers = former?.productNumbers ?? Numbers()
        // By index: configurations are wide, and copying thousands of them is what a small change would cost.
        apiNames = apis.indices.map { index in
            if let former, index < sameApis.count, let place = sameApis[index] { return former.apiNames[place] }
            return apiNumbers.number(of: apis[index].name)
        }
        needsKey = apis.indices.map { apis[$0].subscriptionRequired }
        productApis = products.indices.map { index in
            if let former, index < sameProducts.count, let place = sameProducts[index] {
                return former.productApis[place]
            }
            return Set(products[index].apis.map { apiNumbers.number(of: $0) })
        }
        let places = products.map { productNumbers.number(of: $0.name) }
        leaves = Self.leaves(keys, former?.leaves ?? [], &apiNumbers, &productNumbers)
        starts = leaves.map { Self.start(of: $0.source.prefix) }
        var productPlaces = [Int32?](repeating: nil, count: productNumbers.count)
        var openProducts = [Int32?](repeating: nil, count: apiNumbers.count)
        // The first one wins.
        for index in products.indices.reversed() {
            productPlaces[Int(places[index])] = Int32(index)
            guard !products[index].subscriptionRequired else { continue }
            for api in productApis[index] { openProducts[Int(api)] = Int32(index) }
        }
        self.productPlaces = productPlaces
        self.openProducts = openProducts
        self.apiNumbers = apiNumbers
        self.productNumbers = productNumbers
    }

    /// Both lists are in the order of their prefixes.
    private static func leaves(
        _ keys: KeyTable, _ former: [Leaf], _ apis: inout Numbers, _ products: inout Numbers
    ) -> [Leaf] {
        var leaves: [Leaf] = []
        leaves.reserveCapacity(keys.leaves.count)
        var next = 0
        for source in keys.leaves {
            while next < former.count, former[next].source.prefix < source.prefix { next += 1 }
            if next < former.count, former[next].source === source {
                leaves.append(former[next])
            } else {
                leaves.append(Leaf(source, opens: source.keys.map { opens($0, &apis, &products) }))
            }
        }
        return leaves
    }

    private static func opens(_ key: SubscriptionKey, _ apis: inout Numbers, _ products: inout Numbers) -> Opens {
        guard key.isOpen else { return .nothing }
        switch key.scope {
        case .allApis: return .everything
        case .api(let name): return .api(apis.number(of: name))
        case .product(let name): return .product(products.number(of: name))
        }
    }

    /// The least 8 bytes that begin with the hexadecimal `prefix`.
    private static func start(of prefix: String) -> UInt64 {
        let digits = prefix.prefix(16)
        guard !digits.isEmpty, let value = UInt64(digits, radix: 16) else { return 0 }
        return value << UInt64(64 - 4 * digits.count)
    }

    private func find(_ value: KeyedHashValue) -> KeyPlace? {
        guard let leaf = Self.last(starts.count, where: { starts[$0] <= value.prefix }) else { return nil }
        let hashes = leaves[leaf].source.hashes
        guard let entry = Self.last(hashes.count, where: { hashes[$0] <= value }), hashes[entry] == value else {
            return nil
        }
        return KeyPlace(leaf: leaf, entry: entry)
    }

    /// The last of `count` numbers for which `isLow` holds, where it holds for none behind one for which it does not.
    private static func last(_ count: Int, where isLow: (Int) -> Bool) -> Int? {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if isLow(middle) { low = middle + 1 } else { high = middle }
        }
        return low == 0 ? nil : low - 1
    }

    /// Whether `key` opens API number `api`. A wrong key is refused even where none is needed.
    package func decide(api: Int, key: PresentedKey) -> AdmissionDecision {
        switch key {
        case .ambiguous: return .invalid
        case .absent:
            if let product = openProducts[Int(apiNames[api])] {
                return .admitted(Admitted(product: Int(product), key: nil))
            }
            return needsKey[api] ? .missing : .admitted(Admitted(product: nil, key: nil))
        case .value(let bytes):
            guard let place = find(hash.hash(of: bytes)) else { return .invalid }
            switch leaves[place.leaf].opens[place.entry] {
            case .nothing: return .invalid
            case .everything: return .admitted(Admitted(product: nil, key: place))
            case .api(let number):
                return number == apiNames[api] ? .admitted(Admitted(product: nil, key: place)) : .invalid
            case .product(let number):
                guard let product = productPlaces[Int(number)], productApis[Int(product)].contains(apiNames[api])
                else { return .invalid }
                return .admitted(Admitted(product: Int(product), key: place))
            }
        }
    }
}
