// The policy set-status, as data.

extension PolicyDeclaration {
    /// Changes the status of the response. In inbound and backend there is none yet: no effect (policies.md 3.4).
    package static let setStatus = PolicyDeclaration(
        element: "set-status",
        summary: "Changes the response's status.",
        sections: everySection,
        attributes: [
            .init("code", .integer(200...599), "The status.", required: true, expression: true),
            .init("reason", .reason, "The reason phrase, of HTTP/1.1 alone.", expression: true),
        ])
}
