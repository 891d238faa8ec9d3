internal import PolicyLanguage

// set-body at run time.

final class SetBody: PolicyStep {
    static let declaration = PolicyDeclaration.setBody

    private let body: [UInt8]
    private let message: StepSurroundings.MessageSide

    init(_ policy: CheckedPolicy, in surroundings: StepSurroundings) throws(PolicyCompileFailure) {
        let values = try policy.texts(of: "value")
        body = Array((values.first ?? policy.literalText ?? "").utf8)
        message = surroundings.message
    }

    func run(_ exchange: inout PolicyExchange) throws(PolicyFailure) -> StepOutcome {
        switch message {
        case .request: exchange.replaceRequestBody(body)
        case .response:
            if exchange.response != nil { exchange.replaceResponseBody(body) }
        }
        return .goOn
    }
}
