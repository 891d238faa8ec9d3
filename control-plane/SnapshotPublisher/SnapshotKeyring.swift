// The keys of a service's snapshots: who signs, who seals. Kept sealed in the store.
package import Cryptography
internal import Foundation
package import Resources
package import ResourceStore

/// Signing key, data key and the pepper of subscription keys.
package struct SnapshotKeyring: Sendable {
    /// Where they are kept: a path that no resource can have.
    private static let place = ResourceID(path: "/~/snapshot-keys")

    package let signing: SnapshotSigningKey
    package let data: SealingKey

    /// Reads the keys, and makes those that are not there.
    package static func open(_ store: ResourceStore, _ context: ResourceContext) async throws -> SnapshotKeyring {
        try await store.write(by: .controller) { writer in
            SnapshotKeyring(
                signing: try SnapshotSigningKey(
                    secretBytes: try bytes("signing", writer, context) { SnapshotSigningKey().secretBytes }),
                data: try dataKey(writer, context))
        }.value
    }

    /// A new data key in the place of the present one, for a node was revoked.
    package func replacingDataKey(_ store: ResourceStore, _ context: ResourceContext) async throws -> SnapshotKeyring {
        let signing = signing
        return try await store.write(by: .controller) { writer in
            try writer.setSecret(Self.place, "data", nil)
            return SnapshotKeyring(signing: signing, data: try Self.dataKey(writer, context))
        }.value
    }

    private static func dataKey(_ writer: StoreWriter, _ context: ResourceContext) throws -> SealingKey {
        let text = try text("data", writer, context) {
            let key = SealingKey()
            return "\(key.id):\(Data(key.secretBytes).base64EncodedString())"
        }
        let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
        guard parts.count == 2, let bytes = Data(base64Encoded: parts[1]) else {
            throw StoreFailure(reason: .broken, description: "the data key of snapshots is not readable")
        }
        return try SealingKey(id: parts[0], bytes: [UInt8](bytes))
    }

    private static func bytes(
        _ field: String, _ writer: StoreWriter, _ context: ResourceContext, otherwise make: () -> [UInt8]
    ) throws -> [UInt8] {
        let text = try text(field, writer, context) { Data(make()).base64EncodedString() }
        guard let bytes = Data(base64Encoded: text) else {
            throw StoreFailure(reason: .broken, description: "the key '\(field)' of snapshots is not readable")
        }
        return [UInt8](bytes)
    }

    private static func text(
        _ field: String, _ writer: StoreWriter, _ context: ResourceContext, otherwise make: () -> String
    ) throws -> String {
        if let text = try context.secret(place, field, writer.reader) { return text }
        let text = make()
        try writer.setSecret(place, field, try context.seal(place, field, text))
        return text
    }
}
