internal import GatewayConfiguration
internal import PolicyExpressions
internal import PolicyLanguage

// What a policy is at run time, and what it is made from.

/// Why a checked document makes no effective policy: a node that is older or newer than what checked it.
package struct PolicyCompileFailure: Error, Hashable, Sendable, CustomStringConvertible {
    package var element: String
    package var line: Int
    package var column: Int
    package var message: String

    package var description: String {
        "Error in element '\(element)' on line \(line), column \(column): \(message)"
    }

    init(_ policy: CheckedPolicy, _ message: String) {
        element = policy.element
        line = policy.place.line
        column = policy.place.column
        self.message = message
    }
}

/// What a step is made with, beside its policy.
struct StepSurroundings: Sendable {
    /// Of the operation, for mock-response.
    let responses: [ResponseDefinition]
    let state: PolicyState
    /// The message that set-header and set-body change: the request in inbound and backend.
    var message: MessageSide

    enum MessageSide: Hashable, Sendable { case request, response }
}

/// What a policy does to an exchange. One instance a compiled document, shared by all loops: it holds constants alone;
/// what it counts lies in `PolicyState`.
protocol PolicyStep: AnyObject, Sendable {
    static var declaration: PolicyDeclaration { get }
    init(_ policy: CheckedPolicy, in surroundings: StepSurroundings) throws(PolicyCompileFailure)
    /// Runs on the connection's loop and never waits.
    func run(_ exchange: inout PolicyExchange) throws(PolicyFailure) -> StepOutcome
}

/// A policy around policies, which stand behind it in the steps of its section, and the end of the block behind them:
/// a wait for the backend inside a block is like any other.
protocol PolicyBlock: PolicyStep {
    /// Gives what is held while the call is inside. It is let go when the block ends: behind its last policy, and where
    /// an error, an answer or the end of the call comes before that.
    func enter(_ exchange: inout PolicyExchange) throws(PolicyFailure) -> any HeldByBlock
}

/// What a call holds inside a block. It is given back when the last reference to it goes.
protocol HeldByBlock: AnyObject, Sendable {}

extension PolicyBlock {
    func run(_ exchange: inout PolicyExchange) throws(PolicyFailure) -> StepOutcome {
        let held = try enter(&exchange)
        exchange.openBlocks.append(held)
        return .goOn
    }
}

extension CheckedPolicy {
    /// A literal that the declaration requires or has a default for.
    func required(_ name: String) throws(PolicyCompileFailure) -> String {
        guard let text = literal(name) else { throw PolicyCompileFailure(self, "Attribute '\(name)' must be literal.") }
        return text
    }

    func requiredInteger(_ name: String) throws(PolicyCompileFailure) -> Int64 {
        guard let value = integer(name) else {
            throw PolicyCompileFailure(self, "Attribute '\(name)' must be an integer.")
        }
        return value
    }

    func requiredFlag(_ name: String) throws(PolicyCompileFailure) -> Bool {
        guard let value = flag(name) else {
            throw PolicyCompileFailure(self, "Attribute '\(name)' must be true or false.")
        }
        return value
    }

    /// The literal texts of the children with this name.
    func texts(of element: String) throws(PolicyCompileFailure) -> [String] {
        var texts: [String] = []
        for child in children(element) {
            guard let text = child.literalText else { throw PolicyCompileFailure(child, "The text must be literal.") }
            texts.append(text)
        }
        return texts
    }
}
