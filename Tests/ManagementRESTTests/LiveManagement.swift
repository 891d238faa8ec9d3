// The management plane on a port of the kernel's choice, over a store of its own, for the time of a test.
import AccessControl
import Cryptography
import Foundation
import Hummingbird
import JSONDocuments
import Logging
import ResourceStore
import Resources
import Synchronization
import Testing
import WebClient

@testable import ManagementREST

/// What a test's cluster says of its nodes.
final class TestCluster: ClusterView {
    let state = Mutex(RolloutState(applied: ["node-1"], pending: [], refused: [:]))

    /// Who waits for a rollout waits for this, where it is set.
    let gate = Mutex<(@Sendable () async -> Void)?>(nil)

    func rollout(of revision: Revision) async -> RolloutState { state.withLock { $0 } }
    func waitForRollout(of revision: Revision, seconds: Double) async -> RolloutState {
        if let gate = gate.withLock({ $0 }) { await gate() }
        return state.withLock { $0 }
    }
    func nodes() async throws -> [(name: String, properties: JSONValue)] { [("n1", ["label": "node-1"])] }
    func revoke(node: String, by actor: Actor) async throws -> Revision? { node == "n1" ? 1 : nil }
    /// Newest first.
    func snapshots(limit: Int) async throws -> [(name: String, properties: JSONValue)] {
        (1...12).reversed().map { (String($0), ["version": .int($0)]) }
    }
    func snapshot(version: Revision) async throws -> JSONValue? { version == 1 ? ["version": 1] : nil }
    func compare(from: Revision, to: Revision) async throws -> JSONValue? { from == to ? ["changed": []] : nil }
    func metrics() async -> String { "gatehouse_revision 1\n" }
}

/// Who asks in a test.
struct TestCaller: Sendable {
    var name: String
    var objectID: String
    var clientID: String
    var token: String
}

/// An answer with its body read.
struct TestAnswer: Sendable {
    var status: Int
    var head: WebResponseHead
    var bytes: [UInt8]

    var json: JSONValue { (try? JSONReader.read(bytes)) ?? .null }
    /// `error.code`.
    var code: String? { json[path: "error.code"]?.text }
    var message: String { json[path: "error.message"]?.text ?? "" }
    var targets: [String] { (json[path: "error.details"]?.items ?? []).compactMap { $0["target"]?.text } }
    var text: String { String(decoding: bytes, as: UTF8.self) }
    var etag: String { head["ETag"] ?? "" }
    /// Names of a list's rows.
    var names: [String] { (json["value"]?.items ?? []).compactMap { $0["name"]?.text } }
}

struct LiveManagement: Sendable {
    static let serviceID = "/subscriptions/s0/resourceGroups/g/providers/Microsoft.ApiManagement/service/local"
    static let publicURL = "https://gatehouse.example.test"
    static let tenantID = "00000000-0000-0000-0000-00000000000a"
    /// One key for all tests: making one takes longer than most of them.
    static let issuerKey = Result { try SignaturePrivateKey(newRSAWithBits: 2048).secretPEM }

    let management: Management
    let cluster: TestCluster
    let owner: TestCaller
    let port: Int
    private let client: WebClient

    var origin: String { "http://127.0.0.1:\(port)" }

    var store: ResourceStore { management.store }

    static func run(
        pace: BodyPace = BodyPace(), fetch: @escaping Management.Fetch = { _, _ in throw CancellationError() },
        _ body: @escaping @Sendable (LiveManagement) async throws -> Void
    ) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let store = try ResourceStore(
            path: folder.appending(path: "store.db").path(), readMax: .seconds(120))
        let context = ResourceContext(
            serviceID: serviceID, sealing: SealingKey(), keyHash: try KeyedHash(pepper: SecureRandom.bytes(32)))
        _ = try await store.write(by: .controller) { writer in
            try Bootstrap.make(
                service: ["properties": ["publisherEmail": "a@b", "publisherName": "x"]], administratorEmail: "a@b",
                globalPolicy: "<policies><inbound /></policies>", in: writer, context: context)
        }
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let cluster = TestCluster()
        let management = Management(
            store: store, context: context, access: try Access(store: store),
            issuer: try TokenIssuer(
                tenantID: tenantID, publicURL: publicURL, key: try issuerKey.get(), keyID: "k"), cluster: cluster,
            serviceName: "local", publicURL: publicURL, operationKey: SecureRandom.bytes(32),
            fetch: fetch, logger: logger, bodyPace: pace)
        let owner = try await caller(management, "owner", [(BuiltInRoles.owner, "/")])
        let (ports, found) = AsyncStream.makeStream(of: Int.self)
        let server = Application(
            responder: ManagementResponder(management: management), server: .http1(),
            configuration: .init(address: .hostname("127.0.0.1", port: 0), serverName: nil),
            onServerRunning: { found.yield($0.localAddress?.port ?? 0) }, logger: logger)
        let client = try WebClient(WebClientOptions(reach: .all, allowsPlainText: true))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            var port = 0
            for await number in ports {
                port = number
                break
            }
            try await body(
                LiveManagement(
                    management: management, cluster: cluster, owner: owner, port: port, client: client))
            client.shutDown()
            group.cancelAll()
        }
        try store.close()
    }

    /// A principal with these roles.
    private static func caller(
        _ management: Management, _ name: String, _ roles: [(role: String, scope: String)]
    ) async throws -> TestCaller {
        let object = UUID().uuidString.lowercased()
        let client = UUID().uuidString.lowercased()
        _ = try await management.store.write(by: .controller) { writer in
            try writer.put(
                ResourceID(path: "/gatehouse/principals/\(name)"), kind: AccessDirectory.principalKind,
                properties: [
                    "displayName": .string(name), "federated": [], "clientId": .string(client),
                    "objectId": .string(object),
                ])
            for (role, scope) in roles {
                _ = try AuthorizationStore.put(
                    RoleAssignment(
                        name: UUID().uuidString.lowercased(), scope: scope, roleDefinition: role, principalID: object,
                        principalType: "ServicePrincipal", description: nil, createdOn: "", createdBy: ""), in: writer)
            }
        }
        try management.access.reload()
        let principal = try #require(management.access.directory.principal(object: object))
        let token = try management.issuer.token(
            for: principal, audience: "https://management.azure.com", now: Date())
        return TestCaller(name: name, objectID: object, clientID: client, token: token)
    }

    /// A principal that holds these roles, each at the service unless a scope is named.
    func caller(_ name: String, _ roles: [(role: String, scope: String)]) async throws -> TestCaller {
        try await Self.caller(management, name, roles)
    }

    func caller(_ name: String, role: String) async throws -> TestCaller {
        try await caller(name, [(role, Self.serviceID)])
    }

    /// A custom role with these actions; its name.
    func role(_ actions: [String], not: [String] = []) async throws -> String {
        let name = UUID().uuidString.lowercased()
        let definition = RoleDefinition(
            name: name, roleName: name, description: "", isBuiltIn: false,
            permissions: [RolePermission(actions: actions, notActions: not)], assignableScopes: ["/"], createdOn: "",
            updatedOn: "")
        _ = try await store.write(by: .controller) { writer in
            try writer.put(
                AuthorizationStore.definition(name), kind: AccessDirectory.definitionKind, properties: definition.stored
            )
        }
        try management.access.reload()
        return name
    }

    /// Sends a request below the root. `by` nil sends no token.
    func root(
        _ method: String, _ path: String, _ body: [UInt8]? = nil, by caller: TestCaller?, fields: [WebField] = []
    ) async throws -> TestAnswer {
        var request = WebRequest(method, origin + path, fields: fields, body: body)
        if let caller { request.fields.append(WebField("Authorization", "Bearer \(caller.token)")) }
        request.bodyBytesMax = 64 << 20
        // Not what these tests are about: the machine may be busy.
        request.headTimeout = .seconds(300)
        request.timeout = .seconds(300)
        let response = try await client.send(request)
        return TestAnswer(status: response.status, head: response.head, bytes: response.body)
    }

    /// Sends a request below the service, as JSON.
    func send(
        _ method: String, _ path: String, _ body: JSONValue? = nil, by caller: TestCaller? = nil,
        version: String? = "2024-05-01", fields: [WebField] = []
    ) async throws -> TestAnswer {
        let query = version.map { "\(path.contains("?") ? "&" : "?")api-version=\($0)" } ?? ""
        var fields = fields
        if body != nil, !fields.contains(where: { $0.name.lowercased() == "content-type" }) {
            fields.append(WebField("Content-Type", "application/json"))
        }
        return try await root(
            method, Self.serviceID + path + query, body?.encoded(), by: caller ?? owner, fields: fields)
    }

    /// PUT of properties, which must be taken.
    @discardableResult
    func put(_ path: String, _ properties: JSONValue) async throws -> TestAnswer {
        let answer = try await send("PUT", path, ["properties": properties])
        #expect([200, 201].contains(answer.status), "\(path): \(answer.text)")
        return answer
    }

    /// A request to Microsoft.Authorization at a scope.
    func authorization(
        _ method: String, _ scope: String, _ path: String, _ properties: JSONValue? = nil, by caller: TestCaller
    ) async throws -> TestAnswer {
        try await root(
            method, "\(scope)/providers/Microsoft.Authorization/\(path)?api-version=2022-04-01",
            properties.map { JSONValue.object(JSONObject([("properties", $0)])).encoded() }, by: caller,
            fields: properties == nil ? [] : [WebField("Content-Type", "application/json")])
    }

    /// Assigns a role.
    func assign(
        _ role: String, to object: String, at scope: String, by caller: TestCaller,
        name: String = UUID().uuidString.lowercased()
    ) async throws -> TestAnswer {
        try await authorization(
            "PUT", scope == "/" ? "" : scope, "roleAssignments/\(name)",
            [
                "roleDefinitionId": .string("/providers/Microsoft.Authorization/roleDefinitions/\(role)"),
                "principalId": .string(object), "principalType": "ServicePrincipal",
            ], by: caller)
    }

    /// Rows of the audit, newest first.
    func audit() async throws -> [AuditRow] { try await store.read { try $0.audit(before: nil, limit: 1000) } }
}
