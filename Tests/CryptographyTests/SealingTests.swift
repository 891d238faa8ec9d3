import Cryptography
import Testing

@Suite struct SealingTests {
    private let place = Array("/subscriptions/s#properties.value".utf8)

    @Test func G57_what_was_sealed_opens_at_its_place_alone() throws {
        let key = SealingKey(randomWithID: "k1")
        let sealed = try key.seal(Array("secret".utf8), associatedData: place)
        #expect(try key.open(sealed, associatedData: place) == Array("secret".utf8))
        #expect(throws: SealingFailure.notAuthentic) { try key.open(sealed, associatedData: place + [0]) }
        #expect(throws: SealingFailure.notAuthentic) { try key.open(sealed, associatedData: []) }
    }

    @Test func G57_a_changed_bit_does_not_open() throws {
        let key = SealingKey(randomWithID: "k1")
        let sealed = try key.seal(Array("secret".utf8), associatedData: place)
        for index in sealed.bytes.indices {
            var changed = sealed
            changed.bytes[index] ^= 1
            #expect(throws: SealingFailure.notAuthentic) { try key.open(changed, associatedData: place) }
        }
        for count in 0..<sealed.bytes.count {
            let cut = SealedBytes(keyID: "k1", bytes: Array(sealed.bytes[..<count]))
            #expect(throws: SealingFailure.notAuthentic) { try key.open(cut, associatedData: place) }
        }
    }

    @Test func G57_another_key_says_so() throws {
        let sealed = try SealingKey(randomWithID: "k1").seal([1], associatedData: place)
        #expect(throws: SealingFailure.otherKey(id: "k1")) {
            try SealingKey(randomWithID: "k2").open(sealed, associatedData: place)
        }
        #expect(throws: SealingFailure.notAuthentic) {
            try SealingKey(randomWithID: "k1").open(sealed, associatedData: place)
        }
    }

    @Test func H22_a_nonce_is_never_the_same() throws {
        let key = SealingKey()
        let nonces = try Set((0..<10_000).map { _ in Array(try key.seal([], associatedData: []).bytes[..<12]) })
        #expect(nonces.count == 10_000)
    }

    @Test func keysAreWrittenAndReadBackButNeverDescribed() throws {
        let key = SealingKey(randomWithID: "k1")
        let again = try SealingKey(id: "k1", bytes: key.secretBytes)
        #expect(try again.open(key.seal([7], associatedData: []), associatedData: []) == [7])
        #expect(throws: SealingFailure.badKeyLength) { try SealingKey(id: "k", bytes: [1, 2]) }
        #expect("\(key)" == "SealingKey(k1)")
        var dumped = ""
        dump(key, to: &dumped)
        dump(NodeSealingKey(), to: &dumped)
        dump(SnapshotSigningKey(), to: &dumped)
        #expect(!dumped.contains("SymmetricKey") && !dumped.contains("PrivateKey"))
    }

    @Test func aDataKeyOpensAtItsNodeAlone() throws {
        let node = try NodeSealingKey(secretBytes: NodeSealingKey().secretBytes)
        let sealed = try NodeSealingPublicKey(bytes: node.publicKey.bytes).seal([1, 2, 3])
        #expect(try node.open(sealed) == [1, 2, 3])
        #expect(throws: SealingFailure.notAuthentic) { try NodeSealingKey().open(sealed) }
        #expect(throws: SealingFailure.notAuthentic) { try node.open(Array(sealed.dropLast())) }
        #expect(throws: SealingFailure.notAuthentic) { try node.open([]) }
        #expect(throws: SealingFailure.badKeyLength) { try NodeSealingPublicKey(bytes: [1]) }
    }

    @Test func H1_a_signature_counts_for_its_very_bytes() throws {
        let key = try SnapshotSigningKey(secretBytes: SnapshotSigningKey().secretBytes)
        let verification = try SnapshotVerificationKey(bytes: key.verificationKey.bytes)
        let bytes = Array("{\"version\":1}".utf8)
        let signature = try key.sign(bytes)
        #expect(verification.verifies(signature, over: bytes))
        #expect(!verification.verifies(signature, over: bytes + [32]))
        #expect(!verification.verifies(Array(signature.dropLast()), over: bytes))
        #expect(!verification.verifies([], over: bytes))
        for index in signature.indices {
            var changed = signature
            changed[index] ^= 1
            #expect(!verification.verifies(changed, over: bytes))
        }
        #expect(!SnapshotSigningKey().verificationKey.verifies(signature, over: bytes))
    }
}
