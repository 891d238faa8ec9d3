import Cryptography
import Foundation
import GatewayConfiguration
import Testing

@Suite struct SnapshotDecoderTests {
    @Test func aSnapshotIsReadWhole() throws {
        let sample = try SnapshotSample()
        let contents = try sample.contents()
        var decoder = SnapshotDecoder()
        let snapshot = try decoder.decode(sample.root(), dataKey: sample.dataKey) { contents[$0] }
        #expect(snapshot.apis == [SnapshotSample.api])
        #expect(snapshot.products.map(\.name) == ["starter"])
        #expect(snapshot.keys.all == [SnapshotSample.key])
        #expect(snapshot.keys.leaves.first?.hashes.map(\.description) == [SnapshotSample.hash("ab")])
        #expect(snapshot.namedValues["n"]?.value == "v")
        #expect(snapshot.secrets == SnapshotSample.secrets)
        #expect(decoder.hashes == Set(contents.keys))
    }

    @Test func equalValuesHaveEqualHashes() throws {
        let one = try Blob(encoding: ["b": 1, "a": 2])
        #expect(String(decoding: one.bytes, as: UTF8.self) == #"{"a":2,"b":1}"#)
        #expect(try Blob(encoding: SnapshotSample.api) == Blob(encoding: SnapshotSample.api))
    }

    @Test func whatDidNotChangeIsNotReadAgain() throws {
        var sample = try SnapshotSample()
        for number in 0..<200 {
            var api = SnapshotSample.api
            api.name = "api-\(number)"
            sample.apis[api.name] = try Blob(encoding: api)
            sample.keys[try Blob(encoding: api).reference.sha256] = SnapshotSample.key
        }
        var contents = try sample.contents()
        var decoder = SnapshotDecoder()
        let first = try decoder.decode(sample.root(), dataKey: sample.dataKey) { [contents] in contents[$0] }
        let known = Set(contents.keys).subtracting([try #require(sample.blobs[BlobName.secrets]).reference.sha256])
        sample.blobs[BlobName.namedValues] = try Blob(encoding: ["n": NamedValueConfiguration(value: "w")])
        var api = SnapshotSample.api
        api.displayName = "Another"
        sample.apis["api-7"] = try Blob(encoding: api)
        sample.keys[SnapshotSample.hash("ff")] = SnapshotSample.key
        contents = try sample.contents()
        let former = decoder
        let next = try decoder.decode(sample.root(), dataKey: sample.dataKey) { [contents] hash in
            #expect(!known.contains(hash), "a blob that did not change was asked for")
            return contents[hash]
        }
        // Named values, one API, and two nodes of each of two trees.
        #expect(decoder.blobsRead == 6)
        #expect(next.namedValues["n"]?.value == "w" && next.apis.count == 201 && next.keys.count == 202)
        let shared = next.keys.leaves.filter { leaf in first.keys.leaves.contains { $0 === leaf } }
        #expect(shared.count == next.keys.leaves.count - 1)
        let (dropped, added) = decoder.difference(from: former)
        #expect(dropped == former.hashes.subtracting(decoder.hashes))
        #expect(added.isSuperset(of: decoder.hashes.subtracting(former.hashes)))
    }

    @Test func whatIsNotHereIsNamedLevelByLevel() throws {
        var sample = try SnapshotSample()
        for number in 0..<100 { sample.keys[try ContentHash(of: [UInt8(number)]).description] = SnapshotSample.key }
        let contents = try sample.contents()
        let root = try sample.root()
        var decoder = SnapshotDecoder()
        var held: [String: [UInt8]] = [:]
        var rounds = 0
        while true {
            let present = held
            guard case .lacking(let names) = try decoder.read(root, dataKey: sample.dataKey, content: { present[$0] })
            else { break }
            #expect(!names.isEmpty && names.values.allSatisfy { held[$0.sha256] == nil })
            for blob in names.values { held[blob.sha256] = contents[blob.sha256] }
            rounds += 1
        }
        #expect(rounds == 2 && held == contents)
    }

    @Test func H5_every_blob_hashes_to_its_name_and_has_its_size() throws {
        let sample = try SnapshotSample()
        let root = try sample.root()
        let contents = try sample.contents()
        for (hash, right) in contents {
            func refusal(_ bytes: [UInt8]?) -> SnapshotRefusal? {
                var decoder = SnapshotDecoder()
                do throws(SnapshotRefusal) {
                    _ = try decoder.decode(root, dataKey: sample.dataKey) { $0 == hash ? bytes : contents[$0] }
                    return nil
                } catch { return error }
            }
            var flipped = right
            flipped[0] ^= 1
            // Two blobs may be equal, so only the kind of refusal is certain.
            for bytes in [flipped, right + [0], [], Array(right.dropLast())] {
                guard case .blobMismatch = refusal(bytes) else {
                    Issue.record("\(hash) was taken")
                    continue
                }
            }
            guard case .blobMissing = refusal(nil) else {
                Issue.record("\(hash) was not missed")
                continue
            }
        }
    }

    @Test func H9_what_is_not_known_is_refused_with_its_path() throws {
        func refusal(_ text: String) throws -> SnapshotRefusal? {
            var sample = try SnapshotSample()
            sample.apis["echo;rev=1"] = try Blob(Array(text.utf8))
            return try sample.refusal()
        }
        let api = String(decoding: try Blob(encoding: SnapshotSample.api).bytes, as: UTF8.self)
        let name = TreeName.apis + "echo;rev=1"
        #expect(try refusal(api) == nil)
        #expect(try refusal(api.replacing(":", with: ": ")) == nil)
        #expect(
            try refusal(api.replacing(#""method":"#, with: #""new":1,"method":"#))
                == .unknown(blob: name, path: "operations/0/new"))
        #expect(
            try refusal(api.replacing(#""format":"xml""#, with: #""format":"yaml""#))
                == .unknown(blob: name, path: "policy/format"))
        #expect(try refusal(api.replacing(#""revision":"1","#, with: "")) == .unknown(blob: name, path: "revision"))
        #expect(try refusal("[]") == .unknown(blob: name, path: ""))
        #expect(try refusal("") == .unknown(blob: name, path: ""))
        var sample = try SnapshotSample()
        sample.blobs["caches"] = try Blob(encoding: [String]())
        #expect(try sample.refusal() == .unknown(blob: "caches", path: ""))
        sample.blobs["caches"] = nil
        sample.strangeTrees["workspaces/"] = try sample.root().trees[TreeName.apis]
        #expect(try sample.refusal() == .unknown(blob: "workspaces/", path: ""))
    }

    @Test func H22_secrets_open_with_their_data_key_alone() throws {
        var sample = try SnapshotSample()
        let sealed = try #require(sample.blobs[BlobName.secrets]).bytes
        #expect(!String(decoding: sealed, as: UTF8.self).contains("marker"))
        let contents = try sample.contents()
        let root = try sample.root()
        var decoder = SnapshotDecoder()
        for key in [SealingKey(randomWithID: "d1"), SealingKey(randomWithID: "d2")] {
            #expect(throws: SnapshotRefusal.secretsUnreadable) {
                try decoder.decode(root, dataKey: key) { contents[$0] }
            }
        }
        sample.blobs[BlobName.secrets] = nil
        #expect(try sample.refusal() == .blobMissing(BlobName.secrets))
    }
}
