// What lies beside the service: ARM's metadata, subscriptions and tenants as az asks for them, metrics.
internal import AccessControl
internal import Foundation
internal import JSONDocuments
internal import Resources

enum Root {
    /// What is asked for here.
    static let actions: Set<String> = [
        metrics, "Microsoft.Resources/subscriptions/read", "Microsoft.Resources/subscriptions/resourceGroups/read",
    ]
    private static let metrics = "Microsoft.ApiManagement/service/gatehouse/metrics/read"

    /// ARM's metadata endpoint: where az finds the login.
    static func endpoints(_ management: Management) -> Answer {
        let login = "\(management.publicURL)/"
        return .json([
            "name": "Gatehouse", "portal": .string(login), "gallery": .string(login), "graphAudience": .string(login),
            "authentication": [
                "loginEndpoint": .string(login), "audiences": ["https://management.azure.com"],
                "tenant": .string(management.issuer.tenantID), "identityProvider": "AAD",
            ], "resourceManager": .string(login), "suffixes": .emptyObject,
        ])
    }

    static func answer(
        _ management: Management, _ segments: [String], _ method: RouteMethod?, _ caller: Caller,
        _ target: RequestTarget
    ) async throws -> Answer {
        let path = segments.map { $0.lowercased() }
        let service = management.serviceSegments
        switch path {
        case ["metrics"]:
            try allow(management, caller, metrics, management.context.serviceID, method)
            var answer = Answer(status: 200, body: Array(await management.cluster.metrics().utf8))
            answer.contentType = "text/plain; version=0.0.4"
            return answer
        case ["subscriptions"]:
            // Everybody signed in may ask which subscriptions are his: the one that is here, where he holds anything.
            try isRead(method)
            let holds = management.access.directory.permissions(of: caller, at: management.context.serviceID).isEmpty
            return .json([
                "value": .array(holds ? [] : [subscription(management)]),
                "count": ["type": "Total", "value": holds ? 0 : 1],
            ])
        case ["tenants"]:
            try isRead(method)
            return .json([
                "value": [
                    [
                        "id": .string("/tenants/\(management.issuer.tenantID)"),
                        "tenantId": .string(management.issuer.tenantID),
                    ]
                ]
            ])
        case ["subscriptions", service[1].lowercased()]:
            try allow(
                management, caller, "Microsoft.Resources/subscriptions/read", "/subscriptions/\(service[1])", method)
            return .json(subscription(management))
        case ["subscriptions", service[1].lowercased(), "resourcegroups", service[3].lowercased()]:
            let id = "/subscriptions/\(service[1])/resourceGroups/\(service[3])"
            try allow(management, caller, "Microsoft.Resources/subscriptions/resourceGroups/read", id, method)
            return .json([
                "id": .string(id), "name": .string(service[3]), "type": "Microsoft.Resources/resourceGroups",
                "location": "local",
                "properties": ["provisioningState": "Succeeded"],
            ])
        default:
            let action = RouteTable.action(segments, method, provider: "Microsoft.Resources")
            guard management.access.directory.allows(caller, action, at: "/" + segments.joined(separator: "/")) else {
                throw management.forbidden(caller, action, "/" + segments.joined(separator: "/"))
            }
            throw Refusal.foreign
        }
    }

    private static func isRead(_ method: RouteMethod?) throws {
        guard method == .get || method == .head else {
            throw Refusal.notAllowed("The resource does not take this method.", allowed: ["GET", "HEAD"])
        }
    }

    private static func allow(
        _ management: Management, _ caller: Caller, _ action: String, _ scope: String, _ method: RouteMethod?
    ) throws {
        guard management.access.directory.allows(caller, action, at: scope) else {
            throw management.forbidden(caller, action, scope)
        }
        try isRead(method)
    }

    private static func subscription(_ management: Management) -> JSONValue {
        let name = management.serviceSegments[1]
        return [
            "id": .string("/subscriptions/\(name)"), "subscriptionId": .string(name), "displayName": "Gatehouse",
            "state": "Enabled", "tenantId": .string(management.issuer.tenantID), "authorizationSource": "RoleBased",
            "managedByTenants": [], "subscriptionPolicies": ["spendingLimit": "Off"],
        ]
    }
}
