internal import Crypto
internal import Foundation

// Sealing of secrets at rest and in snapshots: AES-256-GCM under a named key, bound to the place where they stand.

/// Why sealed bytes could not be made or opened. Says nothing of what is in them.
package enum SealingFailure: Error, Hashable, Sendable {
    /// A key has 32 bytes.
    case badKeyLength
    /// Sealed under another key: the id names it.
    case otherKey(id: String)
    /// Too short, changed, moved to another place, or sealed under another key of the same id.
    case notAuthentic
    case sealingFailed
}

/// Bytes that are sealed, beside the id of the key that opens them.
package struct SealedBytes: Codable, Hashable, Sendable {
    package var keyID: String
    /// 12 bytes of nonce, ciphertext, 16 bytes of tag.
    package var bytes: [UInt8]

    package init(keyID: String, bytes: [UInt8]) {
        self.keyID = keyID
        self.bytes = bytes
    }
}

/// A key of AES-256-GCM with its id. Nonces are random (96 bits), so one key seals at most 2^32 times.
package struct SealingKey: Sendable, CustomStringConvertible, CustomReflectable {
    package let id: String
    private let key: SymmetricKey

    /// `bytes`: 32 bytes.
    package init(id: String, bytes: [UInt8]) throws(SealingFailure) {
        guard bytes.count == 32 else { throw .badKeyLength }
        self.id = id
        key = SymmetricKey(data: bytes)
    }

    /// A new random key. Its id is random too when none is given: 16 hexadecimal digits.
    package init(randomWithID id: String? = nil) {
        self.id = id ?? Hexadecimal.encode(SecureRandom.bytes(8))
        key = SymmetricKey(size: .bits256)
    }

    /// The key's 32 bytes, to be written where only its owner reads.
    package var secretBytes: [UInt8] { key.withUnsafeBytes { Array($0) } }

    package var description: String { "SealingKey(\(id))" }
    package var customMirror: Mirror { Mirror(self, children: ["id": id]) }

    /// Seals `plain` for the place that `associatedData` names; it opens there alone.
    package func seal(_ plain: [UInt8], associatedData: [UInt8]) throws(SealingFailure) -> SealedBytes {
        do {
            let box = try AES.GCM.seal(plain, using: key, authenticating: associatedData)
            return SealedBytes(keyID: id, bytes: Array(box.nonce) + Array(box.ciphertext) + Array(box.tag))
        } catch {
            throw .sealingFailed
        }
    }

    /// Opens what `seal` made with the same key for the same place.
    package func open(_ sealed: SealedBytes, associatedData: [UInt8]) throws(SealingFailure) -> [UInt8] {
        guard sealed.keyID == id else { throw .otherKey(id: sealed.keyID) }
        guard sealed.bytes.count >= 12 + 16 else { throw .notAuthentic }
        do {
            let box = try AES.GCM.SealedBox(combined: sealed.bytes)
            return Array(try AES.GCM.open(box, using: key, authenticating: associatedData))
        } catch {
            throw .notAuthentic
        }
    }
}

/// The private half of a node's X25519 key, to which the controller seals the data key of snapshots. Made at the node.
package struct NodeSealingKey: Sendable, CustomStringConvertible, CustomReflectable {
    private let key: Curve25519.KeyAgreement.PrivateKey

    /// A new random one.
    package init() { key = Curve25519.KeyAgreement.PrivateKey() }

    /// `secretBytes`: What `secretBytes` gave: 32 bytes.
    package init(secretBytes: [UInt8]) throws(SealingFailure) {
        do { key = try Curve25519.KeyAgreement.PrivateKey(rawRepresentation: secretBytes) } catch {
            throw .badKeyLength
        }
    }

    package var secretBytes: [UInt8] { Array(key.rawRepresentation) }
    package var description: String { "NodeSealingKey" }
    package var customMirror: Mirror { Mirror(self, children: [:]) }

    /// The public half: 32 bytes.
    package var publicKey: NodeSealingPublicKey { NodeSealingPublicKey(key: key.publicKey) }

    /// Opens what `NodeSealingPublicKey.seal` made for this node.
    /// `sealed`: Encapsulated key (32 bytes) and ciphertext.
    package func open(_ sealed: [UInt8]) throws(SealingFailure) -> [UInt8] {
        guard sealed.count >= 32 + 16 else { throw .notAuthentic }
        do {
            var recipient = try HPKE.Recipient(
                privateKey: key, ciphersuite: .snapshotDataKey, info: snapshotDataKeyInfo,
                encapsulatedKey: Data(sealed[..<32]))
            return Array(try recipient.open(Data(sealed[32...])))
        } catch {
            throw .notAuthentic
        }
    }
}

/// The public half of a node's X25519 key.
package struct NodeSealingPublicKey: Sendable {
    private let key: Curve25519.KeyAgreement.PublicKey

    /// `bytes`: 32 bytes.
    package init(bytes: [UInt8]) throws(SealingFailure) {
        guard bytes.count == 32 else { throw .badKeyLength }
        do { key = try Curve25519.KeyAgreement.PublicKey(rawRepresentation: bytes) } catch { throw .badKeyLength }
    }

    fileprivate init(key: Curve25519.KeyAgreement.PublicKey) { self.key = key }

    package var bytes: [UInt8] { Array(key.rawRepresentation) }

    /// HPKE (X25519, HKDF-SHA-256, AES-256-GCM; RFC 9180) with info `gatehouse snapshot data key v1`.
    /// Gives the encapsulated key (32 bytes) and ciphertext.
    package func seal(_ plain: [UInt8]) throws(SealingFailure) -> [UInt8] {
        do {
            var sender = try HPKE.Sender(
                recipientKey: key, ciphersuite: .snapshotDataKey, info: snapshotDataKeyInfo)
            let ciphertext = try sender.seal(Data(plain))
            return Array(sender.encapsulatedKey) + Array(ciphertext)
        } catch {
            throw .sealingFailed
        }
    }
}

private let snapshotDataKeyInfo = Data("gatehouse snapshot data key v1".utf8)

extension HPKE.Ciphersuite {
    fileprivate static let snapshotDataKey = HPKE.Ciphersuite(
        kem: .Curve25519_HKDF_SHA256, kdf: .HKDF_SHA256, aead: .AES_GCM_256)
}
