// Max-Forwards of OPTIONS (RFC 9110 7.6.2; must-hold A67): counted down at each hop, answered here at 0.

extension EventLoop {
    private static let maxForwards = FieldName("Max-Forwards")

    /// Counts down; says so when the value is no number.
    func maxForwards(_ head: inout RequestHead) -> Refusal? {
        guard head.method == .options, let value = head.fields.first(Self.maxForwards) else { return nil }
        guard let count = Self.number(value) else { return .maxForwards }
        if count > 0 { head.fields.set(Self.maxForwards, String(count - 1)) }
        return nil
    }

    /// Whether the request goes no further than here.
    func endsHere(_ head: RequestHead) -> Bool {
        guard head.method == .options else { return false }
        for index in 0..<head.fields.count
        where head.fields.isNamed(Self.maxForwards, at: index) && head.fields.wasReceived(at: index) {
            return true
        }
        return false
    }

    private static func number(_ value: ArraySlice<UInt8>) -> Int? {
        guard !value.isEmpty, value.count <= 9, value.allSatisfy(ByteClass.isDigit) else { return nil }
        return value.reduce(0) { $0 * 10 + Int($1 - 48) }
    }
}
