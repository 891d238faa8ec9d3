// The policy rate-limit, as data.

extension PolicyDeclaration {
    /// Refuses the calls of a subscription beyond `calls` in any `renewal-period` seconds: 429 with Retry-After.
    package static let rateLimit = PolicyDeclaration(
        element: "rate-limit",
        summary: "Refuses the calls of a subscription beyond a number in a time.",
        sections: [.inbound],
        levels: [.product, .api, .operation],
        repetition: .oncePerDocument,
        attributes: [
            .init("calls", .integer(1...1_000_000_000), "Calls in a period.", required: true),
            .init("renewal-period", .integer(1...300), "Length of the period, seconds.", required: true),
            .init(
                "retry-after-header-name", .fieldName, "Header of a refusal that says how long.", default: "Retry-After"
            ),
            .init("retry-after-variable-name", .text(atMost: 256), "Variable with the same."),
            .init("remaining-calls-header-name", .fieldName, "Response header with the calls that are left."),
            .init("remaining-calls-variable-name", .text(atMost: 256), "Variable with the same."),
            .init("total-calls-header-name", .fieldName, "Response header with `calls`."),
        ],
        children: [
            limited(
                "api", calls: true,
                children: [limited("operation", calls: true)])
        ])

    /// `api` or `operation` with a limit of its own.
    private static func limited(
        _ element: String, calls: Bool, children: [ElementDeclaration] = []
    ) -> ElementDeclaration {
        ElementDeclaration(
            element,
            attributes: [
                .init("name", .text(atMost: 300), "Display name; put aside when there is an id."),
                .init("id", .text(atMost: 256), "Name of the resource."),
                .init("calls", .integer(1...1_000_000_000), "Calls in a period.", required: calls),
                .init("renewal-period", .integer(1...300), "Length of the period, seconds; as the parent's."),
            ],
            children: children,
            rules: { child in
                child.attributes["id"] == nil && child.attributes["name"] == nil
                    ? ["Give attribute 'id' or attribute 'name'."] : []
            })
    }
}
