// Keys, certificates and tokens of others.
import Cryptography
import Foundation
import JSONDocuments
import JSONWebTokens

extension FuzzTarget {
    /// PKCS#10: PEM as it is, or DER, to which the lines of PEM are put.
    static let certificateRequest = FuzzTarget("certificate-request", bytesMax: 2_048) { bytes in
        let begin = "-----BEGIN CERTIFICATE REQUEST-----\n"
        let isPEM = bytes.starts(with: "-----".utf8)
        let pem =
            isPEM
            ? String(decoding: bytes, as: UTF8.self)
            : begin + Data(bytes).base64EncodedString(options: [.lineLength64Characters, .endLineWithLineFeed])
                + "\n-----END CERTIFICATE REQUEST-----\n"
        let request: CertificateRequest
        do throws(CertificateRequestRefusal) { request = try CertificateRequest(pem: pem) } catch { return }
        try promise(request.sealingKey.bytes.count == 32, "a sealing key has 32 bytes")
        let identity = NodeIdentity(service: "/s", gateway: "default", node: "n")
        let authority = try CredentialRun.authority.get()
        _ = try authority.issueNode(identity, for: request, now: Date(timeIntervalSince1970: 1_800_000_000))
    }

    static let pfx = FuzzTarget("pfx", bytesMax: 8_192) { bytes in
        for password in ["p", ""] {
            guard let file = try? PersonalInformationExchange(bytes, password: password) else { continue }
            try promise(file.privateKey.hasPrefix("-----BEGIN PRIVATE KEY-----"), "a key comes out")
            let chain = try CertificateDetails.all(inPEM: file.chain)
            try promise(chain.first == file.leaf, "the leaf is the chain's first")
        }
    }

    /// Certificates in DER and PEM, and a key with its certificates in PEM.
    static let certificate = FuzzTarget("certificate", bytesMax: 8_192) { bytes in
        if let details = try? CertificateDetails(bytes) {
            try promise(details.thumbprint.count == 40, "a thumbprint has 40 digits")
            let again = try CertificateDetails(pem: details.pem)
            try promise(again == details, "a certificate stays what it is")
            _ = details.publicKeyPEM()
            _ = details.isSigned(by: details)
        }
        let text = String(decoding: bytes, as: UTF8.self)
        _ = try? CertificateDetails.all(inPEM: text)
        if let file = try? PersonalInformationExchange(pem: text) {
            try promise(try CertificateDetails.all(inPEM: file.chain).first == file.leaf, "the leaf is the first")
        }
    }

    /// A token as it is; two lines are header and claims, which are signed.
    static let token = FuzzTarget("token") { bytes in
        let now = 1_800_000_000.0
        let key: [UInt8] = Array("0123456789abcdef0123456789abcdef".utf8)
        let verifier = TokenVerifier(
            keys: JSONWebKeySet([JSONWebKey(keyID: nil, algorithm: nil, material: .symmetric(key))]),
            algorithms: [.hs256, .rs256, .es256], issuers: ["https://i"], audiences: ["api://a"], clockSkew: 5)
        let text = String(decoding: bytes, as: UTF8.self)
        _ = TokenPreview.issuer(of: text)
        if (try? verifier.verify(text, now: now)) != nil { throw FuzzFinding("nobody signed this") }
        let lines = bytes.split(separator: UInt8(ascii: "\n"), maxSplits: 1)
        guard lines.count == 2 else { return }
        let signed = Base64URL.encode(Array(lines[0])) + "." + Base64URL.encode(Array(lines[1]))
        let code = MessageAuthentication.code(over: Array(signed.utf8), key: key, hash: .sha256)
        let token = signed + "." + Base64URL.encode(code)
        guard let verified = try? verifier.verify(token, now: now) else { return }
        try promise(verified.claims["iss"] == "https://i", "the issuer is right")
        try promise(verified.expires.map { $0 + 5 > now } ?? false, "the token is in force")
        try promise(TokenPreview.issuer(of: token) == "https://i", "the preview says what the token says")
    }

    static let keySet = FuzzTarget("key-set") { bytes in
        guard let set = try? JSONWebKeySet(json: bytes) else { return }
        let published = try set.published()
        let again = try JSONWebKeySet(json: published.encoded())
        try promise(again.keys.count == set.keys.count && again.skipped.isEmpty, "a published set is read whole")
        try promise(again.keys.map(\.keyID) == set.keys.map(\.keyID), "keys keep their names")
    }
}

private enum CredentialRun {
    static let authority = Result {
        try CertificateAuthority(commonName: "fuzz", now: Date(timeIntervalSince1970: 1_800_000_000))
    }
}
