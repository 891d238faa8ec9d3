internal import HTTPEngine
internal import PolicyLanguage

// return-response at run time.

final class ReturnResponse: PolicyStep {
    static let declaration = PolicyDeclaration.returnResponse

    private let steps: [any PolicyStep]

    init(_ policy: CheckedPolicy, in surroundings: StepSurroundings) throws(PolicyCompileFailure) {
        var inside = surroundings
        inside.message = .response
        var steps: [any PolicyStep] = []
        for child in policy.children {
            switch child.element {
            case SetStatus.declaration.element: steps.append(try SetStatus(child, in: inside))
            case SetHeader.declaration.element: steps.append(try SetHeader(child, in: inside))
            case SetBody.declaration.element: steps.append(try SetBody(child, in: inside))
            default: throw PolicyCompileFailure(child, "This node does not know the child.")
            }
        }
        self.steps = steps
    }

    func run(_ exchange: inout PolicyExchange) throws(PolicyFailure) -> StepOutcome {
        exchange.response = ResponseHead(status: 200)
        exchange.responseBody = []
        for step in steps { _ = try step.run(&exchange) }
        return .finished
    }
}
