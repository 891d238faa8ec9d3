// The policy rewrite-uri, as data.

extension PolicyDeclaration {
    /// Replaces path and query of the request, relative to the backend's base URL.
    package static let rewriteUri = PolicyDeclaration(
        element: "rewrite-uri",
        summary: "Replaces path and query of the request.",
        sections: [.inbound],
        attributes: [
            .init("template", .rewriteTemplate, "New path and query.", required: true, expression: true),
            .init(
                "copy-unmatched-params", .flag, "Whether to add query parameters that the operation does not name.",
                default: "true", expression: true),
        ])
}
