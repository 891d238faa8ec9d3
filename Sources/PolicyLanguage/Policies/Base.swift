// The policy base, as data.

extension PolicyDeclaration {
    /// The place where the same section of the next broader document runs.
    package static let base = PolicyDeclaration(
        element: "base",
        summary: "Runs the same section of the next broader document.",
        sections: everySection,
        repetition: .oncePerSection)
}
