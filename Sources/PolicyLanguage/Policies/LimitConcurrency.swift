// The policy limit-concurrency, as data.

extension PolicyDeclaration {
    /// Lets at most `max-count` calls at a time into its policies; 429 at once for the others. Policies with the same key
    /// count together, whatever their scopes.
    package static let limitConcurrency = PolicyDeclaration(
        element: "limit-concurrency",
        summary: "Lets so many calls at a time into the policies inside.",
        sections: everySection,
        attributes: [
            .init(
                "key", .text(atMost: 256), "What counts together: a counter for each key.", required: true,
                expression: true),
            .init("max-count", .integer(1...1_000_000_000), "Calls inside at a time.", required: true),
        ],
        holdsPolicies: true)
}
