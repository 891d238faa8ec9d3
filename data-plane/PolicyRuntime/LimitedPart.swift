internal import PolicyLanguage

// The children `api` and `operation` of rate-limit and quota: which calls they are about, and whose counter it is.

/// An API or an operation with a limit of its own.
struct LimitedPart: Sendable {
    /// Name of the resource; without regard to case, as in ARM ids.
    private let id: String?
    private let displayName: String?

    init(_ policy: CheckedPolicy) {
        id = policy.literal("id")?.lowercased()
        displayName = id == nil ? policy.literal("name") : nil
    }

    /// Tells its counter from those of its siblings, and stays the same when the document is saved again.
    var site: String { id.map { "id=\($0)" } ?? "name=\(displayName ?? "")" }

    func matches(name: String, displayName: String) -> Bool {
        if let id { return name.lowercased() == id }
        return self.displayName.map { $0 == displayName && !displayName.isEmpty } ?? false
    }
}

/// The limits of one policy: its own, and those of its children.
struct LimitTree<Limit: Sendable>: Sendable {
    struct Node: Sendable {
        let part: LimitedPart?
        let site: String
        let limit: Limit
        let children: [Node]
    }

    let root: Node
    private let level: PolicyLevel

    /// `limit` reads a limit from an element; `parent` is that of the element around it, whose period it takes where it
    /// has none.
    init(
        _ policy: CheckedPolicy, limit: (CheckedPolicy, _ parent: Limit?) throws(PolicyCompileFailure) -> Limit
    ) throws(PolicyCompileFailure) {
        level = policy.level
        root = try Self.node(policy, site: policy.element, parent: nil, part: nil, limit)
    }

    private static func node(
        _ policy: CheckedPolicy, site: String, parent: Limit?, part: LimitedPart?,
        _ limit: (CheckedPolicy, Limit?) throws(PolicyCompileFailure) -> Limit
    ) throws(PolicyCompileFailure) -> Node {
        let own = try limit(policy, parent)
        var children: [Node] = []
        for child in policy.children where child.element == "api" || child.element == "operation" {
            let part = LimitedPart(child)
            children.append(
                try node(child, site: "\(site)/\(child.element):\(part.site)", parent: own, part: part, limit))
        }
        return Node(part: part, site: site, limit: own, children: children)
    }

    /// The limits that a call must keep, each with its counter.
    func demands(_ exchange: PolicyExchange) -> [(key: LimitKey, limit: Limit)] {
        var found: [(LimitKey, Limit)] = [(key(root, exchange), root.limit)]
        for api in root.children
        where api.part?.matches(name: exchange.api, displayName: exchange.apiDisplayName) ?? false {
            found.append((key(api, exchange), api.limit))
            for operation in api.children
            where operation.part?.matches(name: exchange.operation, displayName: exchange.operationDisplayName) ?? false
            {
                found.append((key(operation, exchange), operation.limit))
            }
        }
        return found
    }

    private func key(_ node: Node, _ exchange: PolicyExchange) -> LimitKey {
        switch level {
        case .product:
            LimitKey(site: node.site, scope: exchange.product, operation: "", subscription: exchange.subscription)
        case .operation:
            LimitKey(
                site: "operation:\(node.site)", scope: exchange.api, operation: exchange.operation,
                subscription: exchange.subscription)
        case .api, .global, .workspace:
            LimitKey(
                site: "api:\(node.site)", scope: exchange.api, operation: "", subscription: exchange.subscription)
        }
    }
}
