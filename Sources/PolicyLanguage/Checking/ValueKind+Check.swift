// Whether a literal text is what its declaration asks for.

extension ValueKind {
    /// The text in the form that steps read: white space at its ends put aside where it has no meaning.
    func normalised(_ text: String) -> String {
        switch self {
        case .text: text
        case .body: text.hasPrefix("\n") ? String(text.dropFirst()) : text
        default: LiteralText.trimmed(text)
        }
    }

    /// What the text must be, when it is not; nil when it is right. Backends are looked up elsewhere.
    func requirement(brokenBy text: String) -> String? {
        switch self {
        case .text(let bytesMax):
            text.utf8.count <= bytesMax ? nil : "must have at most \(bytesMax) bytes"
        case .body: nil
        case .integer(let range):
            LiteralText.integer(text).map(range.contains) ?? false
                ? nil : "must be an integer from \(range.lowerBound) to \(range.upperBound)"
        case .flag: LiteralText.flag(text) == nil ? "must be true or false" : nil
        case .word(let words):
            words.contains(text) ? nil : "must be one of: \(words.joined(separator: ", "))"
        case .token: LiteralText.isToken(text) ? nil : "must be a token: letters, digits and !#$%&'*+-.^_`|~"
        case .fieldName: Self.fieldNameRequirement(text)
        case .fieldValue: Self.fieldValueRequirement(text)
        case .reason:
            text.utf8.count <= 128 && text.utf8.allSatisfy { (0x20...0x7E).contains($0) }
                ? nil : "must be visible ASCII of at most 128 letters"
        case .url: LiteralURL.isBase(text) ? nil : "must be an absolute URL of http, https, ws or wss"
        case .address(let ranges):
            (ranges ? AddressBlock(text) != nil : IPAddress(text) != nil) ? nil : "must be an IPv4 or IPv6 address"
        case .mediaType: Self.isMediaType(text) ? nil : "must be a media type such as application/json"
        case .rewriteTemplate:
            RewriteTemplate(text) != nil
                ? nil : "must begin with / or ? and hold {name} of template parameters and visible characters alone"
        case .backend: text.isEmpty ? "must be the id of a backend" : nil
        }
    }

    private static func fieldNameRequirement(_ text: String) -> String? {
        guard LiteralText.isToken(text) else { return "must be a token: letters, digits and !#$%&'*+-.^_`|~" }
        return LiteralText.isRestrictedField(text) ? "is a header that cannot be changed" : nil
    }

    /// Heads that policies make have 64 KiB at most (must-hold, part I).
    private static func fieldValueRequirement(_ text: String) -> String? {
        if text.utf8.count > 65_536 { return "must have at most 65536 bytes" }
        return LiteralText.isFieldValue(text) ? nil : "may not hold a line break or NUL"
    }

    private static func isMediaType(_ text: String) -> Bool {
        let essence = text.prefix { $0 != ";" }
        let parts = LiteralText.trimmed(String(essence)).split(separator: "/", omittingEmptySubsequences: false)
        return parts.count == 2 && parts.allSatisfy { LiteralText.isToken(String($0)) }
            && text.utf8.count <= 256 && LiteralText.isFieldValue(text)
    }
}

extension LiteralText {
    /// Whether it may be a field's value: no CR, LF, NUL or other control but the tab.
    package static func isFieldValue(_ text: String) -> Bool {
        text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }
    }

    /// Fields of the framing, which no policy may change (policies.md 3.4).
    package static func isRestrictedField(_ name: String) -> Bool {
        ["connection", "content-length", "keep-alive", "transfer-encoding"].contains(name.lowercased())
    }
}
