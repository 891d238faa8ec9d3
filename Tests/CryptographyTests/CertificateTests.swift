import Cryptography
import Foundation
import Testing

@Suite struct CertificateTests {
    private let now = Date()
    private let identity = NodeIdentity(
        service: "/subscriptions/0/resourceGroups/g/providers/Microsoft.ApiManagement/service/local",
        gateway: "default", node: "n1")

    @Test func openSSLVerifiesWhatTheAuthorityIssues() throws {
        let folder = try Folder()
        defer { folder.remove() }
        let authority = try CertificateAuthority(commonName: "Gatehouse test", now: now)
        let server = try authority.issueServer(
            names: [.dns("localhost"), ServerName("127.0.0.1"), ServerName("::1")], now: now)
        let request = try CertificateRequest.make(
            privateKey: P256Key.make(), sealingKey: NodeSealingKey().publicKey)
        try folder.write("ca.pem", authority.certificate)
        try folder.write("server.pem", server.certificate)
        try folder.write("node.pem", try authority.issueNode(identity, for: request, now: now))
        try folder.write(
            "listener.pem", try authority.issueListener(names: [.dns("localhost")], for: request, now: now))
        func verify(_ arguments: String...) throws -> Int32 {
            try folder.run("openssl", ["verify", "-x509_strict", "-CAfile", "ca.pem"] + arguments).status
        }
        #expect(try verify("-purpose", "sslserver", "-verify_hostname", "localhost", "server.pem") == 0)
        #expect(try verify("-purpose", "sslserver", "-verify_ip", "127.0.0.1", "server.pem") == 0)
        #expect(try verify("-purpose", "sslserver", "-verify_ip", "::1", "server.pem") == 0)
        #expect(try verify("-purpose", "sslserver", "-verify_hostname", "other", "server.pem") != 0)
        #expect(try verify("-purpose", "sslclient", "server.pem") != 0)
        #expect(try verify("-purpose", "sslclient", "node.pem") == 0)
        #expect(try verify("-purpose", "sslserver", "node.pem") != 0)
        #expect(try verify("-purpose", "sslserver", "listener.pem") == 0)
    }

    @Test func H24_the_certificate_carries_the_controllers_names_and_life() throws {
        let authority = try CertificateAuthority(commonName: "Gatehouse test", now: now)
        let request = try CertificateRequest.make(privateKey: P256Key.make(), sealingKey: NodeSealingKey().publicKey)
        let read = try CertificateRequest(pem: request.pem)
        let details = try CertificateDetails(pem: authority.issueNode(identity, for: read, now: now))
        #expect(details.uriNames == [identity.uri])
        #expect(NodeIdentity(uri: details.uriNames[0]) == identity)
        #expect(details.subject == "CN=n1")
        #expect(details.issuer == "CN=Gatehouse test")
        #expect(abs(details.notBefore.timeIntervalSince(now) + 300) <= 1)
        #expect(abs(details.notAfter.timeIntervalSince(now) - 30 * 86400) <= 1)
        #expect(details.thumbprint.utf8.count == 40)
        #expect(details.keyKind == "P-256")
    }

    @Test func F60_the_sealing_key_is_signed_by_the_request() throws {
        let key = P256Key.make()
        let own = NodeSealingKey().publicKey
        let request = try CertificateRequest.make(privateKey: key, sealingKey: own)
        #expect(try CertificateRequest(pem: request.pem).sealingKey.bytes == own.bytes)
        // Somebody else's request with an own X25519 key in its place.
        let der = try #require(Data(base64Encoded: request.pem.split(separator: "\n").dropFirst().dropLast().joined()))
        let place = try #require(der.firstRange(of: Data(own.bytes)))
        var forged = der
        forged.replaceSubrange(place, with: NodeSealingKey().publicKey.bytes)
        #expect(throws: CertificateRequestRefusal.badSignature) { try CertificateRequest(pem: pem(forged)) }
    }

    @Test func F60_a_request_is_read_strictly() throws {
        let folder = try Folder()
        defer { folder.remove() }
        let request = try CertificateRequest.make(privateKey: P256Key.make(), sealingKey: NodeSealingKey().publicKey)
        let der = try #require(Data(base64Encoded: request.pem.split(separator: "\n").dropFirst().dropLast().joined()))
        for count in stride(from: 0, to: der.count, by: 3) {
            #expect(throws: CertificateRequestRefusal.self) { try CertificateRequest(pem: pem(der.prefix(count))) }
        }
        for index in stride(from: 0, to: der.count, by: 2) {
            var changed = der
            changed[index] ^= 0x55
            #expect(throws: CertificateRequestRefusal.self) { try CertificateRequest(pem: pem(changed)) }
        }
        #expect(throws: CertificateRequestRefusal.malformed) {
            try CertificateRequest(pem: String(repeating: "x", count: 1 << 20))
        }
        for arguments in [
            ["-newkey", "rsa:2048"], ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"], ["-newkey", "ed25519"],
        ] {
            let made = try folder.run(
                "openssl", ["req", "-new", "-nodes", "-keyout", "k.pem", "-subj", "/CN=x"] + arguments)
            #expect(throws: CertificateRequestRefusal.otherKey) { try CertificateRequest(pem: made.output) }
        }
        let bare = try folder.run(
            "openssl",
            [
                "req", "-new", "-nodes", "-keyout", "k.pem", "-subj", "/CN=x", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:P-256",
            ])
        #expect(throws: CertificateRequestRefusal.badSealingKey) { try CertificateRequest(pem: bare.output) }
    }

    @Test func anAuthorityIsKeptAndReadBack() throws {
        let authority = try CertificateAuthority(commonName: "Gatehouse test", now: now)
        let again = try CertificateAuthority(authority.certificateAndKey)
        #expect(again.certificate == authority.certificate)
        let other = try CertificateAuthority(commonName: "Gatehouse test", now: now)
        #expect(throws: BadKey.self) {
            try CertificateAuthority(
                CertificateAndKey(
                    certificate: authority.certificate, privateKey: other.certificateAndKey.privateKey))
        }
        #expect(throws: BadServerName.self) { try authority.issueServer(names: [.dns("a b")], now: now) }
        #expect(throws: BadServerName.self) { try authority.issueServer(names: [.dns("a\0b")], now: now) }
    }

    @Test(arguments: [
        "gatehouse:/a/b/c%2fd", "gatehouse:", "gatehouse:/", "gatehouse:/a/b", "gatehouse:/s//n", "gatehouse:/s/g/",
        "gatehouse://s/g/n", "http:/s/g/n", "gatehouse:/s/g/n?x", "gatehouse:s/g/n",
    ])
    func F57_a_name_that_could_be_read_in_two_ways_is_none(uri: String) {
        #expect(NodeIdentity(uri: uri) == nil)
    }

    private func pem(_ der: Data) -> String {
        "-----BEGIN CERTIFICATE REQUEST-----\n\(der.base64EncodedString(options: .lineLength64Characters))\n"
            + "-----END CERTIFICATE REQUEST-----\n"
    }
}
