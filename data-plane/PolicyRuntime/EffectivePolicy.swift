package import GatewayConfiguration
internal import HTTPEngine
package import PolicyLanguage

// The chain of documents that is in force for an operation, flattened into four arrays of steps.

/// What happens after inbound.
package enum InboundOutcome: Hashable, Sendable {
    /// `exchange.request` goes to `exchange.backend`.
    case forward
    /// `exchange.response` and `exchange.responseBody` are the answer; on-error ran already where there was an error.
    case answer
}

/// A chain of documents, composed. Immutable: all loops share it.
package final class EffectivePolicy: Sendable {
    /// A step with what LastError says about where it stands.
    private struct PlacedStep: Sendable {
        /// nil: the end of a block.
        let step: (any PolicyStep)?
        let level: String
        let section: String
        let path: String
        let policyID: String

        init(_ step: (any PolicyStep)?, _ policy: CheckedPolicy) {
            self.step = step
            level = policy.level.rawValue
            section = policy.section.rawValue
            path = policy.path
            policyID = policy.policyID
        }
    }

    private let inbound: [PlacedStep]
    private let backend: [PlacedStep]
    private let outbound: [PlacedStep]
    private let onError: [PlacedStep]
    /// Those of inbound, in order; the only ones a preflight meets.
    private let cors: [Cors]

    /// Composes documents from broad to narrow (policies.md 0.4). `responses` are those of the operation's definition.
    package static func compose(
        global: CheckedDocument, product: CheckedDocument?, api: CheckedDocument?, operation: CheckedDocument?,
        responses: [ResponseDefinition], state: PolicyState
    ) throws(PolicyCompileFailure) -> EffectivePolicy {
        let narrowFirst = [operation, api, product, global].compactMap { $0 }
        return try EffectivePolicy(narrowFirst, responses: responses, state: state)
    }

    private init(
        _ narrowFirst: [CheckedDocument], responses: [ResponseDefinition], state: PolicyState
    ) throws(PolicyCompileFailure) {
        func steps(_ section: PolicySection) throws(PolicyCompileFailure) -> [PlacedStep] {
            let isAboutRequest = section == .inbound || section == .backend
            let surroundings = StepSurroundings(
                responses: responses, state: state, message: isAboutRequest ? .request : .response)
            return try Self.steps(Self.flattened(section, narrowFirst[...]), in: surroundings)
        }
        inbound = try steps(.inbound)
        backend = try steps(.backend)
        outbound = try steps(.outbound)
        onError = try steps(.onError)
        cors = inbound.compactMap { $0.step as? Cors }
    }

    /// The steps of policies, those inside blocks included.
    private static func steps(
        _ policies: [CheckedPolicy], in surroundings: StepSurroundings
    ) throws(PolicyCompileFailure) -> [PlacedStep] {
        var placed: [PlacedStep] = []
        for policy in policies {
            guard let type = policyStepByElement[policy.element] else {
                throw PolicyCompileFailure(policy, "This node does not know the policy.")
            }
            let step = try type.init(policy, in: surroundings)
            placed.append(PlacedStep(step, policy))
            if step is any PolicyBlock {
                placed += try steps(policy.children, in: surroundings)
                placed.append(PlacedStep(nil, policy))
            }
        }
        return placed
    }

    /// The policies of a section: those of the first document, with those of the broader ones where it says `base`. A
    /// document without the section is passed over.
    private static func flattened(
        _ section: PolicySection, _ narrowFirst: ArraySlice<CheckedDocument>
    ) -> [CheckedPolicy] {
        guard let document = narrowFirst.first else { return [] }
        let broader = narrowFirst.dropFirst()
        guard let policies = document.sections[section] else { return flattened(section, broader) }
        return policies.flatMap { policy in
            policy.element == PolicyDeclaration.base.element ? flattened(section, broader) : [policy]
        }
    }

    // MARK: A call

    /// Answers a preflight into `exchange.response` when a cors policy is in force; false leaves the call alone: it is
    /// ordinary. The caller has found an operation for the requested method and none for OPTIONS (policies.md 3.6).
    package func answerPreflight(_ exchange: inout PolicyExchange) -> Bool {
        guard !cors.isEmpty, Cors.isPreflight(exchange.request) else { return false }
        exchange.response = Cors.preflightAnswer(exchange.request, cors)
        exchange.responseBody = []
        return true
    }

    /// Runs inbound, then backend up to forward-request.
    package func runInbound(_ exchange: inout PolicyExchange) -> InboundOutcome {
        do throws(PolicyFailure) {
            if try run(inbound[...], &exchange) == .finished { return answer(&exchange) }
            for (index, placed) in backend.enumerated() {
                if placed.step is ForwardRequest {
                    _ = try run(placed, &exchange)
                    exchange.backendPosition = index + 1
                    return .forward
                }
                if try run(placed, &exchange) == .finished { return answer(&exchange) }
            }
            // Nothing forwards: outbound follows at once, with an empty 200 (policies.md 3.3).
            exchange.backendPosition = backend.count
            exchange.response = ResponseHead(status: 200)
            exchange.responseBody = []
            _ = try run(outbound[...], &exchange)
            return answer(&exchange)
        } catch {
            // A refused call is not counted anywhere (must-hold I41).
            for ticket in exchange.takenTickets { ticket.giveBack() }
            exchange.takenTickets.removeAll()
            fail(error, &exchange)
            return .answer
        }
    }

    /// After the backend's head has arrived in `exchange.response`: the rest of backend, then outbound.
    package func runOutbound(_ exchange: inout PolicyExchange) {
        let backendStatus = exchange.response?.status
        do throws(PolicyFailure) {
            if exchange.backendPosition > 0, exchange.backendPosition <= backend.count,
                let forward = backend[exchange.backendPosition - 1].step as? ForwardRequest,
                let failure = forward.failure(for: exchange.response)
            {
                throw placed(failure, backend[exchange.backendPosition - 1])
            }
            for placed in backend.dropFirst(exchange.backendPosition) where !(placed.step is ForwardRequest) {
                if try run(placed, &exchange) == .finished {
                    finish(&exchange, backendStatus: backendStatus)
                    return
                }
            }
            _ = try run(outbound[...], &exchange)
            finish(&exchange, backendStatus: backendStatus)
        } catch {
            fail(error, &exchange, backendStatus: backendStatus)
        }
    }

    /// An error outside of the policies: prepares the answer and runs on-error. Where inbound has not run yet, the cors
    /// policies are asked all the same, so that a page can read why it was refused.
    package func runOnError(_ failure: PolicyFailure, _ exchange: inout PolicyExchange) {
        for policy in cors where exchange.corsState != .matched { policy.decide(&exchange) }
        fail(failure, &exchange)
    }

    /// Counts what is known only when the call is over: the bytes of heads and bodies in both directions.
    package func complete(_ exchange: inout PolicyExchange, bytesIn: UInt64, bytesOut: UInt64) {
        for ticket in exchange.takenTickets { ticket.complete(bytes: bytesIn &+ bytesOut) }
        exchange.takenTickets.removeAll()
        exchange.openBlocks.removeAll()
    }

    // MARK: Steps

    private func run(
        _ steps: ArraySlice<PlacedStep>, _ exchange: inout PolicyExchange
    ) throws(PolicyFailure) -> StepOutcome {
        for placed in steps {
            if try run(placed, &exchange) == .finished { return .finished }
        }
        return .goOn
    }

    private func run(
        _ placed: PlacedStep, _ exchange: inout PolicyExchange
    ) throws(PolicyFailure) -> StepOutcome {
        guard let step = placed.step else {
            _ = exchange.openBlocks.popLast()
            return .goOn
        }
        do throws(PolicyFailure) {
            return try step.run(&exchange)
        } catch {
            throw self.placed(error, placed)
        }
    }

    /// The failure with the place of the step that it comes from.
    private func placed(_ failure: PolicyFailure, _ placed: PlacedStep) -> PolicyFailure {
        var failure = failure
        failure.lastError.scope = placed.level
        failure.lastError.section = placed.section
        failure.lastError.path = placed.path
        failure.lastError.policyID = placed.policyID
        return failure
    }

    /// Prepares the answer of an error, lets on-error change it, and gives it the fields that every answer carries.
    private func fail(_ failure: PolicyFailure, _ exchange: inout PolicyExchange, backendStatus: Int? = nil) {
        exchange.openBlocks.removeAll()
        prepare(failure, &exchange)
        do throws(PolicyFailure) {
            _ = try run(onError[...], &exchange)
        } catch {
            // An error inside on-error ends it: the generic answer (policies.md 2.1).
            var second = PolicyFailure.internalError(lastError: error.lastError)
            second.lastError.section = PolicySection.onError.rawValue
            prepare(second, &exchange)
        }
        finish(&exchange, backendStatus: backendStatus)
    }

    private func prepare(_ failure: PolicyFailure, _ exchange: inout PolicyExchange) {
        exchange.lastError = failure.lastError
        if failure.keepsResponse, exchange.response != nil { return }
        var head = ResponseHead(status: failure.status, reason: failure.reason, fields: failure.fields)
        head.fields.set(.contentType, "application/json")
        let body = failure.body(activityID: exchange.activityID)
        head.body = .known(UInt64(body.count))
        exchange.response = head
        exchange.responseBody = body
    }

    private func answer(_ exchange: inout PolicyExchange) -> InboundOutcome {
        finish(&exchange, backendStatus: nil)
        return .answer
    }

    /// An answer that was made inside a block has left it.
    private func finish(_ exchange: inout PolicyExchange, backendStatus: Int?) {
        exchange.openBlocks.removeAll()
        exchange.finishAnswer(backendStatus: backendStatus)
    }
}
