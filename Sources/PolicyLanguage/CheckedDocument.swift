package import PolicyExpressions

// A document that compiles, as the node's steps read it.

/// The text of an expression, without `@(` and `)` or `@{` and `}`.
package struct ExpressionText: Hashable, Sendable {
    /// Named values are put in.
    package var code: String
    /// Whether it is a block `@{ … }`.
    package var isBlock: Bool

    package init(code: String, isBlock: Bool) {
        self.code = code
        self.isBlock = isBlock
    }
}

/// What an attribute or a text is.
package enum PolicyValue: Hashable, Sendable {
    /// Entities resolved, named values put in.
    case literal(String)
    case expression(ExpressionText)
}

/// A policy or a child of one, checked against its declaration: what must be there is there and within its bounds.
package struct CheckedPolicy: Hashable, Sendable {
    package let element: String
    /// In the document it was written in; a policy from a fragment has the fragment's.
    package let place: SourcePosition
    /// The level of the document that is checked.
    package let level: PolicyLevel
    package let section: PolicySection
    /// As `LastError.Path` has it: `set-header[2]`, `choose[3]/when[2]`; counted from 1 among siblings of the name.
    package let path: String
    /// By name. Defaults are put in where the declaration has one.
    package let attributes: [String: PolicyValue]
    /// nil where the declaration has no text.
    package let text: PolicyValue?
    package let children: [CheckedPolicy]

    /// The attribute `id`, which becomes `LastError.PolicyId`; empty without one.
    package var policyID: String { literal("id") ?? "" }

    /// The literal text of an attribute; nil when it is absent or an expression.
    package func literal(_ name: String) -> String? {
        if case .literal(let text)? = attributes[name] { return text }
        return nil
    }

    /// An attribute that the declaration calls an integer; nil when it is absent or an expression.
    package func integer(_ name: String) -> Int64? { literal(name).flatMap(LiteralText.integer) }

    /// An attribute that the declaration calls a flag; nil when it is absent or an expression.
    package func flag(_ name: String) -> Bool? { literal(name).flatMap(LiteralText.flag) }

    /// The literal text inside the element; nil when there is none or it is an expression.
    package var literalText: String? {
        if case .literal(let text)? = text { return text }
        return nil
    }

    /// The children with this name, in order.
    package func children(_ element: String) -> [CheckedPolicy] {
        children.filter { $0.element == element }
    }
}

/// A policy document that compiles.
package struct CheckedDocument: Hashable, Sendable {
    package let level: PolicyLevel
    /// What stands in each section, in order, fragments put in. `<base />` is a policy of that name. A section that the
    /// document leaves out is absent here and means `<base />` alone (policies.md 0.3).
    package let sections: [PolicySection: [CheckedPolicy]]
    package let uses: PolicyUses
    /// What is allowed, but probably not meant; in document order.
    package let warnings: [PolicyProblem]
}
