import Foundation
import Testing

@testable import GatewayConfiguration

/// The quick reader of an API gives what the general one gives, or leaves it to that one.
@Suite struct WrittenJSONTests {
    private static let texts = [
        "", "a", "A long text of no surprise", "é/\u{1F600}\u{2028}", "\"quoted\" and \\ back", "lines\n\r\tand more",
        "\u{8}\u{C}", "<policies>\n  <inbound>\"x\"</inbound>\n</policies>", "a/b",
    ]

    /// With everything that may be there, or may not.
    private static func api(_ number: Int) -> ApiConfiguration {
        func text(_ shift: Int) -> String { texts[(number + shift) % texts.count] }
        func maybe<Value>(_ bit: Int, _ value: Value) -> Value? { number & (1 << bit) == 0 ? nil : value }
        let policy = PolicyText(text: text(1), format: number % 2 == 0 ? .xml : .rawxml)
        let operations = (0..<(number % 3)).map { place in
            OperationConfiguration(
                name: text(place), displayName: text(place + 1), method: "GET", urlTemplate: text(place + 2),
                policy: maybe(place, policy),
                responses: (0..<(number % 4)).map { status in
                    ResponseDefinition(
                        statusCode: 200 + status,
                        representations: (0..<status).map {
                            .init(contentType: text($0), sample: maybe($0, text($0 + 3)))
                        })
                })
        }
        let version = ApiConfiguration.Version(
            scheme: [.segment, .query, .header][number % 3], parameterName: maybe(3, text(4)), value: maybe(4, text(5)))
        return ApiConfiguration(
            name: text(0), displayName: text(1), revision: "1", isCurrent: number % 2 == 0, path: text(2),
            version: maybe(2, version), protocols: Array(["http", "https"].prefix(number % 3)),
            serviceUrl: maybe(0, text(6)), subscriptionRequired: number % 5 == 0, keyHeaderName: text(7),
            keyQueryName: text(8), forwardsSubscriptionKey: number % 7 == 0, policy: maybe(1, policy),
            operations: operations)
    }

    @Test func whatIsWrittenIsReadAsTheGeneralReaderReadsIt() throws {
        for number in 0..<512 {
            let api = Self.api(number)
            #expect(ApiConfiguration.read(try BlobCoding.encode(api)) == api, "\(number)")
        }
    }

    @Test func nodesOfTreesAreReadAsTheGeneralReaderReadsThem() throws {
        func check<Value: TreeValue>(_ node: TreeNode<Value>) throws {
            let bytes = try node.encoded().bytes
            #expect(TreeNode<Value>.written(bytes) == node)
            for count in 0..<bytes.count { #expect(TreeNode<Value>.written(Array(bytes.prefix(count))) == nil) }
            #expect(TreeNode<Value>.written(bytes + [32]) == nil)
        }
        let hash = String(repeating: "ab", count: 32)
        let references = (0..<16).map { TreeReference(sha256: hash, size: $0, count: $0 * 7, total: $0 * 1_000) }
        let children = Dictionary(uniqueKeysWithValues: references.map { (String($0.size, radix: 16), $0) })
        try check(TreeNode<BlobReference>.inner(children))
        try check(TreeNode<SubscriptionKey>.inner(children))
        let blobs = Self.texts.enumerated().map { ($0.element, BlobReference(sha256: hash, size: $0.offset)) }
        try check(TreeNode<BlobReference>.leaf(Dictionary(uniqueKeysWithValues: blobs)))
        let keys = Self.texts.enumerated().map { place, text in
            let scope: SubscriptionKey.Scope = [.allApis, .api(text), .product(text)][place % 3]
            let key = SubscriptionKey(
                subscription: text, displayName: text, scope: scope, user: place % 2 == 0 ? text : nil,
                isOpen: place % 2 == 0, start: place % 3 == 0 ? nil : Int64(place))
            return ("\(place)" + hash.dropFirst(), key)
        }
        try check(TreeNode<SubscriptionKey>.leaf(Dictionary(uniqueKeysWithValues: keys)))
        let twice = Array(#"{"entries":{"a":{"sha256":"x","size":1},"a":{"sha256":"x","size":1}}}"#.utf8)
        #expect(TreeNode<BlobReference>.written(twice) == nil)
    }

    @Test func H9_anythingElseIsLeftToTheGeneralReader() throws {
        let bytes = try BlobCoding.encode(Self.api(31))
        let text = String(decoding: bytes, as: UTF8.self)
        for (old, new) in [
            ("{", " {"), (#""path":"#, #""more":1,"path":"#), ("false", "null"), (#""revision":"1""#, #""revision":1"#),
            (#""statusCode":200"#, #""statusCode":2.0"#), (#""statusCode":200"#, #""statusCode":-1"#),
            (#""GET""#, #""\u0047ET""#), (#""GET""#, #""GET","new":{}"#), (#""protocols":["#, #""protocols":[,"#),
            (#""scheme":"query""#, #""scheme":"cookie""#), (#""operations":["#, #""operations":[]],["#),
        ] {
            #expect(text.contains(old), "\(old)")
            let changed = Array(text.replacing(old, with: new, maxReplacements: 1).utf8)
            #expect(ApiConfiguration.read(changed) == nil, "\(old) → \(new)")
        }
        #expect(ApiConfiguration.read(bytes + [32]) == nil)
        for count in 0..<bytes.count { #expect(ApiConfiguration.read(Array(bytes.prefix(count))) == nil) }
        // Whatever byte is hit, what is read then is what the general reader reads, or nothing.
        for place in bytes.indices {
            for byte in [0x00, 0x22, 0x5C, 0x7B, 0xC3, 0xFF] as [UInt8] {
                var changed = bytes
                changed[place] = byte
                guard let read = ApiConfiguration.read(changed) else { continue }
                let general = try JSONDecoder().decode(ApiConfiguration.self, from: Data(changed))
                #expect(read == general)
            }
        }
    }
}
