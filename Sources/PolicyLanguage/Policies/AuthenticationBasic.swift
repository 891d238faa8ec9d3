// The policy authentication-basic, as data.

extension PolicyDeclaration {
    /// Sends user name and password to the backend.
    package static let authenticationBasic = PolicyDeclaration(
        element: "authentication-basic",
        summary: "Sends user name and password to the backend.",
        sections: [.inbound],
        repetition: .oncePerSection,
        attributes: [
            .init("username", .fieldValue, "User name.", required: true, expression: true),
            .init("password", .fieldValue, "Password.", required: true, expression: true),
        ],
        rules: { policy in
            // RFC 7617 section 2: the first colon ends the name.
            policy.literal("username")?.utf8.contains(UInt8(ascii: ":")) ?? false
                ? ["The value of attribute 'username' may not hold a colon."] : []
        })
}
