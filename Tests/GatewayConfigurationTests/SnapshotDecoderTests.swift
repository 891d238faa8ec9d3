import Cryptography
import Foundation
import GatewayConfiguration
import Testing

@Suite struct SnapshotDecoderTests {
    @Test func aSnapshotIsReadWhole() throws {
        let sample = try SnapshotSample()
        var decoder = SnapshotDecoder()
        let snapshot = try decoder.decode(sample.root(), dataKey: sample.dataKey, content: sample.content)
        #expect(snapshot.apis == [SnapshotSample.api])
        #expect(snapshot.products.map(\.name) == ["starter"])
        #expect(snapshot.keys == [SnapshotSample.key("ab")])
        #expect(snapshot.namedValues["n"]?.value == "v")
        #expect(snapshot.secrets == SnapshotSample.secrets)
    }

    @Test func equalValuesHaveEqualHashes() throws {
        let one = try Blob(encoding: ["b": 1, "a": 2])
        #expect(String(decoding: one.bytes, as: UTF8.self) == #"{"a":2,"b":1}"#)
        #expect(try Blob(encoding: SnapshotSample.api) == Blob(encoding: SnapshotSample.api))
    }

    @Test func whatDidNotChangeIsNotReadAgain() throws {
        var sample = try SnapshotSample()
        var decoder = SnapshotDecoder()
        _ = try decoder.decode(sample.root(), dataKey: sample.dataKey, content: sample.content)
        #expect(decoder.blobsRead == 8)
        sample.blobs[BlobName.namedValues] = try Blob(encoding: ["n": NamedValueConfiguration(value: "w")])
        let changed = sample
        let secrets = try #require(changed.blobs[BlobName.secrets]).reference.sha256
        let fresh = try #require(changed.blobs[BlobName.namedValues]).reference.sha256
        let snapshot = try decoder.decode(changed.root(), dataKey: changed.dataKey) { hash in
            #expect(hash == secrets || hash == fresh)
            return changed.content(hash)
        }
        #expect(decoder.blobsRead == 1)
        #expect(snapshot.namedValues["n"]?.value == "w")
        #expect(snapshot.apis.count == 1)
    }

    @Test func H5_every_blob_hashes_to_its_name_and_has_its_size() throws {
        let sample = try SnapshotSample()
        for (name, blob) in sample.blobs {
            func refusal(_ bytes: [UInt8]?) -> SnapshotRefusal? {
                var decoder = SnapshotDecoder()
                do throws(SnapshotRefusal) {
                    _ = try decoder.decode(sample.root(), dataKey: sample.dataKey) {
                        $0 == blob.reference.sha256 ? bytes : sample.content($0)
                    }
                    return nil
                } catch { return error }
            }
            var flipped = blob.bytes
            flipped[0] ^= 1
            // Two blobs may be equal, so only the kind of refusal is certain.
            for bytes in [flipped, blob.bytes + [0], [], Array(blob.bytes.dropLast())] {
                guard case .blobMismatch = refusal(bytes) else {
                    Issue.record("\(name) was taken")
                    continue
                }
            }
            guard case .blobMissing = refusal(nil) else {
                Issue.record("\(name) was not missed")
                continue
            }
        }
    }

    @Test func H9_what_is_not_known_is_refused_with_its_path() throws {
        func refusal(_ name: String, _ text: String) throws -> SnapshotRefusal? {
            var sample = try SnapshotSample()
            sample.blobs[name] = try Blob(Array(text.utf8))
            let changed = sample
            var decoder = SnapshotDecoder()
            do throws(SnapshotRefusal) {
                _ = try decoder.decode(changed.root(), dataKey: changed.dataKey, content: changed.content)
                return nil
            } catch { return error }
        }
        let api = String(decoding: try Blob(encoding: SnapshotSample.api).bytes, as: UTF8.self)
        let name = BlobName.apis + "echo;rev=1"
        #expect(try refusal(name, api) == nil)
        #expect(try refusal(name, api.replacing(":", with: ": ")) == nil)
        #expect(
            try refusal(name, api.replacing(#""method":"#, with: #""new":1,"method":"#))
                == .unknown(blob: name, path: "operations/0/new"))
        #expect(
            try refusal(name, api.replacing(#""format":"xml""#, with: #""format":"yaml""#))
                == .unknown(blob: name, path: "policy/format"))
        #expect(
            try refusal(name, api.replacing(#""revision":"1","#, with: "")) == .unknown(blob: name, path: "revision"))
        #expect(try refusal(name, "[]") == .unknown(blob: name, path: ""))
        #expect(try refusal(name, "") == .unknown(blob: name, path: ""))
        #expect(try refusal("caches", "[]") == .unknown(blob: "caches", path: ""))
        let shard = BlobName.subscriptions + "ab"
        #expect(
            try refusal(shard, String(decoding: Blob(encoding: [SnapshotSample.key("ac")]).bytes, as: UTF8.self))
                == .unknown(blob: shard, path: "0/keyHash"))
    }

    @Test func H22_secrets_open_with_their_data_key_alone() throws {
        var sample = try SnapshotSample()
        let sealed = try #require(sample.blobs[BlobName.secrets]).bytes
        #expect(!String(decoding: sealed, as: UTF8.self).contains("marker"))
        var decoder = SnapshotDecoder()
        for key in [SealingKey(randomWithID: "d1"), SealingKey(randomWithID: "d2")] {
            let same = sample
            #expect(throws: SnapshotRefusal.secretsUnreadable) {
                try decoder.decode(same.root(), dataKey: key, content: same.content)
            }
        }
        sample.blobs[BlobName.secrets] = nil
        let bare = sample
        #expect(throws: SnapshotRefusal.blobMissing(BlobName.secrets)) {
            try decoder.decode(bare.root(), dataKey: bare.dataKey, content: bare.content)
        }
    }
}
