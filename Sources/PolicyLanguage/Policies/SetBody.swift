// The policy set-body, as data.

extension PolicyDeclaration {
    /// Replaces the body by a text.
    package static let setBody = PolicyDeclaration(
        element: "set-body",
        summary: "Replaces the body.",
        sections: everySection,
        attributes: [
            .init(
                "template", .word(["none", "liquid"]), "Template language of the text.", default: "none",
                unsupportedValues: ["liquid"]),
            .init("xsi-nil", .word(["blank", "null"]), "How xsi:nil looks to a template.", default: "blank"),
            .init("parse-date", .flag, "Whether a template sees texts like dates as dates.", default: "true"),
        ],
        text: .init(.body, required: false),
        children: [ElementDeclaration("value", count: 0...1, text: .init(.body, required: false))],
        rules: { policy in
            let hasText = policy.literalText.map { !LiteralText.trimmed($0).isEmpty } ?? (policy.text != nil)
            return hasText && !policy.children.isEmpty ? ["Give either a text or a 'value' element."] : []
        })
}
