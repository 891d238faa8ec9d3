// Keys of subscriptions: made, hashed, found by their hashes.
internal import Cryptography
package import ResourceStore

package enum SubscriptionKeys {
    /// The scope of held values under which a key's hash stands; a value that another subscription has is found by it.
    package static let scope = "subscriptions.key"
    package static let fields = ["primaryKey", "secondaryKey"]

    /// Hashes of a subscription's two keys, hexadecimal.
    package static func hash(_ key: String, _ context: ResourceContext) -> String {
        context.keyHash.hash(of: key.utf8).description
    }

    /// Hashes of the keys that a subscription has in the store, joined by commas; empty for other kinds.
    package static func hashes(of resource: StoredResource, _ reader: StoreReader) throws -> String {
        guard resource.kind == "subscriptions" else { return "" }
        return try hashes(of: resource.id, reader)
    }

    package static func hashes(of id: ResourceID, _ reader: StoreReader) throws -> String {
        try reader.values(in: scope, of: id).joined(separator: ",")
    }
}
