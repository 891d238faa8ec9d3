// Which blobs a gateway's nodes may have: those that one of its last two roots names (must-hold H17).
internal import GatewayConfiguration

/// Hashes that the newest roots name, and those that the roots before them named and they do not.
struct NamedHashes: Sendable {
    private struct Part: Sendable {
        var newest: Set<String> = []
        var former: Set<String> = []

        mutating func apply(_ changes: HashChanges) {
            newest.subtract(changes.dropped)
            newest.formUnion(changes.added)
            former = changes.dropped
        }

        func names(_ hash: String) -> Bool { newest.contains(hash) || former.contains(hash) }

        func names(_ hash: String, after changes: HashChanges?) -> Bool {
            guard let changes else { return newest.contains(hash) }
            return changes.added.contains(hash) || (newest.contains(hash) && !changes.dropped.contains(hash))
        }
    }

    private var shared = Part()
    /// By name in lower case: of their APIs.
    private var gateways: [String: Part] = [:]

    init() {}

    init(shared: Set<String>, gateways: [String: Set<String>]) {
        self.shared.newest = shared
        self.gateways = gateways.mapValues { Part(newest: $0) }
    }

    func mayHave(_ hash: String, gateway: String) -> Bool {
        guard let part = gateways[gateway] else { return false }
        return shared.names(hash) || part.names(hash)
    }

    /// Hashes that no newest root names any more once a step is taken.
    func retired(by build: SnapshotBuild) -> Set<String> {
        var out = build.shared.dropped
        for (name, part) in gateways {
            out.formUnion(build.basis.gateways[name] == nil ? part.newest : build.gateways[name]?.dropped ?? [])
        }
        return out.filter { hash in
            guard !shared.names(hash, after: build.shared) else { return false }
            return !gateways.contains { name, part in
                build.basis.gateways[name] != nil && part.names(hash, after: build.gateways[name])
            }
        }
    }

    /// Takes a step.
    mutating func apply(_ build: SnapshotBuild) {
        shared.apply(build.shared)
        gateways = gateways.filter { build.basis.gateways[$0.key] != nil }
        for name in build.basis.gateways.keys {
            gateways[name, default: Part()].apply(build.gateways[name] ?? HashChanges())
        }
    }
}
