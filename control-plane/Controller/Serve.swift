// `gatehouse-controller serve`: management over REST and the nodes, until SIGTERM or SIGINT.
internal import UnixSignals
internal import AccessControl
internal import ArgumentParser
internal import CLinux
internal import Cryptography
internal import Foundation
internal import Glibc
internal import Hummingbird
internal import HummingbirdTLS
internal import Logging
internal import ManagementREST
internal import NIOCore
internal import NIOSSL
internal import NodeService
internal import Resources
internal import ResourceStore
internal import ServiceLifecycle
internal import SnapshotPublisher
internal import WebClient

/// ADDR:PORT, IPv6 addresses in brackets.
struct ListenAddress: ExpressibleByArgument {
    var host: String
    var port: Int

    init?(argument: String) {
        guard let colon = argument.lastIndex(of: ":"), let port = Int(argument[argument.index(after: colon)...]),
            (0...65535).contains(port)
        else { return nil }
        var host = String(argument[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        guard !host.isEmpty else { return nil }
        self.host = host
        self.port = port
    }

    init(_ host: String, _ port: Int) {
        self.host = host
        self.port = port
    }

    /// Says before anything is opened that the port can't be had; nothing listens for a moment (must-hold H51).
    func expectFree(_ option: String) throws {
        var address = sockaddr_storage()
        let length = clinux_address_parse(host, UInt16(truncatingIfNeeded: port), &address)
        // A name is left to the server itself.
        guard length > 0, clinux_can_bind(&address, length) != 0 else { return }
        let reason = errno
        throw ProcessFailure(
            .cannotStart,
            reason == EADDRINUSE
                ? "port \(port) is taken; choose another with \(option)"
                : "can't listen at \(host):\(port): \(String(cString: strerror(reason))); choose another with \(option)"
        )
    }
}

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serves management over REST and the nodes of the cluster.",
        discussion: "Stops on SIGTERM and SIGINT; a second one cuts at once.")

    @Option(help: "The directory that init made.") var directory: String
    @Option(help: "Where management listens, ADDR:PORT.") var management = ListenAddress("127.0.0.1", 7443)
    @Option(help: "Where nodes are served, ADDR:PORT.") var nodes = ListenAddress("127.0.0.1", 7444)
    @Option(help: "The URL that clients know management by; links in answers begin with it.") var publicUrl: String?
    @Option(
        help: "Address ranges beside the public ones that the controller itself may call: CIDR,… (imports by link).")
    var outboundAllow = ""
    @Flag(help: "Start a copied directory: the original is gone for good. Takes a new ledger.") var adopt = false

    /// A connection that asks nothing for so long is closed.
    private static let idleMax = TimeAmount.minutes(3)

    func run() async throws {
        var noCore = rlimit(rlim_cur: 0, rlim_max: 0)
        setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &noCore)
        // A terminal that closes is no reason to end.
        signal(SIGHUP, SIG_IGN)
        let place = ControllerDirectory(path: directory)
        try place.open()
        let settings = try ControllerSettings.read(place)
        let lock = try place.takeLock()
        defer { close(lock) }
        try management.expectFree("--management")
        try nodes.expectFree("--nodes")
        let logger = Logger(label: "gatehouse-controller") { JSONLogHandler(label: $0) }
        let parts = try await ControllerParts.make(
            place, settings, publicURL: try url(), adopt: adopt, fetch: try fetcher(), logger: logger)
        try await serve(parts, logger)
    }

    private func url() throws -> String {
        let host = management.host.contains(":") ? "[\(management.host)]" : management.host
        let text = publicUrl ?? "https://\(host):\(management.port)"
        guard text.hasPrefix("https://"), let url = URL(string: text), url.host() != nil, url.query() == nil else {
            throw ProcessFailure(.wrongArguments, "--public-url must be an https URL without query")
        }
        return text.hasSuffix("/") ? String(text.dropLast()) : text
    }

    /// Fetching by link: public addresses, and the ranges that the operator opened.
    private func fetcher() throws -> Management.Fetch {
        var ranges: [AddressRange] = []
        for text in outboundAllow.split(separator: ",").map({ $0.trimmingCharacters(in: .whitespaces) }) {
            do {
                ranges.append(try AddressRange(text))
            } catch {
                throw ProcessFailure(
                    .wrongArguments, "--outbound-allow: '\(text)' is no address range; write 10.0.0.0/8 or fd00::/8")
            }
        }
        let own = Set([management.port, nodes.port].map { UInt16(clamping: $0) })
        let client = try WebClient(
            WebClientOptions(
                reach: ReachableAddresses(allowing: ranges, refusingPorts: own, publicPorts: Fetching.ports),
                allowsPlainText: true))
        return { url, bytesMax in try await Fetching.fetch(url, bytesMax: bytesMax, client) }
    }

    private func serve(_ parts: ControllerParts, _ logger: Logger) async throws {
        let managementServer = Application(
            responder: ManagementResponder(management: parts.management),
            server: try .tls(
                .http1(configuration: .init(idleTimeout: Self.idleMax)), tlsConfiguration: parts.managementTLS),
            configuration: .init(address: .hostname(management.host, port: management.port), serverName: nil),
            logger: logger)
        let nodeServer = try NodeServer.application(
            parts.nodes, server: parts.server, authority: parts.authority, host: nodes.host, port: nodes.port,
            logger: logger)
        let group = ServiceGroup(
            configuration: .init(
                services: [
                    .init(service: managementServer), .init(service: nodeServer),
                    .init(service: Background(parts: parts)),
                ], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
        logger.info(
            "management at \(parts.management.publicURL) (listening on \(management.host):\(management.port)), nodes at \(nodes.host):\(nodes.port), revision \(parts.store.revision)"
        )
        do {
            try await group.run()
        } catch let error as IOError where error.errnoCode == EADDRINUSE {
            throw ProcessFailure(
                .cannotStart,
                "port \(management.port) or \(nodes.port) is taken; choose others with --management and --nodes")
        }
        try? parts.store.close()
    }
}

/// Publishing, bookkeeping and the end of streams.
private struct Background: Service {
    let parts: ControllerParts

    func run() async throws {
        let parts = parts
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await parts.publisher.run() }
            group.addTask { await parts.management.runRefusalAudit() }
            group.addTask {
                while !Task.isCancelled {
                    try? await Task.sleep(for: .seconds(NodeRegistry.saveSeconds))
                    await parts.registry.save()
                }
            }
            group.addTask {
                try? await gracefulShutdown()
                await parts.registry.endStreams()
            }
            // The last one ends when the process is told to stop; then the others have nothing to do.
            try await gracefulShutdown()
            await parts.registry.endStreams()
            await parts.registry.save()
            group.cancelAll()
        }
    }
}
