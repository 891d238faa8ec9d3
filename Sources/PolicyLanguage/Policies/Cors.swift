// The policy cors, as data.

extension PolicyDeclaration {
    /// Answers preflights and lets pages of other origins read answers.
    package static let cors = PolicyDeclaration(
        element: "cors",
        summary: "Answers preflights and lets pages of other origins read answers.",
        sections: [.inbound],
        repetition: .oncePerSection,
        attributes: [
            .init("allow-credentials", .flag, "Whether cookies may be sent.", default: "false", expression: true),
            .init(
                "terminate-unmatched-request", .flag, "Whether a request of another origin ends with an empty 200.",
                default: "true", expression: true),
        ],
        children: [
            list("allowed-origins", of: "origin", .text(atMost: 2_048), count: 1...1),
            list(
                "allowed-methods", of: "method", .token, count: 0...1,
                attributes: [
                    .init(
                        "preflight-result-max-age", .integer(0...2_147_483_647), "How long a preflight holds, seconds.",
                        default: "0", expression: true)
                ]),
            list("allowed-headers", of: "header", .token, count: 0...1),
            list("expose-headers", of: "header", .token, count: 0...1),
        ],
        rules: { policy in
            let origins = policy.children("allowed-origins").flatMap(\.children).compactMap(\.literalText)
            if origins.contains("*") { return origins.count == 1 ? [] : ["Origin '*' must be the only origin."] }
            return origins.contains { WebOrigin($0) == nil }
                ? ["Origin must be a valid URL consisting of scheme, host, and port only"] : []
        },
        warnings: { policy in
            let origins = policy.children("allowed-origins").flatMap(\.children).compactMap(\.literalText)
            return origins == ["*"] && policy.flag("allow-credentials") ?? false
                ? ["allow-credentials has no effect with origin '*': browsers would refuse it."] : []
        })

    private static func list(
        _ element: String, of item: String, _ kind: ValueKind, count: ClosedRange<Int>,
        attributes: [AttributeDeclaration] = []
    ) -> ElementDeclaration {
        ElementDeclaration(
            element, count: count, attributes: attributes,
            children: [ElementDeclaration(item, count: 1...1_000, text: .init(kind))])
    }
}
