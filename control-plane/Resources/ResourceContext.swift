// What the kinds need beside the store: the service's id, the key that seals, the pepper of subscription keys.
package import Cryptography
package import ResourceStore

package struct ResourceContext: Sendable {
    /// The service's ARM id, as made.
    package let serviceID: String
    package let sealing: SealingKey
    /// Hashes subscription keys under the service's pepper.
    package let keyHash: KeyedHash

    package init(serviceID: String, sealing: SealingKey, keyHash: KeyedHash) {
        self.serviceID = serviceID
        self.sealing = sealing
        self.keyHash = keyHash
    }

    package func armID(_ id: ResourceID) -> String { serviceID + id.path }

    /// A reference in a body: a whole ARM id of this service, a path below it with or without the leading slash
    /// (resources.md 1.1). nil for an id of another service and for what is no path.
    package func reference(_ text: String) -> ResourceID? {
        var path = Substring(text)
        if path.lowercased().hasPrefix("/subscriptions/"), path.lowercased().contains("/providers/") {
            guard path.lowercased().hasPrefix(serviceID.lowercased()) else { return nil }
            path = path.dropFirst(serviceID.count)
            guard path.isEmpty || path.hasPrefix("/") else { return nil }
        }
        while path.hasPrefix("/") { path = path.dropFirst() }
        let segments = path.split(separator: "/", omittingEmptySubsequences: false)
        guard !segments.contains(where: { $0.isEmpty }) || path.isEmpty, ResourceID.isNormalised(path) else {
            return nil
        }
        return ResourceID(path: path.isEmpty ? "" : "/\(path)")
    }

    /// Associated data of a sealed field: a row that is moved to another resource opens no more.
    private func associatedData(_ id: ResourceID, _ field: String) -> [UInt8] {
        Self.associatedData(serviceID, id.key, field)
    }

    private static func associatedData(_ serviceID: String, _ key: String, _ field: String) -> [UInt8] {
        Array("\(serviceID.lowercased())\(key)#\(field)".utf8)
    }

    /// Seals every secret of the store again, under another key. Gives how many there are.
    package static func reseal(
        _ writer: StoreWriter, serviceID: String, from former: SealingKey, to fresh: SealingKey
    ) throws -> Int {
        let secrets = try writer.reader.secrets()
        for (key, field, secret) in secrets {
            let place = associatedData(serviceID, key, field)
            let plain = try former.open(
                SealedBytes(keyID: secret.keyID, bytes: secret.bytes), associatedData: place)
            let sealed = try fresh.seal(plain, associatedData: place)
            try writer.setSecret(
                ResourceID(path: key), field, SealedSecret(keyID: sealed.keyID, bytes: sealed.bytes))
        }
        return secrets.count
    }

    package func seal(_ id: ResourceID, _ field: String, _ value: String) throws -> SealedSecret {
        let sealed = try sealing.seal(Array(value.utf8), associatedData: associatedData(id, field))
        return SealedSecret(keyID: sealed.keyID, bytes: sealed.bytes)
    }

    /// The field's text; nil where nothing is sealed there.
    /// - Throws: where the key does not open it.
    package func secret(_ id: ResourceID, _ field: String, _ reader: StoreReader) throws -> String? {
        try reader.secret(id, field).map { try open($0, of: id, field) }
    }

    /// - Throws: `Refusal` SecretUnreadable that names the resource, where the key does not open it there: another key
    ///   sealed it, a bit of it has changed, or it was moved here from another row (must-hold G57).
    package func open(_ secret: SealedSecret, of id: ResourceID, _ field: String) throws -> String {
        do {
            let bytes = try sealing.open(
                SealedBytes(keyID: secret.keyID, bytes: secret.bytes), associatedData: associatedData(id, field))
            return String(decoding: bytes, as: UTF8.self)
        } catch {
            throw Refusal(
                .secretUnreadable, "The secret '\(field)' of '\(armID(id))' can't be opened as it is stored.",
                cause: "\(error)")
        }
    }
}
