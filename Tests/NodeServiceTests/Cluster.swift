import ClusterProtocol
import Cryptography
import Foundation
import GatewayConfiguration
import Hummingbird
import JSONDocuments
import Logging
import NodeService
import ResourceStore
import Resources
import SnapshotPublisher
import Testing
import WebClient

/// A store, a publisher and the node service on a port of the kernel's choice, for the time of `body`.
struct Cluster: Sendable {
    static let serviceID = "/subscriptions/0/resourceGroups/g/providers/Microsoft.ApiManagement/service/local"

    let store: ResourceStore
    let publisher: SnapshotPublisher
    let registry: NodeRegistry
    let authority: CertificateAuthority
    let keyring: SnapshotKeyring
    let port: Int

    var url: String { "https://localhost:\(port)/node/v1/" }

    static func run(_ body: @escaping @Sendable (Cluster) async throws -> Void) async throws {
        let path = NSTemporaryDirectory() + "gatehouse-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: path) }
        let pepper = SecureRandom.bytes(32)
        let context = ResourceContext(
            serviceID: serviceID, sealing: SealingKey(), keyHash: try KeyedHash(pepper: pepper))
        let store = try ResourceStore(path: path + "/store.db")
        _ = try await store.write(by: .controller) { writer in
            try Bootstrap.make(
                service: ["properties": ["publisherEmail": "a@b"]], administratorEmail: "a@b",
                globalPolicy:
                    "<policies><inbound /><backend><forward-request /></backend><outbound /><on-error /></policies>",
                in: writer, context: context)
        }
        let keyring = try await SnapshotKeyring.open(store, context)
        let publisher = SnapshotPublisher(store: store, context: context, keyring: keyring, pepper: pepper)
        try await publisher.start()
        let registry = try NodeRegistry(store: store)
        let authority = try CertificateAuthority(commonName: "Test", now: Date())
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let responder = NodeResponder(
            serviceID: serviceID, authority: authority, registry: registry, publisher: publisher, store: store,
            checkToken: { $0 == "good" ? "default" : nil }, logger: logger)
        let (ports, found) = AsyncStream.makeStream(of: Int.self)
        let server = try NodeServer.application(
            responder, server: try authority.issueServer(names: [.dns("localhost")], now: Date()),
            authority: authority.certificate, host: "127.0.0.1", port: 0, logger: logger
        ) { port in found.yield(port) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            group.addTask { try await publisher.run() }
            var port = 0
            for await number in ports {
                port = number
                break
            }
            try await body(
                Cluster(
                    store: store, publisher: publisher, registry: registry, authority: authority, keyring: keyring,
                    port: port))
            await registry.endStreams()
            group.cancelAll()
        }
        try store.close()
    }

    /// A client that shows `identity`.
    func client(_ identity: WebIdentity?) throws -> WebClient {
        try WebClient(WebClientOptions(reach: .all, authority: authority.certificate, identity: identity))
    }

    /// POST of a message; the answer's status and body.
    func post(
        _ path: String, _ message: some Encodable, by identity: WebIdentity?, token: String? = nil
    ) async throws -> WebResponse {
        var request = WebRequest("POST", url + path, body: try BlobCoding.encode(message))
        if let token { request.fields.append(WebField("Authorization", "GatewayKey \(token)")) }
        request.bodyBytesMax = 64 << 20
        return try await client(identity).send(request)
    }

    /// Reads a snapshot as a node does: level by level.
    func snapshot(_ root: SnapshotRoot, _ key: SealingKey, _ node: TestNode) async throws -> NodeSnapshot {
        var decoder = SnapshotDecoder()
        var blobs: [String: [UInt8]] = [:]
        while true {
            let held = blobs
            let lacking: [String: BlobReference]
            switch try decoder.read(root, dataKey: key, content: { held[$0] }) {
            case .whole(let snapshot): return snapshot
            case .lacking(let names): lacking = names
            }
            let hashes = Set(lacking.values.map(\.sha256))
            let response = try await post("blobs", BlobRequest(hashes: Array(hashes)), by: node.identity)
            let found = try JSONDecoder().decode(BlobAnswer.self, from: Data(response.body)).blobs
            try #require(Set(found.keys) == hashes)
            blobs.merge(found.compactMapValues { Data(base64Encoded: $0).map(Array.init) }) { $1 }
        }
    }

    /// Makes a change that makes a revision.
    func change(_ name: String) async throws {
        _ = try await store.write(by: .controller) { writer in
            try writer.put(
                ResourceID(path: "/policyFragments/\(name)"), kind: "policyFragments",
                properties: ["format": "rawxml", "value": "<fragment />"])
        }
    }
}

/// A node as a test plays it.
struct TestNode: Sendable {
    let key = P256Key.make()
    let sealingKey = NodeSealingKey()
    private(set) var answer = EnrolmentAnswer(
        node: "", gateway: "", service: "", certificate: "", listenerCertificate: "", authority: "", snapshotKey: "")

    var identity: WebIdentity { WebIdentity(certificate: answer.certificate, privateKey: key) }
    var request: EnrolmentRequest {
        get throws {
            EnrolmentRequest(
                name: "node-1",
                certificateRequest: try CertificateRequest.make(privateKey: key, sealingKey: sealingKey.publicKey).pem,
                hostNames: [], software: "test")
        }
    }

    init() {}

    init(enrolledIn cluster: Cluster) async throws {
        let response = try await cluster.post("enrol", try request, by: nil, token: "good")
        #expect(response.status == 201)
        answer = try JSONDecoder().decode(EnrolmentAnswer.self, from: Data(response.body))
    }

    /// What the stream is answered with.
    func streamStatus(_ cluster: Cluster, after version: Int64) async throws -> Int {
        try await stream(cluster, after: version).stream.head.status
    }

    /// Opens the stream.
    func stream(_ cluster: Cluster, after version: Int64 = 0) async throws -> TestStream {
        var request = WebRequest("GET", "\(cluster.url)snapshots?after=\(version)")
        request.timeout = nil
        request.idleTimeout = .seconds(30)
        return TestStream(try await cluster.client(identity).stream(request))
    }
}

/// The events of a stream, one after the other.
final class TestStream {
    let stream: WebStream
    private var text = ""

    init(_ stream: WebStream) { self.stream = stream }

    /// The next event's name and data; nil at the end. Comments are skipped.
    func next() async throws -> (name: String, data: String)? {
        while true {
            if let end = text.range(of: "\n\n") {
                let event = text[..<end.lowerBound].split(separator: "\n").map(String.init)
                text.removeSubrange(..<end.upperBound)
                let name = event.first { $0.hasPrefix("event: ") }?.dropFirst(7)
                let data = event.first { $0.hasPrefix("data: ") }?.dropFirst(6)
                if let data { return (String(name ?? ""), String(data)) }
                continue
            }
            guard let piece = try await stream.next() else { return nil }
            text += String(decoding: piece, as: UTF8.self)
        }
    }

    /// The next root, verified.
    func root(_ node: TestNode) async throws -> (root: SnapshotRoot, event: SnapshotEvent)? {
        while let event = try await next() {
            guard event.name == "snapshot" else { continue }
            let message = try JSONDecoder().decode(SnapshotEvent.self, from: Data(event.data.utf8))
            let raw = try #require(Data(base64Encoded: node.answer.snapshotKey))
            let verified = try VerifiedRoot(
                SignedRoot(root: message.root, signature: message.signature),
                key: SnapshotVerificationKey(bytes: Array(raw)))
            return (verified.root, message)
        }
        return nil
    }
}

extension WebResponse {
    /// `error.code`.
    var code: String? {
        (try? JSONDecoder().decode(NodeServiceError.self, from: Data(body)))?.error.code
    }
}
