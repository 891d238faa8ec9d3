// Products, and their links to APIs and groups.
internal import JSONDocuments
internal import ResourceStore

extension Kind {
    static let productProperties: [Property] = [
        .required("displayName", .text(1...300)),
        .optional("description", .text(0...1000), absent: .null),
        .optional("terms", .text(0...1_000_000), absent: .null),
        .optional("subscriptionRequired", .boolean, absent: .value(true)),
        .optional("approvalRequired", .boolean, absent: .value(false)),
        .optional("subscriptionsLimit", .integer(1...2_147_483_647), absent: .null),
        .optional("state", .oneOf(["notPublished", "published"]), absent: .value("notPublished")),
    ]

    /// A product: APIs that are subscribed to together.
    package static let product: Kind = {
        var kind = Kind("products", noun: "Product", id: IDRule(lengthMax: 256), properties: productProperties)
        kind.filters =
            ["name", "displayName", "description", "terms"].map { FilterField($0) } + [FilterField("state", .equality)]
        kind.selections["tags"] = Tags.selecting("products/tags")
        kind.prepare = prepareProduct
        kind.remove = { removal in
            try removal.refuseWhileSubscribed(
                "Product cannot be deleted since it has existing subscriptions. Delete subscriptions before deleting the product or pass in deleteSubscriptions=true as query param"
            )
            try removal.deleteSubscriptions()
        }
        kind.show = { shown in
            // Fact 38: the answers of PUT and PATCH have groups.
            switch shown.viewing.answer {
            case .put(isNew: true):
                let groups = try shown.reader.list(ListQuery(kind: "products/groups", parent: shown.resource.id))
                shown.properties["groups"] = .array(try groups.compactMap { try Groups.summary($0.name, shown) })
            case .put, .patch: shown.properties["groups"] = []
            case .get, .list:
                guard shown.viewing.expandsGroups else { break }
                let groups = try shown.reader.list(ListQuery(kind: "products/groups", parent: shown.resource.id))
                shown.properties["groups"] = .array(try groups.compactMap { try Groups.summary($0.name, shown) })
            }
        }
        return kind
    }()

    private static func prepareProduct(_ draft: inout Draft) throws {
        let isOpen = draft.properties["subscriptionRequired"]?.boolean == false
        if isOpen, draft.properties["approvalRequired"]?.boolean == true {
            draft.refuse(
                "properties.approvalRequired", "'properties.approvalRequired' needs 'properties.subscriptionRequired'.")
        }
        if isOpen, draft.properties["subscriptionsLimit"] != nil {
            draft.refuse(
                "properties.subscriptionsLimit",
                "'properties.subscriptionsLimit' needs 'properties.subscriptionRequired'.")
        }
        if isOpen, draft.former?.properties["subscriptionRequired"]?.boolean != false {
            for link in try draft.reader.list(ListQuery(kind: "products/apis", parent: draft.id)) {
                if let other = try OpenProducts.holder(of: link.name, besides: draft.id, draft.reader) {
                    draft.refuse(
                        "properties.subscriptionRequired",
                        "API '\(link.name)' is already in the open product '\(other)'.")
                }
            }
        }
        try draft.claim(
            "products.displayName", (draft.text("displayName") ?? "").lowercased(),
            otherwise: FieldProblem("name", "Product with the same name already exists"))
        if draft.isNew {
            let link = draft.id.appending("groups", "administrators")
            draft.afterwards.append { writer in
                try writer.put(link, kind: "products/groups", properties: .emptyObject)
            }
        }
    }

    /// An API in a product.
    package static let productApi: Kind = {
        var kind = Kind.link("products/apis", noun: "Api", id: IDRule(lengthMax: 256), shows: apiProperties)
        kind.filters = ["name", "displayName", "description", "serviceUrl", "path"].map { FilterField($0) }
        let (prepare, show) = (kind.prepare, kind.show)
        kind.prepare = { draft in
            try prepare(&draft)
            let product = try draft.reader.get(draft.id.parent)
            if product?.properties["subscriptionRequired"]?.boolean == false,
                let other = try OpenProducts.holder(of: draft.id.name, besides: draft.id.parent, draft.reader)
            {
                throw Refusal.fields([
                    FieldProblem(
                        "id",
                        "API '\(draft.id.name)' is already in the open product '\(other)'; an API may be in one open product only."
                    )
                ])
            }
        }
        kind.show = { shown in
            try show(&shown)
            // Facts 25, 27: below a product an API shows less.
            shown.properties["authenticationSettings"] = .null
            shown.properties["subscriptionKeyParameterNames"] = .null
        }
        return kind
    }()

    /// A group that sees a product.
    package static let productGroup: Kind = {
        var kind = Kind.link("products/groups", noun: "Group", id: IDRule(lengthMax: 256), shows: groupProperties)
        kind.filters = [
            FilterField("name", .comparisons), FilterField("displayName", .equalityAndDifference),
            FilterField("description", .equalityAndDifference),
        ]
        return kind
    }()
}

/// Products that need no subscription: an API may be in one of them (resources.md 2.3).
enum OpenProducts {
    static func holder(of api: String, besides product: ResourceID, _ reader: StoreReader) throws -> String? {
        for link in try reader.named(api, kind: "products/apis") where link.id.parent != product {
            if try reader.get(link.id.parent)?.properties["subscriptionRequired"]?.boolean == false {
                return link.id.parent.name
            }
        }
        return nil
    }
}
