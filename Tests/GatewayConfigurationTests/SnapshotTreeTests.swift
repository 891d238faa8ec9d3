import Cryptography
import Foundation
import GatewayConfiguration
import Testing

/// A tree and the blobs that a store of it would hold.
private struct Orchard<Value: TreeValue> {
    var tree: TreeReference?
    var blobs: [String: [UInt8]] = [:]

    mutating func edit(_ changes: [String: Value?]) throws -> TreeEdit {
        let held = blobs
        let edit = try TreeEdit(tree, name: "t/", changes: changes) { try #require(held[$0.sha256]) }
        for hash in edit.dropped { blobs[hash] = nil }
        blobs.merge(edit.fresh) { $1 }
        tree = edit.tree
        return edit
    }

    var walk: TreeWalk<Value> {
        let held = blobs
        return TreeWalk(name: "t/") { try #require(held[$0.sha256]) }
    }
}

@Suite struct SnapshotTreeTests {
    private static func reference(_ number: Int) throws -> BlobReference { try Blob(encoding: number).reference }

    private static func whole(_ entries: [String: BlobReference]) throws -> Orchard<BlobReference> {
        var orchard = Orchard<BlobReference>()
        _ = try orchard.edit(entries.mapValues(Optional.init))
        return orchard
    }

    @Test func equalEntriesGiveEqualTreesWhateverTheWayToThem() throws {
        var orchard = Orchard<BlobReference>()
        var entries: [String: BlobReference] = [:]
        var generator = SystemRandomNumberGenerator()
        // Grows over several splits, shrinks over several merges, to nothing.
        for round in 0..<120 {
            var changes: [String: BlobReference?] = [:]
            for _ in 0..<Int.random(in: 1...40, using: &generator) {
                let isGrowing = round < 60
                if Int.random(in: 0..<10, using: &generator) < (isGrowing ? 8 : 2) {
                    let number = Int.random(in: 0..<2000, using: &generator)
                    changes["name-\(number)"] = try Self.reference(number + round * 10_000)
                } else if let name = entries.keys.randomElement(using: &generator) {
                    changes[name] = .some(nil)
                }
            }
            if round == 119 { changes = entries.mapValues { _ in nil } }
            for (name, value) in changes { entries[name] = value }
            _ = try orchard.edit(changes)
            let fresh = try Self.whole(entries)
            #expect(orchard.tree == fresh.tree, "round \(round)")
            #expect(orchard.tree?.count ?? 0 == entries.count)
            #expect(try orchard.walk.entries(of: orchard.tree) == entries)
            // What is dropped and made is all that changed: the store holds the tree and no more.
            let hashes = try orchard.walk.hashes(of: orchard.tree, refersToBlobs: true)
            #expect(Set(orchard.blobs.keys) == hashes.subtracting(entries.values.map(\.sha256)))
            for name in entries.keys.prefix(3) {
                #expect(try orchard.walk.value(of: name, in: orchard.tree) == entries[name])
            }
        }
        #expect(orchard.tree == nil && orchard.blobs.isEmpty)
    }

    @Test func aChangeOfOneInThousandsTouchesFewSmallNodes() throws {
        var entries: [String: BlobReference] = [:]
        for number in 0..<5000 { entries["api-with-a-usual-name-\(number)"] = try Self.reference(number) }
        var orchard = try Self.whole(entries)
        let before = orchard.tree
        let nodes = orchard.blobs.count
        let edit = try orchard.edit(["api-with-a-usual-name-77": Self.reference(-1)])
        #expect(edit.fresh.count <= 4 && orchard.blobs.count == nodes)
        #expect(edit.fresh.values.reduce(0) { $0 + $1.count } < 16_384)
        let found = try orchard.walk.difference(nil, orchard.tree)
        #expect(found.old.isEmpty && found.new.count == 5000)
        #expect(before != orchard.tree)
    }

    @Test func twoTreesDifferInWhatChanged() throws {
        var entries: [String: BlobReference] = [:]
        for number in 0..<300 { entries["n\(number)"] = try Self.reference(number) }
        var orchard = try Self.whole(entries)
        let before = orchard
        _ = try orchard.edit(["n1": Self.reference(-1), "n2": nil, "new": Self.reference(-2)])
        let all = before.blobs.merging(orchard.blobs) { $1 }
        let walk = TreeWalk<BlobReference>(name: "t/") { try #require(all[$0.sha256]) }
        let found = try walk.difference(before.tree, orchard.tree)
        #expect(Set(found.old.keys) == ["n1", "n2"] && Set(found.new.keys) == ["n1", "new"])
        let same = try walk.difference(orchard.tree, orchard.tree)
        #expect(same.old.isEmpty && same.new.isEmpty)
    }

    @Test func aNameThatCannotBeOneIsRefused() {
        for name in ["", "AB", String(repeating: "g", count: 64), String(repeating: "A", count: 64)] {
            #expect(SubscriptionKey.way(to: name) == nil)
            #expect(throws: SnapshotRefusal.self) {
                try TreeEdit(nil, name: "t/", changes: [name: Optional(SnapshotSample.key)]) { _ in [] }
            }
        }
    }

    @Test func stepsJoinToOne() throws {
        var one = SnapshotUpdate(since: "1")
        let first: [String: BlobReference?] = ["a": try Self.reference(1), "b": nil]
        one.apis = TreeChanges(first)
        one.blobs["x"] = "eA=="
        var two = SnapshotUpdate(since: "2")
        let second: [String: BlobReference?] = ["b": try Self.reference(2), "c": nil]
        two.apis = TreeChanges(second)
        two.subscriptions = TreeChanges([SnapshotSample.hash("a"): SnapshotSample.key])
        let sum = try #require(one.followed(by: two))
        #expect(sum.since == "1" && sum.blobs.count == 1 && sum.subscriptions == two.subscriptions)
        #expect(sum.apis?.removed == ["c"] && sum.apis?.put.keys.sorted() == ["a", "b"])
        two.blobs["y"] = String(repeating: "A", count: SnapshotUpdate.blobBytesMax * 2)
        #expect(one.followed(by: two) == nil)
    }
}

/// Trees that no honest controller makes, rightly signed.
@Suite struct HostileTreeTests {
    private static func node(_ text: String) throws -> Blob { try Blob(Array(text.utf8)) }

    private static func text(_ blob: BlobReference) -> String { #"{"sha256":"\#(blob.sha256)","size":\#(blob.size)}"# }

    /// Why a snapshot with this top node of the APIs is refused.
    private static func refusal(_ top: String, count: Int, total: Int? = nil, below: [Blob] = []) throws
        -> SnapshotRefusal?
    {
        var sample = try SnapshotSample()
        let blob = try node(top)
        let sizes = below.reduce(0) { $0 + $1.reference.size }
        sample.strangeNodes = below + [blob]
        sample.strangeTrees[TreeName.apis] = TreeReference(
            sha256: blob.reference.sha256, size: blob.reference.size, count: count,
            total: total ?? blob.reference.size + sizes)
        return try sample.refusal()
    }

    private static func isUnknown(_ refusal: SnapshotRefusal?) -> Bool {
        if case .unknown = refusal { true } else { false }
    }

    @Test func H4_a_node_of_a_tree_is_read_strictly() throws {
        let api = try Blob(encoding: SnapshotSample.api)
        let entry = Self.text(api.reference)
        #expect(try Self.refusal(#"{"entries":{"echo":\#(entry)}}"#, count: 1, below: [api]) == nil)
        // Twice the same name, another member, none at all, both, no entries.
        for top in [
            #"{"entries":{"echo":\#(entry),"echo":\#(entry)}}"#, #"{"entries":{"echo":\#(entry)},"more":1}"#, "{}",
            #"{"children":{},"entries":{"echo":\#(entry)}}"#, #"{"entries":{}}"#, "[]",
            #"{"entries":{"echo":{"sha256":"00","size":1}}}"#, #"{"entries":{"a/../b":\#(entry)}}"#,
            #"{"entries":{"echo":{"sha256":"\#(api.reference.sha256)","size":-1}}}"#,
        ] { #expect(Self.isUnknown(try Self.refusal(top, count: 1, below: [api])), "\(top)") }
        // Counts and sizes that are not what the root says.
        let top = #"{"entries":{"echo":\#(entry)}}"#
        #expect(try Self.refusal(top, count: 2, below: [api]) == .blobMismatch(TreeName.apis))
        #expect(try Self.refusal(top, count: 1, total: 100_000, below: [api]) == .blobMismatch(TreeName.apis))
    }

    @Test func H4_a_tree_has_the_form_that_its_entries_give_it() throws {
        let api = try Blob(encoding: SnapshotSample.api)
        let leaf = try Self.node(#"{"entries":{"echo":\#(Self.text(api.reference))}}"#)
        let total = leaf.reference.size + api.reference.size
        func child(_ count: Int = 1) -> String {
            let reference = leaf.reference
            return #"{"count":\#(count),"sha256":"\#(reference.sha256)","size":\#(reference.size),"total":\#(total)}"#
        }
        let digit = String(try #require(BlobReference.way(to: "echo")?.first))
        // Children for what fits in a leaf.
        #expect(
            Self.isUnknown(
                try Self.refusal(#"{"children":{"\#(digit)":\#(child())}}"#, count: 1, below: [leaf, api])))
        // A digit that is none.
        for digit in ["g", "A", "", "00"] {
            #expect(
                Self.isUnknown(
                    try Self.refusal(#"{"children":{"\#(digit)":\#(child(65))}}"#, count: 65, below: [leaf, api])))
        }
        // The child holds less than it is said to.
        #expect(
            try Self.refusal(#"{"children":{"\#(digit)":\#(child(65))}}"#, count: 65, below: [leaf, api])
                == .blobMismatch(TreeName.apis + digit))
        // An entry in a child that is not its own would never be found by who looks for it.
        let other = digit == "0" ? "1" : "0"
        #expect(
            Self.isUnknown(
                try Self.refusal(#"{"children":{"\#(other)":\#(child(65))}}"#, count: 65, below: [leaf, api])))
        // 65 entries in one leaf.
        let many = (0..<65).map { #""n\#($0)":\#(Self.text(api.reference))"# }.joined(separator: ",")
        let size = "{\"entries\":{\(many)}}".utf8.count + 65 * api.reference.size
        #expect(
            try Self.refusal("{\"entries\":{\(many)}}", count: 65, total: size, below: [api])
                == .unknown(blob: TreeName.apis, path: "entries"))
    }

    @Test func H4_the_depth_of_a_tree_is_bounded() throws {
        // A chain of nodes with one child each, deeper than there are digits: the count says that it is none.
        var below: [Blob] = []
        let api = try Blob(encoding: SnapshotSample.api)
        let way = try #require(BlobReference.way(to: "echo"))
        var reference = TreeReference(sha256: "", size: 0, count: 0, total: 0)
        for depth in (0..<24).reversed() {
            let text: String
            if depth == 23 {
                text = #"{"entries":{"echo":\#(Self.text(api.reference))}}"#
            } else {
                let digit = Array(way)[depth]
                text =
                    #"{"children":{"\#(digit)":{"count":65,"sha256":"\#(reference.sha256)","size":\#(reference.size),"total":\#(reference.total)}}}"#
            }
            let blob = try Self.node(text)
            below.append(blob)
            reference = TreeReference(
                sha256: blob.reference.sha256, size: blob.reference.size, count: 65,
                total: blob.reference.size + (depth == 23 ? api.reference.size : reference.total))
        }
        var sample = try SnapshotSample()
        sample.strangeNodes = below + [api]
        sample.strangeTrees[TreeName.apis] = reference
        #expect(try sample.refusal() == .unknown(blob: TreeName.apis + way.prefix(16), path: "children"))
    }

    @Test(arguments: [
        #"{"count":0,"sha256":"H","size":10,"total":10}"#, #"{"count":-1,"sha256":"H","size":10,"total":10}"#,
        #"{"count":1,"sha256":"H","size":10,"total":9}"#, #"{"count":1,"sha256":"H","size":2000000,"total":2000000}"#,
        #"{"count":1,"sha256":"h","size":10,"total":10}"#, #"{"count":99999999,"sha256":"H","size":10,"total":10}"#,
        #"{"count":1,"sha256":"H","size":10,"total":9999999999}"#, #"{"count":1,"sha256":"H","size":10}"#,
    ])
    func H4_counts_and_sizes_are_bounded_in_the_root(tree: String) throws {
        let sample = try SnapshotSample()
        let text = String(decoding: try #require(sample.signed().rootBytes), as: UTF8.self)
        let start = try #require(text.range(of: #""apis/":{"count""#)).lowerBound
        let end = try #require(text[start...].firstIndex(of: "}"))
        let hash = String(repeating: "a", count: 64)
        let changed = Array(
            text.replacingCharacters(in: start...end, with: #""apis/":"# + tree.replacing("H", with: hash)).utf8)
        let signed = SignedRoot(
            root: Data(changed).base64EncodedString(),
            signature: Data(try sample.signingKey.sign(changed)).base64EncodedString())
        #expect {
            try sample.trust.judge(signed)
        } throws: { error in
            if case .badFormat(let member) = error as? SnapshotRefusal { member.hasPrefix("trees/") } else { false }
        }
    }
}
