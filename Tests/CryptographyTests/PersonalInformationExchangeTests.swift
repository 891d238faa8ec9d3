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
