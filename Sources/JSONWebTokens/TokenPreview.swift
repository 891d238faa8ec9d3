// What a token says before it is verified: enough to choose whose keys to look for, nothing to believe.

internal import JSONDocuments

package enum TokenPreview {
    /// The `iss` of a well-formed token; nil for anything else.
    package static func issuer(of token: String) -> String? {
        guard let token = try? CompactToken(Array(token.utf8)) else { return nil }
        return token.claims["iss"]?.text
    }
}
