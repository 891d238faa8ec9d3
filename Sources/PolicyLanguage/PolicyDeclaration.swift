// What a policy may be, as data: the checker compares a document with it, and a step may rely on what it says.

/// What a literal value must be.
package enum ValueKind: Hashable, Sendable {
    /// Any text of at most this many UTF-8 bytes, kept as written.
    case text(atMost: Int)
    /// The text of a body: as written but for one line break behind the tag.
    case body
    case integer(ClosedRange<Int64>)
    case flag
    /// One of these words, case counts.
    case word([String])
    /// A token of RFC 9110.
    case token
    /// The name of a field that a policy may change.
    case fieldName
    /// The value of a field: no CR, LF or NUL.
    case fieldValue
    /// A reason phrase: visible ASCII, at most 128 bytes (must-hold I57).
    case reason
    /// An absolute URL of http, https, ws or wss without credentials and fragment.
    case url
    /// An address or, where `ranges`, a CIDR block.
    case address(ranges: Bool)
    /// `type/subtype` with parameters.
    case mediaType
    /// Path and query with `{name}` of template parameters.
    case rewriteTemplate
    /// Id of a backend that must exist.
    case backend
}

package struct AttributeDeclaration: Hashable, Sendable {
    package let name: String
    package let kind: ValueKind
    package let summary: String
    package let isRequired: Bool
    package let defaultValue: String?
    package let allowsExpression: Bool
    /// Whether it is part of the language but refused for now; with values, these alone are refused.
    package let isUnsupported: Bool
    package let unsupportedValues: Set<String>

    package init(
        _ name: String, _ kind: ValueKind, _ summary: String, required: Bool = false,
        default defaultValue: String? = nil,
        expression: Bool = false, unsupported: Bool = false, unsupportedValues: Set<String> = []
    ) {
        self.name = name
        self.kind = kind
        self.summary = summary
        isRequired = required
        self.defaultValue = defaultValue
        allowsExpression = expression
        isUnsupported = unsupported
        self.unsupportedValues = unsupportedValues
    }

    /// Every policy takes it; its value becomes `context.LastError.PolicyId`.
    static let id = AttributeDeclaration("id", .text(atMost: 256), "Name of this policy in error handling.")
}

/// The text inside an element.
package struct TextDeclaration: Hashable, Sendable {
    package let kind: ValueKind
    package let isRequired: Bool
    package let allowsExpression: Bool

    package init(_ kind: ValueKind, required: Bool = true, expression: Bool = true) {
        self.kind = kind
        isRequired = required
        allowsExpression = expression
    }
}

/// An element inside a policy.
package struct ElementDeclaration: Sendable {
    package let element: String
    /// How many of them one parent may have.
    package let count: ClosedRange<Int>
    package let attributes: [AttributeDeclaration]
    package let text: TextDeclaration?
    package let children: [ElementDeclaration]
    /// Whether what stands inside are policies, at least one, as in a section.
    package let holdsPolicies: Bool
    /// What no single field tells: messages of what is wrong. Asked only when every field is right by itself.
    let rules: @Sendable (CheckedPolicy) -> [String]

    init(
        _ element: String, count: ClosedRange<Int> = ElementDeclaration.anyNumber,
        attributes: [AttributeDeclaration] = [], text: TextDeclaration? = nil, children: [ElementDeclaration] = [],
        holdsPolicies: Bool = false, rules: @escaping @Sendable (CheckedPolicy) -> [String] = { _ in [] }
    ) {
        self.element = element
        self.count = count
        self.attributes = attributes
        self.text = text
        self.children = children
        self.holdsPolicies = holdsPolicies
        self.rules = rules
    }

    /// A policy as a child of another.
    init(_ policy: PolicyDeclaration, count: ClosedRange<Int> = ElementDeclaration.anyNumber) {
        self.init(
            policy.element, count: count, attributes: policy.attributes + [.id], text: policy.text,
            children: policy.children, holdsPolicies: policy.holdsPolicies, rules: policy.rules)
    }

    /// More than any document has.
    static let anyNumber = 0...100_000
}

package struct PolicyDeclaration: Sendable {
    package enum Repetition: Hashable, Sendable { case any, oncePerSection, oncePerDocument }

    package let element: String
    package let summary: String
    package let sections: Set<PolicySection>
    package let levels: Set<PolicyLevel>
    package let repetition: Repetition
    /// Without `id`, which all but `base` have.
    package let attributes: [AttributeDeclaration]
    package let text: TextDeclaration?
    package let children: [ElementDeclaration]
    /// Whether it is a block: what stands inside are policies, at least one, as in a section.
    package let holdsPolicies: Bool
    let rules: @Sendable (CheckedPolicy) -> [String]
    /// What is allowed, but opens a hole or does nothing.
    let warnings: @Sendable (CheckedPolicy) -> [String]

    init(
        element: String, summary: String, sections: Set<PolicySection>, levels: Set<PolicyLevel> = everyLevel,
        repetition: Repetition = .any, attributes: [AttributeDeclaration] = [], text: TextDeclaration? = nil,
        children: [ElementDeclaration] = [], holdsPolicies: Bool = false,
        rules: @escaping @Sendable (CheckedPolicy) -> [String] = { _ in [] },
        warnings: @escaping @Sendable (CheckedPolicy) -> [String] = { _ in [] }
    ) {
        self.element = element
        self.summary = summary
        self.sections = sections
        self.levels = levels
        self.repetition = repetition
        self.attributes = attributes
        self.text = text
        self.children = children
        self.holdsPolicies = holdsPolicies
        self.rules = rules
        self.warnings = warnings
    }

    package static let everyLevel = Set(PolicyLevel.allCases)
    package static let everySection = Set(PolicySection.allCases)
}
