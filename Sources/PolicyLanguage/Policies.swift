// The list of policies. A policy is a file in the folder Policies and a line here; the node's list in PolicyRuntime has
// the same lines.

package enum Policies {
    /// What documents may hold today.
    package static let all: [PolicyDeclaration] = [
        .authenticationBasic,
        .base,
        .checkHeader,
        .cors,
        .forwardRequest,
        .includeFragment,
        .ipFilter,
        .limitConcurrency,
        .mockResponse,
        .quota,
        .rateLimit,
        .returnResponse,
        .rewriteUri,
        .setBackendService,
        .setBody,
        .setHeader,
        .setMethod,
        .setQueryParameter,
        .setStatus,
    ]

    /// Policies of the language that are not built yet: refused, and told from misspelled names.
    package static let notBuilt: Set<String> = [
        "authentication-certificate", "authentication-managed-identity", "azure-openai-emit-token-metric",
        "azure-openai-semantic-cache-lookup", "azure-openai-semantic-cache-store", "azure-openai-token-limit",
        "cache-lookup", "cache-lookup-value", "cache-remove-value", "cache-store", "cache-store-value", "cache-value",
        "choose", "cosmosdb-data-source", "cross-domain", "emit-metric", "find-and-replace",
        "get-authorization-context", "http-data-source", "invoke-dapr-binding", "invoke-request", "json-to-xml",
        "jsonp", "llm-content-safety", "llm-emit-token-metric", "llm-semantic-cache-lookup",
        "llm-semantic-cache-store", "llm-token-limit", "log-to-eventhub", "proxy", "publish-event", "publish-to-dapr",
        "quota-by-key", "rate-limit-by-key", "redirect-content-urls", "retry", "send-one-way-request", "send-request",
        "send-service-bus-message", "set-graphql-resolver", "set-variable", "sql-data-source", "trace",
        "validate-azure-ad-token", "validate-client-certificate", "validate-content", "validate-graphql-request",
        "validate-headers", "validate-jwt", "validate-odata-request", "validate-parameters", "validate-status-code",
        "wait", "xml-to-json", "xsl-transform",
    ]

    static let byElement = Dictionary(all.map { ($0.element, $0) }, uniquingKeysWith: { first, _ in first })

    /// The known name nearest to a misspelled one; nil when none is near.
    static func nearest(to name: String) -> String? {
        let candidates = all.map(\.element) + notBuilt
        let distances = candidates.map { (Self.distance(Array(name.utf8.prefix(64)), Array($0.utf8)), $0) }
        guard let best = distances.min(by: { $0 < $1 }), best.0 <= 2 else { return nil }
        return best.1
    }

    /// Insertions, deletions and replacements that lead from one to the other.
    private static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var row = Array(0...right.count)
        for (index, byte) in left.enumerated() {
            var diagonal = row[0]
            row[0] = index + 1
            for (column, other) in right.enumerated() {
                let replaced = diagonal + (byte == other ? 0 : 1)
                diagonal = row[column + 1]
                row[column + 1] = min(replaced, row[column] + 1, row[column + 1] + 1)
            }
        }
        return row[right.count]
    }
}
