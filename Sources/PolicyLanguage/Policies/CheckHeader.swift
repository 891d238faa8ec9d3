// The policy check-header, as data.

extension PolicyDeclaration {
    /// Refuses a call that lacks a header or has another value in it.
    package static let checkHeader = PolicyDeclaration(
        element: "check-header",
        summary: "Refuses calls without a header or a value of it.",
        sections: [.inbound],
        attributes: [
            .init("name", .token, "The header.", required: true, expression: true),
            .init(
                "failed-check-httpcode", .integer(200...599), "Status of a refusal.", required: true, expression: true),
            .init(
                "failed-check-error-message", .text(atMost: 4_096), "Message of a refusal.", required: true,
                expression: true),
            .init("ignore-case", .flag, "Whether values are compared without case.", required: true, expression: true),
        ],
        children: [ElementDeclaration("value", text: .init(.fieldValue, required: false))])
}
