// The policy forward-request, as data.

extension PolicyDeclaration {
    /// Sends the request to the backend and waits for the head of its response.
    package static let forwardRequest = PolicyDeclaration(
        element: "forward-request",
        summary: "Sends the request to the backend.",
        sections: [.backend],
        // A second one would send again, which only policies that are not built yet have a use for.
        repetition: .oncePerDocument,
        attributes: [
            .init("timeout", .integer(0...86_400), "Wait for the response's head, seconds; 300.", expression: true),
            .init("timeout-ms", .integer(0...86_400_000), "The same, milliseconds.", expression: true),
            .init(
                "continue-timeout", .integer(0...86_400), "Wait for 100 Continue, seconds.", expression: true,
                unsupported: true),
            .init(
                "http-version", .word(["1", "2or1", "2"]), "Protocol to the backend.", default: "1",
                unsupportedValues: ["2"]),
            .init(
                "follow-redirects", .flag, "Whether the gateway follows 3xx.", default: "false", expression: true,
                unsupportedValues: ["true"]),
            // Nothing sends a body twice yet, and pieces of a response go on as they come: both values are honoured.
            .init("buffer-request-body", .flag, "Whether to keep the body for another try.", default: "false"),
            .init("buffer-response", .flag, "Whether small pieces may be gathered.", default: "true"),
            .init("fail-on-error-status-code", .flag, "Whether 400 to 599 is an error.", default: "false"),
        ],
        rules: { policy in
            policy.attributes["timeout"] != nil && policy.attributes["timeout-ms"] != nil
                ? ["Give either attribute 'timeout' or attribute 'timeout-ms'."] : []
        })
}
