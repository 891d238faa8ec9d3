// The policy ip-filter, as data.

extension PolicyDeclaration {
    /// Allows or forbids callers by address.
    package static let ipFilter = PolicyDeclaration(
        element: "ip-filter",
        summary: "Allows or forbids callers by address.",
        sections: [.inbound],
        attributes: [
            .init(
                "action", .word(["allow", "forbid"]), "Whether the addresses are the allowed or the forbidden ones.",
                required: true, expression: true)
        ],
        children: [
            ElementDeclaration("address", text: .init(.address(ranges: true))),
            ElementDeclaration(
                "address-range",
                attributes: [
                    .init("from", .address(ranges: false), "First address.", required: true, expression: true),
                    .init("to", .address(ranges: false), "Last address.", required: true, expression: true),
                ],
                rules: { range in
                    guard let from = range.literal("from").flatMap(IPAddress.init),
                        let to = range.literal("to").flatMap(IPAddress.init)
                    else { return [] }
                    return AddressBlock(from: from, to: to) == nil
                        ? ["'from' must be of the same family as 'to' and not above it."] : []
                }),
        ],
        rules: { policy in
            policy.children.isEmpty ? ["An 'address' or an 'address-range' element is required."] : []
        })
}
