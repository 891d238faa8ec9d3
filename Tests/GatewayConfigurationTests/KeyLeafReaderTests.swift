import Cryptography
import Foundation
import Testing

@testable import GatewayConfiguration

/// The quick reader of keys gives what the general one gives, or leaves it to that one.
@Suite struct KeyLeafReaderTests {
    private static func key(_ name: String, _ scope: SubscriptionKey.Scope, user: String? = nil) -> SubscriptionKey {
        SubscriptionKey(
            subscription: name, displayName: "The key of \(name)", scope: scope, user: user, isOpen: user == nil,
            start: user == nil ? nil : 1_764_000_000)
    }

    private static func leaf(_ entries: [String: SubscriptionKey]) throws -> (bytes: [UInt8], reference: TreeReference)
    {
        try TreeNode<SubscriptionKey>.leaf(entries).encoded()
    }

    @Test func whatIsWrittenIsReadAsTheGeneralReaderReadsIt() throws {
        let scopes: [SubscriptionKey.Scope] = [.allApis, .api("echo"), .product("é/\u{1F600}")]
        for count in [1, 2, 63, 64] {
            var entries: [String: SubscriptionKey] = [:]
            for number in 0..<count {
                let hash = try ContentHash(of: Array("\(count) \(number)".utf8)).description
                entries[hash] = Self.key("s\(number)", scopes[number % 3], user: number % 2 == 0 ? nil : "ü")
            }
            let (bytes, reference) = try Self.leaf(entries)
            let quick = try #require(KeyLeafReader.read(bytes, of: reference, prefix: ""))
            let general = try #require(KeyLeaf(prefix: "", entries))
            #expect(quick.hashes == general.hashes && quick.keys == general.keys)
        }
    }

    @Test func anythingElseIsLeftToTheGeneralReader() throws {
        let hash = SnapshotSample.hash("ab")
        let entries = [hash: Self.key("s", .api("a"), user: "u"), SnapshotSample.hash("cd"): Self.key("t", .allApis)]
        let (bytes, reference) = try Self.leaf(entries)
        let text = String(decoding: bytes, as: UTF8.self)
        func read(_ text: String, prefix: String = "", count: Int = 2) -> KeyLeaf? {
            let bytes = Array(text.utf8)
            let reference = TreeReference(sha256: "", size: bytes.count, count: count, total: bytes.count)
            return KeyLeafReader.read(bytes, of: reference, prefix: prefix)
        }
        #expect(read(text) != nil)
        #expect(read(text, prefix: "a") == nil && read(text, count: 1) == nil && read(text, count: 3) == nil)
        #expect(KeyLeafReader.read(bytes + [32], of: reference, prefix: "") == nil)
        for (old, new) in [
            ("{", " {"), ("}}", "}} "), (#""isOpen":"#, #""more":1,"isOpen":"#), ("true", "null"), ("ab0", "AB0"),
            ("ab0", "zz0"), ("ab000", "ab00"), (#""_0":"a""#, #""_0":"a","_1":"b""#), ("api", "apis"),
            (#""user":"u""#, #""user":null"#), (#""s""#, #""\u0073""#), (#""s""#, "\"\n\""),
            (#","user":"u""#, ",\"user\":\"u"), ("1764000000", "01764000000"), ("1764000000", "-1"),
            ("1764000000", "1.5"),
            ("1764000000", "9999999999999999999"), ("1764000000", ""),
            ("cd0", "ab0"), ("cd0", "aa0"),
        ] {
            #expect(text.contains(old))
            #expect(read(text.replacing(old, with: new, maxReplacements: 1)) == nil, "\(old) → \(new)")
        }
        // No UTF-8.
        var broken = bytes
        let place = try #require(broken.firstRange(of: Array("The key".utf8))).lowerBound
        broken[place] = 0xFF
        #expect(KeyLeafReader.read(broken, of: reference, prefix: "") == nil)
        for count in 0..<bytes.count {
            let cut = Array(bytes.prefix(count))
            let short = TreeReference(sha256: "", size: count, count: 2, total: count)
            #expect(KeyLeafReader.read(cut, of: short, prefix: "") == nil)
        }
    }
}
