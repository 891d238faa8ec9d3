import ClusterProtocol
import Cryptography
import Foundation
import GatewayConfiguration
import PolicyRuntime
import Testing
import UsageMeter

@testable import HTTPEngine
@testable import gatehouse_gateway

/// A node without a controller: a snapshot made here, one loop, a real backend.
final class GatewayBench: Sendable {
    static let pepper = [UInt8](repeating: 9, count: 32)
    static let service = "/subscriptions/0/resourceGroups/g/providers/Microsoft.ApiManagement/service/local"

    let plans = PlanHolder()
    let state = PolicyState()
    let meter: UsageMeter
    let metrics = GatewayMetrics(loops: 1)
    let server: EngineServer
    let backend: TestBackend
    private let folder: URL

    init(
        _ backend: TestBackend = .echo(), trusted: String = "", log: AccessLog? = nil,
        limits: NodeLimits = NodeLimits(),
        _ change: (inout NodeSnapshot) throws -> Void = { _ in }
    ) throws {
        self.backend = backend
        folder = FileManager.default.temporaryDirectory.appending(path: "gateway-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        meter = try UsageMeter(directory: folder.appending(path: "usage").path(), node: "test")
        let shared = GatewayShared(
            node: "test", plans: plans, state: state, meter: meter, metrics: metrics, accessLog: log,
            trustedProxies: try #require(TrustedProxies(trusted)), limits: limits, startSeed: 1)
        let address = try #require(NetworkAddress(literal: "127.0.0.1", port: 0))
        server = try EngineServer.start(
            EngineConfiguration(
                loops: 1, listeners: [.init(address: address, scheme: .http)], limits: limits.engine)
        ) { number in GatewayLoop(shared: shared, number: number, lane: try? shared.meter.makeLane()) }
        var snapshot = try Self.snapshot(backend: backend.port)
        try change(&snapshot)
        var builder = PlanBuilder(state: state)
        plans.put(try builder.build(snapshot))
    }

    deinit {
        server.cut()
        server.wait()
        try? FileManager.default.removeItem(at: folder)
    }

    func connect() -> TestSocket { TestSocket(port: server.addresses[0].port) }

    /// One call on a connection of its own.
    func call(_ request: String, bodiless: Bool = false) throws -> TestResponse {
        let client = connect()
        client.send(request)
        return try #require(client.receiveResponse(bodiless: bodiless))
    }

    func get(_ target: String, _ fields: String = "") throws -> TestResponse {
        try call("GET \(target) HTTP/1.1\r\nHost: gw.test:81\r\n\(fields)\r\n")
    }

    /// What was counted so far.
    func records() -> [UsageRecord] {
        meter.rotate()
        return meter.pendingBatches().compactMap { meter.batch($0) }.flatMap(\.records)
    }

    // MARK: The snapshot

    static func api(
        _ name: String, backend: String?, path: String? = nil, needsKey: Bool, policy: String? = nil,
        operations: [(String, String)] = [("GET", "/*"), ("POST", "/*"), ("HEAD", "/*")],
        keyHeader: String = "Ocp-Apim-Subscription-Key"
    ) -> ApiConfiguration {
        ApiConfiguration(
            name: name, displayName: name, revision: "1", isCurrent: true, path: path ?? name, version: nil,
            protocols: ["http", "https"], serviceUrl: backend, subscriptionRequired: needsKey, keyHeaderName: keyHeader,
            keyQueryName: "subscription-key", forwardsSubscriptionKey: false,
            policy: policy.map { PolicyText(text: $0, format: .rawxml) },
            operations: operations.map { method, template in
                OperationConfiguration(
                    name: "\(method)\(template)", displayName: template, method: method, urlTemplate: template,
                    policy: nil, responses: [])
            })
    }

    static func key(_ key: String, _ scope: SubscriptionKey.Scope, name: String, user: String? = nil) throws
        -> (String, SubscriptionKey)
    {
        (
            try KeyedHash(pepper: pepper).hash(of: Array(key.utf8)).description,
            SubscriptionKey(subscription: name, displayName: name, scope: scope, user: user, isOpen: true)
        )
    }

    static func keys(_ keys: (String, SubscriptionKey)...) throws -> KeyTable {
        try #require(KeyTable(Dictionary(uniqueKeysWithValues: keys)))
    }

    static func policy(_ inbound: String, outbound: String = "") -> String {
        "<policies><inbound><base />\(inbound)</inbound><backend><base /></backend><outbound><base />\(outbound)</outbound><on-error><base /></on-error></policies>"
    }

    static func snapshot(backend port: UInt16) throws -> NodeSnapshot {
        let url = "http://127.0.0.1:\(port)/base"
        return NodeSnapshot(
            root: SnapshotRoot(
                service: service, gateway: "default", version: 7, created: "", previous: nil, signingKey: "",
                dataKey: "", auditHead: "",
                blobs: [:], trees: [:]),
            service: ServiceConfiguration(id: service, policy: nil),
            apis: [api("echo", backend: url, needsKey: false), api("keyed", backend: url, needsKey: true)],
            products: [
                ProductConfiguration(
                    name: "starter", displayName: "", subscriptionRequired: true, apis: ["keyed"], policy: nil)
            ],
            keys: try keys(
                key("k1", .product("starter"), name: "demo", user: "u1"), key("master", .allApis, name: "master")),
            backends: [], certificates: [], namedValues: [:], fragments: [:],
            secrets: SnapshotSecrets(
                pepper: Data(pepper).base64EncodedString(), namedValues: [:], backendCredentials: [:],
                certificateKeys: [:]))
    }
}
