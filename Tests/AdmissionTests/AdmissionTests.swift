import Cryptography
import GatewayConfiguration
import Testing

@testable import Admission

@Suite struct AdmissionTests {
    static let pepper = [UInt8](repeating: 7, count: 32)

    static func api(_ name: String, needsKey: Bool) -> ApiConfiguration {
        ApiConfiguration(
            name: name, displayName: name, revision: "1", isCurrent: true, path: name, version: nil,
            protocols: ["https"], serviceUrl: nil, subscriptionRequired: needsKey,
            keyHeaderName: "Ocp-Apim-Subscription-Key", keyQueryName: "subscription-key",
            forwardsSubscriptionKey: false, policy: nil, operations: [])
    }

    static func hash(_ text: String) throws -> String {
        try KeyedHash(pepper: pepper).hash(of: Array(text.utf8)).description
    }

    static func key(_ text: String, _ scope: SubscriptionKey.Scope, isOpen: Bool = true) throws
        -> (String, SubscriptionKey)
    {
        (
            try hash(text),
            SubscriptionKey(subscription: text, displayName: text, scope: scope, user: nil, isOpen: isOpen)
        )
    }

    static func keys() throws -> KeyTable {
        let keys = try [
            key("master", .allApis), key("one", .api("Closed")), key("paid", .product("paid")),
            key("off", .allApis, isOpen: false), key("lost", .product("none")),
        ]
        return try #require(KeyTable(Dictionary(uniqueKeysWithValues: keys)))
    }

    static func place(_ subscription: String) throws -> KeyPlace {
        let entry = try keys().leaves[0].keys.firstIndex { $0.subscription == subscription }
        return KeyPlace(leaf: 0, entry: try #require(entry))
    }

    /// closed, open (needs no key), shown (in an open product), sold (in a protected product).
    static func table() throws -> AdmissionTable {
        try AdmissionTable(
            apis: [
                api("closed", needsKey: true), api("open", needsKey: false), api("shown", needsKey: true),
                api("sold", needsKey: true),
            ],
            products: [
                ProductConfiguration(
                    name: "free", displayName: "", subscriptionRequired: false, apis: ["shown"], policy: nil),
                ProductConfiguration(
                    name: "Paid", displayName: "", subscriptionRequired: true, apis: ["SOLD"], policy: nil),
            ],
            keys: keys(), pepper: pepper)
    }

    static func decide(_ api: Int, _ key: String?) throws -> AdmissionDecision {
        try table().decide(api: api, key: key.map { .value(Array($0.utf8)) } ?? .absent)
    }

    @Test func theTableOfDecisions() throws {
        let none = AdmissionDecision.admitted(Admitted(product: nil, key: nil))
        #expect(try Self.decide(0, nil) == .missing)
        #expect(try Self.decide(1, nil) == none)
        #expect(try Self.decide(2, nil) == .admitted(Admitted(product: 0, key: nil)))
        #expect(try Self.decide(3, nil) == .missing)
        for api in 0..<4 {
            #expect(try Self.decide(api, "master") == .admitted(Admitted(product: nil, key: Self.place("master"))))
            for wrong in ["wrong", "off", "lost", "Master", "master "] {
                #expect(try Self.decide(api, wrong) == .invalid)
            }
        }
        #expect(try Self.decide(0, "one") == .admitted(Admitted(product: nil, key: Self.place("one"))))
        #expect(try Self.decide(1, "one") == .invalid)
        #expect(try Self.decide(3, "paid") == .admitted(Admitted(product: 1, key: Self.place("paid"))))
        #expect(try Self.decide(0, "paid") == .invalid)
        #expect(try Self.table().decide(api: 1, key: .ambiguous) == .invalid)
    }

    /// Leaves cut the hashes into ranges of any width; a leaf that stays is shared with the table before.
    @Test func keysAreFoundInTheLeafOfTheirHash() throws {
        var entries: [String: SubscriptionKey] = [:]
        for number in 0..<500 {
            let (hash, key) = try Self.key("k\(number)", .api(number.isMultiple(of: 2) ? "closed" : "sold"))
            entries[hash] = key
        }
        // Half of the space in leaves of one digit, half in leaves of two; one range is empty.
        let digits = "0123456789abcdef".map(String.init)
        let prefixes = digits.prefix(8) + digits.suffix(8).flatMap { high in digits.map { high + $0 } }
        let leaves = try prefixes.filter { $0 != "3" }.map { prefix in
            try #require(KeyLeaf(prefix: prefix, entries.filter { $0.key.hasPrefix(prefix) }))
        }
        let apis = [Self.api("closed", needsKey: true), Self.api("sold", needsKey: true)]
        var table = try AdmissionTable(
            apis: apis, products: [], keys: KeyTable(leaves: leaves), pepper: Self.pepper)
        // The same leaves for other APIs: numbers of names stay what they were.
        for apis in [apis, apis.reversed()] {
            table = try AdmissionTable(
                apis: apis, products: [], keys: KeyTable(leaves: leaves), pepper: Self.pepper, former: table)
            for number in 0..<500 {
                let name = number.isMultiple(of: 2) ? "closed" : "sold"
                let api = try #require(apis.firstIndex { $0.name == name })
                let isThere = try !Self.hash("k\(number)").hasPrefix("3")
                let decision = table.decide(api: api, key: .value(Array("k\(number)".utf8)))
                guard case .admitted(let admitted) = decision else {
                    #expect(!isThere && decision == .invalid)
                    continue
                }
                let place = try #require(admitted.key)
                #expect(isThere && leaves[place.leaf].keys[place.entry].subscription == "k\(number)")
                #expect(table.decide(api: 1 - api, key: .value(Array("k\(number)".utf8))) == .invalid)
            }
        }
    }

    @Test(arguments: [
        ([], nil, PresentedKey.absent), (["k"], nil, .value(Array("k".utf8))),
        ([], "subscription-key=k", .value(Array("k".utf8))),
        ([""], "subscription-key=k", .value(Array("k".utf8))),
        ([], "subscription%2Dkey=k%31", .value(Array("k1".utf8))),
        (["a", "a"], nil, .ambiguous), ([], "subscription-key=k&subscription-key=k", .ambiguous),
        (["bad"], "subscription-key=good", .value(Array("bad".utf8))), ([], "Subscription-Key=k", .absent),
        ([], "a=1;subscription-key=k1", .absent), ([], "subscription-key[]=k1", .absent),
        ([], "subscription-key=", .absent),
    ])
    func B15_oneKeyInOnePlace(headers: [String], query: String?, expected: PresentedKey) {
        let key = PresentedKey(
            headerValues: headers.map { Array($0.utf8)[...] }, query: query.map { Array($0.utf8) },
            queryName: "subscription-key")
        #expect(key == expected)
    }

    @Test(arguments: [
        ("a=%7e&subscription-key=k1&b=+&&c", "a=%7e&b=+&&c"), ("subscription-key=k1", nil),
        ("Subscription-KEY=k&a", "a"),
        ("subscription%2dkey=k&a=1", "a=1"), ("a=1&b", "a=1&b"), ("x=subscription-key", "x=subscription-key"),
    ])
    func B16_theKeyLeavesTheQueryAndNothingElse(query: String, expected: String?) {
        let left = PresentedKey.removing("subscription-key", from: Array(query.utf8))
        #expect(left.map { String(decoding: $0, as: UTF8.self) } == expected)
    }

    @Test func whatIsNoHashOrPepperIsRefused() throws {
        let (_, key) = try Self.key("x", .allApis)
        #expect(KeyLeaf(prefix: "", ["zz": key]) == nil)
        #expect(throws: AdmissionTableFailure.self) {
            try AdmissionTable(apis: [], products: [], keys: KeyTable(leaves: []), pepper: [])
        }
    }
}
