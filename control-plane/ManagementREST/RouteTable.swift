// Every route, by where it stands: below the service, at a scope of Microsoft.Authorization, or at the root.
internal import Resources

package enum RouteTable {
    /// Below `{service}`.
    package static let service: [Route] =
        ServiceRoutes.all + Kinds.all.flatMap(KindRoutes.routes) + ViewRoutes.all + SubscriptionRoutes.all
        + NamedValueRoutes.all + GatewayRoutes.all + ReportRoutes.all + OperationRoutes.all + PrincipalRoutes.all
        + ClusterRoutes.all + AuditRoutes.all + ApiExport.routes

    /// Below `{scope}/providers/Microsoft.Authorization`.
    package static let authorization: [Route] = AuthorizationRoutes.all

    /// What a list of segments may be asked for.
    enum Found {
        case route(Route)
        /// The path is known, the method is not.
        case otherMethods([RouteMethod])
        case nothing
    }

    static func find(_ segments: [String], _ method: RouteMethod?, in routes: [Route]) -> Found {
        let matching = routes.filter { $0.matches(segments) }
        // A word beats a parameter: `subscriptions/{sid}/listSecrets` is no name.
        if let route = matching.first(where: { $0.method == method }) { return .route(route) }
        return matching.isEmpty
            ? .nothing
            : .otherMethods(RouteMethod.allCases.filter { wanted in matching.contains { $0.method == wanted } })
    }

    /// The action that a path would ask for if it were a route: names left out, the verb behind.
    static func action(_ segments: [String], _ method: RouteMethod?, provider: String) -> String {
        let kinds = segments.enumerated().filter { $0.offset % 2 == 0 }.map(\.element)
        let verb: String
        switch method {
        case .get, .head: verb = "read"
        case .put, .patch: verb = "write"
        case .delete: verb = "delete"
        case .post, nil: verb = "action"
        }
        return ([provider] + kinds + [verb]).joined(separator: "/")
    }
}
