internal import JSONDocuments

// The operations of a description, in its order.

struct OperationReader {
    let root: JSONObject
    let format: DescriptionFormat
    let options: ImportOptions
    let references: References
    var schemas: SchemaCollector
    private(set) var warnings: [ImportProblem] = []
    /// Bytes of examples that may still be copied: together no more than the document has, however many operations
    /// share a response.
    var exampleBudget: Int
    private var problems: [ImportProblem] = []
    private var names = OperationNames()
    /// Method and template → how the operation was written.
    private var templates: [String: String] = [:]

    init(root: JSONObject, format: DescriptionFormat, options: ImportOptions) {
        self.root = root
        self.format = format
        self.options = options
        references = References(root: root)
        schemas = SchemaCollector(root: root, format: format, schemaID: options.schemaID)
        exampleBudget = JSONValue.object(root).encoded().count
    }

    /// Bounds of an operation (resources.md 1.2), in UTF-16 units.
    static let templateMax = 1_000
    private static let descriptionMax = 1_000

    private static let methods: Set<String> = ["get", "put", "post", "delete", "options", "head", "patch", "trace"]
    private static let itemFields: Set<String> = ["$ref", "summary", "description", "servers", "parameters"]

    mutating func operations() throws(ImportFailure) -> [ImportedOperation] {
        var found: [ImportedOperation] = []
        for section in ["paths", "x-ms-paths"] {
            for (path, item) in root[section]?.members ?? JSONObject() where !path.hasPrefix("x-") {
                let pointer = JSONPointer([section, path])
                do throws(ImportFailure) {
                    found += try operations(of: item, path, at: pointer)
                } catch {
                    problems += error.problems
                }
                if problems.count >= ImportFailure.problemsMax { throw ImportFailure(problems) }
            }
        }
        guard problems.isEmpty else { throw ImportFailure(problems) }
        return found
    }

    private mutating func operations(
        of item: JSONValue, _ path: String, at pointer: JSONPointer
    ) throws(ImportFailure) -> [ImportedOperation] {
        let template = try PathTemplate(path, at: pointer.text)
        guard path.utf16.count <= Self.templateMax else {
            throw ImportFailure(
                at: pointer.text, "The path has \(path.utf16.count) letters; at most \(Self.templateMax) are taken.")
        }
        let resolved = try references.resolve(item, at: pointer)
        guard let members = resolved.value.members else {
            throw ImportFailure(
                at: pointer.text, "A path must be an object of operations, found \(Scalars.kind(resolved.value)).")
        }
        var found: [ImportedOperation] = []
        for (field, value) in members {
            if Self.itemFields.contains(field) || field.hasPrefix("x-") { continue }
            let place = pointer.appending(field).text
            guard isMethod(field) else {
                let hint = Self.methods.contains(field.lowercased()) ? " Methods are written in small letters." : ""
                problems.append(
                    ImportProblem(
                        place: place,
                        message: "'\(field)' is unknown here: expected get, put, post, delete, options, head, patch or "
                            + "trace.\(hint)"))
                continue
            }
            if field == "trace" {
                // The gateway never answers TRACE (must-hold A5).
                warnings.append(
                    ImportProblem(place: place, message: "TRACE is never forwarded: the operation is left out."))
                continue
            }
            do throws(ImportFailure) {
                found.append(
                    try operation(value, field, template, in: members, at: resolved.pointer, writtenAt: pointer))
            } catch {
                problems += error.problems
            }
        }
        return found
    }

    private func isMethod(_ field: String) -> Bool {
        Self.methods.contains(field) && (field != "trace" || !format.isSwagger)
    }

    private mutating func operation(
        _ value: JSONValue, _ method: String, _ template: PathTemplate, in item: JSONObject,
        at itemPointer: JSONPointer,
        writtenAt written: JSONPointer
    ) throws(ImportFailure) -> ImportedOperation {
        let pointer = itemPointer.appending(method)
        guard let members = value.members else {
            throw ImportFailure(
                at: written.appending(method).text, "An operation must be an object, found \(Scalars.kind(value)).")
        }
        let capitals = method.uppercased()
        let shown = "\(capitals) \(template.text)"
        if let other = templates.updateValue(shown, forKey: "\(method) \(template.comparable)") {
            throw ImportFailure(
                at: written.appending(method).text, "\(other) and \(shown) would answer the same calls.")
        }
        let site = Site(
            method: method, template: template, item: item, itemPointer: itemPointer, operation: members,
            pointer: pointer)
        let parameters = try parameters(site)
        let contracts = try self.contracts(parameters, site)
        let operationID = members["operationId"].flatMap(Scalars.text)
        guard let name = names.next(operationID: operationID, method: method, path: template.text) else {
            throw ImportFailure(at: pointer.text, "A thousand operations have the id '\(operationID ?? "")'.")
        }
        let summary = members["summary"].flatMap(Scalars.text).flatMap { $0.isEmpty ? nil : $0 }
        let title = summary ?? operationID.flatMap { $0.isEmpty ? nil : $0 } ?? shown
        let displayName = Scalars.cut(title, to: 300)
        // An empty description is one: it says that the summary is not to stand in for it.
        let description = members["description"].flatMap(Scalars.text) ?? summary
        var properties = JSONObject()
        properties["displayName"] = .string(displayName)
        properties["method"] = .string(capitals)
        properties["urlTemplate"] = .string(contracts.urlTemplate)
        properties["templateParameters"] = .array(contracts.template)
        if let description, !description.isEmpty {
            properties["description"] = .string(Scalars.cut(description, to: Self.descriptionMax))
        }
        if let request = try request(site, parameters, contracts) { properties["request"] = request }
        properties["responses"] = .array(try responses(site))
        return ImportedOperation(
            name: name, displayName: displayName, method: capitals, urlTemplate: contracts.urlTemplate,
            tags: (members["tags"]?.items ?? []).compactMap(Scalars.text), properties: .object(properties))
    }
}

/// An operation and where it stands.
struct Site {
    let method: String
    let template: PathTemplate
    let item: JSONObject
    let itemPointer: JSONPointer
    let operation: JSONObject
    let pointer: JSONPointer

    /// What made-up names of schemas begin with: `Pets-petId-Get`.
    var schemaPrefix: String {
        var name = ""
        for segment in template.path.split(separator: "/") {
            let letters = SchemaCollector.cleaned(String(segment))
            if segment.contains("{") {
                name += "-\(letters)-"
            } else {
                name += letters.prefix(1).uppercased() + letters.dropFirst()
            }
        }
        return name + method.prefix(1).uppercased() + method.dropFirst()
    }
}
