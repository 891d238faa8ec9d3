// A route: method, path, the action that it needs, and what it does. One without a permission does not build.
package import AccessControl
package import JSONDocuments
package import ResourceStore
package import Resources

/// Who may use a route.
package enum Permission: Sendable, Hashable {
    /// Whoever holds this action at the scope that the path names.
    case action(String)
    /// Anybody, for a reason.
    case open(because: String)
}

package enum RouteMethod: String, Sendable, Hashable, CaseIterable {
    case get = "GET"
    case head = "HEAD"
    case put = "PUT"
    case patch = "PATCH"
    case post = "POST"
    case delete = "DELETE"
}

package struct Route: Sendable {
    package typealias Handler = @Sendable (RouteCall) async throws -> Answer

    /// `Api_CreateOrUpdate`
    package let name: String
    package let method: RouteMethod
    /// Below the service, the scope or the root: `apis/{apiId}/operations`.
    package let path: [PathPart]
    package let permission: Permission
    /// Largest body, bytes; 0 takes none.
    package let bodyMax: Int
    /// Whether a body may be left out.
    package let bodyIsOptional: Bool
    package let handler: Handler
    /// The segments below the service of the resource that the decision is about, from those of the path; nil where the
    /// path names it itself.
    package var about: (@Sendable ([String]) -> [String])?

    package enum PathPart: Hashable, Sendable {
        case word(String)
        case parameter
    }

    package static let ordinaryBody = 4 << 20
    package static let importBody = 16 << 20
    /// Values in one body (must-hold G41).
    static let bodyValuesMax = 100_000

    package init(
        _ name: String, _ method: RouteMethod, _ path: String, _ permission: Permission, bodyMax: Int? = nil,
        bodyIsOptional: Bool = false, _ handler: @escaping Handler
    ) {
        self.name = name
        self.method = method
        self.path = path.split(separator: "/").map { $0.hasPrefix("{") ? .parameter : .word($0.lowercased()) }
        self.permission = permission
        let takesBody = method == .put || method == .patch || method == .post
        self.bodyMax = bodyMax ?? (takesBody ? Self.ordinaryBody : 0)
        self.bodyIsOptional = bodyIsOptional || method == .post
        self.handler = handler
    }

    func matches(_ segments: [String]) -> Bool {
        guard segments.count == path.count else { return false }
        return zip(path, segments).allSatisfy { part, segment in
            switch part {
            case .word(let word): segment.lowercased() == word
            case .parameter: !segment.isEmpty
            }
        }
    }
}

/// A request that has found its route and may use it.
package struct RouteCall: Sendable {
    package let management: Management
    package let caller: Caller
    package let actor: Actor
    /// Segments of the path below the service or the scope.
    package let segments: [String]
    /// ARM path that comes before them: the service's id, or the scope of Microsoft.Authorization.
    package let scope: String
    let target: RequestTarget
    package let apiVersion: String
    /// nil where none was sent.
    package let body: JSONValue?
    let ifMatch: String?
    let ifNoneMatch: String?
    let preferences: Preferences
    /// The action that was allowed, for the audit.
    package let action: String

    package var store: ResourceStore { management.store }
    package var context: ResourceContext { management.context }

    package func option(_ name: String) -> String? { target.first(name) }

    /// The resource that the first `count` segments name.
    package func resource(_ count: Int? = nil) -> ResourceID {
        ResourceID(path: segments.prefix(count ?? segments.count).map { "/\($0)" }.joined())
    }

    func holds(_ action: String, at id: ResourceID) -> Bool {
        management.access.directory.allows(caller, action, at: context.armID(id))
    }

    /// The write's condition. `required` asks for If-Match.
    func condition(required: Bool) throws -> ETagCondition {
        if let ifMatch {
            switch try EntityTags.read(ifMatch) {
            case .any: return .exists
            case .list(let strong, _): return .matchesOne(of: strong)
            }
        }
        if required { throw Refusal(.missingIfMatch, "If-Match is required: the resource's ETag, or *.") }
        if let ifNoneMatch {
            guard case .any = try EntityTags.read(ifNoneMatch) else {
                throw Refusal(.validationError, "A write takes 'If-None-Match: *' alone.")
            }
            return .isNew
        }
        return .none
    }

    /// Runs a write in one transaction with its audit row.
    func write<Value: Sendable>(
        resource: String? = nil, _ body: @escaping @Sendable (StoreWriter) throws -> Value
    ) async throws -> (value: Value, revision: Revision) {
        let action = action
        let named = resource ?? context.armID(self.resource())
        let result = try await store.write(by: actor) { writer in
            let value = try body(writer)
            if writer.hasChanged { try writer.audit(action: action, resource: named, outcome: "Succeeded") }
            return value
        }
        return (result.value, result.revision ?? store.revision)
    }

    /// Reads something secret; that it was read is in the audit, or it is not given (must-hold G23).
    func readSecret<Value: Sendable>(
        of id: ResourceID, _ body: @escaping @Sendable (StoreReader) throws -> Value
    ) async throws -> Value {
        let action = action
        let named = context.armID(id)
        return try await store.write(by: actor) { writer in
            let value = try body(writer.reader)
            try writer.audit(action: action, resource: named, outcome: "Succeeded")
            return value
        }.value
    }

    /// Adds what a write's answer has: the revision, and the rollout where the caller waits for it.
    func finished(_ answer: Answer, revision: Revision) async -> Answer {
        var answer = answer
        answer.revision = revision
        if let seconds = preferences.waitSeconds {
            let state = await management.cluster.waitForRollout(of: revision, seconds: Double(seconds))
            answer.headers.append(("Preference-Applied", "wait"))
            answer.headers.append(("Gatehouse-Rollout", "applied=\(state.applied.count)/\(state.total)"))
        }
        return answer
    }
}
