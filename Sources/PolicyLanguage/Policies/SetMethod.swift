// The policy set-method, as data.

extension PolicyDeclaration {
    /// Changes the method of the request that goes to the backend.
    package static let setMethod = PolicyDeclaration(
        element: "set-method",
        summary: "Changes the request's method.",
        sections: [.inbound, .onError],
        text: .init(.token))
}
