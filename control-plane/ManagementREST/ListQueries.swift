// $top, $skip, $filter, $orderby and the opaque place in nextLink.
internal import Foundation
internal import JSONDocuments
internal import Resources

/// A page of a list.
struct ListPage: Sendable {
    var rows: [JSONValue]
    var count: Int
    /// The last name of the page, where there is more.
    var next: String?
}

/// What a request asks of a list.
struct ListRequest: Sendable {
    var top = 100
    var skip = 0
    /// Rows behind this name (lower case); from nextLink.
    var after = ""
    var filter: ListFilter?
    /// Field and whether descending; nil is by name.
    var order: (field: String, descending: Bool)?

    init(_ target: RequestTarget, fields: [FilterField], orders: [String] = ["name"]) throws(Refusal) {
        if let text = try Self.single(target, "$top") {
            guard let value = Self.number(text), (1...1000).contains(value) else {
                throw Refusal(.invalidQueryParameter, "$top must be from 1 to 1000.")
            }
            top = value
        }
        if let text = try Self.single(target, "$skip") {
            guard let value = Self.number(text) else {
                throw Refusal(.invalidQueryParameter, "$skip must be a whole number from 0 on.")
            }
            skip = value
        }
        if let text = try Self.single(target, "$skiptoken") {
            guard let bytes = Data(base64Encoded: text), let name = String(validating: bytes, as: UTF8.self) else {
                throw Refusal(.invalidQueryParameter, "$skiptoken must come from a nextLink.")
            }
            after = name
        }
        if let text = try Self.single(target, "$filter"), !text.isEmpty {
            filter = try ListFilter.read(text, fields: fields)
        }
        if let text = try Self.single(target, "$orderby"), !text.isEmpty { order = try Self.order(text, orders) }
    }

    private static func single(_ target: RequestTarget, _ name: String) throws(Refusal) -> String? {
        let values = target.values(name)
        guard values.count <= 1 else { throw Refusal(.invalidQueryParameter, "\(name) must be given once.") }
        return values.first
    }

    /// Digits alone: no sign, no exponent, no digits of other scripts.
    static func number(_ text: String) -> Int? {
        guard !text.isEmpty, text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { return nil }
        return Int(text)
    }

    private static func order(_ text: String, _ orders: [String]) throws(Refusal) -> (field: String, descending: Bool)?
    {
        let words = text.split(separator: " ").map(String.init)
        let field = words.first.map { $0.lowercased().hasPrefix("properties/") ? String($0.dropFirst(11)) : $0 } ?? ""
        guard let known = orders.first(where: { $0.lowercased() == field.lowercased() }), words.count <= 2,
            words.count < 2 || ["asc", "desc"].contains(words[1].lowercased())
        else {
            throw Refusal(
                .invalidQueryParameter, "$orderby takes one of \(orders.joined(separator: ", ")), with asc or desc.")
        }
        return (known, words.count == 2 && words[1].lowercased() == "desc")
    }

    /// Whether the filter, if there is one, takes a row.
    func matches(_ name: String, _ shown: JSONValue) -> Bool {
        filter?.matches { Self.value($0, name, shown) } ?? true
    }

    /// The page of rows that are all at hand, in the order of names, or as `isBefore` orders names in lower case.
    func page(
        _ all: [(name: String, shown: JSONValue)], by isBefore: (String, String) -> Bool = { $0 < $1 }
    ) -> ListPage {
        var rows = all.sorted { isBefore($0.name.lowercased(), $1.name.lowercased()) }
        rows = rows.filter { matches($0.name, $0.shown) }
        if order?.descending == true { rows.reverse() }
        let count = rows.count
        if !after.isEmpty {
            rows = rows.filter {
                order?.descending == true
                    ? isBefore($0.name.lowercased(), after) : isBefore(after, $0.name.lowercased())
            }
        }
        let left = rows.dropFirst(skip)
        let page = left.prefix(top)
        return ListPage(rows: page.map(\.shown), count: count, next: left.count > page.count ? page.last?.name : nil)
    }

    /// A field of a row as a filter asks for it.
    private static func value(_ field: String, _ name: String, _ shown: JSONValue) -> JSONValue? {
        switch field {
        case "name": .string(name)
        case "userId": shown[path: "properties.ownerId"]?.text.map { .string(lastSegment($0)) }
        case "productId":
            shown[path: "properties.scope"]?.text.flatMap { $0.contains("/products/") ? .string(lastSegment($0)) : nil }
        case "region": shown[path: "properties.locationData.name"]
        default: shown[path: "properties.\(field)"]
        }
    }

    private static func lastSegment(_ path: String) -> String { path.split(separator: "/").last.map(String.init) ?? "" }

    /// `{value, count, nextLink}`; nextLink only where there is more.
    func answer(_ page: ListPage, _ call: RouteCall) throws -> Answer {
        var body = JSONObject([("value", .array(page.rows)), ("count", .int(Int64(page.count)))])
        if let next = page.next {
            let kept = call.target.query.filter { !["$skip", "$skiptoken"].contains($0.name.lowercased()) }
            let place = Data(next.lowercased().utf8).base64EncodedString()
            let query = (kept + [("$skiptoken", place)])
                .map { "\(RequestTarget.encode($0.name))=\(RequestTarget.encode($0.value))" }.joined(separator: "&")
            body["nextLink"] = .string("\(call.management.publicURL)\(call.target.rawPath)?\(query)")
        }
        return .json(.object(body))
    }
}
