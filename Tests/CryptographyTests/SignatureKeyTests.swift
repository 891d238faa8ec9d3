import Cryptography
import Testing

@Suite struct SignatureKeyTests {
    @Test func signaturesAreTheirKeysAndTheirSchemesAlone() throws {
        let rsa = try SignaturePrivateKey(newRSAWithBits: 2048)
        let ec = try SignaturePrivateKey(pem: P256Key.make())
        let message = Array("message".utf8)
        for key in [rsa, ec] {
            for scheme in SignatureScheme.allCases {
                guard key.kind.fits(scheme) else {
                    #expect(throws: BadKey.self) { try key.sign(message, scheme: scheme) }
                    continue
                }
                let signature = try key.sign(message, scheme: scheme)
                let check = try SignatureVerificationKey(try key.publicKey.parts)
                for other in SignatureScheme.allCases {
                    #expect(check.verifies(signature, over: message, scheme: other) == (other == scheme))
                }
                #expect(!check.verifies(signature, over: message + [0], scheme: scheme))
                #expect(!check.verifies(signature + [0], over: message, scheme: scheme))
                #expect(!check.verifies([0] + signature, over: message, scheme: scheme))
                #expect(!check.verifies(Array(signature.dropLast()), over: message, scheme: scheme))
            }
        }
    }

    @Test func D12_r_and_s_of_nothing_are_refused() throws {
        let key = try SignaturePrivateKey(pem: P256Key.make())
        let check = try key.publicKey
        let order = try #require(
            Hexadecimal.decode("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"))
        let zero = [UInt8](repeating: 0, count: 32)
        let one = zero.dropLast() + [1]
        for r in [zero, Array(one), order, [UInt8](repeating: 255, count: 32)] {
            for s in [zero, Array(one), order, [UInt8](repeating: 255, count: 32)] {
                #expect(!check.verifies(r + s, over: [1], scheme: .ecdsaP256SHA256))
            }
        }
    }

    @Test(arguments: [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ])
    func D14_an_ed25519_key_of_small_order_is_no_key(text: String) throws {
        let bytes = try #require(Hexadecimal.decode(text))
        #expect(throws: BadKey.self) { try SignatureVerificationKey(.ed25519(bytes)) }
    }

    /// RFC 8032 section 7.1, test 3.
    @Test func ed25519AsTheStandardHasIt() throws {
        let key = try SignatureVerificationKey(
            .ed25519(
                try #require(Hexadecimal.decode("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"))))
        let signature = try #require(
            Hexadecimal.decode(
                "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
                    + "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"))
        #expect(key.verifies(signature, over: [0xaf, 0x82], scheme: .ed25519))
        #expect(!key.verifies(signature, over: [0xaf], scheme: .ed25519))
    }

    @Test func D15_rsa_keys_have_sound_sizes_and_exponents() throws {
        let parts = try SignaturePrivateKey(newRSAWithBits: 2048).publicKey.parts
        guard case .rsa(let modulus, let exponent) = parts else { throw BadKey() }
        #expect(exponent == [1, 0, 1])
        #expect(
            try SignatureVerificationKey(.rsa(modulus: [0, 0] + modulus, exponent: [0, 3])).kind == .rsa(bits: 2048))
        for bad: [UInt8] in [[], [0], [1], [2], [4], [2, 0, 0, 0, 1], [1, 0, 0, 0, 0, 1]] {
            #expect(throws: BadKey.self) { try SignatureVerificationKey(.rsa(modulus: modulus, exponent: bad)) }
        }
        var even = modulus
        even[even.count - 1] &= 0xfe
        for bad in [
            [], even, Array(modulus.prefix(128)), [1] + [UInt8](repeating: 255, count: 1024),
            [0x40] + modulus.dropFirst(),
        ] {
            #expect(throws: BadKey.self) { try SignatureVerificationKey(.rsa(modulus: bad, exponent: [1, 0, 1])) }
        }
        #expect(throws: BadKey.self) { try SignaturePrivateKey(newRSAWithBits: 1024) }
    }

    @Test func aPointOffItsCurveIsNoKey() throws {
        let parts = try SignaturePrivateKey(pem: P256Key.make()).publicKey.parts
        guard case .ellipticCurve(let curve, let x, var y) = parts else { throw BadKey() }
        y[31] ^= 1
        #expect(throws: BadKey.self) { try SignatureVerificationKey(.ellipticCurve(curve, x: x, y: y)) }
        #expect(throws: BadKey.self) { try SignatureVerificationKey(.ellipticCurve(.p384, x: x, y: y)) }
        #expect(throws: BadKey.self) { try SignatureVerificationKey(.ellipticCurve(curve, x: [0] + x, y: y)) }
        let zero = [UInt8](repeating: 0, count: 32)
        #expect(throws: BadKey.self) { try SignatureVerificationKey(.ellipticCurve(curve, x: zero, y: zero)) }
    }
}
