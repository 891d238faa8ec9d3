package import GatewayConfiguration

// Which API, version, revision and operation a call is for. Made once a snapshot, immutable, shared by all loops.

/// What a call is for.
package struct Route: Sendable {
    /// Index of the API's revision in what the index was made of.
    package var api: Int
    /// Index of the operation in it; nil where none matches.
    package var operation: Int?
    /// Values of the template's parameters, percent-decoded once.
    package var parameters: [(name: String, value: String)]
    /// Names of the query parameters that the template names.
    package var queryNames: [String]
    /// Where the path goes on behind the API's path, version and revision.
    package var remainingStart: Int
}

/// Routing by path, version, revision, method and template.
package struct RouteIndex: Sendable {
    private struct Revision: Sendable {
        let number: [UInt8]
        let isCurrent: Bool
        let api: Int
    }

    private struct Version: Sendable {
        /// nil for the original of the set, and for an API without versions.
        let value: [UInt8]?
        var revisions: [Revision]
    }

    /// What of an API decides which calls are for it, beside its operations.
    private struct Address: Hashable, Sendable {
        let path: String
        let version: ApiConfiguration.Version?
        let revision: String
        let isCurrent: Bool
    }

    /// All APIs with one path.
    private struct Group: Sendable {
        var scheme: ApiConfiguration.Version.Scheme?
        var parameter = ""
        var versions: [Version] = []
    }

    private final class Api: Sendable {
        let protocols: Set<String>
        let methods: [[UInt8]]
        let trees: [OperationTree]

        init(protocols: Set<String>, methods: [[UInt8]], trees: [OperationTree]) {
            self.protocols = protocols
            self.methods = methods
            self.trees = trees
        }
    }

    /// By API.
    private let addresses: [Address]
    private let groups: [Group]
    private let table: FoldedTable
    private let depthMax: Int
    private let rootGroup: Int?
    private let apis: [Api]

    /// `former`: an index whose API number `same[n]` is as number n here; nil for one that is new or changed.
    package init(_ configurations: [ApiConfiguration], former: RouteIndex? = nil, same: [Int?] = []) {
        // By index: a configuration is wide, and copying thousands of them is what a small change would cost.
        var addresses: [Address] = []
        var apis: [Api] = []
        addresses.reserveCapacity(configurations.count)
        apis.reserveCapacity(configurations.count)
        for index in configurations.indices {
            if let former, index < same.count, let place = same[index] {
                addresses.append(former.addresses[place])
                apis.append(former.apis[place])
            } else {
                addresses.append(Self.address(configurations[index]))
                apis.append(Self.compile(configurations[index]))
            }
        }
        self.addresses = addresses
        self.apis = apis
        if let former, former.addresses == addresses {
            groups = former.groups
            table = former.table
            depthMax = former.depthMax
            rootGroup = former.rootGroup
            return
        }
        var groups: [Group] = []
        var paths: [[UInt8]] = []
        var places: [String: Int] = [:]
        for (index, address) in addresses.enumerated() {
            let folded = address.path.lowercased()
            let place = places[folded] ?? groups.count
            if place == groups.count {
                groups.append(Group())
                paths.append(Array(address.path.utf8))
                places[folded] = place
            }
            Self.add(address, index, to: &groups[place])
        }
        self.groups = groups
        table = FoldedTable(paths)
        depthMax = paths.map { path in path.isEmpty ? 0 : path.count { $0 == UInt8(ascii: "/") } + 1 }.max() ?? 0
        rootGroup = paths.firstIndex { $0.isEmpty }
    }

    private static func address(_ configuration: ApiConfiguration) -> Address {
        Address(
            path: trimmed(configuration.path), version: configuration.version, revision: configuration.revision,
            isCurrent: configuration.isCurrent)
    }

    private static func trimmed(_ path: String) -> String {
        path.split(separator: "/").joined(separator: "/")
    }

    private static func add(_ address: Address, _ index: Int, to group: inout Group) {
        let revision = Revision(number: Array(address.revision.utf8), isCurrent: address.isCurrent, api: index)
        if let version = address.version {
            group.scheme = version.scheme
            group.parameter = version.parameterName ?? ""
        }
        let value = address.version?.value.map { Array($0.utf8) }
        let same = group.versions.firstIndex { version in
            switch (version.value, value) {
            case (nil, nil): true
            case (let one?, let other?): ASCIICase.equal(one, other)
            case (nil, _), (_, nil): false
            }
        }
        if let same {
            group.versions[same].revisions.append(revision)
        } else {
            group.versions.append(Version(value: value, revisions: [revision]))
        }
    }

    private static func compile(_ configuration: ApiConfiguration) -> Api {
        var byMethod: [[UInt8]: [(operation: Int, template: UrlTemplate)]] = [:]
        for (index, operation) in configuration.operations.enumerated() {
            byMethod[Array(operation.method.utf8), default: []].append((index, UrlTemplate(operation.urlTemplate)))
        }
        return Api(
            protocols: Set(configuration.protocols.map { $0.lowercased() }), methods: Array(byMethod.keys),
            trees: byMethod.values.map(OperationTree.init))
    }

    // MARK: Finding

    /// Finds what a call is for.
    ///
    /// `path` is in normal form and begins with `/`; `header` gives the values of all lines with a name.
    /// - Returns: nil for a path of no API.
    package func route(
        method: [UInt8], scheme: String, path: [UInt8], query: [UInt8]?, header: (String) -> [ArraySlice<UInt8>]
    ) -> Route? {
        guard let found = findGroup(path) else { return nil }
        let group = groups[found.group]
        var position = found.end
        var revision = found.revision
        let parameters = QueryParameters(query)
        var version: Version?
        switch group.scheme {
        case nil: version = group.versions.first
        case .segment:
            let next = Self.segment(path, at: position)
            let (name, number) = Self.splitRevision(path[next])
            let decoded = Escapes.decoded(name)
            if revision == nil,
                let named = group.versions.first(where: { $0.value.map { ASCIICase.equal($0, decoded) } ?? false })
            {
                version = named
                position = next.upperBound
                revision = number
            } else {
                version = group.versions.first { $0.value == nil }
            }
        case .query:
            let values = parameters.values(of: Array(group.parameter.utf8), foldingCase: true)
            guard values.count < 2 else { return nil }
            version = Self.version(values.first?[...], in: group)
        case .header:
            let values = header(group.parameter)
            guard values.count < 2 else { return nil }
            version = Self.version(values.first, in: group)
        }
        guard let version, let api = Self.revision(revision, in: version), apis[api].protocols.contains(scheme) else {
            return nil
        }
        return operation(api, method, path, position, parameters)
    }

    /// Whether another method has an operation on the same path, for a preflight.
    package func operation(of route: Route, method: [UInt8], path: [UInt8], query: [UInt8]?) -> Route? {
        let other = operation(route.api, method, path, route.remainingStart, QueryParameters(query))
        return other.operation == nil ? nil : other
    }

    private func operation(
        _ api: Int, _ method: [UInt8], _ path: [UInt8], _ position: Int, _ query: QueryParameters
    ) -> Route {
        var route = Route(api: api, operation: nil, parameters: [], queryNames: [], remainingStart: position)
        let compiled = apis[api]
        guard let place = compiled.methods.firstIndex(of: method),
            let match = compiled.trees[place].match(path[position...], query)
        else { return route }
        route.operation = match.operation
        route.parameters = match.parameters
        route.queryNames = match.queryNames
        return route
    }

    private static func version(_ value: ArraySlice<UInt8>?, in group: Group) -> Version? {
        guard let value, !value.isEmpty else { return group.versions.first { $0.value == nil } }
        return group.versions.first { version in version.value.map { ASCIICase.equal($0, value) } ?? false }
    }

    private static func revision(_ number: ArraySlice<UInt8>?, in version: Version) -> Int? {
        guard let number else { return version.revisions.first { $0.isCurrent }?.api }
        return version.revisions.first { $0.number[...] == number }?.api
    }

    private struct FoundGroup {
        let group: Int
        /// Behind the last segment of the API's path, `;rev=` included.
        let end: Int
        let revision: ArraySlice<UInt8>?
    }

    /// The longest path of whole segments; `;rev=n` behind its last segment is no part of it.
    private func findGroup(_ path: [UInt8]) -> FoundGroup? {
        var best = rootGroup.map { FoundGroup(group: $0, end: 0, revision: nil) }
        var hash = FoldedHash()
        var start = 1
        var depth = 0
        if let root = rootGroup {
            let first = Self.segment(path, at: 0)
            let (name, number) = Self.splitRevision(path[first])
            if name.isEmpty, let number { best = FoundGroup(group: root, end: first.upperBound, revision: number) }
        }
        while start < path.count, depth < depthMax {
            if depth > 0 { hash.add(UInt8(ascii: "/")) }
            var end = start
            while end < path.count, path[end] != UInt8(ascii: "/") { end += 1 }
            let (name, number) = Self.splitRevision(path[start..<end])
            for byte in name { hash.add(byte) }
            if let group = table.find(path[1..<name.endIndex], hash) {
                best = FoundGroup(group: group, end: end, revision: number)
            }
            if number != nil { break }
            depth += 1
            start = end + 1
        }
        return best
    }

    /// The segment that begins with the slash at `position`, without it.
    private static func segment(_ path: [UInt8], at position: Int) -> Range<Int> {
        let start = min(position + 1, path.count)
        let end = path[start...].firstIndex(of: UInt8(ascii: "/")) ?? path.count
        return start..<end
    }

    /// `name;rev=12` in two; a number has no sign and no leading zero. Anything else behind `;` is part of the name.
    private static func splitRevision(_ segment: ArraySlice<UInt8>) -> (ArraySlice<UInt8>, ArraySlice<UInt8>?) {
        guard let semicolon = segment.firstIndex(of: UInt8(ascii: ";")) else { return (segment, nil) }
        let rest = segment[(semicolon + 1)...]
        let number = rest.dropFirst(4)
        guard ASCIICase.equal(rest.prefix(4), "rev=".utf8), !number.isEmpty, number.count <= 9,
            number.first != UInt8(ascii: "0"),
            number.allSatisfy({ $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") })
        else { return (segment, nil) }
        return (segment[..<semicolon], number)
    }
}
