// The service itself, and its long-running operations.
internal import FoundationEssentials
internal import JSONDocuments
internal import Resources
internal import ResourceStore

enum ServiceRoutes {
    private static let kind = "Microsoft.ApiManagement/service"

    static let all: [Route] = [
        Route("ApiManagementService_Get", .get, "", .action("\(kind)/read")) { call in try await get(call) },
        Route("ApiManagementService_CreateOrUpdate", .put, "", .action("\(kind)/write")) { call in
            try await write(call, merging: false)
        },
        Route("ApiManagementService_Update", .patch, "", .action("\(kind)/write")) { call in
            try await write(call, merging: true)
        },
        Route("ApiManagementService_Delete", .delete, "", .action("\(kind)/delete")) { _ in
            throw Refusal(.notImplemented, "The service is the controller: stop it instead.")
        },
    ]

    private static func get(_ call: RouteCall) async throws -> Answer {
        guard let row = try await call.store.read({ try $0.get(.service) }) else { throw Refusal.notFound("Service") }
        return show(row, call)
    }

    private static func show(_ row: StoredResource, _ call: RouteCall) -> Answer {
        .json(
            ServiceResource.show(
                row, name: call.management.serviceName, publicURL: call.management.publicURL, context: call.context),
            etag: row.etag)
    }

    private static func write(_ call: RouteCall, merging: Bool) async throws -> Answer {
        guard let body = call.body, body.members != nil else {
            throw Refusal(.malformedBody, "The body must be a JSON object.")
        }
        let condition = try call.condition(required: false)
        let strict = call.preferences.isStrict
        let written = try await call.write { writer in
            try ServiceResource.write(body, merging: merging, condition: condition, isStrict: strict, in: writer)
        }
        return await call.finished(show(written.value, call), revision: written.revision)
    }
}

enum OperationRoutes {
    static let actions: Set<String> = ["Microsoft.ApiManagement/service/operationResults/read"]

    static let all: [Route] = [
        // Who may read the resource may read its operation: decided inside, for the path does not name the resource.
        Route(
            "OperationResults_Get", .get, "operationResults/{operationId}",
            .open(because: "decided by the resource that the operation is about; a token is needed all the same")
        ) { call in try await get(call) },
        Route(
            "TenantOperationResults_Get", .get, "tenant/operationResults/{operationId}",
            .open(because: "decided by the resource that the operation is about; a token is needed all the same")
        ) { call in try await get(call) },
    ]

    private static func get(_ call: RouteCall) async throws -> Answer {
        let management = call.management
        let id = call.segments.last ?? ""
        guard let ticket = management.operations.ticket(of: id, now: Int64(management.now().timeIntervalSince1970))
        else {
            guard call.holds("Microsoft.ApiManagement/service/read", at: .service) else {
                throw management.forbidden(
                    call.caller, "Microsoft.ApiManagement/service/operationResults/read", call.context.serviceID)
            }
            throw Refusal.notFound("Operation")
        }
        let resource = ResourceID(path: ticket.resource)
        let action = "Microsoft.ApiManagement/service/\(ticket.kind)/read"
        guard call.holds(action, at: resource) else {
            throw management.forbidden(call.caller, action, call.context.armID(resource))
        }
        // Held while it runs, so that a client returns within a round trip of the rollout.
        let state = await management.cluster.waitForRollout(of: ticket.revision, seconds: 0.9)
        let age = management.now().timeIntervalSince1970 - Double(ticket.created)
        var body = JSONObject([
            ("id", .string("\(call.context.serviceID)/operationResults/\(id)")), ("name", .string(id)),
        ])
        if let refusal = state.refused.sorted(by: { $0.key < $1.key }).first {
            body["status"] = "Failed"
            body["error"] = [
                "code": "NodeRefused", "message": .string("Node '\(refusal.key)' refused the change: \(refusal.value)"),
                "details": nil,
            ]
            return .json(.object(body))
        }
        let isOver = state.pending.isEmpty || age >= 10
        body["status"] = isOver ? "Succeeded" : "InProgress"
        if isOver {
            body["properties"] = [
                "rollout": [
                    "applied": .array(state.applied.map(JSONValue.string)),
                    "pending": .array(state.pending.map(JSONValue.string)),
                ]
            ]
        }
        var answer = Answer.json(.object(body))
        if !isOver { answer.headers.append(("Retry-After", "1")) }
        return answer
    }
}
