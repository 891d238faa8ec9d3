import COpenSSL
import Cryptography
import Foundation
import Testing

@Suite struct PersonalInformationExchangeTests {
    typealias Refusal = PersonalInformationExchange.Refusal

    @Test(arguments: [
        ["-keypbe", "AES-256-CBC", "-certpbe", "AES-256-CBC", "-macalg", "sha256"],
        ["-legacy"], ["-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1"], ["-nomac"],
    ])
    func F46_files_of_today_and_of_yesterday_load(form: [String]) throws {
        let folder = try Self.chain()
        defer { folder.remove() }
        for password in ["pa ss", "", "Grüße", String(repeating: "x", count: 1000)] {
            try folder.run(
                "openssl",
                [
                    "pkcs12", "-export", "-inkey", "leaf.key", "-in", "leaf.pem", "-certfile", "all.pem", "-out",
                    "f.pfx",
                    "-passout", "pass:\(password)",
                ] + form)
            let file = try PersonalInformationExchange(try folder.read("f.pfx"), password: password)
            #expect(file.leaf.subject == "CN=leaf.test, O=Good\\, Ltd")
            #expect(file.privateKey.hasPrefix("-----BEGIN PRIVATE KEY-----"))
            #expect(file.isAuthenticated == (form != ["-nomac"]))
            // F48: the leaf and its issuer, without the root.
            #expect(try CertificateDetails.all(inPEM: file.chain).map(\.subject) == [file.leaf.subject, "CN=middle"])
        }
    }

    @Test func F47_a_bad_file_is_named() throws {
        let folder = try Self.chain()
        defer { folder.remove() }
        try folder.run(
            "openssl",
            ["pkcs12", "-export", "-inkey", "leaf.key", "-in", "leaf.pem", "-out", "f.pfx", "-passout", "pass:p"])
        let good = try folder.read("f.pfx")
        #expect(throws: Refusal.wrongPassword) { try PersonalInformationExchange(good, password: "q") }
        #expect(throws: Refusal.wrongPassword) { try PersonalInformationExchange(good, password: "") }
        #expect(throws: Refusal.malformed) { try PersonalInformationExchange([], password: "") }
        #expect(throws: Refusal.malformed) { try PersonalInformationExchange(Array("hello".utf8), password: "") }
        #expect(throws: Refusal.malformed) {
            try PersonalInformationExchange([UInt8](repeating: 0x30, count: 4 << 20), password: "")
        }
        for count in stride(from: 0, to: good.count, by: 37) {
            #expect(throws: Refusal.self) { try PersonalInformationExchange(Array(good[..<count]), password: "p") }
        }
        try folder.run(
            "openssl", ["pkcs12", "-export", "-nokeys", "-in", "leaf.pem", "-out", "n.pfx", "-passout", "pass:p"])
        #expect(throws: Refusal.noPrivateKey) {
            try PersonalInformationExchange(try folder.read("n.pfx"), password: "p")
        }
        try folder.run(
            "openssl",
            [
                "pkcs12", "-export", "-inkey", "leaf.key", "-in", "leaf.pem", "-out", "i.pfx", "-passout", "pass:p",
                "-iter", "2000001", "-macalg", "sha1", "-nomaciter", "-keypbe", "PBE-SHA1-3DES", "-certpbe", "NONE",
            ])
        #expect(throws: Refusal.tooManyIterations) {
            try PersonalInformationExchange(try folder.read("i.pfx"), password: "p")
        }
    }

    /// A file of many derivations, or with one inside an encrypted part, would keep a core busy for hours.
    @Test func F47_derivations_count_together_and_where_they_are_hidden() throws {
        let folder = try Self.chain()
        defer { folder.remove() }
        try folder.run(
            "openssl",
            [
                "pkcs12", "-export", "-inkey", "leaf.key", "-in", "leaf.pem", "-out", "f.pfx", "-passout", "pass:p",
                "-iter", "1100000", "-macalg", "sha1", "-nomaciter",
            ])
        #expect(throws: Refusal.tooManyIterations) {
            try PersonalInformationExchange(try folder.read("f.pfx"), password: "p")
        }
        let key = String(decoding: try folder.read("leaf.key"), as: UTF8.self)
        #expect(throws: Refusal.noCertificateForKey) {
            try PersonalInformationExchange(try hidden(key, rounds: 1_000, password: "p"), password: "p")
        }
        #expect(throws: Refusal.tooManyIterations) {
            try PersonalInformationExchange(try hidden(key, rounds: 2_000_001, password: "p"), password: "p")
        }
    }

    /// A PFX whose encrypted part holds a key that is encrypted itself.
    private func hidden(_ pem: String, rounds: Int32, password: String) throws -> [UInt8] {
        let text = Array(pem.utf8)
        let input = try #require(BIO_new(BIO_s_mem()))
        defer { BIO_free(input) }
        #expect(BIO_write(input, text, Int32(text.count)) == Int32(text.count))
        let key = try #require(PEM_read_bio_PrivateKey(input, nil, nil, nil))
        defer { EVP_PKEY_free(key) }
        var bags: OpaquePointer?
        var safes: OpaquePointer?
        defer {
            OPENSSL_sk_pop_free(bags) { PKCS12_SAFEBAG_free($0.map { OpaquePointer($0) }) }
            OPENSSL_sk_pop_free(safes) { PKCS7_free($0?.assumingMemoryBound(to: PKCS7.self)) }
        }
        // PBES2, AES-256-CBC.
        _ = try #require(PKCS12_add_key(&bags, key, 0, rounds, NID_aes_256_cbc, password))
        #expect(PKCS12_add_safe(&safes, bags, NID_aes_256_cbc, 1, password) == 1)
        let file = try #require(PKCS12_add_safes(safes, 0))
        defer { PKCS12_free(file) }
        #expect(PKCS12_set_mac(file, password, -1, nil, 0, 1, EVP_sha256()) == 1)
        let output = try #require(BIO_new(BIO_s_mem()))
        defer { BIO_free(output) }
        #expect(i2d_PKCS12_bio(output, file) == 1)
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = BIO_read(output, &bytes, Int32(bytes.count))
        return Array(bytes.prefix(Int(max(0, count))))
    }

    @Test(arguments: [
        ("rsa:1024", "RSA 1024" as String?), ("rsa:2048", nil), ("ed25519", nil), ("ec:P-256", nil), ("ec:P-521", nil),
        ("ec:secp256k1", "secp256k1"), ("ec:brainpoolP256r1", "brainpoolP256r1"),
    ])
    func F49_only_keys_that_we_can_vouch_for(kind: String, refused: String?) throws {
        let folder = try Folder()
        defer { folder.remove() }
        let parts = kind.split(separator: ":").map(String.init)
        let key = parts[0] == "ec" ? ["ec", "-pkeyopt", "ec_paramgen_curve:\(parts[1])"] : [kind]
        try folder.run(
            "openssl",
            ["req", "-x509", "-nodes", "-keyout", "k.pem", "-out", "c.pem", "-subj", "/CN=x", "-newkey"] + key)
        try folder.run(
            "openssl", ["pkcs12", "-export", "-inkey", "k.pem", "-in", "c.pem", "-out", "f.pfx", "-passout", "pass:"])
        let bytes = try folder.read("f.pfx")
        if let refused {
            #expect(throws: Refusal.unsoundKey(refused)) { try PersonalInformationExchange(bytes, password: "") }
        } else {
            #expect(try PersonalInformationExchange(bytes, password: "").leaf.subject == "CN=x")
        }
    }

    @Test func F48_a_pem_of_key_and_certificates_in_any_order() throws {
        let folder = try Self.chain()
        defer { folder.remove() }
        let parts = try ["root.pem", "leaf.key", "middle.pem", "leaf.pem"].map {
            String(decoding: try folder.read($0), as: UTF8.self)
        }
        for order in [parts, parts.reversed()] {
            let file = try PersonalInformationExchange(pem: order.joined())
            #expect(try CertificateDetails.all(inPEM: file.chain).count == 2)
        }
        #expect(throws: Refusal.noPrivateKey) { try PersonalInformationExchange(pem: parts[3]) }
        #expect(throws: Refusal.noCertificateForKey) { try PersonalInformationExchange(pem: parts[1] + parts[0]) }
    }

    @Test func aCertificateIsShownAsTheServiceShowsIt() throws {
        let folder = try Self.chain()
        defer { folder.remove() }
        let details = try CertificateDetails(try folder.read("leaf.pem"))
        #expect(try CertificateDetails(details.der) == details)
        let printed = try folder.run("openssl", ["x509", "-in", "leaf.pem", "-noout", "-fingerprint", "-sha1"]).output
        #expect(printed.replacing(":", with: "").contains(details.thumbprint))
        let bytes = try folder.read("leaf.pem")
        for count in stride(from: 0, to: bytes.count - 30, by: 11) {
            #expect(throws: (any Error).self) { try CertificateDetails(Array(bytes[..<count])) }
        }
    }

    /// root, middle and leaf; `all.pem` has root and middle.
    private static func chain() throws -> Folder {
        let folder = try Folder()
        func make(_ name: String, _ subject: String, signer: String?, _ extensions: String) throws {
            var arguments = [
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "\(name).key", "-out", "\(name).pem",
                "-subj",
                subject, "-addext", extensions, "-days", "9",
            ]
            if let signer { arguments += ["-CA", "\(signer).pem", "-CAkey", "\(signer).key"] }
            try folder.run("openssl", arguments)
        }
        try make("root", "/CN=root", signer: nil, "keyUsage=keyCertSign")
        try make("middle", "/CN=middle", signer: "root", "keyUsage=keyCertSign")
        try make("leaf", "/O=Good, Ltd/CN=leaf.test", signer: "middle", "extendedKeyUsage=clientAuth")
        try folder.write(
            "all.pem", String(decoding: try folder.read("root.pem") + folder.read("middle.pem"), as: UTF8.self))
        return folder
    }
}
