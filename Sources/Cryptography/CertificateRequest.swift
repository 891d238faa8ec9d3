internal import Crypto
internal import Foundation
internal import SwiftASN1
internal import X509

// The request with which a node asks for its certificate: PKCS#10 over a P-256 key, with the node's X25519 key as an
// attribute, so that it is signed by the request's key (must-hold F60, H24).

/// Why a request was refused.
package enum CertificateRequestRefusal: Error, Hashable, Sendable {
    /// Longer than 16 KiB, or no PKCS#10 in PEM.
    case malformed
    /// The key is not P-256.
    case otherKey
    /// The signature is not that key's: no proof that the sender has it.
    case badSignature
    /// The attribute with the X25519 key is missing, there twice, or not 32 good bytes.
    case badSealingKey
}

/// A certificate request that was made here or read and checked.
package struct CertificateRequest: Sendable {
    /// Longest request, bytes of PEM.
    package static let bytesMax = 16_384

    /// PEM.
    package let pem: String
    /// X25519 key to which the controller seals the data key of snapshots.
    package let sealingKey: NodeSealingPublicKey
    let publicKey: Certificate.PublicKey

    /// Makes a request. Its subject is empty: names are the controller's to give.
    /// `privateKey`: P-256, PEM (`P256Key.make`).
    package static func make(privateKey: String, sealingKey: NodeSealingPublicKey) throws -> CertificateRequest {
        let key = try P256.Signing.PrivateKey(pemRepresentation: privateKey)
        let attribute = CertificateSigningRequest.Attribute(
            oid: .nodeSealingKey, values: [try ASN1Any(erasing: ASN1OctetString(contentBytes: sealingKey.bytes[...]))])
        let request = try CertificateSigningRequest(
            version: .v1, subject: DistinguishedName(), privateKey: .init(key), attributes: .init([attribute]),
            signatureAlgorithm: .ecdsaWithSHA256)
        return CertificateRequest(
            pem: try request.serializeAsPEM().pemString, sealingKey: sealingKey, publicKey: request.publicKey)
    }

    private init(pem: String, sealingKey: NodeSealingPublicKey, publicKey: Certificate.PublicKey) {
        self.pem = pem
        self.sealingKey = sealingKey
        self.publicKey = publicKey
    }

    /// Reads a request from a stranger. Its subject and the extensions it asks for are not looked at.
    package init(pem: String) throws(CertificateRequestRefusal) {
        guard pem.utf8.count <= Self.bytesMax else { throw .malformed }
        let request: CertificateSigningRequest
        do { request = try CertificateSigningRequest(pemEncoded: pem) } catch { throw .malformed }
        guard P256.Signing.PublicKey(request.publicKey) != nil else { throw .otherKey }
        guard request.signatureAlgorithm == .ecdsaWithSHA256,
            request.publicKey.isValidSignature(request.signature, for: request)
        else { throw .badSignature }
        let attributes = request.attributes.filter { $0.oid == .nodeSealingKey }
        guard let attribute = attributes.first, attributes.count == 1, let value = attribute.values.first,
            attribute.values.count == 1
        else { throw .badSealingKey }
        do {
            let bytes = try ASN1OctetString(asn1Any: value).bytes
            sealingKey = try NodeSealingPublicKey(bytes: Array(bytes))
        } catch {
            throw .badSealingKey
        }
        self.pem = pem
        publicKey = request.publicKey
    }
}

/// Makes P-256 keys.
package enum P256Key {
    /// A new random key, PKCS#8 PEM.
    package static func make() -> String { P256.Signing.PrivateKey().pemRepresentation }
}

extension ASN1ObjectIdentifier {
    /// Below 2.25, where everybody numbers for himself (ITU-T X.667): a random number of ours.
    fileprivate static let nodeSealingKey: ASN1ObjectIdentifier = [2, 25, 4_708_914_306_121_871, 1]
}
