// The policy set-header, as data.

extension PolicyDeclaration {
    /// Sets, extends or removes a field: of the request in inbound and backend, of the response in outbound and on-error.
    package static let setHeader = PolicyDeclaration(
        element: "set-header",
        summary: "Sets, extends or removes a header.",
        sections: everySection,
        attributes: [
            .init("name", .fieldName, "The header.", required: true, expression: true),
            .init(
                "exists-action", .word(["override", "skip", "append", "delete"]), "What to do when it is there.",
                default: "override", expression: true),
        ],
        children: [ElementDeclaration("value", text: .init(.fieldValue, required: false))],
        rules: setterRules)

    /// set-header and set-query-parameter: a value unless it is deleted.
    static let setterRules: @Sendable (CheckedPolicy) -> [String] = { policy in
        guard let action = policy.literal("exists-action"), action != "delete", policy.children("value").isEmpty else {
            return []
        }
        return ["A 'value' element is required unless exists-action is 'delete'."]
    }
}
