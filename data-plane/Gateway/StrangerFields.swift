import HTTPEngine

// Fields that callers may not send on, and backends may not send back (must-hold B22 to B25, F20).

extension FieldName {
    static let via = FieldName("Via")
    static let forwardedFor = FieldName("X-Forwarded-For")
    static let forwardedHost = FieldName("X-Forwarded-Host")
    static let forwardedProto = FieldName("X-Forwarded-Proto")
}

/// Removes what is not believed.
struct StrangerFields: Sendable {
    /// They speak of who the caller is behind a proxy: from a trusted proxy or not at all.
    static let ofProxies: [FieldName] = [
        "Forwarded", "X-Forwarded-Port", "X-Forwarded-Client-Cert", "Client-Cert", "Client-Cert-Chain",
        "X-Client-Cert", "X-ARR-ClientCert", "X-SSL-Client-Verify", "X-SSL-Client-Cert", "X-Real-IP",
        "True-Client-IP",
    ].map { FieldName($0) }

    /// They replace the target, or belong to the product: from nobody.
    private static let ofNobody: [FieldName] = [
        "X-Original-URL", "X-Rewrite-URL", "Ocp-Apim-Trace", "Apim-Debug-Authorization",
    ].map { FieldName($0) }

    private static let ofTheProduct: [FieldName] = [
        "Apim-Trace-Id", "Apim-Debug-Authorization-Expired", "Apim-Debug-Authorization-WrongAPI",
    ].map { FieldName($0) }

    private static let productPrefix = FieldName("Gatehouse-")
    /// Bit n: a listed name has n bytes.
    private let requestLengths: UInt64
    private let ofProxies: [FieldName]
    private static let responseLengths = lengths(ofTheProduct)

    init(ofProxies: [FieldName]) {
        self.ofProxies = ofProxies
        requestLengths = Self.lengths(ofProxies + Self.ofNobody)
    }

    private static func lengths(_ names: [FieldName]) -> UInt64 {
        names.reduce(0) { $0 | 1 << UInt64($1.folded.count) }
    }

    func strip(request fields: inout HeaderFields, isTrusted: Bool) {
        var index = fields.count - 1
        while index >= 0 {
            let length = fields.nameLength(at: index)
            if length < 64, requestLengths >> UInt64(length) & 1 != 0 {
                let isStrange =
                    Self.ofNobody.contains { fields.looksLike($0, at: index) }
                    || (!isTrusted && ofProxies.contains { fields.looksLike($0, at: index) })
                if isStrange {
                    fields.remove(at: index)
                    index -= 1
                    continue
                }
            }
            if fields.hasPrefix(Self.productPrefix, at: index) { fields.remove(at: index) }
            index -= 1
        }
    }

    static func strip(response fields: inout HeaderFields) {
        var index = fields.count - 1
        while index >= 0 {
            let length = fields.nameLength(at: index)
            let isListed =
                length < 64 && responseLengths >> UInt64(length) & 1 != 0
                && ofTheProduct.contains { fields.isNamed($0, at: index) }
            if isListed || fields.hasPrefix(productPrefix, at: index) { fields.remove(at: index) }
            index -= 1
        }
    }
}
