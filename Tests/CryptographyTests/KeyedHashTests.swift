import Cryptography
import Testing

@Suite struct KeyedHashTests {
    /// RFC 4231, test cases 1, 2 and 6.
    @Test(arguments: [
        (
            [UInt8](repeating: 0x0b, count: 20), "Hi There",
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        ),
        (
            Array("Jefe".utf8), "what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        ),
        (
            [UInt8](repeating: 0xaa, count: 131), "Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        ),
    ])
    func isHMACWithSHA256(pepper: [UInt8], text: String, code: String) throws {
        let hash = try KeyedHash(pepper: pepper)
        #expect(hash.hash(of: text.utf8).description == code)
        #expect(hash.hash(of: Array(text.utf8)[...]) == KeyedHashValue(hexadecimal: code.uppercased()))
        #expect(hash.hash(of: Array(text.utf8).reversed().reversed()).bytes == Hexadecimal.decode(code))
    }

    @Test func anEmptyPepperIsRefused() {
        #expect(throws: KeyedHash.Failure.self) { try KeyedHash(pepper: []) }
    }

    @Test func aHashOfNothingIsStillAHash() throws {
        let hash = try KeyedHash(pepper: [1])
        #expect(hash.hash(of: []) == hash.hash(of: "".utf8))
        #expect(hash.hash(of: []) != hash.hash(of: [0]))
    }

    @Test(arguments: ["", "00", String(repeating: "0", count: 63), String(repeating: "g", count: 64)])
    func whatIsNoHashIsNotRead(text: String) {
        #expect(KeyedHashValue(hexadecimal: text) == nil)
    }
}

@Suite struct EncodingTests {
    @Test func base64URLReadsWhatItWrote() {
        for count in 0..<67 {
            let bytes = SecureRandom.bytes(count)
            #expect(Base64URL.decode(Base64URL.encode(bytes).utf8) == bytes)
        }
        #expect(Base64URL.encode([0xfb, 0xff]) == "-_8")
    }

    @Test(arguments: ["A", "AA=", "AA==", "A+", "A/", "AB", "AAB", "A A", "AA\n", "AAAAA"])
    func D29_base64url_has_one_text_a_value(text: String) {
        #expect(Base64URL.decode(text.utf8) == nil)
    }

    @Test func secretsAreHashedUnderASaltOfTheirOwn() throws {
        let secret = SecretHash.newSecret()
        let one = try SecretHash(of: secret)
        let other = try SecretHash(of: secret)
        #expect(secret.utf8.count == 43)
        #expect(one != other)
        #expect(try one.matches(secret))
        #expect(try !one.matches(secret + "x"))
        #expect(try !one.matches(""))
    }

    @Test(arguments: [
        ("127.0.0.1", [127, 0, 0, 1] as [UInt8]?), ("::1", [UInt8](repeating: 0, count: 15) + [1]),
        ("::", [UInt8](repeating: 0, count: 16)),
        ("::ffff:10.0.0.1", [UInt8](repeating: 0, count: 10) + [255, 255, 10, 0, 0, 1]),
        ("1:2:3:4:5:6:7:8", [0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8]),
        ("fe80::1%lo", nil), ("127.1", nil), ("0127.0.0.1", nil), ("256.0.0.1", nil), ("1:2:3:4:5:6:7:8:9", nil),
        ("1::2::3", nil), (":::", nil), ("1:2", nil), ("12345::", nil), ("", nil), ("a.b.c.d", nil), ("1.2.3.4:", nil),
    ])
    func addressesAreReadStrictly(text: String, bytes: [UInt8]?) {
        #expect(AddressLiteral.bytes(of: text) == bytes)
    }
}
