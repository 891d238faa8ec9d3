// The policy quota, as data.

extension PolicyDeclaration {
    /// Refuses the calls of a subscription beyond a number, or kilobytes, in fixed periods: 403 with Retry-After.
    package static let quota = PolicyDeclaration(
        element: "quota",
        summary: "Refuses the calls of a subscription beyond a volume in a fixed period.",
        sections: [.inbound],
        levels: [.product],
        repetition: .oncePerDocument,
        attributes: volume + [
            .init(
                "renewal-period", .integer(0...periodMax), "Length of the period, seconds; 0: for ever.", required: true
            )
        ],
        children: [limited("api", children: [limited("operation")])],
        rules: volumeRule)

    /// A hundred years.
    private static let periodMax: Int64 = 3_155_760_000

    private static let volume: [AttributeDeclaration] = [
        .init("calls", .integer(1...1_000_000_000_000), "Calls in a period."),
        .init("bandwidth", .integer(1...1_000_000_000_000), "Kilobytes in a period, both directions."),
    ]

    private static let volumeRule: @Sendable (CheckedPolicy) -> [String] = { policy in
        policy.attributes["calls"] == nil && policy.attributes["bandwidth"] == nil
            ? ["Give attribute 'calls' or attribute 'bandwidth'."] : []
    }

    private static func limited(_ element: String, children: [ElementDeclaration] = []) -> ElementDeclaration {
        ElementDeclaration(
            element,
            attributes: [
                .init("name", .text(atMost: 300), "Display name; put aside when there is an id."),
                .init("id", .text(atMost: 256), "Name of the resource."),
            ] + volume + [
                .init("renewal-period", .integer(0...periodMax), "Length of the period, seconds; as the parent's.")
            ],
            children: children,
            rules: { child in
                let named = child.attributes["id"] != nil || child.attributes["name"] != nil
                return (named ? [] : ["Give attribute 'id' or attribute 'name'."]) + volumeRule(child)
            })
    }
}
