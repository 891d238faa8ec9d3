import ArgumentParser
import Foundation
import HTTPEngine
import PolicyRuntime
import UsageMeter

// `gatehouse-gateway serve`: options, then start, serve, drain.

/// Serves calls.
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Serve calls until SIGTERM.")

    @Option(help: "The node's own directory; the node enrols when it is new.")
    var directory: String

    @Option(help: "URL of the controller's node service.")
    var controller: String

    @Option(help: "File with the cluster's CA, PEM.")
    var ca: String

    @Option(help: "File with the gateway token, needed to enrol.")
    var tokenFile: String

    @Option(help: "A label for the node.")
    var name: String?

    @Option(help: "ADDR:PORT for http.")
    var http = "127.0.0.1:7490"

    @Option(help: "ADDR:PORT for https.")
    var https = "127.0.0.1:7491"

    @Option(help: "ADDR:PORT for liveness, readiness and metrics.")
    var status = "127.0.0.1:7492"

    @Option(help: "Event loops; one a core when it is not given.")
    var loops: Int?

    @Option(help: "Address ranges whose X-Forwarded-For is believed, separated by commas.")
    var trustedProxies = ""

    @Flag(
        help:
            "Take the caller's address from the PROXY protocol's header, on both listeners, from trusted proxies only.")
    var proxyProtocol = false

    @Option(help: "Where the access log goes: - for standard output, off, or a file that is appended to.")
    var accessLog = "-"

    @Option(help: "YAML file with limits and timers, `name: value`.")
    var settings: String?

    func run() async throws {
        // Keys and tokens are in this process's memory: none of it reaches a core file.
        var noCore = rlimit(rlim_cur: 0, rlim_max: 0)
        setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &noCore)
        // A terminal that closes, or a reader that is gone, is no reason to end.
        for number in [SIGHUP, SIGPIPE] { signal(number, SIG_IGN) }
        let checked = try ServeSettings(self)
        let node = try await GatewayNode.start(checked)
        try await node.serveUntilStopped()
    }
}

/// Checked options.
struct ServeSettings: Sendable {
    let directory: String
    let controller: String
    let authorityFile: String
    let tokenFile: String
    let name: String
    let http: NetworkAddress
    let https: NetworkAddress
    let status: NetworkAddress
    let loops: Int
    let trustedProxies: TrustedProxies
    let speaksProxyProtocol: Bool
    let accessLog: String
    let limits: NodeLimits

    init(_ options: Serve) throws(ExitReason) {
        directory = options.directory
        controller = options.controller
        authorityFile = options.ca
        tokenFile = options.tokenFile
        name = options.name ?? ProcessInfo.processInfo.hostName
        http = try Self.address(options.http, "--http")
        https = try Self.address(options.https, "--https")
        status = try Self.address(options.status, "--status")
        loops = options.loops ?? ProcessInfo.processInfo.activeProcessorCount
        guard (1...256).contains(loops) else {
            throw .wrongArguments("--loops is from 1 to 256; leave it out for one a core")
        }
        guard URL(string: controller)?.scheme == "https" else {
            throw .wrongArguments("--controller must be an https URL, for example https://127.0.0.1:7444")
        }
        guard let proxies = TrustedProxies(options.trustedProxies) else {
            throw .wrongArguments("--trusted-proxies takes address ranges such as 10.0.0.0/8,::1, separated by commas")
        }
        trustedProxies = proxies
        speaksProxyProtocol = options.proxyProtocol
        guard !speaksProxyProtocol || !proxies.isEmpty else {
            throw .wrongArguments(
                "--proxy-protocol closes every connection without --trusted-proxies: name the balancers there")
        }
        accessLog = options.accessLog
        limits = try options.settings.map(Self.limits) ?? NodeLimits()
    }

    private static func limits(_ file: String) throws(ExitReason) -> NodeLimits {
        guard let text = try? String(contentsOfFile: file, encoding: .utf8) else {
            throw .wrongArguments("can't read \(file): give --settings a YAML file of `name: value`")
        }
        return try SettingsFile.limits(from: text)
    }

    private static func address(_ text: String, _ option: String) throws(ExitReason) -> NetworkAddress {
        guard let address = NetworkAddress(text: text) else {
            throw .wrongArguments("\(option) takes ADDRESS:PORT, for example 127.0.0.1:8080 or [::1]:8080")
        }
        return address
    }
}
