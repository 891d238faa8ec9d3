// A kind of resource as one value: where it stands, what it holds, and the rules that no table can say.
package import JSONDocuments
package import ResourceStore

/// A field that a list may be filtered by.
package struct FilterField: Sendable {
    package enum Operators: Sendable {
        /// Comparisons and functions.
        case all
        /// `eq` alone.
        case equality
        /// `eq` and `ne`.
        case equalityAndDifference
        /// Comparisons, no functions.
        case comparisons
    }

    package var name: String
    package var operators: Operators

    package init(_ name: String, _ operators: Operators = .all) {
        self.name = name
        self.operators = operators
    }
}

/// What an option of a list's query keeps: lower-case names of the kind's resources in `parent`; nil keeps all.
package typealias Selection =
    @Sendable (_ value: String, _ parent: ResourceID, _ reader: StoreReader) throws -> Set<String>?

/// Who looks at an answer, and of what request.
package struct Viewing: Sendable {
    package enum Answer: Sendable, Equatable { case get, list, put(isNew: Bool), patch }
    package var answer: Answer
    /// Whether the caller holds the kind's action that gives its secrets, at this resource.
    package var maySeeSecrets: Bool
    /// Whether the caller may write the resource.
    package var mayWrite: Bool
    /// `format` of the query of a policy's GET.
    package var policyFormat: String?
    /// `expandGroups=true` of products and users.
    package var expandsGroups = false
    /// Whether the caller may read a resource of another kind, which this answer would show along (must-hold G20).
    package var maySee: @Sendable (_ kind: String, _ id: ResourceID) -> Bool = { _, _ in true }

    package init(
        answer: Answer, maySeeSecrets: Bool = false, mayWrite: Bool = false, policyFormat: String? = nil
    ) {
        self.policyFormat = policyFormat
        self.answer = answer
        self.maySeeSecrets = maySeeSecrets
        self.mayWrite = mayWrite
    }
}

/// A kind of resource.
package struct Kind: Sendable {
    /// `apis/operations`: the path without names.
    package var name: String
    /// In texts of 404: "Api not found."
    package var noun: String
    package var id: IDRule
    package var properties: [Property]
    package var filters: [FilterField] = []
    /// Options of a list's query that choose among its rows, by name.
    package var selections: [String: Selection] = [:]
    /// nil where the kind is no link.
    package var linkReading: LinkReading?
    package var allowsPatch = true
    /// Whether DELETE asks for If-Match.
    package var deleteNeedsIfMatch = true
    /// Whether PUT and PATCH answer with a long-running operation.
    package var putIsLongRunning = false
    package var patchIsLongRunning = false
    /// Whether DELETE does, from api-version 2024-05-01 on.
    package var deleteIsLongRunning = false
    /// The action that gives this kind's secrets (`listSecrets`); nil where it has none that are ever given.
    package var secretsAction: String?
    /// Checks what no table can say, and fills what the controller decides. Runs inside the transaction.
    package var prepare: @Sendable (inout Draft) throws -> Void = { _ in }
    /// Refuses a deletion, or deletes what goes with the resource. Runs inside the transaction, before it is deleted.
    package var remove: @Sendable (Removal) throws -> Void = { _ in }
    /// Adds to an answer's properties what is not stored with the resource, or takes away.
    package var show: @Sendable (inout Shown) throws -> Void = { _ in }

    package init(_ name: String, noun: String, id: IDRule, properties: [Property]) {
        self.name = name
        self.noun = noun
        self.id = id
        self.properties = properties
    }

    /// The last part of the name: `operations`.
    package var collection: String {
        String(name[(name.lastIndex(of: "/").map(name.index(after:)) ?? name.startIndex)...])
    }

    /// The kind of the resource that it is in; empty for the service.
    package var parentName: String {
        name.contains("/") ? String(name[..<(name.lastIndex(of: "/") ?? name.startIndex)]) : ""
    }
}

/// A resource that is about to be written.
package struct Draft {
    package let kind: Kind
    package let context: ResourceContext
    package let writer: StoreWriter
    package let id: ResourceID
    package let former: StoredResource?
    /// Writable properties as checked against the kind's table; what is here is stored.
    package var properties: JSONObject
    /// Secrets that the body gave, by path below properties; JSON null asks to take one away.
    package var secrets: [String: JSONValue]
    package var transients: JSONObject
    package var query: [String: String]
    /// The body's properties as they came.
    package var given = JSONObject()
    package var problems: [FieldProblem] = []
    /// What the resource refers to.
    package var references: [ResourceID] = []
    /// What it alone may hold.
    package var heldValues: [(scope: String, value: String)] = []
    /// For the change row.
    package var detail = ""
    /// Runs after the resource was written, in the same transaction.
    package var afterwards: [(StoreWriter) throws -> Void] = []

    package var isNew: Bool { former == nil }
    package var reader: StoreReader { writer.reader }

    package mutating func refuse(_ target: String, _ message: String) {
        problems.append(FieldProblem(target, message))
    }

    package func text(_ name: String) -> String? { properties[name]?.text }

    /// Whether the body has the property, and not as null.
    func gave(_ name: String) -> Bool { given[name].map { !$0.isNull } ?? false }

    /// Refuses where another resource holds the value.
    package mutating func claim(_ scope: String, _ value: String, otherwise problem: FieldProblem) throws {
        if let holder = try reader.holder(of: value, in: scope), holder != id {
            problems.append(problem)
        } else {
            heldValues.append((scope, value))
        }
    }
}

/// A resource that is about to be deleted.
package struct Removal {
    package let context: ResourceContext
    package let writer: StoreWriter
    package let resource: StoredResource
    package let query: [String: String]

    package var reader: StoreReader { writer.reader }

    package func asks(_ option: String) -> Bool { query[option]?.lowercased() == "true" }

    /// Refuses where anything but `besides` refers to the resource.
    package func refuseWhileUsed(_ text: (String) -> String) throws {
        let users = try reader.referrers(of: resource.id)
        guard let message = users.isEmpty ? nil : users.map({ "\($0.path)\r\n" }).joined() else { return }
        throw Refusal.state(text(message))
    }
}

/// An answer's resource.
package struct Shown {
    package let kind: Kind
    package let context: ResourceContext
    package let reader: StoreReader
    package let resource: StoredResource
    package let viewing: Viewing
    package var properties: JSONObject

    /// Opens a sealed secret.
    package func secret(_ field: String) throws -> String? {
        try context.secret(resource.id, field, reader)
    }
}
