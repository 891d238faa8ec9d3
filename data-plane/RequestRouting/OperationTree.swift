// The operations of one API and one method, as a tree of segments: at each segment a literal beats a mixed one, that a
// parameter, that a wildcard; among equal paths the template with more query parameters wins (resources.md 6).

/// Finds the operation for a path.
struct OperationTree: Sendable {
    /// What a path ends at.
    private struct Terminal: Sendable {
        let operation: Int
        /// Names of the captured values, in order along the path.
        let names: [String]
        let query: [UrlTemplate.QueryParameter]
    }

    private struct Node: Sendable {
        var literals: [[UInt8]] = []
        var literalChildren: [Int] = []
        var table = FoldedTable([])
        var mixed: [(pieces: [TemplateSegment.Piece], child: Int)] = []
        var parameter: Int?
        var terminals: [Terminal] = []
        var wildcards: [Terminal] = []
    }

    /// A match, with the captured parts of the path.
    struct Match {
        var operation: Int
        var parameters: [(name: String, value: String)]
        var queryNames: [String]
    }

    private var nodes: [Node] = [Node()]

    init(_ templates: [(operation: Int, template: UrlTemplate)]) {
        for entry in templates { add(entry.template, entry.operation) }
        for index in nodes.indices {
            nodes[index].table = FoldedTable(nodes[index].literals)
            nodes[index].terminals.sort(by: Self.comesFirst)
            nodes[index].wildcards.sort(by: Self.comesFirst)
        }
    }

    private static func comesFirst(_ left: Terminal, _ right: Terminal) -> Bool {
        (-left.query.count, left.operation) < (-right.query.count, right.operation)
    }

    private mutating func add(_ template: UrlTemplate, _ operation: Int) {
        var node = 0
        var names: [String] = []
        for segment in template.segments {
            switch segment {
            case .literal(let text): node = literal(Array(Escapes.decoded(Array(text.utf8)[...])), below: node)
            case .mixed(let pieces):
                for case .parameter(let name) in pieces { names.append(name) }
                node = mixed(pieces, below: node)
            case .parameter(let name):
                names.append(name)
                node = parameter(below: node)
            case .wildcard(let name):
                names.append(name)
                nodes[node].wildcards.append(Terminal(operation: operation, names: names, query: template.query))
                return
            }
        }
        nodes[node].terminals.append(Terminal(operation: operation, names: names, query: template.query))
    }

    private mutating func literal(_ text: [UInt8], below node: Int) -> Int {
        if let place = nodes[node].literals.firstIndex(where: { ASCIICase.equal($0, text) }) {
            return nodes[node].literalChildren[place]
        }
        nodes[node].literals.append(text)
        nodes[node].literalChildren.append(nodes.count)
        nodes.append(Node())
        return nodes.count - 1
    }

    private mutating func mixed(_ pieces: [TemplateSegment.Piece], below node: Int) -> Int {
        if let same = nodes[node].mixed.first(where: { Self.hasSameText($0.pieces, pieces) }) { return same.child }
        nodes[node].mixed.append((pieces, nodes.count))
        // What has more text says more.
        nodes[node].mixed.sort { Self.textCount($0.pieces) > Self.textCount($1.pieces) }
        nodes.append(Node())
        return nodes.count - 1
    }

    private mutating func parameter(below node: Int) -> Int {
        if let child = nodes[node].parameter { return child }
        nodes[node].parameter = nodes.count
        nodes.append(Node())
        return nodes.count - 1
    }

    private static func textCount(_ pieces: [TemplateSegment.Piece]) -> Int {
        pieces.reduce(0) { sum, piece in if case .text(let text) = piece { sum + text.count } else { sum } }
    }

    private static func hasSameText(_ left: [TemplateSegment.Piece], _ right: [TemplateSegment.Piece]) -> Bool {
        guard left.count == right.count else { return false }
        return zip(left, right).allSatisfy { one, other in
            switch (one, other) {
            case (.text(let first), .text(let second)): ASCIICase.equal(first, second)
            case (.parameter, .parameter): true
            case (.text, .parameter), (.parameter, .text): false
            }
        }
    }

    // MARK: Finding

    /// The best match; `path` begins with `/` or is empty.
    func match(_ path: ArraySlice<UInt8>, _ query: QueryParameters) -> Match? {
        var captures: [ArraySlice<UInt8>] = []
        return match(path, node: 0, &captures, query)
    }

    /// Each node is visited at most once a call, for it stands for one way through the templates.
    private func match(
        _ path: ArraySlice<UInt8>, node: Int, _ captures: inout [ArraySlice<UInt8>], _ query: QueryParameters
    ) -> Match? {
        let here = nodes[node]
        let rest = path.first == UInt8(ascii: "/") ? path.dropFirst() : path
        if rest.isEmpty, let found = finish(here.terminals, captures, query) { return found }
        if !rest.isEmpty {
            let end = rest.firstIndex(of: UInt8(ascii: "/")) ?? rest.endIndex
            let segment = Escapes.decoded(rest[..<end])
            let below = rest[end...]
            if !here.literals.isEmpty, let place = here.table.find(segment, FoldedHash(segment)),
                let found = match(below, node: here.literalChildren[place], &captures, query)
            {
                return found
            }
            let count = captures.count
            for mixed in here.mixed {
                guard let values = TemplateSegment.match(mixed.pieces, segment) else { continue }
                captures += values
                if let found = match(below, node: mixed.child, &captures, query) { return found }
                captures.removeSubrange(count...)
            }
            if let child = here.parameter {
                captures.append(segment)
                if let found = match(below, node: child, &captures, query) { return found }
                captures.removeLast()
            }
        }
        guard !here.wildcards.isEmpty else { return nil }
        return finish(here.wildcards, captures + [Escapes.decoded(rest)], query)
    }

    private func finish(
        _ terminals: [Terminal], _ captures: [ArraySlice<UInt8>], _ query: QueryParameters
    ) -> Match? {
        for terminal in terminals {
            var parameters: [(name: String, value: String)] = []
            guard take(terminal.query, from: query, &parameters) else { continue }
            let path = zip(terminal.names, captures).map { name, value in
                (name: name, value: String(decoding: value, as: UTF8.self))
            }
            return Match(
                operation: terminal.operation, parameters: path + parameters,
                queryNames: terminal.query.map { String(decoding: $0.name, as: UTF8.self) })
        }
        return nil
    }

    private func take(
        _ wanted: [UrlTemplate.QueryParameter], from query: QueryParameters,
        _ parameters: inout [(name: String, value: String)]
    ) -> Bool {
        for parameter in wanted {
            guard let value = query.values(of: parameter.name).first else { return false }
            if let literal = parameter.literal {
                guard value == literal else { return false }
            } else {
                parameters.append((parameter.parameter, String(decoding: value, as: UTF8.self)))
            }
        }
        return true
    }
}
