// The built-in issuer's endpoints: token, OpenID metadata, key set. Errors are OAuth's (RFC 6749 section 5.2).
internal import AccessControl
internal import Foundation
internal import JSONDocuments
internal import Resources
internal import ResourceStore

enum TokenRoutes {
    private static let parametersMax = 64
    /// Of a parameter's name, and of a client's id.
    private static let textBytesMax = 256

    static func error(_ code: String, _ description: String, status: Int = 400) -> Answer {
        var answer = Answer.json(["error": .string(code), "error_description": .string(description)], status: status)
        answer.headers.append(("Pragma", "no-cache"))
        return answer
    }

    /// POST /{tenantId}/oauth2/v2.0/token: client credentials.
    static func token(
        _ management: Management, tenant: String, form: [(name: String, value: String)], authorization: String?,
        address: String, request: String
    ) async throws -> Answer {
        guard tenant.lowercased() == management.issuer.tenantID.lowercased() else {
            return error("invalid_request", "Tenant '\(tenant.prefix(64))' is not known here.")
        }
        // To hash a text takes the square of the marks on one letter, and nobody is known yet.
        guard form.count <= parametersMax, form.allSatisfy({ $0.name.utf8.count <= textBytesMax }) else {
            return error("invalid_request", "There are too many parameters, or one has too long a name.")
        }
        let names = form.map(\.name)
        guard Set(names).count == names.count else { return error("invalid_request", "A parameter stands twice.") }
        let fields = Dictionary(form.map { ($0.name, $0.value) }) { first, _ in first }
        // In the header and in the body at once is no way of the two (RFC 6749 section 2.3).
        if authorization != nil, fields["client_secret"] != nil {
            return error("invalid_request", "Give client_id and client_secret in the body or as Basic, not both.")
        }
        guard let credentials = credentials(fields, authorization), credentials.id.utf8.count <= textBytesMax else {
            return error(
                "invalid_client", "Give client_id and client_secret once, in the body or as Basic.", status: 401)
        }
        let now = management.now()
        if let wait = management.throttle.wait(client: credentials.id, address: address, now: now.timeIntervalSince1970)
        {
            var answer = error("temporarily_unavailable", "Too many failures; try again later.", status: 429)
            answer.headers.append(("Retry-After", String(wait)))
            return answer
        }
        guard fields["grant_type"] == "client_credentials" else {
            return error("unsupported_grant_type", "grant_type must be client_credentials.")
        }
        guard let principal = try await principal(management, credentials) else {
            management.throttle.failed(client: credentials.id, address: address, now: now.timeIntervalSince1970)
            var answer = error("invalid_client", "The client or its secret is wrong.", status: 401)
            if authorization != nil {
                answer.headers.append(("WWW-Authenticate", "Basic realm=\"\(management.issuer.tenantID)\""))
            }
            return answer
        }
        management.throttle.succeeded(client: credentials.id, address: address)
        let audience: String
        switch Self.audience(fields, management.issuer) {
        case .success(let found): audience = found
        case .failure(let refusal): return refusal.answer
        }
        let token = try management.issuer.token(for: principal, audience: audience, now: now)
        var answer = Answer.json([
            "token_type": "Bearer", "expires_in": .int(TokenIssuer.lifetime),
            "ext_expires_in": .int(TokenIssuer.lifetime),
            "access_token": .string(token),
        ])
        answer.headers.append(("Pragma", "no-cache"))
        return answer
    }

    private struct Refused: Error { var answer: Answer }

    /// The resource that the token is for: by scope, or by RFC 8707's `resource`.
    private static func audience(_ fields: [String: String], _ issuer: TokenIssuer) -> Result<String, Refused> {
        let byScope = fields["scope"].map { issuer.audience(ofScope: $0) }
        guard let resource = fields["resource"] else {
            if case .some(.some(let audience)) = byScope { return .success(audience) }
            return .failure(
                Refused(answer: error("invalid_scope", "scope must be a resource served here and /.default.")))
        }
        guard let audience = issuer.audience(ofScope: resource + "/.default"), byScope == nil || byScope == audience
        else { return .failure(Refused(answer: error("invalid_target", "resource must be one that is served here."))) }
        return .success(audience)
    }

    private struct Credentials {
        var id: String
        var secret: String
    }

    /// One way of the two, not both (RFC 6749 section 2.3).
    private static func credentials(_ fields: [String: String], _ authorization: String?) -> Credentials? {
        guard let authorization else {
            guard let id = fields["client_id"], let secret = fields["client_secret"] else { return nil }
            return Credentials(id: id, secret: secret)
        }
        guard fields["client_secret"] == nil, authorization.lowercased().hasPrefix("basic "),
            let data = Data(base64Encoded: authorization.dropFirst(6).trimmingCharacters(in: .whitespaces)),
            let text = String(validating: data, as: UTF8.self), let colon = text.firstIndex(of: ":"),
            let id = RequestTarget.decode(text[..<colon], plusIsBlank: true),
            let secret = RequestTarget.decode(text[text.index(after: colon)...], plusIsBlank: true),
            fields["client_id"] == nil || fields["client_id"] == id
        else { return nil }
        return Credentials(id: id, secret: secret)
    }

    private static func principal(_ management: Management, _ credentials: Credentials) async throws -> Principal? {
        let principal = management.access.directory.principal(client: credentials.id)
        let context = management.context
        let secret = credentials.secret
        // The same work for a client that nobody knows, so that the time does not tell it from a wrong secret.
        let matches = try await management.store.read { reader in
            try ClientSecrets.matches(secret, of: principal?.id, reader, context: context)
        }
        return matches ? principal : nil
    }

    static func metadata(_ management: Management) -> Answer { publicly(.json(management.issuer.metadata)) }

    static func keys(_ management: Management) throws -> Answer { publicly(.json(try management.issuer.keys())) }

    private static func publicly(_ answer: Answer) -> Answer {
        var answer = answer
        answer.headers.append(("Cache-Control", "public, max-age=3600"))
        return answer
    }
}
