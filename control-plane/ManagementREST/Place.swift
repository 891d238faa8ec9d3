// Where a path leads: below the service, to a scope's Microsoft.Authorization, or to the root.
internal import Resources

enum Place {
    /// Segments below `{service}`.
    case service([String])
    /// The scope (empty is the root) and the segments behind the provider.
    case authorization(scope: String, [String])
    case root([String])
    /// Below the service, with a segment that no name can be; the segments before it are not kept.
    case broken([String])

    init(_ target: RequestTarget, serviceSegments: [String]) throws(Refusal) {
        guard let segments = target.segments else {
            self = .broken(Self.kinds(ofRawPath: target.rawPath, behind: serviceSegments.count))
            return
        }
        let lower = segments.map { $0.lowercased() }
        if let provider = Self.authorizationProvider(lower) {
            self = .authorization(
                scope: segments[..<provider].map { "/\($0)" }.joined(), Array(segments[(provider + 2)...]))
            return
        }
        let service = serviceSegments.map { $0.lowercased() }
        if lower.starts(with: service) {
            self = .service(Array(segments.dropFirst(service.count)))
        } else {
            self = .root(segments)
        }
    }

    /// The place of `providers/microsoft.authorization`, the last one in the path.
    private static func authorizationProvider(_ segments: [String]) -> Int? {
        segments.indices.dropLast().last {
            segments[$0] == "providers" && segments[$0 + 1] == "microsoft.authorization"
        }
    }

    /// The collections of a path that can't be decoded, for the action that it would ask for.
    private static func kinds(ofRawPath path: String, behind count: Int) -> [String] {
        let segments = path.split(separator: "/").dropFirst(count)
        return segments.enumerated().map { $0.offset % 2 == 0 ? String($0.element) : "x" }
    }
}

extension Refusal {
    /// Nothing of the service is there for the caller.
    static let foreign = Refusal(.resourceNotFound, "The resource was not found.")
}
