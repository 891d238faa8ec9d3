// What a policy document may refer to, and what it does refer to.

/// Answers what exists outside of a document. The controller asks its store, a node its snapshot.
package struct PolicyReferences: Sendable {
    /// A stored fragment.
    package struct Fragment: Hashable, Sendable {
        package var text: String
        package var format: PolicyFormat

        package init(text: String, format: PolicyFormat) {
            self.text = text
            self.format = format
        }
    }

    /// The text of a named value by display name, case counts; a secret's too. nil: there is none.
    package var namedValue: @Sendable (String) -> String?
    /// A fragment by id; nil: there is none.
    package var fragment: @Sendable (String) -> Fragment?
    package var backendExists: @Sendable (String) -> Bool
    package var certificateExists: @Sendable (String) -> Bool

    package init(
        namedValue: @escaping @Sendable (String) -> String? = { _ in nil },
        fragment: @escaping @Sendable (String) -> Fragment? = { _ in nil },
        backendExists: @escaping @Sendable (String) -> Bool = { _ in false },
        certificateExists: @escaping @Sendable (String) -> Bool = { _ in false }
    ) {
        self.namedValue = namedValue
        self.fragment = fragment
        self.backendExists = backendExists
        self.certificateExists = certificateExists
    }

    /// Nothing exists.
    package static let none = PolicyReferences()
}

/// What a document refers to, itself or through a fragment, names as written.
package struct PolicyUses: Hashable, Sendable {
    /// Display names of named values.
    package var namedValues: Set<String> = []
    /// Ids of fragments.
    package var fragments: Set<String> = []
    /// Ids of backends that are named literally.
    package var backends: Set<String> = []
    /// Ids of certificates that are named literally.
    package var certificates: Set<String> = []

    package init() {}

    mutating func formUnion(_ other: PolicyUses) {
        namedValues.formUnion(other.namedValues)
        fragments.formUnion(other.fragments)
        backends.formUnion(other.backends)
        certificates.formUnion(other.certificates)
    }
}
