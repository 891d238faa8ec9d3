internal import JSONDocuments

// Where the backend is, by `servers` of OpenAPI 3 or `schemes`, `host` and `basePath` of Swagger 2.

struct ServiceAddress {
    private static let lengthMax = 2_000

    let serviceUrl: String?
    let protocols: [String]

    init(_ root: JSONObject, _ format: DescriptionFormat) {
        let fallback = Self.addresses(root["x-servers"])
        guard format.isSwagger else {
            let servers = Self.addresses(root["servers"])
            serviceUrl = Self.chosen(servers.isEmpty ? fallback : servers)
            // What callers use is the gateway, whatever the backend speaks.
            protocols = ["https"]
            return
        }
        let schemes = (root["schemes"]?.items ?? []).compactMap { $0.text?.lowercased() }
            .filter { ["http", "https", "ws", "wss"].contains($0) }
        protocols = schemes.isEmpty ? ["https"] : schemes
        guard let host = root["host"].flatMap(Scalars.text), !host.isEmpty else {
            serviceUrl = Self.chosen(fallback)
            return
        }
        var path = root["basePath"].flatMap(Scalars.text) ?? ""
        if !path.isEmpty, !path.hasPrefix("/") { path = "/" + path }
        serviceUrl = Self.chosen((schemes.isEmpty ? ["https"] : schemes).map { "\($0)://\(host)\(path)" })
    }

    /// The first https address, else the first other one.
    private static func chosen(_ addresses: [String]) -> String? {
        let usable = addresses.filter(isUsable)
        for scheme in ["https://", "http://", "wss://", "ws://"] {
            if let found = usable.first(where: { $0.lowercased().hasPrefix(scheme) }) { return found }
        }
        return nil
    }

    private static func isUsable(_ address: String) -> Bool {
        guard address.utf8.count <= lengthMax, let range = address.firstRange(of: "://") else { return false }
        let rest = address[range.upperBound...]
        let host = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        return !host.isEmpty && !host.contains("@")
            && address.unicodeScalars.allSatisfy {
                $0.value > 0x20 && $0.value != 0x7F && !"{}\\<>\"".unicodeScalars.contains($0)
            }
    }

    /// The URLs of a list of servers, their variables put in.
    private static func addresses(_ servers: JSONValue?) -> [String] {
        (servers?.items ?? []).compactMap { server in
            guard var url = server["url"].flatMap(Scalars.text) else { return nil }
            if url.hasPrefix("//") { url = "https:" + url }
            for (name, variable) in server["variables"]?.members ?? JSONObject() {
                let value =
                    variable["default"].flatMap(Scalars.text)
                    ?? variable["enum"]?.items?.first.flatMap(Scalars.text)
                if let value { url = url.replacing("{\(name)}", with: value) }
            }
            return url
        }
    }
}
