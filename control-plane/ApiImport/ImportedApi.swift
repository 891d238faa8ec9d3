package import JSONDocuments

// What a description comes to, in the shape of the management API.

/// What the caller decides about an import.
package struct ImportOptions: Hashable, Sendable {
    /// Whether required query parameters become part of the template (the default of the reference) or stay in the
    /// query (`translateRequiredQueryParameters=query`).
    package enum RequiredQueryParameters: Hashable, Sendable { case template, query }

    package var requiredQueryParameters: RequiredQueryParameters
    /// Name of the schema that the import makes; parameters and representations refer to it.
    package var schemaID: String
    /// Set when the request names the API, which then needs no title.
    package var displayName: String?

    package init(
        requiredQueryParameters: RequiredQueryParameters = .template, schemaID: String = "schema",
        displayName: String? = nil
    ) {
        self.requiredQueryParameters = requiredQueryParameters
        self.schemaID = schemaID
        self.displayName = displayName
    }
}

package struct ImportedOperation: Hashable, Sendable {
    /// Of the resource, 1 to 80 letters.
    package var name: String
    package var displayName: String
    /// In capitals.
    package var method: String
    package var urlTemplate: String
    /// Names of tags, as written.
    package var tags: [String]
    /// The resource's `properties`: displayName, method, urlTemplate, templateParameters, description, request,
    /// responses.
    package var properties: JSONValue
}

/// The schemas of a description, as one schema resource of the API.
package struct ImportedSchema: Hashable, Sendable {
    package static let componentsType = "application/vnd.oai.openapi.components+json"
    package static let definitionsType = "application/vnd.ms-azure-apim.swagger.definitions+json"

    package var id: String
    package var contentType: String
    /// `{ "components": { "schemas": … } }` or `{ "definitions": … }`.
    package var document: JSONValue

    package init(id: String, contentType: String, document: JSONValue) {
        self.id = id
        self.contentType = contentType
        self.document = document
    }
}

package struct ImportedApi: Sendable {
    package var format: DescriptionFormat
    /// `info.title`, or the request's displayName where there is none; at most 300 letters.
    package var displayName: String
    package var description: String?
    /// `info.version`.
    package var version: String?
    package var termsOfServiceUrl: String?
    /// As in the resource: name, url, email.
    package var contact: JSONValue?
    /// As in the resource: name, url.
    package var license: JSONValue?
    /// The backend's base URL: the first https server, else the first of http; nil: none is named.
    package var serviceUrl: String?
    package var protocols: [String]
    package var operations: [ImportedOperation]
    /// nil where the description has no schemas.
    package var schema: ImportedSchema?
    /// Names and descriptions of the document's tags.
    package var tags: [(name: String, description: String?)]
    /// What was left out, for people.
    package var warnings: [ImportProblem]
}
