import Cryptography
import Foundation
import GatewayConfiguration
import Testing

@Suite struct SnapshotTrustTests {
    @Test func aRootOfTheServiceIsNewerOnceAndThenTheSame() throws {
        let sample = try SnapshotSample()
        var trust = sample.trust
        let signed = try sample.signed()
        guard case .newer(let root) = try trust.judge(signed) else {
            Issue.record("not newer")
            return
        }
        trust.accept(root)
        #expect(try trust.judge(signed) == .same(root))
        #expect(root.hash == signed.rootHash)
        #expect(trust.version == 1)
    }

    @Test func H1_a_root_counts_only_with_a_signature_over_its_very_bytes() throws {
        let sample = try SnapshotSample()
        let signed = try sample.signed()
        let root = try #require(signed.rootBytes)
        let signature = try #require(Data(base64Encoded: signed.signature))
        func refusal(_ root: [UInt8], _ signature: Data) -> SnapshotRefusal? {
            let signed = SignedRoot(root: Data(root).base64EncodedString(), signature: signature.base64EncodedString())
            do throws(SnapshotRefusal) {
                _ = try sample.trust.judge(signed)
                return nil
            } catch { return error }
        }
        #expect(refusal(root, signature) == nil)
        #expect(refusal(root, Data()) == .badSignature)
        #expect(refusal(root, signature.prefix(63)) == .badSignature)
        #expect(refusal(root + [32], signature) == .badSignature)
        for index in stride(from: 0, to: root.count, by: 17) {
            var changed = root
            changed[index] ^= 1
            #expect(refusal(changed, signature) == .badSignature)
        }
        for index in 0..<64 {
            var changed = signature
            changed[index] ^= 1
            #expect(refusal(root, changed) == .badSignature)
        }
        let other = try sample.root().signed(with: SnapshotSigningKey())
        #expect(throws: SnapshotRefusal.badSignature) { try sample.trust.judge(other) }
    }

    @Test func H2_a_root_of_another_service_or_gateway_is_foreign() throws {
        let sample = try SnapshotSample()
        #expect(throws: SnapshotRefusal.wrongService) {
            try sample.trust.judge(sample.signed(try sample.root(service: "/other")))
        }
        #expect(throws: SnapshotRefusal.wrongGateway) {
            try sample.trust.judge(sample.signed(sample.root(gateway: "g2")))
        }
        guard case .newer = try sample.trust.judge(sample.signed(sample.root(service: "/S"))) else {
            Issue.record("ASCII case counts")
            return
        }
    }

    @Test func H3_there_is_no_way_back() throws {
        var sample = try SnapshotSample()
        sample.version = 50
        var trust = sample.trust
        guard case .newer(let root) = try trust.judge(sample.signed()) else { return }
        trust.accept(root)
        let fork = try sample.root(service: "/S")
        #expect(throws: SnapshotRefusal.fork) { try trust.judge(sample.signed(fork)) }
        sample.version = 49
        #expect(throws: SnapshotRefusal.rollback) { try trust.judge(sample.signed()) }
        for version in [Int64.max, 1 << 53, 0, -1] {
            sample.version = version
            #expect(throws: SnapshotRefusal.badFormat("version")) { try trust.judge(sample.signed()) }
        }
        let kept = try JSONDecoder().decode(SnapshotTrust.self, from: try JSONEncoder().encode(trust))
        #expect(kept == trust)
    }

    @Test(arguments: [
        (#""version":1"#, #""version":50.5"#, "version"), (#""version":1"#, #""version":"51""#, "version"),
        (#""version":1"#, #""version":1,"version":2"#, "format"), (#""format":2"#, #""format":1"#, "format"),
        (#""format":2"#, #""format":3"#, "format"),
        (#""blobs":"#, #""blob":"#, "blobs"), (#""trees":"#, #""tree":"#, "trees"),
        (#""service":"/s""#, #""service":1"#, "service"),
        (#""service":"/s""#, #""service":"/s","other":1"#, "other"), (#""named-values""#, #""../values""#, "blobs"),
        (#""named-values""#, #""named\u0000values""#, "blobs"), (#""products/""#, #""../products""#, "trees"),
        (#""backends":{"sha256":""#, #""backends":{"sha256":"x"#, "blobs/backends"),
    ])
    func H4_a_root_is_read_strictly(text: String, replacement: String, member: String) throws {
        let sample = try SnapshotSample()
        let bytes = try #require(sample.signed().rootBytes)
        let changed = Array(
            String(decoding: bytes, as: UTF8.self).replacing(text, with: replacement, maxReplacements: 1).utf8)
        #expect(changed != bytes)
        let signed = SignedRoot(
            root: Data(changed).base64EncodedString(),
            signature: Data(try sample.signingKey.sign(changed)).base64EncodedString())
        #expect(throws: SnapshotRefusal.badFormat(member)) { try sample.trust.judge(signed) }
    }

    @Test func H21_the_key_changes_from_root_to_root_and_never_back() throws {
        var sample = try SnapshotSample()
        let next = SnapshotSigningKey()
        var trust = sample.trust
        let rotation = try sample.signed(sample.root(next: next))
        #expect(throws: SnapshotRefusal.badSignature) { try trust.judge(sample.root(next: next).signed(with: next)) }
        guard case .newer(let root) = try trust.judge(rotation) else { return }
        trust.accept(root)
        sample.version = 2
        #expect(throws: SnapshotRefusal.badSignature) { try trust.judge(sample.signed()) }
        guard case .newer = try trust.judge(sample.root(next: next).signed(with: next)) else {
            Issue.record("the new key is not taken")
            return
        }
    }
}
