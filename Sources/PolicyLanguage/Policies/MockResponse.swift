// The policy mock-response, as data.

extension PolicyDeclaration {
    /// Ends the call with an example of the operation's definition.
    package static let mockResponse = PolicyDeclaration(
        element: "mock-response",
        summary: "Ends the call with an example of the operation's definition.",
        sections: [.inbound, .outbound, .onError],
        attributes: [
            .init("status-code", .integer(200...599), "Status, and which response.", default: "200"),
            .init("content-type", .mediaType, "Content type, and which representation."),
            .init("index", .integer(0...1_000), "Which example; the first is kept today.", unsupported: true),
        ])
}
