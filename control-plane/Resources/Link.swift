// Kinds that only join their parent to a resource of another kind: an API in a product, a user in a group.
internal import JSONDocuments
package import ResourceStore

/// How a link is read.
package enum LinkReading: Sendable {
    /// HEAD says with 204 that it is there, and has no ETag; there is no GET (facts 14, 15).
    case existence
    /// GET and HEAD answer as those of the resource that it leads to.
    case wholeResource
}

extension Kind {
    /// A link. Its name is that of what it leads to, in the service's collection of the same name. It takes neither body
    /// nor If-Match, and shows the properties of the other.
    static func link(
        _ name: String, noun: String, id: IDRule, shows properties: [Property], reading: LinkReading = .existence
    ) -> Kind {
        var kind = Kind(name, noun: noun, id: id, properties: [])
        kind.linkReading = reading
        kind.allowsPatch = false
        kind.deleteNeedsIfMatch = false
        kind.prepare = { draft in
            guard try draft.reader.exists(draft.kind.target(ofLink: draft.id)) else { throw Refusal.notFound(noun) }
        }
        kind.show = { shown in
            guard let target = try shown.reader.get(shown.kind.target(ofLink: shown.resource.id)) else { return }
            shown.properties = properties.shown(target.properties.members ?? JSONObject())
        }
        return kind
    }

    /// What a link of this kind leads to.
    package func target(ofLink id: ResourceID) -> ResourceID { ResourceID(path: "/\(collection)/\(id.name)") }
}
