internal import HTTPEngine
internal import PolicyLanguage

// check-header at run time.

final class CheckHeader: PolicyStep {
    static let declaration = PolicyDeclaration.checkHeader

    private let name: FieldName
    private let status: Int
    private let message: String
    private let ignoresCase: Bool
    /// Empty: presence is enough.
    private let values: [[UInt8]]

    init(_ policy: CheckedPolicy, in surroundings: StepSurroundings) throws(PolicyCompileFailure) {
        name = FieldName(try policy.required("name"))
        status = Int(try policy.requiredInteger("failed-check-httpcode"))
        message = try policy.required("failed-check-error-message")
        let ignoresCase = try policy.requiredFlag("ignore-case")
        self.ignoresCase = ignoresCase
        values = try policy.texts(of: "value").map { Self.comparable(Array($0.utf8), ignoresCase: ignoresCase) }
    }

    func run(_ exchange: inout PolicyExchange) throws(PolicyFailure) -> StepOutcome {
        let lines = exchange.request.fields.values(of: name)
        guard !lines.isEmpty else {
            throw refusal(
                "HeaderNotFound", "Header \(name) was not found in the request. Access denied.")
        }
        if values.isEmpty { return .goOn }
        let value = Array(lines.joined(separator: [UInt8(ascii: ",")]))
        if values.contains(Self.comparable(value, ignoresCase: ignoresCase)) { return .goOn }
        let shown = String(decoding: value.prefix(1_024), as: UTF8.self)
        throw refusal("HeaderValueNotAllowed", "Header \(name) value of \(shown) is not allowed. Access denied.")
    }

    private static func comparable(_ value: [UInt8], ignoresCase: Bool) -> [UInt8] {
        ignoresCase ? Array(String(decoding: value, as: UTF8.self).lowercased().utf8) : value
    }

    private func refusal(_ reason: String, _ detail: String) -> PolicyFailure {
        PolicyFailure(
            status: status, callerMessage: message,
            lastError: LastError(source: "check-header", reason: reason, message: detail))
    }
}
