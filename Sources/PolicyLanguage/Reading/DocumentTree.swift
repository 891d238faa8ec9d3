internal import PolicyExpressions

// A document as read: elements with their places, attributes and texts, before anything is known about policies.

/// A text as written between two quotation marks or two tags, with entities resolved; named values are not yet put in.
struct DocumentText: Hashable, Sendable {
    var text: String
    var place: SourcePosition
}

struct DocumentAttribute: Hashable, Sendable {
    var name: String
    var value: DocumentText
}

struct DocumentElement: Hashable, Sendable {
    var name: String
    /// Of the name, that is of its `<` plus one.
    var place: SourcePosition
    var attributes: [DocumentAttribute]
    var children: [DocumentElement]
    /// All texts directly inside, joined; comments between them put aside. nil when there is none.
    var text: DocumentText?
    /// What stands between the tags as written; kept for elements that may hold foreign markup and do hold elements.
    var markup: DocumentText?

    /// Whether anything but white space stands directly inside.
    var hasText: Bool { text.map { !$0.text.utf8.allSatisfy(LiteralText.isBlank) } ?? false }
}
