// From stored resources to the blobs of a snapshot: which blobs a change touches, and what each one holds.
internal import ApiImport
internal import Foundation
package import GatewayConfiguration
internal import JSONDocuments
internal import PolicyLanguage
package import Resources
package import ResourceStore

/// What must be made anew.
package struct DirtyContent: Sendable, Equatable {
    /// Names of blobs of the root.
    package var blobs: Set<String> = []
    /// Names in lower case.
    package var apis: Set<String> = []
    package var products: Set<String> = []
    /// Hashes of subscription keys.
    package var keys: Set<String> = []
    /// Whether what a gateway serves has changed.
    package var gateways = false

    package init() {}

    /// What a row of the store's changes touches.
    package mutating func add(_ change: ChangeRow) {
        let segments = change.id.segments.map(String.init)
        switch change.kind {
        case "apis", "apis/operations", "apis/policies", "apis/operations/policies", "apis/schemas":
            apis.insert(segments[1].lowercased())
        case "products", "products/apis", "products/policies": products.insert(segments[1].lowercased())
        case "subscriptions":
            for hash in change.detail.split(separator: ",") { keys.insert(String(hash)) }
        case "namedValues": blobs.formUnion([BlobName.namedValues, BlobName.secrets])
        case "policyFragments": blobs.insert(BlobName.fragments)
        case "backends": blobs.formUnion([BlobName.backends, BlobName.secrets])
        case "certificates": blobs.formUnion([BlobName.certificates, BlobName.secrets])
        case "policies", "service": blobs.insert(BlobName.service)
        case "gateways", "gateways/apis": gateways = true
        default: break
        }
    }
}

/// Builds blobs from one state of the store.
package struct BlobBuilder {
    let reader: StoreReader
    let context: ResourceContext
    let pepper: [UInt8]

    package init(reader: StoreReader, context: ResourceContext, pepper: [UInt8]) {
        self.reader = reader
        self.context = context
        self.pepper = pepper
    }

    /// Everything that there should be, for a first build.
    package func everything() throws -> DirtyContent {
        var all = DirtyContent()
        all.blobs = Set(BlobName.all)
        all.apis = Set(try reader.list(ListQuery(kind: "apis")).map { $0.name.lowercased() })
        all.products = Set(try reader.list(ListQuery(kind: "products")).map { $0.name.lowercased() })
        all.keys = Set(try reader.values(in: SubscriptionKeys.scope))
        all.gateways = true
        return all
    }

    /// A blob of the root; nil for `secrets`, which must be sealed.
    func blob(_ name: String) throws -> Blob? {
        switch name {
        case BlobName.service: return try Blob(encoding: service())
        case BlobName.backends: return try Blob(encoding: backends())
        case BlobName.certificates: return try Blob(encoding: certificates())
        case BlobName.namedValues: return try Blob(encoding: namedValues())
        case BlobName.fragments: return try Blob(encoding: fragments())
        default: return nil
        }
    }

    private func service() throws -> ServiceConfiguration {
        ServiceConfiguration(id: context.serviceID, policy: try policy(below: .service))
    }

    private func policy(below id: ResourceID) throws -> PolicyText? {
        guard let row = try reader.get(id.appending("policies", "policy")) else { return nil }
        return Self.policyText(row)
    }

    private static func policyText(_ row: StoredResource) -> PolicyText {
        PolicyText(
            text: row.properties["value"]?.text ?? "",
            format: row.properties["format"]?.text?.hasPrefix("rawxml") == true ? .rawxml : .xml)
    }

    func api(_ name: String) throws -> ApiConfiguration? {
        guard let row = try reader.get(ResourceID(path: "/apis/\(name)")) else { return nil }
        let properties = row.properties
        let rows = try reader.list(ListQuery(kind: "apis/operations", parent: row.id))
        let document = try policy(below: row.id)
        let documents = try rows.map { try policy(below: $0.id) }
        let schemas = try schemas(row.id, documents + [document])
        let operations = zip(rows, documents).map { operation, document in
            OperationConfiguration(
                name: operation.name, displayName: operation.properties["displayName"]?.text ?? operation.name,
                method: operation.properties["method"]?.text ?? "",
                urlTemplate: operation.properties["urlTemplate"]?.text ?? "", policy: document,
                responses: Self.responses(operation, schemas: schemas))
        }
        return ApiConfiguration(
            name: row.name, displayName: properties["displayName"]?.text ?? row.name, revision: "1", isCurrent: true,
            path: properties["path"]?.text ?? "", version: nil,
            protocols: (properties["protocols"]?.items ?? []).compactMap(\.text),
            serviceUrl: properties["serviceUrl"]?.text,
            subscriptionRequired: properties["subscriptionRequired"]?.boolean ?? true,
            keyHeaderName: properties[path: "subscriptionKeyParameterNames.header"]?.text
                ?? "Ocp-Apim-Subscription-Key",
            keyQueryName: properties[path: "subscriptionKeyParameterNames.query"]?.text ?? "subscription-key",
            forwardsSubscriptionKey: properties[path: "gatehouse.forwardSubscriptionKey"]?.boolean ?? false,
            policy: document, operations: operations)
    }

    /// What mock-response may choose from: each representation with its first example, or, where a document asks for a
    /// mock, with a sample made from its schema.
    private static func responses(_ operation: StoredResource, schemas: [String: JSONValue]) -> [ResponseDefinition] {
        (operation.properties["responses"]?.items ?? []).compactMap { response in
            guard let status = response["statusCode"]?.integer else { return nil }
            return ResponseDefinition(
                statusCode: Int(status),
                representations: (response["representations"]?.items ?? []).map {
                    ResponseDefinition.Representation(
                        contentType: $0["contentType"]?.text ?? "", sample: sample($0, schemas))
                })
        }
    }

    private static func sample(_ representation: JSONValue, _ schemas: [String: JSONValue]) -> String? {
        if let example = representation["examples"]?.members?.first(where: { _ in true })?.value {
            let value = example["value"] ?? example
            return value.text ?? value.encodedText()
        }
        if let sample = representation["sample"]?.text ?? representation["generatedSample"]?.text { return sample }
        guard let type = representation["typeName"]?.text, let schema = representation["schemaId"]?.text,
            let document = schemas[schema.lowercased()]
        else { return nil }
        return SchemaSample.text(
            forType: type, in: document, contentType: representation["contentType"]?.text ?? "application/json")
    }

    /// The API's schemas by name, where one of its documents asks for a mock: samples cost, and few are asked for.
    private func schemas(_ api: ResourceID, _ documents: [PolicyText?]) throws -> [String: JSONValue] {
        guard documents.contains(where: { $0?.text.contains("mock-response") == true }) else { return [:] }
        let rows = try reader.list(ListQuery(kind: "apis/schemas", parent: api))
        return Dictionary(rows.map { ($0.name.lowercased(), $0.properties["document"] ?? .emptyObject) }) { first, _ in
            first
        }
    }

    func product(_ name: String) throws -> ProductConfiguration? {
        guard let row = try reader.get(ResourceID(path: "/products/\(name)")) else { return nil }
        return ProductConfiguration(
            name: row.name, displayName: row.properties["displayName"]?.text ?? row.name,
            subscriptionRequired: row.properties["subscriptionRequired"]?.boolean ?? true,
            apis: try reader.list(ListQuery(kind: "products/apis", parent: row.id)).map(\.name),
            policy: try policy(below: row.id))
    }

    /// Keys by hash; nil for a hash that no subscription has any more.
    func keys(_ hashes: Set<String>) throws -> [String: SubscriptionKey?] {
        var blocked: [String: Bool] = [:]
        var keys: [String: SubscriptionKey?] = [:]
        for hash in hashes {
            guard let row = try reader.resource(holding: hash, in: SubscriptionKeys.scope) else {
                keys[hash] = .some(nil)
                continue
            }
            let user = row.properties["ownerId"]?.text.map { ResourceID(path: $0).name }
            var isOpen = row.properties["state"]?.text == "active"
            if let user, isOpen {
                let isBlocked =
                    try blocked[user]
                    ?? (reader.get(ResourceID(path: "/users/\(user)"))?.properties["state"]?.text == "blocked")
                blocked[user] = isBlocked
                isOpen = !isBlocked
            }
            keys[hash] = SubscriptionKey(
                subscription: row.name, displayName: row.properties["displayName"]?.text ?? row.name,
                scope: Self.scope(row.properties["scope"]?.text ?? ""), user: user, isOpen: isOpen,
                start: Int64(exactly: (row.created * 1_000).rounded(.down)))
        }
        return keys
    }

    private static func scope(_ text: String) -> SubscriptionKey.Scope {
        let segments = text.split(separator: "/").map(String.init)
        switch (segments.first?.lowercased(), segments.count) {
        case ("apis"?, 2): return .api(segments[1])
        case ("products"?, 2): return .product(segments[1])
        default: return .allApis
        }
    }

    private func namedValues() throws -> [String: NamedValueConfiguration] {
        var values: [String: NamedValueConfiguration] = [:]
        for row in try reader.list(ListQuery(kind: "namedValues")) {
            guard let name = row.properties["displayName"]?.text else { continue }
            let isSecret = row.properties["secret"]?.boolean == true
            values[name] = NamedValueConfiguration(value: isSecret ? nil : row.properties["value"]?.text)
        }
        return values
    }

    private func fragments() throws -> [String: PolicyText] {
        Dictionary(try reader.list(ListQuery(kind: "policyFragments")).map { ($0.name, Self.policyText($0)) }) {
            first, _ in first
        }
    }

    private func backends() throws -> [BackendConfiguration] {
        try reader.list(ListQuery(kind: "backends")).map { row in
            BackendConfiguration(
                name: row.name, url: row.properties["url"]?.text ?? "",
                validatesCertificateChain: row.properties[path: "tls.validateCertificateChain"]?.boolean ?? true,
                validatesCertificateName: row.properties[path: "tls.validateCertificateName"]?.boolean ?? true,
                certificates: (row.properties[path: "credentials.certificateIds"]?.items ?? [])
                    .compactMap { $0.text.map { ResourceID(path: $0).name } })
        }
    }

    private func certificates() throws -> [CertificateConfiguration] {
        try reader.list(ListQuery(kind: "certificates")).map { row in
            CertificateConfiguration(
                name: row.name, thumbprint: row.properties["thumbprint"]?.text ?? "",
                chain: row.properties["chain"]?.text ?? "")
        }
    }

    /// What is secret in a snapshot.
    package func secrets() throws -> SnapshotSecrets {
        var secrets = SnapshotSecrets(
            pepper: Data(pepper).base64EncodedString(), namedValues: [:], backendCredentials: [:], certificateKeys: [:])
        for row in try reader.list(ListQuery(kind: "namedValues")) where row.properties["secret"]?.boolean == true {
            guard let name = row.properties["displayName"]?.text else { continue }
            secrets.namedValues[name] = try context.secret(row.id, "value", reader)
        }
        for row in try reader.list(ListQuery(kind: "certificates")) {
            secrets.certificateKeys[row.name] = try context.secret(row.id, "key", reader)
        }
        for row in try reader.list(ListQuery(kind: "backends")) {
            secrets.backendCredentials[row.name] = try credentials(row)
        }
        return secrets
    }

    private func credentials(_ row: StoredResource) throws -> SnapshotSecrets.BackendCredentials? {
        let headers = try lists("credentials.header", row)
        let query = try lists("credentials.query", row)
        var authorization: String?
        if let scheme = row.properties[path: "credentials.authorization.scheme"]?.text {
            let parameter = try context.secret(row.id, "credentials.authorization.parameter", reader) ?? ""
            authorization = parameter.isEmpty ? scheme : "\(scheme) \(parameter)"
        }
        guard !headers.isEmpty || !query.isEmpty || authorization != nil else { return nil }
        return SnapshotSecrets.BackendCredentials(headers: headers, query: query, authorization: authorization)
    }

    private func lists(_ field: String, _ row: StoredResource) throws -> [String: [String]] {
        guard let text = try context.secret(row.id, field, reader), let value = try? JSONReader.read(text) else {
            return [:]
        }
        var lists: [String: [String]] = [:]
        for (name, items) in value.members ?? JSONObject() { lists[name] = (items.items ?? []).compactMap(\.text) }
        return lists
    }
}
