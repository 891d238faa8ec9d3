// The policy set-query-parameter, as data.

extension PolicyDeclaration {
    /// Sets, extends or removes a parameter of the query that goes to the backend.
    package static let setQueryParameter = PolicyDeclaration(
        element: "set-query-parameter",
        summary: "Sets, extends or removes a query parameter.",
        sections: [.inbound, .backend],
        attributes: [
            .init("name", .text(atMost: 1_024), "The parameter.", required: true, expression: true),
            .init(
                "exists-action", .word(["override", "skip", "append", "delete"]), "What to do when it is there.",
                default: "override", expression: true),
        ],
        children: [ElementDeclaration("value", text: .init(.fieldValue, required: false))],
        rules: { policy in
            setterRules(policy) + (policy.literal("name") == "" ? ["The value of attribute 'name' is empty."] : [])
        })
}
