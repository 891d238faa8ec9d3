package import Foundation
package import GatewayConfiguration

// NodeAgent is the node's link to its controller: enrolment and snapshots come in; acknowledgements and usage go out.
// It serves on from what it has when the controller is away.

/// What a node takes its configuration with.
package protocol SnapshotConsumer: Sendable {
    /// Compiles and puts in force, or throws and goes on with the former one. The error's description is the reason
    /// that the controller shows.
    func apply(_ snapshot: NodeSnapshot) async throws
}

/// How an agent works.
package struct NodeSettings: Sendable {
    /// Holds keys, certificate and the last good snapshot. May be lost.
    package var directory: String
    /// `https://host:port` of the nodes' service.
    package var controller: String
    /// PEM of the cluster's CA.
    package var authority: String
    /// Reads `GatewayKey`'s value, `{gateway}&{expiry}&{signature}`; asked for at each enrolment, since it may be renewed.
    package var token: @Sendable () throws -> String
    /// A label.
    package var name: String
    /// DNS names for the listener's certificate, beside localhost and loopback addresses.
    package var hostNames: [String]
    package var software: String
    package var timing = Timing()

    package init(
        directory: String, controller: String, authority: String, token: @escaping @Sendable () throws -> String,
        name: String, hostNames: [String], software: String
    ) {
        self.directory = directory
        self.controller = controller
        self.authority = authority
        self.token = token
        self.name = name
        self.hostNames = hostNames
        self.software = software
    }

    /// Timers (design.md section 7, must-hold part H).
    package struct Timing: Sendable {
        /// Sign of life.
        package var heartbeat = Duration.seconds(5)
        /// A stream without a byte for so long is dead.
        package var silence = Duration.seconds(15)
        /// Bound of the first wait before the controller is tried again; doubled with each failure.
        package var firstRetry = Duration.seconds(5)
        package var longestRetry = Duration.seconds(60)
        /// Between two rotations of the meter.
        package var usage = Duration.seconds(1)
        /// Part of the certificate's life after which it is renewed.
        package var renewal = 2.0 / 3
        /// Between two looks at the certificate.
        package var renewalCheck = Duration.seconds(60)

        package init() {}
    }
}

/// What the node is, as the controller certified it.
package struct NodeCredentials: Sendable, CustomStringConvertible, CustomReflectable {
    package var node: String
    package var gateway: String
    package var service: String
    /// serverAuth for the https listener; PEM, with the private key below.
    package var listenerCertificate: String
    package var privateKey: String

    package var description: String { "NodeCredentials(\(node))" }
    package var customMirror: Mirror { Mirror(self, children: ["node": node]) }
}

/// How it stands with a node: what its status page tells.
package struct AgentStatus: Hashable, Sendable {
    package enum Link: String, Hashable, Sendable {
        /// Not yet enrolled.
        case enrolling
        case reachable, unreachable
        /// The certificate has expired and no token helps.
        case expired
        /// The controller takes nothing of this node any more: drain and end.
        case revoked
    }
    package var node: String?
    package var link = Link.enrolling
    /// 0 for none.
    package var appliedVersion: Int64 = 0
    package var refusedVersion: Int64?
    package var refusedReason: String?
    /// When the controller was last heard of.
    package var lastContact: Date?
    /// Trouble for a person's eyes.
    package var warnings: [String] = []
}
