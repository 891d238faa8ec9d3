// API descriptions of others: what is taken comes out as a value that JSON can say, and its export is taken again.
@testable import ApiImport
import JSONDocuments
import Yams

extension FuzzTarget {
    static let yaml = FuzzTarget("yaml") { bytes in
        let value: JSONValue
        var deep: Int?
        do throws(ImportFailure) {
            guard let text = String(validating: bytes, as: UTF8.self) else { return }
            try YAMLGuards.check(Array(text.utf8))
            // The parser calls itself for each level.
            var budget = 5_000
            if let node = try? Yams.compose(yaml: text) {
                let depth = ImportRun.depth(node, &budget)
                if depth > 500 { deep = depth }
            }
            value = try YAMLReader.read(text)
        } catch {
            try promise(deep == nil, "no text makes the parser go \(deep ?? 0) levels deep")
            try ImportRun.checkProblems(error)
            return
        }
        try promise(deep == nil, "no text makes the parser go \(deep ?? 0) levels deep")
        let written = value.encoded()
        guard let again = try? JSONReader.read(written, depthMax: 65) else {
            throw FuzzFinding("what was read from YAML is no JSON: \(value.encodedText())")
        }
        try promise(again == value, "the value stays")
    }

    static let description = FuzzTarget("description", bytesMax: 16_384) { bytes in
        var options = ImportOptions()
        options.requiredQueryParameters = bytes.count.isMultiple(of: 2) ? .template : .query
        let api: ImportedApi
        do throws(ImportFailure) {
            api = try ApiImporter.importDescription(bytes, options: options)
        } catch {
            try ImportRun.checkProblems(error)
            return
        }
        try promise(!api.displayName.isEmpty && api.displayName.count <= 300, "an API has a name")
        let names = api.operations.map { $0.name.lowercased() }
        try promise(Set(names).count == names.count, "names of operations differ")
        for operation in api.operations {
            try promise(
                (1...80).contains(operation.name.count), "the name of an operation is bounded: \(operation.name)")
        }
        for isSwagger in [false, true] {
            let source = ImportRun.source(api)
            let document = isSwagger ? ApiExporter.swagger(source) : ApiExporter.openAPI(source)
            do {
                let again = try ApiImporter.importDescription(document.encoded())
                try promise(again.operations.count <= api.operations.count, "no operation comes from nowhere")
            } catch let failure as ImportFailure {
                throw FuzzFinding("an export is refused, swagger \(isSwagger): \(failure)")
            }
        }
    }
}

private enum ImportRun {
    /// Levels of a node, among the first `budget` nodes: an alias is a copy here, so what is shared is met again.
    static func depth(_ node: Node, _ budget: inout Int) -> Int {
        budget -= 1
        guard budget > 0 else { return 0 }
        var deepest = 0
        switch node {
        case .mapping(let mapping):
            for (key, value) in mapping { deepest = max(deepest, depth(key, &budget), depth(value, &budget)) }
        case .sequence(let sequence): for item in sequence { deepest = max(deepest, depth(item, &budget)) }
        default: return 0
        }
        return deepest + 1
    }

    static func checkProblems(_ failure: ImportFailure) throws {
        try promise(!failure.problems.isEmpty, "a refusal names a fault")
        try promise(failure.problems.allSatisfy { !$0.message.isEmpty }, "a fault has words")
    }

    static func source(_ api: ImportedApi) -> ExportSource {
        ExportSource(
            displayName: api.displayName, description: api.description, version: api.version ?? "1",
            termsOfServiceUrl: api.termsOfServiceUrl, contact: api.contact, license: api.license,
            serverUrl: api.serviceUrl,
            operations: api.operations.map { .init(name: $0.name, tags: $0.tags, properties: $0.properties) },
            schemas: api.schema.map { [$0] } ?? [])
    }
}
