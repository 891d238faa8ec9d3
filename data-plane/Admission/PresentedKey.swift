// Where a call's subscription key stands, and how it is taken out before the call goes on (resources.md 2.2;
// must-hold B15, B16).

/// The key of a call as it came.
package enum PresentedKey: Hashable, Sendable {
    case absent
    /// More than one value: no key is that.
    case ambiguous
    case value([UInt8])

    /// Looks for the key: the header wins, the query is looked at only where the header is absent or empty.
    ///
    /// `headerValues` are those of all lines with the API's key header, `query` is as received.
    package init(headerValues: [ArraySlice<UInt8>], query: [UInt8]?, queryName: String) {
        if headerValues.count > 1 {
            self = .ambiguous
            return
        }
        if let value = headerValues.first, !value.isEmpty {
            self = .value(Array(value))
            return
        }
        guard let query else {
            self = .absent
            return
        }
        let name = Array(queryName.utf8)
        var found: [UInt8]?
        for pair in query.split(separator: UInt8(ascii: "&")) {
            let (own, value) = QueryPair.split(pair)
            guard own == name else { continue }
            if found != nil {
                self = .ambiguous
                return
            }
            found = value
        }
        self = found.map { $0.isEmpty ? .absent : .value($0) } ?? .absent
    }

    /// The query without parameters of this name, whatever their case; all else stays byte for byte.
    /// - Returns: nil where nothing is left.
    package static func removing(_ queryName: String, from query: [UInt8]) -> [UInt8]? {
        let name = queryName.utf8.map(QueryPair.lower)
        guard name.count <= query.count else { return query }
        var kept: [ArraySlice<UInt8>] = []
        var isChanged = false
        for pair in query.split(separator: UInt8(ascii: "&"), omittingEmptySubsequences: false) {
            if QueryPair.split(pair).name.map(QueryPair.lower) == name {
                isChanged = true
            } else {
                kept.append(pair)
            }
        }
        guard isChanged else { return query }
        return kept.isEmpty ? nil : Array(kept.joined(separator: [UInt8(ascii: "&")]))
    }
}

/// `name=value` of a query.
private enum QueryPair {
    /// Both decoded once; `+` in a value is a blank.
    static func split(_ pair: ArraySlice<UInt8>) -> (name: [UInt8], value: [UInt8]) {
        let end = pair.firstIndex(of: UInt8(ascii: "=")) ?? pair.endIndex
        guard end < pair.endIndex else { return (decoded(pair), []) }
        let value = pair[(end + 1)...].map { $0 == UInt8(ascii: "+") ? 0x20 : $0 }
        return (decoded(pair[..<end]), decoded(value[...]))
    }

    static func lower(_ byte: UInt8) -> UInt8 {
        byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
    }

    private static func decoded(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        guard bytes.contains(UInt8(ascii: "%")) else { return Array(bytes) }
        var result: [UInt8] = []
        var index = bytes.startIndex
        while index < bytes.endIndex {
            if bytes[index] == UInt8(ascii: "%"), index + 2 < bytes.endIndex, let high = digit(bytes[index + 1]),
                let low = digit(bytes[index + 2])
            {
                result.append(high << 4 | low)
                index += 3
            } else {
                result.append(bytes[index])
                index += 1
            }
        }
        return result
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
