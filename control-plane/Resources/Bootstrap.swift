// What a new service has from the start.
package import JSONDocuments
package import ResourceStore

package enum Bootstrap {
    /// Makes the service, its groups, its administrator, the all-access subscription, the global policy and the default
    /// gateway, in one transaction.
    package static func make(
        service: JSONValue, administratorEmail: String, globalPolicy: String, in writer: StoreWriter,
        context: ResourceContext
    ) throws {
        try writer.put(.service, kind: "service", properties: service)
        for group in Groups.builtIn {
            let id = ResourceID(path: "/groups/\(group.name)")
            try writer.put(
                id, kind: "groups",
                properties: [
                    "displayName": .string(group.displayName), "description": .string(group.description),
                    "builtIn": true,
                    "type": "system",
                ])
            try writer.setHeldValues(id, [("groups.displayName", group.displayName.lowercased())])
        }
        try writer.put(
            ResourceID(path: "/users/1"), kind: "users",
            properties: [
                "firstName": "Administrator", "lastName": "", "email": .string(administratorEmail), "state": "active",
                "registrationDate": .string(Timestamp.text(seconds: writer.now)),
                "identities": [["provider": "Azure", "id": .string(administratorEmail)]],
            ])
        try writer.setHeldValues(ResourceID(path: "/users/1"), [("users.email", administratorEmail.lowercased())])
        _ = try ResourceOperations.put(
            .subscription,
            WriteRequest(
                id: ResourceID(path: "/subscriptions/master"),
                body: [
                    "properties": [
                        "displayName": "Built-in all-access subscription", "scope": "/", "state": "active",
                        "allowTracing": false,
                    ]
                ], condition: .none), in: writer, context: context)
        _ = try ResourceOperations.put(
            .globalPolicy,
            WriteRequest(
                id: ResourceID(path: "/policies/policy"),
                body: ["properties": ["format": "xml", "value": .string(globalPolicy)]], condition: .none), in: writer,
            context: context)
        _ = try ResourceOperations.put(
            .gateway,
            WriteRequest(
                id: ResourceID(path: "/gateways/\(Gateways.defaultName)"),
                body: [
                    "properties": [
                        "locationData": ["name": "default"], "description": "The gateway that serves every API.",
                    ]
                ], condition: .none), in: writer, context: context)
    }
}
