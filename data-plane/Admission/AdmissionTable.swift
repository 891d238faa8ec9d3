internal import Cryptography
package import GatewayConfiguration

// Admission decides whether a subscription key opens an API: a key and an API come in; the subscription and its
// product, or why not, go out (resources.md 2.3). Keys are known by their keyed hashes alone.

/// Who a call is from, and under which product.
package struct Admitted: Hashable, Sendable {
    /// Index into the products the table was made of; nil where no product's policies run.
    package var product: Int?
    /// Index into the keys the table was made of; nil for a call without a key.
    package var key: Int?

    package init(product: Int?, key: Int?) {
        self.product = product
        self.key = key
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

/// The subscriptions and products of one snapshot. Immutable, shared by all loops.
package struct AdmissionTable: Sendable {
    private enum Opens: Sendable {
        case everything
        case api(Int32)
        case product(Int32)
        case nothing
    }

    private let hash: KeyedHash
    private let places: [KeyedHashValue: Int32]
    private let opens: [Opens]
    /// By API: its number among API names, the product that opens it to anybody, whether it needs a key.
    private let apiNames: [Int32]
    private let openProducts: [Int32?]
    private let needsKey: [Bool]
    /// By product: numbers of the API names in it.
    private let productApis: [Set<Int32>]

    /// `pepper`: the key of the keyed hash, base64, as the snapshot's secrets have it.
    /// - Throws: `AdmissionTableFailure` for a pepper or a hash that is none.
    package init(
        apis: [ApiConfiguration], products: [ProductConfiguration], keys: [SubscriptionKeyEntry], pepper: [UInt8]
    ) throws(AdmissionTableFailure) {
        guard let hash = try? KeyedHash(pepper: pepper) else {
            throw AdmissionTableFailure(description: "the pepper of subscription keys is not usable")
        }
        self.hash = hash
        var numbers: [String: Int32] = [:]
        apiNames = apis.map { Self.number(of: $0.name, &numbers) }
        productApis = products.map { product in Set(product.apis.map { Self.number(of: $0, &numbers) }) }
        var productNumbers: [String: Int32] = [:]
        for (index, product) in products.enumerated() { productNumbers[product.name.lowercased()] = Int32(index) }
        let open = products.indices.filter { !products[$0].subscriptionRequired }
        let memberships = productApis
        openProducts = apiNames.map { api in open.first { memberships[$0].contains(api) }.map(Int32.init) }
        needsKey = apis.map(\.subscriptionRequired)

        var places: [KeyedHashValue: Int32] = [:]
        places.reserveCapacity(keys.count)
        var opens: [Opens] = []
        opens.reserveCapacity(keys.count)
        for (index, entry) in keys.enumerated() {
            guard let value = KeyedHashValue(hexadecimal: entry.keyHash) else {
                throw AdmissionTableFailure(
                    description: "subscription \(entry.subscription) has a key hash that is none")
            }
            places[value] = Int32(index)
            opens.append(Self.scope(entry, numbers, productNumbers))
        }
        self.places = places
        self.opens = opens
    }

    private static func number(of name: String, _ numbers: inout [String: Int32]) -> Int32 {
        let folded = name.lowercased()
        if let number = numbers[folded] { return number }
        let number = Int32(numbers.count)
        numbers[folded] = number
        return number
    }

    private static func scope(
        _ entry: SubscriptionKeyEntry, _ apis: [String: Int32], _ products: [String: Int32]
    ) -> Opens {
        guard entry.isOpen else { return .nothing }
        switch entry.scope {
        case .allApis: return .everything
        case .api(let name): return apis[name.lowercased()].map(Opens.api) ?? .nothing
        case .product(let name): return products[name.lowercased()].map(Opens.product) ?? .nothing
        }
    }

    /// Whether `key` opens API number `api`. A wrong key is refused even where none is needed.
    package func decide(api: Int, key: PresentedKey) -> AdmissionDecision {
        switch key {
        case .ambiguous: return .invalid
        case .absent:
            if let product = openProducts[api] { return .admitted(Admitted(product: Int(product), key: nil)) }
            return needsKey[api] ? .missing : .admitted(Admitted(product: nil, key: nil))
        case .value(let bytes):
            guard let place = places[hash.hash(of: bytes)] else { return .invalid }
            switch opens[Int(place)] {
            case .nothing: return .invalid
            case .everything: return .admitted(Admitted(product: nil, key: Int(place)))
            case .api(let number):
                return number == apiNames[api] ? .admitted(Admitted(product: nil, key: Int(place))) : .invalid
            case .product(let number):
                guard productApis[Int(number)].contains(apiNames[api]) else { return .invalid }
                return .admitted(Admitted(product: Int(number), key: Int(place)))
            }
        }
    }
}
