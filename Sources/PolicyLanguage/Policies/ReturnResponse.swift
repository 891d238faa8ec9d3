// The policy return-response, as data.

extension PolicyDeclaration {
    /// Ends the call with an answer made here.
    package static let returnResponse = PolicyDeclaration(
        element: "return-response",
        summary: "Ends the call with an answer made here.",
        sections: everySection,
        attributes: [
            .init("response-variable-name", .text(atMost: 256), "Variable that holds the response to start from.")
        ],
        children: [
            ElementDeclaration(.setStatus, count: 0...1),
            ElementDeclaration(.setHeader),
            ElementDeclaration(.setBody, count: 0...1),
        ])
}
