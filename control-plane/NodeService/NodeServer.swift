// The port of the nodes: TLS 1.3, with a certificate asked for that must be of the cluster's CA where one is given.
package import Cryptography
package import Hummingbird
internal import HummingbirdTLS
package import Logging
package import NIOCore
internal import NIOSSL

package enum NodeServer {
    /// A peer that does not answer the end of TLS is cut so long after it: a stop does not wait for it.
    package static let shutdownTimeout = TimeAmount.milliseconds(500)

    /// How the port speaks TLS. A request without a certificate goes no further than the enrolment.
    static func tls(_ server: CertificateAndKey, authority: String) throws -> TLSConfiguration {
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMBytes(Array(server.certificate.utf8)).map {
                .certificate($0)
            },
            privateKey: .privateKey(try NIOSSLPrivateKey(bytes: Array(server.privateKey.utf8), format: .pem)))
        configuration.minimumTLSVersion = .tlsv13
        configuration.applicationProtocols = ["http/1.1"]
        configuration.shutdownTimeout = shutdownTimeout
        configuration.certificateVerification = .optionalVerification
        configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(authority.utf8)))
        return configuration
    }

    /// The server, not started.
    package static func application(
        _ responder: NodeResponder, server: CertificateAndKey, authority: String, host: String, port: Int,
        logger: Logger, started: @escaping @Sendable (_ port: Int) async -> Void = { _ in }
    ) throws -> Application<NodeResponder> {
        Application(
            responder: responder,
            server: try .tls(.http1(), tlsConfiguration: try tls(server, authority: authority)),
            configuration: .init(address: .hostname(host, port: port), serverName: nil),
            onServerRunning: { channel in await started(channel.localAddress?.port ?? 0) }, logger: logger)
    }
}
