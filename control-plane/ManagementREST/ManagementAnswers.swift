// The way of a management request: open routes, authentication, route, decision, body, handler.
internal import HTTPTypes
internal import HummingbirdCore
internal import AccessControl
internal import Foundation
internal import JSONDocuments
internal import Logging
internal import Resources
internal import ResourceStore

extension Management {
    func answer(_ inquiry: Inquiry) async throws -> Answer {
        let uri = inquiry.request.uri
        let target = RequestTarget(path: uri.path, query: uri.query)
        let method = RouteMethod(rawValue: inquiry.request.method.rawValue)
        if let answer = try await openRoute(inquiry, target, method) { return answer }
        let caller = try await authenticate(inquiry)
        guard limits.begin(caller.objectID) else {
            var refusal = Refusal(.tooManyRequests, "Too many requests at once; try again in a second.")
            refusal.retryAfterSeconds = 1
            throw refusal
        }
        defer { limits.end(caller.objectID) }
        return try await route(inquiry, target, method, caller)
    }

    /// Routes that need no token (design.md section 6 lists them).
    private func openRoute(_ inquiry: Inquiry, _ target: RequestTarget, _ method: RouteMethod?) async throws -> Answer?
    {
        let segments = target.segments ?? []
        let isRead = method == .get || method == .head
        switch segments.map({ $0.lowercased() }) {
        case ["healthz"] where isRead, ["readyz"] where isRead:
            var answer = Answer(status: 200, body: Array("ok".utf8))
            answer.contentType = "text/plain"
            return answer
        case let path where path.count == 4 && path[1...] == ["oauth2", "v2.0", "token"] && method == .post:
            let type = inquiry.header("Content-Type")?.lowercased() ?? ""
            guard type.hasPrefix("application/x-www-form-urlencoded") else {
                return TokenRoutes.error("invalid_request", "The body must be application/x-www-form-urlencoded.")
            }
            return try await token(inquiry, target, tenant: segments[0])
        case let path where path.count == 4 && path[1...] == ["v2.0", ".well-known", "openid-configuration"] && isRead:
            return segments[0].lowercased() == issuer.tenantID ? TokenRoutes.metadata(self) : nil
        case let path where path.count == 4 && path[1...] == ["discovery", "v2.0", "keys"] && isRead:
            return segments[0].lowercased() == issuer.tenantID ? try TokenRoutes.keys(self) : nil
        case ["metadata", "endpoints"] where isRead: return Root.endpoints(self)
        default: return nil
        }
    }

    /// The token endpoint: those who ask count as one for each network, for nobody is proven yet.
    private func token(_ inquiry: Inquiry, _ target: RequestTarget, tenant: String) async throws -> Answer {
        let asker = "token|\(SourceNetwork.name(of: inquiry.address))"
        guard limits.begin(asker) else {
            var answer = TokenRoutes.error(
                "temporarily_unavailable", "Too many requests at once; try again in a second.", status: 429)
            answer.headers.append(("Retry-After", "1"))
            return answer
        }
        defer { limits.end(asker) }
        // What stands in a URL stands in logs (must-hold G4).
        if !target.values("client_secret").isEmpty || !target.values("client_assertion").isEmpty {
            return TokenRoutes.error("invalid_request", "Credentials are not taken in the query.")
        }
        let body = try await inquiry.body(limit: 64 << 10, pace: bodyPace)
        guard let text = String(validating: body, as: UTF8.self) else {
            return TokenRoutes.error("invalid_request", "The body is not UTF-8.")
        }
        return try await TokenRoutes.token(
            self, tenant: tenant, form: RequestTarget(path: "", query: text).query,
            authorization: inquiry.header("Authorization"), address: inquiry.address, request: inquiry.requestID)
    }

    /// The caller that the bearer token proves.
    private func authenticate(_ inquiry: Inquiry) async throws -> Caller {
        let lines = inquiry.headerLines("Authorization")
        if lines.count > 1 { throw Refusal(.validationError, "The 'Authorization' header must be sent once.") }
        guard let line = lines.first, line.lowercased().hasPrefix("bearer ") else {
            refusals.unauthenticated(address: inquiry.address)
            throw unauthenticated(
                .authenticationFailed, "Authentication failed. The 'Authorization' header must hold one bearer token.")
        }
        let token = line.dropFirst("bearer ".count).trimmingCharacters(in: .whitespaces)
        guard !token.isEmpty else {
            refusals.unauthenticated(address: inquiry.address)
            throw unauthenticated(.authenticationFailed, "Authentication failed. The bearer token is empty.")
        }
        guard let principal = await principal(of: token) else {
            refusals.unauthenticated(address: inquiry.address)
            throw unauthenticated(.invalidToken, "The access token is invalid, expired, or not for this resource.")
        }
        return Caller(objectID: principal.objectID, applicationID: principal.clientID, name: principal.displayName)
    }

    /// The principal that a token of our own issuer, or of one that a principal's federation names, proves.
    private func principal(of token: String) async -> Principal? {
        let directory = access.directory
        if let object = issuer.principal(of: token, now: now()) { return directory.principal(object: object) }
        return await federation.principal(of: token, in: directory, now: now())
    }

    private func unauthenticated(_ code: Refusal.Code, _ message: String) -> Refusal {
        var refusal = Refusal(code, message)
        let error = code == .invalidToken ? ", error=\"invalid_token\"" : ""
        refusal.challenge = "Bearer authorization_uri=\"\(publicURL)/\(issuer.tenantID)\"\(error)"
        return refusal
    }

    /// 403 as ARM words it.
    func forbidden(_ caller: Caller, _ action: String, _ scope: String) -> Refusal {
        var refusal = Refusal(
            .authorizationFailed,
            "The client '\(caller.name)' with object id '\(caller.objectID)' does not have authorization to perform action '\(action)' over scope '\(scope)' or the scope is invalid. If access was recently granted, please refresh your credentials."
        )
        refusal.refusedAction = action
        refusal.refusedScope = scope
        return refusal
    }

    private func route(
        _ inquiry: Inquiry, _ target: RequestTarget, _ method: RouteMethod?, _ caller: Caller
    ) async throws -> Answer {
        let actor = Actor(
            principal: caller.objectID, application: caller.applicationID, address: inquiry.address,
            request: inquiry.requestID)
        do {
            let place = try Place(target, serviceSegments: serviceSegments)
            return try await answer(inquiry, target, method, caller, actor, place)
        } catch let refusal as Refusal {
            if let action = refusal.refusedAction {
                await refusals.forbidden(actor, action: action, resource: refusal.refusedScope ?? "")
            }
            throw refusal
        }
    }

    private func answer(
        _ inquiry: Inquiry, _ target: RequestTarget, _ method: RouteMethod?, _ caller: Caller, _ actor: Actor,
        _ place: Place
    ) async throws -> Answer {
        switch place {
        case .root(let segments): return try await Root.answer(self, segments, method, caller, target)
        case .broken(let known): return try broken(known, method, caller)
        case .service(let segments):
            return try await answer(
                inquiry, target, method, caller, actor,
                Found(
                    segments: segments, scope: context.serviceID, provider: "Microsoft.ApiManagement/service",
                    routes: RouteTable.service, versions: ApiVersions.apiManagement))
        case .authorization(let scope, let segments):
            return try await answer(
                inquiry, target, method, caller, actor,
                Found(
                    segments: segments, scope: scope, provider: "Microsoft.Authorization",
                    routes: RouteTable.authorization,
                    versions: ApiVersions.authorization))
        }
    }

    private struct Found {
        var segments: [String]
        var scope: String
        var provider: String
        var routes: [Route]
        var versions: [String]

        /// What the decision is about: the resource, or the scope of an assignment. Where the path names no resource the
        /// route says what it is about.
        func resource(_ route: Route? = nil) -> String {
            if provider == "Microsoft.Authorization" { return scope.isEmpty ? "/" : scope }
            let about = route?.about.map { $0(segments) } ?? segments
            return scope + ApiRevision.scope(about).map { "/\($0)" }.joined()
        }
    }

    private func answer(
        _ inquiry: Inquiry, _ target: RequestTarget, _ method: RouteMethod?, _ caller: Caller, _ actor: Actor,
        _ place: Found
    ) async throws -> Answer {
        let found = RouteTable.find(place.segments, method, in: place.routes)
        guard case .route(let route) = found else { return try unrouted(place, method, caller, found) }
        let action: String
        switch route.permission {
        case .action(let needed):
            action = needed
            let resource = place.resource(route)
            guard access.directory.allows(caller, needed, at: resource) else {
                throw forbidden(caller, needed, resource)
            }
        case .open: action = ""
        }
        try ApiRevision.check(place.segments)
        let version = try ApiVersions.check(target.values("api-version"), accepted: place.versions)
        let call = RouteCall(
            management: self, caller: caller, actor: actor, segments: place.segments, scope: place.scope,
            target: target,
            apiVersion: version, body: try await body(inquiry, route), ifMatch: inquiry.header("If-Match"),
            ifNoneMatch: inquiry.header("If-None-Match"), preferences: Preferences(inquiry.header("Prefer")),
            action: action)
        return try await route.handler(call)
    }

    /// A path or method that no route has. Who may not do it learns no more than that.
    private func unrouted(_ place: Found, _ method: RouteMethod?, _ caller: Caller, _ found: RouteTable.Found) throws
        -> Answer
    {
        let action = RouteTable.action(place.segments, method, provider: place.provider)
        let resource = place.resource()
        guard access.directory.allows(caller, action, at: resource) else { throw forbidden(caller, action, resource) }
        if case .otherMethods(let methods) = found {
            throw Refusal.notAllowed("The resource does not take this method.", allowed: methods.map(\.rawValue))
        }
        let kinds = place.segments.enumerated().filter { $0.offset % 2 == 0 }.map { $0.element.lowercased() }
        if let first = kinds.first,
            Kinds.notBuilt.contains(first) || kinds.dropFirst().contains(where: Kinds.notBuiltBelow.contains)
        {
            throw Refusal(.notImplemented, "'\(kinds.joined(separator: "/").prefix(100))' is not built yet.")
        }
        throw Refusal(.resourceNotFound, "The resource type could not be found.")
    }

    /// A path with a segment that no name can be.
    private func broken(_ known: [String], _ method: RouteMethod?, _ caller: Caller) throws -> Answer {
        let action = RouteTable.action(known, method, provider: "Microsoft.ApiManagement/service")
        guard access.directory.allows(caller, action, at: context.serviceID) else {
            throw forbidden(caller, action, context.serviceID)
        }
        throw Refusal.fields([
            FieldProblem(
                "id",
                "A segment of the path is not UTF-8 in normal form C, is '.' or '..', or holds one of / \\ % or NUL.")
        ])
    }

    private func body(_ inquiry: Inquiry, _ route: Route) async throws -> JSONValue? {
        guard route.bodyMax > 0 else { return nil }
        let hasLength =
            inquiry.header("Content-Length").map { $0 != "0" } ?? (inquiry.header("Transfer-Encoding") != nil)
        if route.bodyIsOptional, !hasLength { return nil }
        if inquiry.header("Content-Encoding") != nil {
            throw Refusal(.unsupportedMediaType, "Bodies are not taken compressed.")
        }
        if hasLength || !route.bodyIsOptional {
            guard Self.isJSON(inquiry.header("Content-Type"), method: route.method) else {
                throw Refusal(.unsupportedMediaType, "The body must be application/json in UTF-8.")
            }
        }
        let bytes = try await inquiry.body(limit: route.bodyMax, pace: bodyPace)
        if bytes.isEmpty {
            guard route.bodyIsOptional else { throw Refusal(.malformedBody, "The body is empty.") }
            return nil
        }
        do {
            return try JSONReader.read(bytes, valuesMax: Route.bodyValuesMax)
        } catch {
            throw Refusal(.malformedBody, "The body is not taken as JSON: \(error)")
        }
    }

    private static func isJSON(_ type: String?, method: RouteMethod) -> Bool {
        guard let type = type?.lowercased() else { return false }
        let parts = type.split(separator: ";").map { $0.trimmingCharacters(in: .whitespaces) }
        let isNamed =
            parts.first == "application/json" || method == .patch && parts.first == "application/merge-patch+json"
        let charset = parts.dropFirst().first { $0.hasPrefix("charset=") }?.dropFirst("charset=".count)
        return isNamed && (charset == nil || charset?.trimmingCharacters(in: ["\""]) == "utf-8")
    }
}
