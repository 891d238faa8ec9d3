internal import HTTPEngine
internal import PolicyLanguage

// set-header at run time.

final class SetHeader: PolicyStep {
    static let declaration = PolicyDeclaration.setHeader

    private enum Action { case override, skip, append, delete }

    private let name: FieldName
    private let action: Action
    /// Several values are one line joined with a comma, but for names whose lines stay apart.
    private let lines: [[UInt8]]
    private let staysApart: Bool
    /// What no policy may touch: the step does nothing (must-hold I28).
    private let isUntouchable: Bool
    private let message: StepSurroundings.MessageSide
    private let isHost: Bool

    init(_ policy: CheckedPolicy, in surroundings: StepSurroundings) throws(PolicyCompileFailure) {
        let text = try policy.required("name")
        name = FieldName(text)
        switch try policy.required("exists-action") {
        case "skip": action = .skip
        case "append": action = .append
        case "delete": action = .delete
        default: action = .override
        }
        let folded = text.lowercased()
        staysApart = Self.apart.contains(folded)
        let values = try policy.texts(of: "value").map { Array($0.utf8) }
        lines = staysApart || values.count < 2 ? values : [Array(values.joined(separator: [UInt8(ascii: ",")]))]
        message = surroundings.message
        isHost = folded == "host"
        let isFraming = ["connection", "content-length", "keep-alive", "transfer-encoding", "te", "upgrade", "trailer"]
            .contains(folded)
        let isKept = action == .delete && (folded == "x-forwarded-for" || folded == "server")
        isUntouchable = isFraming || isKept
    }

    func run(_ exchange: inout PolicyExchange) throws(PolicyFailure) -> StepOutcome {
        switch message {
        case .request:
            apply(to: &exchange.request.fields)
            if isHost { exchange.writesHost = exchange.request.fields.contains(.host) }
        case .response:
            guard exchange.response != nil else { return .goOn }
            // Taken out and put back, so that the fields are changed in place and not copied.
            var fields = exchange.response?.fields ?? HeaderFields()
            exchange.response?.fields = HeaderFields()
            apply(to: &fields)
            exchange.response?.fields = fields
        }
        return .goOn
    }

    func apply(to fields: inout HeaderFields) {
        if isUntouchable { return }
        switch action {
        case .delete: fields.remove(name)
        case .skip:
            if !fields.contains(name) { add(to: &fields) }
        case .override:
            fields.remove(name)
            add(to: &fields)
        case .append:
            let present = fields.values(of: name)
            guard !present.isEmpty, !staysApart, let line = lines.first else { return add(to: &fields) }
            fields.set(name, Array((present + [line[...]]).joined(separator: [UInt8(ascii: ",")])))
        }
    }

    private func add(to fields: inout HeaderFields) {
        for line in lines { fields.append(name, line) }
    }

    /// policies.md 3.4.
    private static let apart: Set<String> = [
        "user-agent", "www-authenticate", "proxy-authenticate", "cookie", "set-cookie", "warning", "date", "expires",
        "if-modified-since", "if-unmodified-since", "last-modified", "retry-after",
    ]
}
