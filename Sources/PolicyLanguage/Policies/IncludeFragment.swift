// The policy include-fragment, as data.

extension PolicyDeclaration {
    /// Puts the policies of a fragment in its place. The checker does it: no step is left of it.
    package static let includeFragment = PolicyDeclaration(
        element: "include-fragment",
        summary: "Puts in the policies of a fragment.",
        sections: everySection,
        attributes: [
            .init("fragment-id", .text(atMost: 80), "Id of the fragment.", required: true)
        ])
}
