// Gateways: groups of nodes with keys of their own, and the APIs that they serve.
internal import Cryptography
package import Foundation
internal import JSONDocuments
package import ResourceStore

extension Kind {
    static let gatewayProperties: [Property] = [
        .required(
            "locationData",
            .object([
                .required("name", .text(1...256)), .optional("city", .text(0...256), absent: .null),
                .optional("district", .text(0...256), absent: .null),
                .optional("countryOrRegion", .text(0...256), absent: .null),
            ])),
        .optional("description", .text(0...1000), absent: .null),
        .secret("primary", .text(1...256)),
        .secret("secondary", .text(1...256)),
    ]

    /// A gateway. `default` serves every API, others what is linked to them.
    package static let gateway: Kind = {
        var kind = Kind("gateways", noun: "Gateway", id: IDRule(lengthMax: 80), properties: gatewayProperties)
        kind.filters = [FilterField("name"), FilterField("region"), FilterField("description")]
        kind.secretsAction = "listKeys"
        kind.prepare = { draft in
            guard draft.id.name.lowercased() != "managed" else {
                return draft.refuse("id", "'managed' is the name of the service's own gateway.")
            }
            // Keys are the controller's alone: a body's are not taken.
            draft.secrets = [:]
            if draft.isNew {
                draft.secrets["primary"] = .string(Gateways.generateKey())
                draft.secrets["secondary"] = .string(Gateways.generateKey())
            }
        }
        kind.remove = { removal in
            if removal.resource.name.lowercased() == Gateways.defaultName {
                throw Refusal.notAllowed(
                    "The default gateway can't be deleted.", allowed: ["GET", "HEAD", "PUT", "PATCH"])
            }
        }
        kind.show = { shown in
            switch shown.viewing.answer {
            case .put, .patch: shown.properties["heartbeat"] = .null
            case .get, .list: shown.properties["heartbeat"] = []
            }
        }
        return kind
    }()

    /// An API that a gateway serves.
    package static let gatewayApi: Kind = {
        var kind = Kind.link("gateways/apis", noun: "Api", id: IDRule(lengthMax: 256), shows: apiProperties)
        kind.filters = [FilterField("name")]
        let show = kind.show
        kind.show = { shown in
            try show(&shown)
            shown.properties["authenticationSettings"] = .null
            shown.properties["subscriptionKeyParameterNames"] = .null
        }
        return kind
    }()
}

/// Keys and tokens of gateways.
package enum Gateways {
    /// The gateway that serves every API.
    package static let defaultName = "default"
    package static let tokenLifeMax: Double = 30 * 24 * 3600

    /// 64 random bytes, base64 (fact 51).
    static func generateKey() -> String { Data(SecureRandom.bytes(64)).base64EncodedString() }

    /// `{gateway}&{yyyyMMddHHmm}&{signature}`: HMAC-SHA-512 over gateway and expiry under one of the gateway's keys.
    package static func token(gateway: String, key: String, expiry: Date) -> String {
        let text = "\(gateway)&\(minute(expiry))"
        let signature = MessageAuthentication.sha512(Array(text.utf8), key: Array(key.utf8))
        return "\(text)&\(Data(signature).base64EncodedString())"
    }

    private static func minute(_ time: Date) -> String {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = .gmt
        let parts = calendar.dateComponents([.year, .month, .day, .hour, .minute], from: time)
        let two = { (value: Int?) in String(String(100 + (value ?? 0)).dropFirst()) }
        return "\(parts.year ?? 0)\(two(parts.month))\(two(parts.day))\(two(parts.hour))\(two(parts.minute))"
    }

    /// The gateway that a token speaks for; nil where it is none, is over, or no key of the gateway signed it.
    package static func gateway(
        ofToken token: String, now: Date, reader: StoreReader, context: ResourceContext
    ) throws -> String? {
        let parts = token.split(separator: "&", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 3, parts[1].count == 12, parts[1].allSatisfy(\.isASCII), minute(now) <= parts[1],
            let given = Data(base64Encoded: parts[2])
        else { return nil }
        let id = ResourceID(path: "/gateways/\(parts[0])")
        guard let gateway = try reader.get(id), gateway.kind == "gateways" else { return nil }
        // The lifetime that a token may have at most is held here too, whoever made it.
        let latest = minute(now.addingTimeInterval(tokenLifeMax + 60))
        guard parts[1] <= latest else { return nil }
        for field in ["primary", "secondary"] {
            guard let key = try context.secret(gateway.id, field, reader) else { continue }
            let expected = MessageAuthentication.sha512(Array("\(parts[0])&\(parts[1])".utf8), key: Array(key.utf8))
            if ConstantTime.equal(expected, [UInt8](given)) { return gateway.name }
        }
        return nil
    }

    /// Replaces a key; tokens that it signed enrol no more.
    package static func regenerate(_ field: String, of id: ResourceID, in writer: StoreWriter, context: ResourceContext)
        throws
    {
        guard let gateway = try writer.reader.get(id), gateway.kind == "gateways" else {
            throw Refusal.notFound("Gateway")
        }
        try writer.setSecret(gateway.id, field, try context.seal(gateway.id, field, generateKey()))
        try writer.put(gateway.id, kind: gateway.kind, properties: gateway.properties, touching: true)
    }
}
