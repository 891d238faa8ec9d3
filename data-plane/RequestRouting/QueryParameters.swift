// The parameters of a query string, looked at without taking it apart: names and values percent-decoded once when they
// are compared.

/// `a=1&b=2`, in order, repeated names and empty pieces kept.
struct QueryParameters {
    private let query: ArraySlice<UInt8>

    init(_ query: [UInt8]?) { self.query = query?[...] ?? [] }

    /// Values of the parameters with this name; `+` is a blank as in forms. At most two are looked for: more than one
    /// is as bad as many.
    func values(of name: [UInt8], foldingCase: Bool = false) -> [[UInt8]] {
        guard !query.isEmpty else { return [] }
        var found: [[UInt8]] = []
        for pair in query.split(separator: UInt8(ascii: "&")) {
            let end = pair.firstIndex(of: UInt8(ascii: "=")) ?? pair.endIndex
            let own = Escapes.decoded(pair[..<end])
            guard foldingCase ? ASCIICase.equal(own, name) : own == name[...] else { continue }
            let value = end == pair.endIndex ? [] : pair[(end + 1)...].map { $0 == UInt8(ascii: "+") ? 0x20 : $0 }
            found.append(Array(Escapes.decoded(value[...])))
            if found.count == 2 { break }
        }
        return found
    }
}

/// Percent-encoding of paths and queries.
enum Escapes {
    /// Decodes good escapes once.
    static func decoded(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        guard bytes.contains(UInt8(ascii: "%")) else { return bytes }
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
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
        return result[...]
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
