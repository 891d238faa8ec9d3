// Reading the store, on one consistent state.
internal import Foundation
internal import GRDB
internal import JSONDocuments

/// What a list is narrowed to.
package struct ListQuery: Sendable {
    /// `apis/operations`
    package var kind: String
    /// The resource that the rows are in; nil for all of the kind.
    package var parent: ResourceID?
    /// What the names must be like; looked at where `parent` is given.
    package var name: NameCondition?

    package init(kind: String, parent: ResourceID? = nil, name: NameCondition? = nil) {
        self.kind = kind
        self.parent = parent
        self.name = name
    }
}

/// What a name in lower case must be like. Texts are ASCII in lower case: others compare by more than their bytes.
package enum NameCondition: Hashable, Sendable {
    case equals(String)
    case begins(String)
    case contains(String)
    case ends(String)

    /// A condition, and what stands for its question marks.
    var sql: (text: String, arguments: [String]) {
        switch self {
        case .equals(let text): ("name = ?", [text])
        case .begins(let text): ("name >= ? AND name < ?", [text, text + "\u{10FFFF}"])
        case .contains(let text): ("instr(name, ?) > 0", [text])
        case .ends(let text): ("substr(name, -length(?)) = ?", [text, text])
        }
    }
}

/// Some of what a resource says.
package struct ResourceTexts: Sendable {
    package let path: String
    /// In the order in which they were asked for; nil for none.
    package let texts: [String?]

    package var name: String { String(path.split(separator: "/").last ?? "") }
    /// Of the resource that it is in.
    package var parentName: String { String(path.split(separator: "/").dropLast(2).last ?? "") }
}

/// A state of the store. Valid inside the closure it was handed to.
package struct StoreReader {
    let db: Database

    init(db: Database) { self.db = db }

    package func get(_ id: ResourceID) throws -> StoredResource? {
        try Row.fetchOne(db.cachedStatement(sql: "SELECT * FROM resource WHERE key = ?"), arguments: [id.key])
            .map(Self.resource)
    }

    package func exists(_ id: ResourceID) throws -> Bool {
        try Int.fetchOne(db.cachedStatement(sql: "SELECT 1 FROM resource WHERE key = ?"), arguments: [id.key]) != nil
    }

    /// All rows of a kind in the order of their names (without regard to case).
    package func list(_ query: ListQuery) throws -> [StoredResource] {
        let (sql, arguments) = Self.selection(query)
        return try Row.fetchAll(db.cachedStatement(sql: sql), arguments: arguments).map(Self.resource)
    }

    /// The rows of `list`, one at a time: of a hundred thousand only those are held that `visit` keeps.
    package func each(_ query: ListQuery, _ visit: (StoredResource) throws -> Void) throws {
        let (sql, arguments) = Self.selection(query)
        // A statement of its own, for what `visit` reads may be the same list of another place.
        let rows = try Row.fetchCursor(db.makeStatement(sql: sql), arguments: arguments)
        while let row = try rows.next() { try visit(Self.resource(row)) }
    }

    private static func selection(_ query: ListQuery) -> (sql: String, arguments: StatementArguments) {
        guard let parent = query.parent else {
            return ("SELECT * FROM resource WHERE kind = ? ORDER BY name, key", [query.kind])
        }
        let name = query.name?.sql
        return (
            """
            SELECT * FROM resource WHERE kind = ? AND parent = ?\(name.map { " AND \($0.text)" } ?? "") ORDER BY name
            """,
            StatementArguments([query.kind, parent.key] + (name?.arguments ?? []))
        )
    }

    /// Members of all resources of a kind that are texts, without reading the rest, in the order of names.
    package func texts(of kind: String, _ members: [String]) throws -> [ResourceTexts] {
        let columns = members.map { _ in "json_extract(properties, ?)" }.joined(separator: ", ")
        return try Row.fetchAll(
            db.cachedStatement(sql: "SELECT path, \(columns) FROM resource WHERE kind = ? ORDER BY name, key"),
            arguments: StatementArguments(members.map { "$.\"\($0)\"" } + [kind])
        ).map { row in
            ResourceTexts(
                path: row[0], texts: members.indices.map { String.fromDatabaseValue(row[$0 + 1] as DatabaseValue) })
        }
    }

    /// A page of a list in the order of names, for those that need no filter.
    package func page(_ query: ListQuery, after name: String, skipping: Int, limit: Int) throws -> [StoredResource] {
        try Row.fetchAll(
            db.cachedStatement(
                sql: """
                    SELECT * FROM resource WHERE kind = ? AND parent = ? AND name > ? ORDER BY name LIMIT ? OFFSET ?
                    """), arguments: [query.kind, (query.parent ?? .service).key, name, limit, skipping]
        ).map(Self.resource)
    }

    package func count(_ query: ListQuery) throws -> Int {
        try Int.fetchOne(
            db.cachedStatement(sql: "SELECT count(*) FROM resource WHERE kind = ? AND parent = ?"),
            arguments: [query.kind, (query.parent ?? .service).key]) ?? 0
    }

    /// The resources of a kind with this name, whatever they are in (the links to an API).
    package func named(_ name: String, kind: String) throws -> [StoredResource] {
        try Row.fetchAll(
            db.cachedStatement(sql: "SELECT * FROM resource WHERE kind = ? AND name = ? ORDER BY key"),
            arguments: [kind, name.lowercased()]
        ).map(Self.resource)
    }

    /// The resource itself and all below it.
    package func subtree(_ id: ResourceID) throws -> [StoredResource] {
        // '0' is the character behind '/'.
        try Row.fetchAll(
            db.cachedStatement(
                sql: "SELECT * FROM resource WHERE key = ? OR (key > ? AND key < ?) ORDER BY key"),
            arguments: [id.key, id.key + "/", id.key + "0"]
        ).map(Self.resource)
    }

    package func secret(_ id: ResourceID, _ field: String) throws -> SealedSecret? {
        try Row.fetchOne(
            db.cachedStatement(sql: "SELECT key_id, sealed FROM secret WHERE resource = ? AND field = ?"),
            arguments: [id.key, field]
        ).map { SealedSecret(keyID: $0["key_id"], bytes: [UInt8]($0["sealed"] as Data)) }
    }

    /// All secrets, for sealing them again under another key.
    package func secrets() throws -> [(resource: String, field: String, secret: SealedSecret)] {
        try Row.fetchAll(db, sql: "SELECT * FROM secret ORDER BY resource, field").map {
            ($0["resource"], $0["field"], SealedSecret(keyID: $0["key_id"], bytes: [UInt8]($0["sealed"] as Data)))
        }
    }

    /// Keys of the resources that refer to this one.
    package func referrers(of id: ResourceID) throws -> [ResourceID] {
        try String.fetchAll(
            db.cachedStatement(
                sql: """
                    SELECT resource.path FROM reference JOIN resource ON resource.key = reference.source
                    WHERE reference.target = ? ORDER BY resource.key
                    """), arguments: [id.key]
        ).map(ResourceID.init(path:))
    }

    /// The resource that holds a value that only one of its scope may hold.
    package func holder(of value: String, in scope: String) throws -> ResourceID? {
        try String.fetchOne(
            db.cachedStatement(
                sql: """
                    SELECT resource.path FROM uniqueness JOIN resource ON resource.key = uniqueness.resource
                    WHERE scope = ? AND value = ?
                    """), arguments: [scope, value]
        ).map(ResourceID.init(path:))
    }

    /// The resource that holds a value that only one of its scope may hold.
    package func resource(holding value: String, in scope: String) throws -> StoredResource? {
        try Row.fetchOne(
            db.cachedStatement(
                sql: """
                    SELECT resource.* FROM uniqueness JOIN resource ON resource.key = uniqueness.resource
                    WHERE scope = ? AND value = ?
                    """), arguments: [scope, value]
        ).map(Self.resource)
    }

    /// Values of a scope, in their order.
    package func values(in scope: String) throws -> [String] {
        try String.fetchAll(
            db.cachedStatement(sql: "SELECT value FROM uniqueness WHERE scope = ? ORDER BY value"), arguments: [scope])
    }

    /// Values of a scope that begin with `prefix`, with the resources that hold them, in the order of values.
    package func values(in scope: String, prefix: String) throws -> [(value: String, resource: StoredResource)] {
        try Row.fetchAll(
            db.cachedStatement(
                sql: """
                    SELECT uniqueness.value AS held, resource.* FROM uniqueness
                    JOIN resource ON resource.key = uniqueness.resource
                    WHERE scope = ? AND value >= ? AND value < ? ORDER BY value
                    """), arguments: [scope, prefix, prefix + "\u{7F}"]
        ).map { ($0["held"], Self.resource($0)) }
    }

    /// Values of a scope that a resource holds.
    package func values(in scope: String, of id: ResourceID) throws -> [String] {
        try String.fetchAll(
            db.cachedStatement(sql: "SELECT value FROM uniqueness WHERE resource = ? AND scope = ? ORDER BY value"),
            arguments: [id.key, scope])
    }

    package func changes(after revision: Revision) throws -> [ChangeRow] {
        try Row.fetchAll(
            db.cachedStatement(sql: "SELECT * FROM change WHERE revision > ? ORDER BY revision, ordinal"),
            arguments: [revision]
        ).compactMap { row in
            guard let verb = ChangeRow.Verb(rawValue: row["verb"]) else { return nil }
            return ChangeRow(
                revision: row["revision"], id: ResourceID(path: row["path"]), kind: row["kind"], verb: verb,
                detail: row["detail"])
        }
    }

    /// The revision of this state.
    package func newestRevision() throws -> Revision {
        try Int64.fetchOne(db, sql: "SELECT max(revision) FROM change") ?? 0
    }

    package func setting(_ name: String) throws -> String? {
        try String.fetchOne(
            db.cachedStatement(sql: "SELECT value FROM setting WHERE name = ?"), arguments: [name])
    }

    /// Rows of the audit, newest first.
    package func audit(before sequence: Int64?, limit: Int) throws -> [AuditRow] {
        try Row.fetchAll(
            db, sql: "SELECT * FROM audit WHERE sequence < ? ORDER BY sequence DESC LIMIT ?",
            arguments: [sequence ?? .max, limit]
        ).map(AuditLog.row)
    }

    /// The newest row's hash; empty where there is none.
    package func auditHead() throws -> String {
        try String.fetchOne(db, sql: "SELECT hash FROM audit ORDER BY sequence DESC LIMIT 1") ?? ""
    }

    static func resource(_ row: Row) -> StoredResource {
        let text: String = row["properties"]
        return StoredResource(
            id: ResourceID(path: row["path"]), kind: row["kind"],
            properties: (try? JSONReader.read(text, depthMax: 256)) ?? .emptyObject, etag: row["etag"],
            created: row["created"], modified: row["modified"], revision: row["revision"])
    }
}
