// Numerals with a fraction or an exponent that say a whole number all the same. Exact: no way through floating point.

enum WholeNumeral {
    /// The value of a JSON numeral; nil where it is not whole or no `Int64`.
    static func value(of text: String) -> Int64? {
        let parts = text.lowercased().split(separator: "e", maxSplits: 1, omittingEmptySubsequences: false)
        let mantissa = (parts.first ?? "").split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        let isNegative = mantissa.first?.hasPrefix("-") == true
        let whole = (mantissa.first ?? "").drop(while: { $0 == "-" })
        let fraction = mantissa.count > 1 ? mantissa[1] : ""
        guard let exponent = parts.count > 1 ? Int(parts[1]) : 0, (-1000...1000).contains(exponent),
            text.utf8.count <= 1000
        else { return nil }
        // All digits, with the point `places` from their end.
        var digits = Array((whole + fraction).utf8)
        var places = fraction.utf8.count - exponent
        while places > 0 {
            guard digits.isEmpty || digits.last == UInt8(ascii: "0") else { return nil }
            if !digits.isEmpty { digits.removeLast() }
            places -= 1
        }
        guard digits.contains(where: { $0 != UInt8(ascii: "0") }) else { return 0 }
        let zeros = [UInt8](repeating: UInt8(ascii: "0"), count: -places)
        return Int64((isNegative ? "-" : "") + String(decoding: digits + zeros, as: UTF8.self))
    }
}
