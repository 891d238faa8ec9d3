// Tags, and what is tagged: APIs, operations and products.
internal import Foundation
internal import JSONDocuments
internal import ResourceStore

extension Kind {
    private static let tagID = IDRule(lengthMax: 80)
    private static let tagFilters = ["name", "displayName"].map { FilterField($0) }

    static let tagProperties: [Property] = [.required("displayName", .text(1...160))]

    /// A tag. It may be deleted while it is in use (go-apis-2021-08-01 #43): its assignments go along.
    package static let tag: Kind = {
        var kind = Kind("tags", noun: "Tag", id: tagID, properties: tagProperties)
        kind.filters = tagFilters
        kind.selections["scope"] = Tags.inScope
        kind.prepare = { draft in
            try draft.claim(
                "tags.displayName", (draft.text("displayName") ?? "").lowercased(),
                otherwise: FieldProblem("properties.displayName", "Tag with the same name already exists"))
        }
        return kind
    }()

    /// A tag of an API.
    package static let apiTag = assignment("apis/tags")
    /// A tag of an operation.
    package static let operationTag = assignment("apis/operations/tags")
    /// A tag of a product.
    package static let productTag = assignment("products/tags")

    private static func assignment(_ name: String) -> Kind {
        var kind = Kind.link(name, noun: "Tag", id: tagID, shows: tagProperties, reading: .wholeResource)
        kind.filters = tagFilters
        return kind
    }
}

/// What is chosen by tags.
enum Tags {
    /// `tags=a,b` of a list: what has one of these tags. They may be named or called by their display names.
    static func selecting(_ assignment: String) -> Selection {
        { value, parent, reader in
            let given = value.lowercased().split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
            let wanted = Set(given.filter { !$0.isEmpty })
            guard !wanted.isEmpty else { return nil }
            var kept: Set<String> = []
            for tag in try reader.list(ListQuery(kind: Kind.tag.name)) {
                let displayName = tag.properties["displayName"]?.text?.lowercased() ?? ""
                guard wanted.contains(tag.name.lowercased()) || wanted.contains(displayName) else { continue }
                for link in try reader.named(tag.name, kind: assignment) where link.id.parent.parent == parent {
                    kept.insert(link.id.parent.name.lowercased())
                }
            }
            return kept
        }
    }

    /// `scope` of the list of tags: those that are assigned to `apis`, to `products`, or to one of either with all that is
    /// below it (`apis/{id}`).
    static let inScope: Selection = { value, _, reader in
        let path = value.lowercased().split(separator: "/").map(String.init)
        guard let first = path.first else { return nil }
        guard ["apis", "products"].contains(first), path.count <= 2 else {
            throw Refusal(.invalidQueryParameter, "scope must be apis, products, apis/{id} or products/{id}.")
        }
        let scope = ResourceID(path: path.map { "/\($0)" }.joined())
        var kept: Set<String> = []
        for assignment in Kinds.links(to: .tag) where assignment.name.hasPrefix(first) {
            for link in try reader.list(ListQuery(kind: assignment.name))
            where path.count == 1 || link.id.key.hasPrefix(scope.key + "/") {
                kept.insert(link.name.lowercased())
            }
        }
        return kept
    }
}
