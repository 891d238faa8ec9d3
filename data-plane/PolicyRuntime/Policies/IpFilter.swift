internal import HTTPEngine
internal import PolicyLanguage

// ip-filter at run time.

final class IpFilter: PolicyStep {
    static let declaration = PolicyDeclaration.ipFilter

    private let allows: Bool
    private let blocks: [AddressBlock]

    init(_ policy: CheckedPolicy, in surroundings: StepSurroundings) throws(PolicyCompileFailure) {
        allows = try policy.required("action") == "allow"
        var blocks: [AddressBlock] = []
        for child in policy.children {
            let block: AddressBlock?
            if child.element == "address" {
                block = child.literalText.flatMap { AddressBlock($0) }
            } else if let from = IPAddress(try child.required("from")), let to = IPAddress(try child.required("to")) {
                block = AddressBlock(from: from, to: to)
            } else {
                block = nil
            }
            guard let block else { throw PolicyCompileFailure(child, "Not an address.") }
            blocks.append(block)
        }
        self.blocks = blocks
    }

    func run(_ exchange: inout PolicyExchange) throws(PolicyFailure) -> StepOutcome {
        guard let caller = IPAddress(bytes: exchange.caller.bytes) else {
            throw Self.refusal(
                "FailedToParseCallerIP", "Failed to establish IP address for the caller. Access denied.")
        }
        let isListed = blocks.contains { $0.contains(caller) }
        if isListed == allows { return .goOn }
        throw allows
            ? Self.refusal(
                "CallerIpNotAllowed", "Caller IP address \(exchange.caller.text) is not allowed. Access denied.")
            : Self.refusal("CallerIpBlocked", "Caller IP address is blocked. Access denied.")
    }

    private static func refusal(_ reason: String, _ message: String) -> PolicyFailure {
        PolicyFailure(
            status: 403, callerMessage: "Forbidden",
            lastError: LastError(source: "ip-filter", reason: reason, message: message))
    }
}
