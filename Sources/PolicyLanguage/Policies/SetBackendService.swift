// The policy set-backend-service, as data.

extension PolicyDeclaration {
    /// Chooses where the request goes; the last one that ran wins.
    package static let setBackendService = PolicyDeclaration(
        element: "set-backend-service",
        summary: "Chooses the backend.",
        sections: [.inbound, .backend],
        attributes: [
            .init("base-url", .url, "The backend's base URL.", expression: true),
            .init("backend-id", .backend, "Id of a backend.", expression: true),
            .init("sf-resolve-condition", .text(atMost: 1_024), "Service Fabric; no effect.", expression: true),
            .init("sf-service-instance-name", .text(atMost: 1_024), "Service Fabric; no effect.", expression: true),
            .init("sf-partition-key", .text(atMost: 1_024), "Service Fabric; no effect.", expression: true),
            .init("sf-replica-type", .text(atMost: 1_024), "Service Fabric; no effect.", expression: true),
            .init("sf-listener-name", .text(atMost: 1_024), "Service Fabric; no effect.", expression: true),
        ],
        rules: { policy in
            let given = ["base-url", "backend-id"].filter { policy.attributes[$0] != nil }
            return given.count == 1 ? [] : ["Give either attribute 'base-url' or attribute 'backend-id'."]
        })
}
