// Certificates with their keys, read from PFX.
internal import Cryptography
internal import Foundation
internal import JSONDocuments
internal import ResourceStore

extension Kind {
    /// A certificate. Key and PFX never leave but sealed, for nodes.
    package static let certificate: Kind = {
        var kind = Kind(
            "certificates", noun: "Certificate", id: IDRule(lengthMax: 80),
            properties: [
                .readOnly("subject"), .readOnly("thumbprint"), .readOnly("expirationDate"), .readOnly("chain"),
                .transient("data", .text(1...1_000_000)), .transient("password", .text(0...1000)),
                .transient("keyVault", .any),
            ])
        kind.filters =
            ["name", "subject", "thumbprint"].map { FilterField($0) } + [FilterField("expirationDate", .comparisons)]
        kind.selections["isKeyVaultRefreshFailed"] = KeyVaults.failedToRefresh
        kind.allowsPatch = false
        kind.prepare = prepareCertificate
        kind.remove = { removal in
            let name = removal.resource.name
            try removal.refuseWhileUsed { users in
                "The Certificate '\(name)' is used by the following entities:\r\n\(users)"
            }
        }
        kind.show = { shown in shown.properties["chain"] = nil }
        return kind
    }()

    private static func prepareCertificate(_ draft: inout Draft) throws {
        if let vault = draft.transients["keyVault"], !vault.isNull {
            throw Refusal(.notImplemented, "Certificates from a key vault are not built yet.")
        }
        guard let data = draft.transients["data"]?.text else {
            return draft.refuse("properties.data", "'properties.data' is required.")
        }
        let compact = data.filter { !$0.isWhitespace }
        guard let bytes = Data(base64Encoded: compact) else {
            return draft.refuse("data", "'properties.data' must be a PFX in base64.")
        }
        do {
            let pfx = try PersonalInformationExchange(
                [UInt8](bytes), password: draft.transients["password"]?.text ?? "")
            draft.properties["subject"] = .string(pfx.leaf.subject)
            draft.properties["thumbprint"] = .string(pfx.leaf.thumbprint)
            draft.properties["expirationDate"] = .string(Timestamp.text(pfx.leaf.notAfter))
            draft.properties["chain"] = .string(pfx.chain)
            draft.secrets["key"] = .string(pfx.privateKey)
        } catch let refusal as PersonalInformationExchange.Refusal {
            draft.refuse("data", "'properties.data' can't be read: \(refusal).")
        }
    }
}
