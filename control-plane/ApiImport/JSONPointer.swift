internal import JSONDocuments

// Pointers into a document (RFC 6901), as `$ref` has them behind its `#`.

struct JSONPointer: Hashable, Sendable {
    var names: [String]

    init(_ names: [String]) { self.names = names }

    /// From `/a/b~1c`; nil when it does not begin with `/` and is not empty.
    init?(_ text: some StringProtocol) {
        guard !text.isEmpty else {
            names = []
            return
        }
        guard text.hasPrefix("/") else { return nil }
        names = text.dropFirst().split(separator: "/", omittingEmptySubsequences: false).map {
            String($0).replacing("~1", with: "/").replacing("~0", with: "~")
        }
    }

    static func escaped(_ name: String) -> String {
        name.replacing("~", with: "~0").replacing("/", with: "~1")
    }

    var text: String { names.map { "/" + Self.escaped($0) }.joined() }

    func appending(_ name: String) -> JSONPointer { JSONPointer(names + [name]) }
    func appending(_ index: Int) -> JSONPointer { appending(String(index)) }

    /// The value in a document; nil when there is none.
    func value(in root: JSONObject) -> JSONValue? {
        var value = JSONValue.object(root)
        for name in names {
            switch value {
            case .object(let members):
                guard let next = members[name] else { return nil }
                value = next
            case .array(let items):
                guard let index = Int(name), name == String(index), items.indices.contains(index) else { return nil }
                value = items[index]
            default: return nil
            }
        }
        return value
    }
}
