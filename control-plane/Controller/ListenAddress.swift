// Where a port listens, as an option gives it, and whether it can.
internal import ArgumentParser
internal import Glibc
internal import NIOCore
internal import NIOPosix

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
}

extension ListenAddress {
    /// Listens for a moment and lets go, so that a start that can't be is told before anything else is done.
    func mustBeFree(option: String) async throws {
        let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
        let channel: any Channel
        do {
            channel = try await bootstrap.bind(host: host, port: port).get()
        } catch {
            throw ProcessFailure(.cannotStart, "can't listen on \(host):\(port): \(Self.reason(error, port, option))")
        }
        try await channel.close()
    }

    private static func reason(_ error: any Error, _ port: Int, _ option: String) -> String {
        switch (error as? IOError)?.errnoCode {
        case EADDRINUSE: "the port is taken; choose another with \(option)"
        case EACCES: "a port below 1024 needs the right CAP_NET_BIND_SERVICE; give it, or choose another with \(option)"
        case EADDRNOTAVAIL: "no interface of this machine has the address; choose another with \(option)"
        case let number?: "\(String(cString: strerror(number))); choose another with \(option)"
        case nil: "the address can't be read or found; choose another with \(option)"
        }
    }
}
