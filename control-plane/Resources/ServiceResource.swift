// The service itself: one a controller; read, replaced and merged, never deleted.
package import JSONDocuments
package import ResourceStore

package enum ServiceResource {
    private static let properties: [Property] = [
        .required("publisherEmail", .text(1...100)),
        .required("publisherName", .text(1...100)),
        .optional("notificationSenderEmail", .text(0...100)),
        .readOnly("createdAtUtc"),
        .readOnly("gatewayUrl"),
        .readOnly("managementApiUrl"),
        .optional("customProperties", .map(.text(0...1000), atMost: 100)),
        .optional("apiVersionConstraint", .object([.optional("minApiVersion", .text(0...50), absent: .null)])),
    ]

    /// Members beside `properties` that a body may have; those that mean something off Azure are kept.
    private static let kept = ["tags", "location", "sku"]
    private static let known: Set<String> = [
        "id", "name", "type", "etag", "tags", "location", "sku", "identity", "zones", "properties", "systemData",
    ]

    /// The service as ARM shows it.
    package static func show(_ resource: StoredResource, name: String, publicURL: String, context: ResourceContext)
        -> JSONValue
    {
        let stored = resource.properties
        var shown = properties.shown(stored["properties"]?.members ?? JSONObject())
        shown["provisioningState"] = "Succeeded"
        shown["targetProvisioningState"] = ""
        shown["createdAtUtc"] = .string(Timestamp.text(seconds: resource.created))
        shown["managementApiUrl"] = .string(publicURL)
        shown["hostnameConfigurations"] = []
        return .object(
            JSONObject([
                ("id", .string(context.serviceID)), ("name", .string(name)),
                ("type", "Microsoft.ApiManagement/service"), ("tags", stored["tags"] ?? .emptyObject),
                ("location", stored["location"] ?? "local"), ("etag", .string(resource.etag)),
                ("properties", .object(shown)),
                ("sku", stored["sku"] ?? ["name": "Developer", "capacity": 1]),
            ]))
    }

    /// PUT and PATCH.
    package static func write(
        _ body: JSONValue, merging: Bool, condition: ETagCondition, isStrict: Bool, in writer: StoreWriter
    ) throws -> StoredResource {
        guard let former = try writer.reader.get(.service) else { throw Refusal.notFound("Service") }
        guard condition.allows(former.etag) else { throw Refusal.modifiedSince }
        var shape = ShapeReader(isStrict: isStrict)
        if isStrict, let members = body.members {
            for (name, _) in members where !known.contains(name) {
                shape.problems.append(FieldProblem(name, "'\(name)' is not a known property."))
            }
        }
        var given = body["properties"] ?? .emptyObject
        if merging {
            guard let changes = given.members else {
                throw Refusal.field("properties", "'properties' must be an object.")
            }
            var all = former.properties["properties"]?.members ?? JSONObject()
            for (name, value) in changes { all[name] = value }
            given = .object(all)
        }
        let checked = shape.object(given, properties, at: "properties")
        guard shape.problems.isEmpty else { throw Refusal.fields(shape.problems) }
        if let identity = body["identity"], !identity.isNull {
            throw Refusal(.notImplemented, "Managed identities of the service are not built yet.")
        }
        var stored: JSONValue = ["properties": .object(checked)]
        for name in kept {
            let value = body[name] ?? (merging ? former.properties[name] : nil)
            if let value, !value.isNull { stored[name] = value }
        }
        return try writer.put(.service, kind: "service", properties: stored)
    }
}
