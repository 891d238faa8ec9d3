// Names of operations from a description (resources.md 6): letters and digits of operationId with single hyphens, cut
// to 76, with a number behind it where the name is taken without regard to case.

struct OperationNames {
    static let lengthMax = 76

    private var taken: Set<String> = []

    /// The name for the next operation; nil when a thousand of one name are taken.
    mutating func next(operationID: String?, method: String, path: String) -> String? {
        var base = operationID.map(Self.slug) ?? ""
        if base.isEmpty { base = Self.slug("\(method) \(path)").lowercased() }
        for number in 0...999 {
            let name = number == 0 ? base : "\(base)-\(number)"
            if taken.insert(name.lowercased()).inserted { return name }
        }
        return nil
    }

    static func slug(_ text: String) -> String {
        var result: [UInt8] = []
        for byte in text.utf8 {
            let isKept =
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
                default: false
                }
            if isKept {
                result.append(byte)
            } else if let last = result.last, last != UInt8(ascii: "-") {
                result.append(UInt8(ascii: "-"))
            }
        }
        var cut = result.prefix(lengthMax)
        while cut.last == UInt8(ascii: "-") { cut = cut.dropLast() }
        return String(decoding: cut, as: UTF8.self)
    }
}
