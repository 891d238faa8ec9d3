internal import Foundation
internal import HTTPEngine
internal import PolicyLanguage

// authentication-basic at run time.

final class AuthenticationBasic: PolicyStep {
    static let declaration = PolicyDeclaration.authenticationBasic

    private let credentials: String

    init(_ policy: CheckedPolicy, in surroundings: StepSurroundings) throws(PolicyCompileFailure) {
        let pair = "\(try policy.required("username")):\(try policy.required("password"))"
        credentials = "Basic " + Data(pair.utf8).base64EncodedString()
    }

    func run(_ exchange: inout PolicyExchange) throws(PolicyFailure) -> StepOutcome {
        // Replaces what the caller sent: the backend gets one Authorization, ours (must-hold E53).
        exchange.request.fields.set(.authorization, credentials)
        return .goOn
    }
}
