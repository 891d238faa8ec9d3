// Secrets of the controller itself, sealed in the store: the pepper of subscription keys, the issuer's key, the key over
// operation ids.
internal import Cryptography
internal import Foundation
internal import Resources
internal import ResourceStore

struct ControllerSecrets {
    /// A path that no resource can have.
    static let place = ResourceID(path: "/~/controller")

    var pepper: [UInt8]
    var issuerKey: String
    var issuerKeyID: String
    var operationKey: [UInt8]

    /// Associated data needs a context, and the context needs the pepper: it is opened with the sealing key alone.
    private static func associatedData(_ serviceID: String, _ field: String) -> [UInt8] {
        Array("\(serviceID.lowercased())\(place.key)#\(field)".utf8)
    }

    static func make(in writer: StoreWriter, sealing: SealingKey, serviceID: String) throws -> ControllerSecrets {
        let secrets = ControllerSecrets(
            pepper: SecureRandom.bytes(32), issuerKey: try SignaturePrivateKey(newRSAWithBits: 2048).secretPEM,
            issuerKeyID: Hexadecimal.encode(SecureRandom.bytes(10)), operationKey: SecureRandom.bytes(32))
        let texts = [
            "pepper": Data(secrets.pepper).base64EncodedString(), "issuerKey": secrets.issuerKey,
            "issuerKeyID": secrets.issuerKeyID, "operationKey": Data(secrets.operationKey).base64EncodedString(),
        ]
        for (field, text) in texts {
            let sealed = try sealing.seal(Array(text.utf8), associatedData: associatedData(serviceID, field))
            try writer.setSecret(place, field, SealedSecret(keyID: sealed.keyID, bytes: sealed.bytes))
        }
        return secrets
    }

    /// The key that the database's secrets are sealed with; the first where none is, for `read` to say what is wrong.
    static func key(in store: ResourceStore, among keys: [SealingKey]) throws -> SealingKey {
        let used = try store.readNow { try $0.secret(place, "pepper")?.keyID }
        guard let key = keys.first(where: { $0.id == used }) ?? keys.first else {
            throw ProcessFailure(.cannotStart, "the file of the key-encryption key is empty; put the right file back")
        }
        return key
    }

    static func read(_ reader: StoreReader, sealing: SealingKey, serviceID: String) throws -> ControllerSecrets {
        func open(_ field: String) throws -> String {
            guard let secret = try reader.secret(place, field) else {
                throw ProcessFailure(.cannotStart, "the database holds no '\(field)'; it was not made by init")
            }
            guard secret.keyID == sealing.id else {
                throw ProcessFailure(
                    .cannotStart,
                    "the key-encryption key is the wrong one: the database was sealed with '\(secret.keyID)', the file holds '\(sealing.id)'"
                )
            }
            do {
                let bytes = try sealing.open(
                    SealedBytes(keyID: secret.keyID, bytes: secret.bytes),
                    associatedData: associatedData(serviceID, field))
                return String(decoding: bytes, as: UTF8.self)
            } catch {
                throw ProcessFailure(
                    .cannotStart,
                    "the key-encryption key '\(sealing.id)' does not open the database's secrets; put the right file back"
                )
            }
        }
        guard let pepper = Data(base64Encoded: try open("pepper")),
            let operation = Data(base64Encoded: try open("operationKey"))
        else {
            throw ProcessFailure(.cannotStart, "the controller's secrets in the database are damaged; restore a backup")
        }
        return ControllerSecrets(
            pepper: [UInt8](pepper), issuerKey: try open("issuerKey"), issuerKeyID: try open("issuerKeyID"),
            operationKey: [UInt8](operation))
    }
}
