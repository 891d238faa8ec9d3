internal import HTTPEngine
internal import PolicyLanguage

// quota at run time.

final class Quota: PolicyStep {
    static let declaration = PolicyDeclaration.quota

    private struct Limit: Sendable {
        let calls: Int64?
        let bytes: UInt64?
        let periodSeconds: Int64
    }

    private let tree: LimitTree<Limit>
    private let state: PolicyState

    init(_ policy: CheckedPolicy, in surroundings: StepSurroundings) throws(PolicyCompileFailure) {
        tree = try LimitTree(policy) { (element, parent) throws(PolicyCompileFailure) in
            guard let period = element.integer("renewal-period") ?? parent?.periodSeconds else {
                throw PolicyCompileFailure(element, "Attribute 'renewal-period' is missing.")
            }
            return Limit(
                calls: element.integer("calls"), bytes: element.integer("bandwidth").map { UInt64($0) * 1024 },
                periodSeconds: period)
        }
        state = surroundings.state
    }

    func run(_ exchange: inout PolicyExchange) throws(PolicyFailure) -> StepOutcome {
        if exchange.subscription.isEmpty { return .goOn }
        let demands = tree.demands(exchange).map { demand in
            PolicyState.QuotaDemand(
                key: demand.key, calls: demand.limit.calls, bytes: demand.limit.bytes,
                periodSeconds: demand.limit.periodSeconds)
        }
        switch state.take(demands, subscription: exchange.subscription, start: exchange.subscriptionStart) {
        case .passed(let ticket):
            exchange.takenTickets.append(ticket)
            return .goOn
        case .refused(let isBandwidth, let seconds):
            throw Self.refusal(isBandwidth: isBandwidth, seconds: seconds)
        }
    }

    private static func refusal(isBandwidth: Bool, seconds: Int64?) -> PolicyFailure {
        var fields = HeaderFields()
        var message = isBandwidth ? "Out of bandwidth quota." : "Out of call volume quota."
        if let seconds {
            fields.append(.retryAfter, String(seconds))
            message += " Quota will be replenished in \(duration(seconds))."
        }
        return PolicyFailure(
            status: 403, fields: fields, callerMessage: message,
            lastError: LastError(source: "quota", reason: "QuotaExceeded", message: message))
    }

    /// `[d.]hh:mm:ss`, as .NET writes a TimeSpan.
    static func duration(_ seconds: Int64) -> String {
        func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : String(number) }
        let days = seconds / 86_400
        let clock = "\(two(seconds / 3_600 % 24)):\(two(seconds / 60 % 60)):\(two(seconds % 60))"
        return days > 0 ? "\(days).\(clock)" : clock
    }
}
