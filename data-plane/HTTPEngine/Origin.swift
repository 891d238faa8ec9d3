// Where backends are: the identity that a pooled connection belongs to (must-hold A59), and what a loop keeps for each.

/// What two requests must have in common to share a connection.
package struct BackendOrigin: Hashable, Sendable {
    package var scheme: URLScheme
    /// A name in lower case, or an address literal without brackets.
    package var host: String
    package var port: UInt16
    package var validatesCertificateChain: Bool
    package var validatesCertificateName: Bool
    /// What the gateway proves itself with.
    package var identity: TLSIdentity?
    /// Authorities beside the system's, PEM.
    package var authorities: String?

    package init(
        scheme: URLScheme, host: String, port: UInt16, validatesCertificateChain: Bool = true,
        validatesCertificateName: Bool = true, identity: TLSIdentity? = nil, authorities: String? = nil
    ) {
        self.scheme = scheme
        self.host = host
        self.port = port
        self.validatesCertificateChain = validatesCertificateChain
        self.validatesCertificateName = validatesCertificateName
        self.identity = identity
        self.authorities = authorities
    }

    /// As Host has it: the port only where it is not the scheme's own.
    package var authority: [UInt8] {
        let name = host.contains(":") ? "[\(host)]" : host
        let isUsual = port == (scheme == .https ? 443 : 80)
        return Array((isUsual ? name : "\(name):\(port)").utf8)
    }
}

/// A certificate with its key.
package struct TLSIdentity: Hashable, Sendable, CustomStringConvertible {
    /// Leaf first, PEM.
    package var chain: String
    /// PKCS#8, PEM.
    package var key: String

    package init(chain: String, key: String) {
        self.chain = chain
        self.key = key
    }

    /// Never the key.
    package var description: String { "TLSIdentity" }
}

/// The origins that one loop has met. Indexes stay valid as long as the loop runs.
package struct OriginTable {
    struct State {
        let origin: BackendOrigin
        let authority: [UInt8]
        var idle: [UInt32] = []
        var addresses: [NetworkAddress] = []
        /// Milliseconds of the loop's clock; a literal stands for ever.
        var addressesUntil: UInt64 = 0
        var isResolving = false
        var waiting: [SlabReference] = []
        var nextAddress = 0
        /// SSL_CTX*, owned by the loop.
        var context: OpaquePointer?
    }

    private var indexes: [BackendOrigin: Int32] = [:]
    var states: [State] = []

    package init() {}

    /// The index that `ForwardRequest.origin` wants.
    package mutating func index(of origin: BackendOrigin) -> Int32 {
        if let index = indexes[origin] { return index }
        let index = Int32(states.count)
        var state = State(origin: origin, authority: origin.authority)
        if let address = NetworkAddress(literal: origin.host, port: origin.port) {
            state.addresses = [address]
            state.addressesUntil = .max
        }
        states.append(state)
        indexes[origin] = index
        return index
    }
}
