import CJWT
import Cryptography
import Foundation
import JSONDocuments
import JSONWebTokens
import Testing

/// A key, its set, and the verifier that most tests use.
private struct Bench {
    static let now = 1_800_000_000.0
    static let rsa = Result { try SignaturePrivateKey(newRSAWithBits: 2048) }
    let key: SignaturePrivateKey
    let signer: TokenSigner
    var verifier: TokenVerifier

    init() throws {
        key = try Self.rsa.get()
        signer = TokenSigner(key: key, keyID: "k1")
        verifier = TokenVerifier(
            keys: JSONWebKeySet([try signer.publicKey]), algorithms: [.rs256, .ps256, .es256, .edDSA],
            issuers: ["https://i"], audiences: ["api://orders"], clockSkew: 0)
        verifier.keys.keys[0].algorithm = nil
    }

    static let claims: JSONValue = [
        "iss": "https://i", "aud": "api://orders", "nbf": 1_799_999_900, "exp": 1_800_000_600,
    ]

    /// A token of these very texts.
    func token(header: String = #"{"alg":"RS256","kid":"k1"}"#, claims: String) throws -> String {
        let signed = Base64URL.encode(Array(header.utf8)) + "." + Base64URL.encode(Array(claims.utf8))
        return signed + "." + Base64URL.encode(try key.sign(Array(signed.utf8), scheme: .rsaPKCS1SHA256))
    }

    func token(with changes: (inout JSONValue) -> Void = { _ in }) throws -> String {
        var claims = Self.claims
        changes(&claims)
        return try token(claims: claims.encodedText())
    }

    func refusal(_ token: String, now: Double = Self.now) -> TokenRefusal? {
        do throws(TokenRefusal) {
            _ = try verifier.verify(token, now: now)
            return nil
        } catch { return error }
    }
}

@Suite struct TokenVerifierTests {
    @Test func D08_a_signed_token_is_believed_and_libjwt_agrees() throws {
        let bench = try Bench()
        let token = try bench.signer.sign(try #require(Bench.claims.members))
        let verified = try bench.verifier.verify(token, now: Bench.now)
        #expect(verified.claims["aud"] == "api://orders")
        #expect(verified.expires == 1_800_000_600)
        // A second opinion.
        let pem = Array(try publicPEM(of: bench.key).utf8)
        var other: OpaquePointer?
        #expect(jwt_decode(&other, token, pem, Int32(pem.count)) == 0)
        #expect(String(cString: try #require(jwt_get_grant(other, "iss"))) == "https://i")
        jwt_free(other)
    }

    @Test func D08_every_kind_of_key_signs() throws {
        for pem in [P256Key.make()] {
            let signer = TokenSigner(key: try SignaturePrivateKey(pem: pem), keyID: "e")
            var bench = try Bench()
            bench.verifier.keys = JSONWebKeySet([try signer.publicKey])
            let token = try signer.sign(try #require(Bench.claims.members))
            #expect(bench.refusal(token) == nil)
            bench.verifier.algorithms = [.rs256]
            #expect(bench.refusal(token) == .signatureInvalid)
        }
    }

    @Test(arguments: [
        "none", "NONE", "nOnE", "none ", "rs256", "RS256\\u0000", "HS1", "RS1", "ES256K", "", "HS256", "ES256", "EdDSA",
    ])
    func D02_the_algorithm_is_compared_byte_for_byte(name: String) throws {
        let bench = try Bench()
        let token = try bench.token(header: #"{"alg":"\#(name)","kid":"k1"}"#, claims: Bench.claims.encodedText())
        #expect(bench.refusal(token) == .signatureInvalid)
        let unsigned = token[..<(try #require(token.lastIndex(of: ".")))] + "."
        #expect(bench.refusal(String(unsigned)) == .signatureInvalid)
    }

    @Test(arguments: [
        "{}", #"{"alg":null}"#, #"{"alg":["RS256"]}"#, #"{"alg":"RS256","alg":"none"}"#, #"{"alg":"RS256","kid":1}"#,
        #"{"alg":"RS256","crit":["exp"],"exp":1}"#, #"{"alg":"RS256","crit":[]}"#, #"{"alg":"RS256","b64":false}"#,
        #"{"alg":"RS256","enc":"A256GCM"}"#, #"{"alg":"RSA-OAEP"}"#, #"{"alg":"RS256","typ":"dpop+jwt"}"#,
        #"{"alg":"RS256","typ":"application/secevent+jwt"}"#, "[]", "null", #"{"alg":"RS256"} "#, #"{"alg":"RS256"}{}"#,
    ])
    func D22_a_header_that_is_not_understood_is_refused(header: String) throws {
        let bench = try Bench()
        #expect(bench.refusal(try bench.token(header: header, claims: Bench.claims.encodedText())) == .malformed)
    }

    @Test(arguments: ["JWT", "jwt", "at+jwt", "application/at+jwt", "JOSE"])
    func D23_an_access_token_says_so_or_nothing(type: String) throws {
        let bench = try Bench()
        let header = #"{"alg":"RS256","kid":"k1","typ":"\#(type)"}"#
        #expect(bench.refusal(try bench.token(header: header, claims: Bench.claims.encodedText())) == nil)
    }

    @Test func D04_a_public_key_is_never_a_shared_key() throws {
        var bench = try Bench()
        bench.verifier.algorithms.formUnion([.hs256, .hs384, .hs512])
        let pem = try publicPEM(of: bench.key)
        for secret in [pem, String(pem.dropLast()), " " + pem, "", String(repeating: "\0", count: 32)] {
            let signed =
                Base64URL.encode(Array(#"{"alg":"HS256","kid":"k1"}"#.utf8)) + "."
                + Base64URL.encode(Bench.claims.encoded())
            let code = MessageAuthentication.code(
                over: Array(signed.utf8), key: Array(secret.utf8), hash: .sha256)
            #expect(bench.refusal(signed + "." + Base64URL.encode(code)) == .signatureInvalid)
        }
    }

    @Test func D16_a_shared_key_has_the_length_of_its_hash() throws {
        var bench = try Bench()
        bench.verifier.algorithms = [.hs256]
        for (count, refusal) in [(31, TokenRefusal.signatureInvalid as TokenRefusal?), (32, nil), (65, nil)] {
            let secret = SecureRandom.bytes(count)
            bench.verifier.keys = JSONWebKeySet([
                JSONWebKey(keyID: "k1", algorithm: nil, material: .symmetric(secret))
            ])
            let signed =
                Base64URL.encode(Array(#"{"alg":"HS256","kid":"k1"}"#.utf8)) + "."
                + Base64URL.encode(Bench.claims.encoded())
            let code = MessageAuthentication.code(over: Array(signed.utf8), key: secret, hash: .sha256)
            #expect(bench.refusal(signed + "." + Base64URL.encode(code)) == refusal)
        }
    }

    @Test(arguments: ["../../../../dev/null", "k1' OR '1'='1", "k1\\u0000", "K1", ""])
    func D20_an_unknown_name_finds_no_key(name: String) throws {
        let bench = try Bench()
        let token = try bench.token(header: #"{"alg":"RS256","kid":"\#(name)"}"#, claims: Bench.claims.encodedText())
        #expect(bench.refusal(token) == .keyNotFound)
    }

    @Test func D21_without_a_name_every_fitting_key_is_tried_but_not_many() throws {
        var bench = try Bench()
        let token = try bench.token(header: #"{"alg":"RS256"}"#, claims: Bench.claims.encodedText())
        let other = try TokenSigner(key: SignaturePrivateKey(newRSAWithBits: 2048), keyID: "o").publicKey
        let own = bench.verifier.keys.keys[0]
        bench.verifier.keys = JSONWebKeySet([other, other, own])
        #expect(bench.refusal(token) == nil)
        bench.verifier.keys = JSONWebKeySet(Array(repeating: other, count: 11) + [own])
        #expect(bench.refusal(token) == .keyNotFound)
    }

    @Test func D30_and_D29_every_cut_and_every_changed_letter_is_refused() throws {
        let bench = try Bench()
        let token = try bench.token()
        for count in 0..<token.utf8.count {
            #expect(bench.refusal(String(token.prefix(count))) != nil)
        }
        for index in token.utf8.indices {
            var changed = token
            changed.replaceSubrange(index...index, with: token[index] == "A" ? "B" : "A")
            #expect(bench.refusal(changed) != nil)
        }
        for bad in [
            "", ".", "a.b", "a.b.c.d", token + ".", token + "=", " " + token, token + " ",
            String(repeating: ".", count: 16_384),
        ] {
            #expect(bench.refusal(bad) == .malformed)
        }
    }

    @Test func D31_a_member_stands_once() throws {
        let bench = try Bench()
        for claims in [
            #"{"exp":1,"exp":9999999999}"#, #"{"aud":"a","aud":"b"}"#, #"{"exp":1,"e\u0078p":2}"#,
            #"{"x":{"y":1,"y":2}}"#,
        ] {
            #expect(bench.refusal(try bench.token(claims: claims)) == .malformed)
        }
    }

    @Test func D33_depth_width_and_size_are_bounded() throws {
        let bench = try Bench()
        let deep = String(repeating: "[", count: 33) + String(repeating: "]", count: 33)
        let wide = (0..<1001).map { "\"\($0)\":1" }.joined(separator: ",")
        let long = (0..<1001).map { "\"\($0)\"" }.joined(separator: ",")
        for claims in [
            "{\"x\":\(deep)}", "{\(wide)}", "{\"aud\":[\(long)]}", "{\"exp\":\(String(repeating: "9", count: 10_000))}",
            "{\"x\":\"\(String(repeating: "x", count: 16_000))\"}",
        ] {
            #expect(bench.refusal(try bench.token(claims: claims)) == .malformed)
        }
        let header = #"{"alg":"RS256","x":"\#(String(repeating: "x", count: 4096))"}"#
        #expect(bench.refusal(try bench.token(header: header, claims: "{}")) == .malformed)
    }

    @Test func D34_exp_is_the_first_moment_too_late_and_nbf_the_first_that_is_not_too_early() throws {
        var bench = try Bench()
        let token = try bench.token {
            $0["exp"] = 2000
            $0["nbf"] = 1000
        }
        for (now, refusal) in [
            (1999.0, nil as TokenRefusal?), (2000, .expired), (2001, .expired), (999, .notYetValid), (1000, nil),
        ] { #expect(bench.refusal(token, now: now) == refusal) }
        bench.verifier.clockSkew = 60
        for (now, refusal) in [
            (2059.0, nil as TokenRefusal?), (2060, .expired), (939, .notYetValid), (940, nil),
        ] { #expect(bench.refusal(token, now: now) == refusal) }
    }

    @Test func D35_to_D37_dates_are_numbers_that_never_overflow() throws {
        var bench = try Bench()
        func refusal(_ name: String, _ value: String) throws -> TokenRefusal? {
            var claims = Bench.claims
            claims["exp"] = nil
            claims["nbf"] = nil
            let text = String(claims.encodedText().dropLast()) + ",\"\(name)\":\(value)}"
            return bench.refusal(try bench.token(claims: text))
        }
        for value in ["1800000600.5", "1.8e9", "9007199254740993", "253402300800", "1e20"] {
            #expect(try refusal("exp", value) == (value == "1.8e9" ? .expired : nil))
        }
        for value in ["\"1800000000\"", "true", "[1800000000]", "1e309", "-1e309", "null"] {
            #expect(try refusal("exp", value) == .malformed)
        }
        for value in ["-1", "0"] { #expect(try refusal("exp", value) == .expired) }
        #expect(try refusal("sub", "\"x\"") == .malformed)
        bench.verifier.requiresExpiration = false
        #expect(try refusal("sub", "\"x\"") == nil)
        #expect(try refusal("exp", "null") == .malformed)
        #expect(try refusal("iat", "1900000000") == nil)
        #expect(try refusal("iat", "\"x\"") == .malformed)
        bench.verifier.clockSkew = 60
        let backwards = try bench.token {
            $0["nbf"] = 1_799_999_990
            $0["exp"] = 1_799_999_980
        }
        #expect(bench.refusal(backwards) == .malformed)
    }

    @Test func D39_audiences() throws {
        let bench = try Bench()
        let good: [JSONValue] = ["api://orders", ["x", "api://orders"], "api://orders/"]
        let other: [JSONValue?] = [
            [], nil, "x", "x api://orders", "api://orders//", "API://orders", "api://orders2", "api://order",
            "api://orders ",
        ]
        let bad: [JSONValue] = [[1], ["0": "api://orders"], [["api://orders"]], 1, nil]
        for value in good { #expect(bench.refusal(try bench.token { $0["aud"] = value }) == nil) }
        for value in other {
            #expect(bench.refusal(try bench.token { $0["aud"] = value }) == .audienceNotAllowed)
        }
        for value in bad { #expect(bench.refusal(try bench.token { $0["aud"] = value }) == .malformed) }
    }

    @Test func D40_issuers_compare_exactly() throws {
        let bench = try Bench()
        for value: JSONValue? in ["https://i/", "https://I", "http://i", "https://i:443", nil] {
            #expect(bench.refusal(try bench.token { $0["iss"] = value }) == .issuerNotAllowed)
        }
        for value: JSONValue in [["https://i"], 1] {
            #expect(bench.refusal(try bench.token { $0["iss"] = value }) == .malformed)
        }
    }

    private func publicPEM(of key: SignaturePrivateKey) throws -> String {
        let process = Process()
        let input = Pipe()
        let output = Pipe()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["openssl", "pkey", "-pubout"]
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        input.fileHandleForWriting.write(Data(key.secretPEM.utf8))
        try input.fileHandleForWriting.close()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return String(decoding: data, as: UTF8.self)
    }
}

@Suite struct JSONWebKeySetTests {
    @Test func aPublishedSetIsReadBack() throws {
        let rsa = TokenSigner(key: try SignaturePrivateKey(newRSAWithBits: 2048), keyID: "r")
        let ec = TokenSigner(key: try SignaturePrivateKey(pem: P256Key.make()), keyID: "e")
        let shared = JSONWebKey(keyID: "s", algorithm: nil, material: .symmetric([1]))
        let published = try JSONWebKeySet([rsa.publicKey, ec.publicKey, shared]).published()
        let read = try JSONWebKeySet(json: published.encoded())
        #expect(read.keys.map(\.keyID) == ["r", "e"])
        #expect(read.skipped.isEmpty)
        #expect(try read.published() == published)
    }

    @Test func D49_and_D50_a_bad_key_costs_itself_only() throws {
        let good = try JSONWebKeySet([
            TokenSigner(key: try SignaturePrivateKey(newRSAWithBits: 2048), keyID: "k1").publicKey
        ]).published()["keys"]?.items?[0]
        var key = try #require(good)
        func changed(_ changes: (inout JSONValue) -> Void) -> JSONValue {
            var copy = key
            changes(&copy)
            return copy
        }
        key["alg"] = nil
        let x = JSONValue.string(Base64URL.encode(SecureRandom.bytes(32)))
        let items: [(JSONValue, JSONWebKeySet.Skipped.Reason?)] = [
            (["kty": "AKP"], .unknownKind), (["kty": "EC", "crv": "P-999", "x": x, "y": x], .malformed),
            (["kty": "RSA"], .malformed), (["kty": "RSA", "n": "!", "e": "AQAB"], .malformed),
            (["kty": "EC", "crv": "P-256", "x": x, "y": x], .unsound),
            (["kty": "OKP", "crv": "Ed25519", "x": .string(Base64URL.encode(SecureRandom.bytes(31)))], .unsound),
            (["kty": "OKP", "crv": "X25519", "x": x], .malformed),
            (changed { $0["crv"] = "P-256" }, .malformed), (1, .malformed), (nil, .malformed),
            (changed { $0["pad"] = .string(String(repeating: "x", count: 10_000)) }, .malformed),
            (changed { $0["use"] = "enc" }, .otherUse), (changed { $0["key_ops"] = ["encrypt"] }, .otherUse),
            (changed { $0["key_ops"] = ["verify"] }, nil), (changed { $0["alg"] = "RSA-OAEP" }, .otherUse),
            (changed { $0["alg"] = "ES256" }, .algorithmContradictsKey), (["kty": "oct", "k": x], .symmetric),
            (changed { $0["d"] = "AA" }, .privateKeyPublished), (changed { $0["kid"] = 1 }, .malformed),
            (changed { $0["e"] = "AQ" }, .unsound), (key, nil),
        ]
        let set = try JSONWebKeySet(json: JSONValue.object(JSONObject([("keys", .array(items.map(\.0)))])).encoded())
        #expect(set.keys.count == 2)
        let reasons = Dictionary(uniqueKeysWithValues: set.skipped.map { ($0.place, $0.reason) })
        for (place, item) in items.enumerated() { #expect(reasons[place] == item.1, "\(place)") }
    }

    @Test func D51_a_set_that_is_none_is_refused() {
        typealias Refusal = JSONWebKeySet.Refusal
        for text in ["", "<html>", "[]", "{}", "{\"keys\":1}", "{\"keys\":[]", "{\"keys\":[],\"keys\":[]}"] {
            #expect(throws: Refusal.malformed) { try JSONWebKeySet(json: Array(text.utf8)) }
        }
        let many = "{\"keys\":[" + Array(repeating: "1", count: 257).joined(separator: ",") + "]}"
        #expect(throws: Refusal.tooLarge) { try JSONWebKeySet(json: Array(many.utf8)) }
        #expect(throws: Refusal.tooLarge) { try JSONWebKeySet(json: [UInt8](repeating: 32, count: 262_145)) }
    }
}
