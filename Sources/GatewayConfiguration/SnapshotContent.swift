// What the blobs of a snapshot hold. Controller and node read and write these very types; JSON, sorted keys.

/// A policy document as typed; the node compiles it with the code that checked it.
package struct PolicyText: Codable, Hashable, Sendable {
    package enum Format: String, Codable, Sendable { case xml, rawxml }
    package var text: String
    package var format: Format

    package init(text: String, format: Format) {
        self.text = text
        self.format = format
    }
}

/// Blob `service`.
package struct ServiceConfiguration: Codable, Hashable, Sendable {
    /// ARM id.
    package var id: String
    /// The global policy; nil where none is stored: the default document is in force (policies.md 0.1).
    package var policy: PolicyText?

    package init(id: String, policy: PolicyText?) {
        self.id = id
        self.policy = policy
    }
}

/// An entry of the tree `apis`: one revision of one API with its operations.
package struct ApiConfiguration: Codable, Hashable, Sendable {
    /// How a version of a version set is told from its siblings.
    package struct Version: Codable, Hashable, Sendable {
        package enum Scheme: String, Codable, Sendable { case segment, query, header }
        package var scheme: Scheme
        /// Of the query parameter or header; nil for a segment.
        package var parameterName: String?
        /// nil is the set's original, served without identifier.
        package var value: String?

        package init(scheme: Scheme, parameterName: String?, value: String?) {
            self.scheme = scheme
            self.parameterName = parameterName
            self.value = value
        }
    }

    /// Name without revision; reports and scopes use it.
    package var name: String
    package var displayName: String
    package var revision: String
    package var isCurrent: Bool
    /// Without slashes at either end; empty for the root.
    package var path: String
    package var version: Version?
    /// `http`, `https`, … in which it may be called.
    package var protocols: [String]
    /// Base URL of the backend; nil when a policy must choose one.
    package var serviceUrl: String?
    package var subscriptionRequired: Bool
    package var keyHeaderName: String
    package var keyQueryName: String
    /// Whether the key goes on to the backend.
    package var forwardsSubscriptionKey: Bool
    package var policy: PolicyText?
    package var operations: [OperationConfiguration]

    package init(
        name: String, displayName: String, revision: String, isCurrent: Bool, path: String, version: Version?,
        protocols: [String], serviceUrl: String?, subscriptionRequired: Bool, keyHeaderName: String,
        keyQueryName: String, forwardsSubscriptionKey: Bool, policy: PolicyText?, operations: [OperationConfiguration]
    ) {
        self.name = name
        self.displayName = displayName
        self.revision = revision
        self.isCurrent = isCurrent
        self.path = path
        self.version = version
        self.protocols = protocols
        self.serviceUrl = serviceUrl
        self.subscriptionRequired = subscriptionRequired
        self.keyHeaderName = keyHeaderName
        self.keyQueryName = keyQueryName
        self.forwardsSubscriptionKey = forwardsSubscriptionKey
        self.policy = policy
        self.operations = operations
    }
}

/// An operation of an API's revision.
package struct OperationConfiguration: Codable, Hashable, Sendable {
    package var name: String
    package var displayName: String
    package var method: String
    /// As stored: `/pets/{id}?q={q}`.
    package var urlTemplate: String
    package var policy: PolicyText?
    /// What mock-response chooses from.
    package var responses: [ResponseDefinition]

    package init(
        name: String, displayName: String, method: String, urlTemplate: String, policy: PolicyText?,
        responses: [ResponseDefinition]
    ) {
        self.name = name
        self.displayName = displayName
        self.method = method
        self.urlTemplate = urlTemplate
        self.policy = policy
        self.responses = responses
    }
}

/// A response that an operation's definition promises.
package struct ResponseDefinition: Codable, Hashable, Sendable {
    package struct Representation: Codable, Hashable, Sendable {
        package var contentType: String
        /// The first example, or a sample made from the schema (policies.md 3.2); nil for none.
        package var sample: String?

        package init(contentType: String, sample: String?) {
            self.contentType = contentType
            self.sample = sample
        }
    }

    package var statusCode: Int
    package var representations: [Representation]

    package init(statusCode: Int, representations: [Representation]) {
        self.statusCode = statusCode
        self.representations = representations
    }
}

/// An entry of the tree `products`.
package struct ProductConfiguration: Codable, Hashable, Sendable {
    package var name: String
    package var displayName: String
    package var subscriptionRequired: Bool
    /// Names of APIs without revision.
    package var apis: [String]
    package var policy: PolicyText?

    package init(
        name: String, displayName: String, subscriptionRequired: Bool, apis: [String], policy: PolicyText?
    ) {
        self.name = name
        self.displayName = displayName
        self.subscriptionRequired = subscriptionRequired
        self.apis = apis
        self.policy = policy
    }
}

/// What a key of a subscription opens, by the key's hash; a subscription has two.
package struct SubscriptionKey: Codable, Hashable, Sendable {
    /// What a subscription opens, by names without path.
    package enum Scope: Codable, Hashable, Sendable {
        /// `{svc}/` and `{svc}/apis`
        case allApis
        case api(String)
        case product(String)
    }

    /// The subscription's name.
    package var subscription: String
    package var displayName: String
    package var scope: Scope
    /// The owner's name (last segment); nil for a standalone one.
    package var user: String?
    /// Whether it opens anything: state active and owner not blocked.
    package var isOpen: Bool
    /// When it was made, Unix milliseconds: periods of its quotas begin there. nil in snapshots of earlier builds.
    package var start: Int64?

    package init(
        subscription: String, displayName: String, scope: Scope, user: String?, isOpen: Bool, start: Int64? = nil
    ) {
        self.subscription = subscription
        self.displayName = displayName
        self.scope = scope
        self.user = user
        self.isOpen = isOpen
        self.start = start
    }
}

/// A value that policies name as `{{displayName}}`.
package struct NamedValueConfiguration: Codable, Hashable, Sendable {
    /// nil where it is secret: then it is in `SnapshotSecrets.namedValues`.
    package var value: String?

    package init(value: String?) {
        self.value = value
    }
}

/// A backend entity without its credentials.
package struct BackendConfiguration: Codable, Hashable, Sendable {
    package var name: String
    package var url: String
    package var validatesCertificateChain: Bool
    package var validatesCertificateName: Bool
    /// Names of certificates to prove ourselves with.
    package var certificates: [String]

    package init(
        name: String, url: String, validatesCertificateChain: Bool, validatesCertificateName: Bool,
        certificates: [String]
    ) {
        self.name = name
        self.url = url
        self.validatesCertificateChain = validatesCertificateChain
        self.validatesCertificateName = validatesCertificateName
        self.certificates = certificates
    }
}

/// A certificate without its key.
package struct CertificateConfiguration: Codable, Hashable, Sendable {
    package var name: String
    /// SHA-1, 40 upper-case hexadecimal digits.
    package var thumbprint: String
    /// Leaf first, PEM.
    package var chain: String

    package init(name: String, thumbprint: String, chain: String) {
        self.name = name
        self.thumbprint = thumbprint
        self.chain = chain
    }
}

/// What blob `secrets` holds once it is opened. Never written to disk but sealed.
package struct SnapshotSecrets: Codable, Hashable, Sendable {
    /// A backend's credentials, as its resource has them; texts may name `{{named values}}`.
    package struct BackendCredentials: Codable, Hashable, Sendable {
        package var headers: [String: [String]]
        package var query: [String: [String]]
        /// `scheme parameter`, sent as Authorization.
        package var authorization: String?

        package init(headers: [String: [String]], query: [String: [String]], authorization: String?) {
            self.headers = headers
            self.query = query
            self.authorization = authorization
        }
    }

    /// Key of the HMAC over subscription keys, base64 of 32 bytes.
    package var pepper: String
    /// Secret named values by display name.
    package var namedValues: [String: String]
    /// By the backend's name.
    package var backendCredentials: [String: BackendCredentials]
    /// PKCS#8 PEM by the certificate's name.
    package var certificateKeys: [String: String]

    package init(
        pepper: String, namedValues: [String: String], backendCredentials: [String: BackendCredentials],
        certificateKeys: [String: String]
    ) {
        self.pepper = pepper
        self.namedValues = namedValues
        self.backendCredentials = backendCredentials
        self.certificateKeys = certificateKeys
    }
}
