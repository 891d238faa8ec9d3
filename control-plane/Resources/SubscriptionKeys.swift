// Keys of subscriptions: made, hashed, found by their hash's first byte.
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

    /// The shards (first two digits) that a subscription's keys are in, joined by commas; empty for other kinds.
    package static func shards(of resource: StoredResource, _ reader: StoreReader) throws -> String {
        guard resource.kind == "subscriptions" else { return "" }
        return try shards(of: resource.id, reader)
    }

    package static func shards(of id: ResourceID, _ reader: StoreReader) throws -> String {
        Set(try reader.values(in: scope, of: id).map { String($0.prefix(2)) }).sorted().joined(separator: ",")
    }
}
