internal import Crypto

// Ed25519: the controller signs the roots of snapshots with it, the nodes verify them.

/// A key that has not the right length or form.
package struct BadKey: Error, Hashable, Sendable {
    package init() {}
}

/// Signs roots of snapshots.
package struct SnapshotSigningKey: Sendable, CustomStringConvertible, CustomReflectable {
    private let key: Curve25519.Signing.PrivateKey

    /// A new random one.
    package init() { key = Curve25519.Signing.PrivateKey() }

    /// `secretBytes`: The 32 bytes of the seed.
    package init(secretBytes: [UInt8]) throws(BadKey) {
        do { key = try Curve25519.Signing.PrivateKey(rawRepresentation: secretBytes) } catch { throw BadKey() }
    }

    package var secretBytes: [UInt8] { Array(key.rawRepresentation) }
    package var description: String { "SnapshotSigningKey" }
    package var customMirror: Mirror { Mirror(self, children: [:]) }

    package var verificationKey: SnapshotVerificationKey { SnapshotVerificationKey(key: key.publicKey) }

    /// 64 bytes.
    package func sign(_ bytes: [UInt8]) throws -> [UInt8] { Array(try key.signature(for: bytes)) }
}

/// Verifies roots of snapshots. A node has it from its enrolment, never from the root it checks.
package struct SnapshotVerificationKey: Hashable, Sendable {
    private let key: Curve25519.Signing.PublicKey

    /// `bytes`: The raw key, 32 bytes.
    package init(bytes: [UInt8]) throws(BadKey) {
        guard bytes.count == 32 else { throw BadKey() }
        do { key = try Curve25519.Signing.PublicKey(rawRepresentation: bytes) } catch { throw BadKey() }
    }

    fileprivate init(key: Curve25519.Signing.PublicKey) { self.key = key }

    package var bytes: [UInt8] { Array(key.rawRepresentation) }

    package static func == (one: SnapshotVerificationKey, other: SnapshotVerificationKey) -> Bool {
        one.bytes == other.bytes
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(bytes) }

    /// Whether `signature` (64 bytes) is this key's over exactly `bytes`.
    package func verifies(_ signature: [UInt8], over bytes: [UInt8]) -> Bool {
        signature.count == 64 && key.isValidSignature(signature, for: bytes)
    }
}
