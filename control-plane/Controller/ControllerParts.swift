// The rooms of a controller, put together over one directory.
internal import AccessControl
internal import Cryptography
internal import Foundation
internal import Glibc
internal import Logging
internal import ManagementREST
internal import NIOSSL
internal import NodeService
internal import Resources
internal import ResourceStore
internal import SnapshotPublisher
internal import WebClient

struct ControllerParts: Sendable {
    let store: ResourceStore
    let management: Management
    let registry: NodeRegistry
    let publisher: SnapshotPublisher
    let nodes: NodeResponder
    let managementTLS: TLSConfiguration
    /// For both ports.
    let server: CertificateAndKey
    /// The CA's certificate.
    let authority: String

    static func make(
        _ place: ControllerDirectory, _ settings: ControllerSettings, publicURL: String,
        adopt: Bool, fetch: @escaping Management.Fetch, logger: Logger
    ) async throws -> ControllerParts {
        let keys = try place.readKeyEncryptionKeys()
        let authority = try authority(place)
        let store = try place.openStore()
        let sealing = try ControllerSecrets.key(in: store, among: keys)
        let secrets = try store.readNow {
            try ControllerSecrets.read($0, sealing: sealing, serviceID: settings.serviceID)
        }
        let context = ResourceContext(
            serviceID: settings.serviceID, sealing: sealing, keyHash: try KeyedHash(pepper: secrets.pepper))
        try await Adoption.check(place, store, adopt: adopt, serviceID: settings.serviceID)
        let publisher = SnapshotPublisher(
            store: store, context: context, keyring: try await SnapshotKeyring.open(store, context),
            pepper: secrets.pepper)
        try await publisher.start()
        let registry = try NodeRegistry(store: store)
        let management = Management(
            store: store, context: context, access: try Access(store: store),
            issuer: try TokenIssuer(
                tenantID: settings.tenantId, publicURL: publicURL, key: secrets.issuerKey, keyID: secrets.issuerKeyID),
            cluster: ClusterAdapter(
                registry: registry, publisher: publisher, store: store, serviceID: settings.serviceID),
            serviceName: settings.serviceName, publicURL: publicURL, operationKey: secrets.operationKey, fetch: fetch,
            logger: logger)
        let responder = NodeResponder(
            serviceID: settings.serviceID, authority: authority, registry: registry, publisher: publisher, store: store,
            checkToken: { token in
                try await store.read { try Gateways.gateway(ofToken: token, now: Date(), reader: $0, context: context) }
            }, logger: logger)
        let server = try serverCertificate(authority, publicURL)
        return ControllerParts(
            store: store, management: management, registry: registry, publisher: publisher, nodes: responder,
            managementTLS: try managementTLS(server), server: server, authority: authority.certificate)
    }

    private static func authority(_ place: ControllerDirectory) throws -> CertificateAuthority {
        let certificate = try place.readPrivate(place.authority, what: "the CA's certificate")
        let key = try place.readPrivate(place.authorityKey, what: "the CA's key")
        do {
            return try CertificateAuthority(
                CertificateAndKey(
                    certificate: String(decoding: certificate, as: UTF8.self),
                    privateKey: String(decoding: key, as: UTF8.self)))
        } catch {
            throw ProcessFailure(
                .cannotStart, "\(place.authority) and \(place.authorityKey) do not fit; put the right files back")
        }
    }

    /// A new one at each start: for loopback, this host's name and the public URL's host.
    private static func serverCertificate(_ authority: CertificateAuthority, _ publicURL: String) throws
        -> CertificateAndKey
    {
        let host = ProcessInfo.processInfo.hostName
        var names = ["localhost", "127.0.0.1", "::1"].map(ServerName.init)
        for text in [host, URL(string: publicURL)?.host() ?? ""] {
            let isPlain =
                !text.isEmpty
                && text.utf8.allSatisfy { byte in
                    (byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7A) || (byte >= 0x30 && byte <= 0x3A)
                        || "-.".utf8.contains(byte)
                }
            if isPlain, !names.contains(ServerName(text)) { names.append(ServerName(text)) }
        }
        return try authority.issueServer(names: names, now: Date())
    }

    private static func managementTLS(_ server: CertificateAndKey) throws -> TLSConfiguration {
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMBytes(Array(server.certificate.utf8)).map {
                .certificate($0)
            },
            privateKey: .privateKey(try NIOSSLPrivateKey(bytes: Array(server.privateKey.utf8), format: .pem)))
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        configuration.shutdownTimeout = NodeServer.shutdownTimeout
        return configuration
    }
}

/// Fetching a document, with words for the caller.
enum Fetching {
    struct Failure: FetchFailure {
        var callerMessage: String
    }

    /// Of public addresses (must-hold G54); in ranges that the operator opened all but those of shells, mail and our own.
    static let ports: Set<UInt16> = [80, 443, 8080, 8443]

    static func fetch(_ url: String, bytesMax: Int, _ client: WebClient) async throws -> [UInt8] {
        do {
            var request = WebRequest("GET", url)
            request.bodyBytesMax = bytesMax
            request.redirectsMax = 3
            let response = try await client.send(request)
            guard response.status == 200 else { throw Failure(callerMessage: "the answer was \(response.status)") }
            return response.body
        } catch let failure as WebFailure {
            switch failure {
            case .schemeNotAllowed, .invalidRequest: throw Failure(callerMessage: "the scheme or URL is not allowed")
            case .tooLarge: throw Failure(callerMessage: "it is larger than \(bytesMax) bytes")
            // Refused addresses, closed and silent ports are told apart by nobody (must-hold G54).
            default: throw Failure(callerMessage: "the address is not allowed or gave no answer")
            }
        }
    }
}
