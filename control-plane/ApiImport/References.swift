internal import JSONDocuments

// References inside a description: found, followed to their end, and never out of the document.

/// A value with the place where it really stands.
struct Resolved {
    var value: JSONValue
    var pointer: JSONPointer
}

struct References {
    /// How many references may lead to each other before one gives a value.
    private static let chainMax = 2_000

    let root: JSONObject

    /// Follows `value`, which stands at `pointer`, while it is a reference.
    func resolve(_ value: JSONValue, at pointer: JSONPointer) throws(ImportFailure) -> Resolved {
        var current = Resolved(value: value, pointer: pointer)
        var chain: [String] = []
        var seen: Set<String> = []
        while let reference = current.value.members?["$ref"]?.text {
            if !seen.insert(reference).inserted || chain.count >= Self.chainMax {
                let names = (chain.drop { $0 != reference } + [reference]).prefix(8).joined(separator: " → ")
                throw ImportFailure(at: pointer.text, "The reference never ends: \(names).")
            }
            chain.append(reference)
            let target = try self.target(of: reference, at: current.pointer)
            guard let value = target.value(in: root) else { throw missing(reference, target, at: current.pointer) }
            current = Resolved(value: value, pointer: target)
        }
        return current
    }

    /// The pointer of a local reference.
    func target(of reference: String, at place: JSONPointer) throws(ImportFailure) -> JSONPointer {
        guard reference.hasPrefix("#") else {
            let isRemote = reference.contains("://") || reference.hasPrefix("//")
            let isFile = reference.lowercased().hasPrefix("file:")
            throw ImportFailure(
                at: place.text,
                isRemote && !isFile
                    ? "The reference '\(reference)' leads to another host; remote references are not followed. Bundle the "
                        + "description into one document."
                    : "The reference '\(reference)' leads to another file; references to files cannot be followed. Bundle "
                        + "the description into one document.")
        }
        guard let pointer = JSONPointer(Self.percentDecoded(reference.dropFirst())) else {
            throw ImportFailure(
                at: place.text, "The reference '\(reference)' is no pointer: it must begin with '#/'.")
        }
        return pointer
    }

    private func missing(_ reference: String, _ target: JSONPointer, at place: JSONPointer) -> ImportFailure {
        var hint = ""
        if let last = target.names.last,
            let siblings = JSONPointer(Array(target.names.dropLast())).value(in: root)?.members?.names,
            let near = siblings.first(where: { Self.isNear($0, last) })
        {
            hint = " Did you mean '\(near)'?"
        }
        return ImportFailure(at: place.text, "The reference '\(reference)' leads nowhere: it does not exist.\(hint)")
    }

    private static func isNear(_ left: String, _ right: String) -> Bool {
        let left = left.lowercased()
        let right = right.lowercased()
        return left == right || (min(left.count, right.count) > 2 && (left.hasPrefix(right) || right.hasPrefix(left)))
    }

    /// Percent encoding of a fragment, decoded once.
    static func percentDecoded(_ text: some StringProtocol) -> String {
        guard text.utf8.contains(UInt8(ascii: "%")) else { return String(text) }
        let bytes = Array(text.utf8)
        var result: [UInt8] = []
        var index = 0
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "%"), index + 2 < bytes.count,
                let byte = UInt8(String(decoding: bytes[(index + 1)...(index + 2)], as: UTF8.self), radix: 16)
            {
                result.append(byte)
                index += 3
            } else {
                result.append(bytes[index])
                index += 1
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}

/// Looks at every reference of a description, also where nothing uses it: a broken one is told when it is imported, not
/// when somebody exports it.
struct ReferenceCheck {
    private let references: References
    private(set) var problems: [ImportProblem] = []
    /// References that led somewhere: many places share a few.
    private var known: Set<String> = []
    /// Where the walk is.
    private var place: [String] = []

    init(_ root: JSONObject) { references = References(root: root) }

    /// Walks the document. Examples and other data are not looked into: a `$ref` there is data.
    mutating func run() {
        walk(.object(references.root), Surroundings())
    }

    private struct Surroundings {
        /// Whether the members have names that people chose, as those of `properties`: none of them has a meaning.
        var areNames = false
        /// Whether a schema around has an address of its own (`$id`): pointers in it are relative to that.
        var isAddressed = false
    }

    private static let data: Set<String> = ["example", "default", "enum", "const"]
    private static let namesOfPeople: Set<String> = [
        "properties", "patternProperties", "schemas", "definitions", "parameters", "responses", "paths", "headers",
        "requestBodies", "securitySchemes", "links", "callbacks", "content", "variables", "mapping", "scopes",
        "pathItems", "$defs", "dependentSchemas", "x-ms-paths",
    ]

    /// Walks into a member; the place is a stack, for most of them are never told.
    private mutating func walk(_ value: JSONValue, at name: String, _ around: Surroundings) {
        switch value {
        case .array, .object:
            place.append(name)
            walk(value, around)
            place.removeLast()
        default: return
        }
    }

    private mutating func walk(_ value: JSONValue, _ around: Surroundings) {
        guard problems.count < ImportFailure.problemsMax else { return }
        var inside = around
        inside.areNames = false
        switch value {
        case .array(let items):
            for (index, item) in items.enumerated() { walk(item, at: String(index), inside) }
        case .object(let members) where around.areNames:
            for (name, member) in members { walk(member, at: name, inside) }
        case .object(let members):
            if members["$id"]?.text != nil { inside.isAddressed = true }
            if let reference = members["$ref"]?.text {
                check(reference, value, JSONPointer(place), isAddressed: inside.isAddressed)
            }
            for (name, member) in members {
                if Self.data.contains(name) || name.hasPrefix("x-") && name != "x-ms-paths" { continue }
                if name == "examples" {
                    walkExamples(member, JSONPointer(place + [name]))
                    continue
                }
                var next = inside
                next.areNames = Self.namesOfPeople.contains(name) && member.members != nil
                walk(member, at: name, next)
            }
        default: return
        }
    }

    /// `examples` of OpenAPI 3 may be references; their values are data.
    private mutating func walkExamples(_ value: JSONValue, _ pointer: JSONPointer) {
        guard let members = value.members else { return }
        for (name, example) in members {
            if let reference = example.members?["$ref"]?.text, example.members?.count == 1 {
                check(reference, example, pointer.appending(name), isAddressed: false)
            }
        }
    }

    /// All faults as one: a document of many files has one fault, however many references show it.
    var combined: ImportProblem? {
        guard let first = problems.first else { return nil }
        let others = problems.dropFirst().prefix(9).map(\.description)
        let rest = problems.count > 10 ? ["and \(problems.count - 10) more"] : []
        return ImportProblem(place: first.place, message: ([first.message] + others + rest).joined(separator: " "))
    }

    private mutating func check(_ reference: String, _ value: JSONValue, _ pointer: JSONPointer, isAddressed: Bool) {
        // An anchor (`#name`) or a reference relative to `$id` is JSON Schema's business and is kept as it is.
        let isAnchor = reference.hasPrefix("#") && reference.count > 1 && !reference.hasPrefix("#/")
        if isAnchor || isAddressed && reference.hasPrefix("#") || known.contains(reference) { return }
        do throws(ImportFailure) {
            _ = try references.resolve(value, at: pointer)
            known.insert(reference)
        } catch {
            problems += error.problems
            markChain(from: value, at: pointer)
        }
    }

    /// A fault of a chain is told once, not for each of its references.
    private mutating func markChain(from value: JSONValue, at pointer: JSONPointer) {
        var current = value
        var place = pointer
        while let reference = current.members?["$ref"]?.text, known.insert(reference).inserted {
            guard let target = try? references.target(of: reference, at: place),
                let next = target.value(in: references.root)
            else { return }
            current = next
            place = target
        }
    }
}
