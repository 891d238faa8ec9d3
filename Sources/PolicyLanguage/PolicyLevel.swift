// Where a policy document stands and how its text is written.

/// The level of a policy document, broad to narrow: what runs where the next narrower document says `<base />`.
package enum PolicyLevel: String, CaseIterable, Hashable, Sendable {
    case global
    case workspace
    case product
    case api
    case operation
}

/// How a document's text is read (policies.md 1.5).
package enum PolicyFormat: String, CaseIterable, Hashable, Sendable {
    /// Well-formed XML: quotes and `<` inside an expression are escaped.
    case xml
    /// The inside of `@(…)` and `@{…}` at the start of an attribute value or a text is read raw.
    case rawxml
}
