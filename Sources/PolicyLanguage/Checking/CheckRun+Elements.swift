internal import PolicyExpressions

// How one element is held against its declaration: attributes, text, children, then the rules over all of them.

extension CheckRun {
    /// Checks an element; nil when anything in it is wrong.
    mutating func element(
        _ element: DocumentElement, _ declaration: ElementDeclaration, in section: PolicySection?, path: String,
        depth: Int
    ) -> CheckedPolicy? {
        guard depth <= Self.nestingMax else {
            report(element.name, element.place, "Policies are nested deeper than \(Self.nestingMax).")
            return nil
        }
        let before = problems.count
        let attributes = attributes(of: element, declaration)
        let text = text(of: element, declaration)
        let children =
            declaration.holdsPolicies
            ? block(element, in: section, path: path, depth: depth)
            : children(of: element, declaration, in: section, path: path, depth: depth)
        let policy = CheckedPolicy(
            element: element.name, place: element.place, level: level ?? .global, section: section ?? .inbound,
            path: path, attributes: attributes, text: text, children: children)
        if problems.count == before {
            for message in declaration.rules(policy) { report(element.name, element.place, message) }
        }
        return problems.count == before ? policy : nil
    }

    private mutating func attributes(
        of element: DocumentElement, _ declaration: ElementDeclaration
    ) -> [String: PolicyValue] {
        var values: [String: PolicyValue] = [:]
        for attribute in element.attributes {
            guard let declared = declaration.attributes.first(where: { $0.name == attribute.name }) else {
                refuseUndeclared(attribute, of: element)
                continue
            }
            let label = "attribute '\(declared.name)'"
            guard !declared.isUnsupported else {
                report(element.name, element.place, "The \(label) is not supported yet.")
                continue
            }
            guard
                let value = value(
                    attribute.value, declared.kind, label: label, allowsExpression: declared.allowsExpression,
                    of: element)
            else { continue }
            if case .literal(let text) = value, declared.unsupportedValues.contains(text.lowercased()) {
                report(
                    element.name, element.place,
                    "The value '\(Self.shown(attribute.value.text))' of \(label) is not supported yet.")
                continue
            }
            values[declared.name] = value
        }
        let given = Set(element.attributes.map(\.name))
        for declared in declaration.attributes where !given.contains(declared.name) {
            if declared.isRequired {
                report(element.name, element.place, "The required attribute '\(declared.name)' is missing.")
            } else if let value = declared.defaultValue {
                values[declared.name] = .literal(value)
            }
        }
        return values
    }

    private mutating func text(of element: DocumentElement, _ declaration: ElementDeclaration) -> PolicyValue? {
        guard let declared = declaration.text else {
            if element.hasText { report(element.name, element.place, "The element may not hold text.") }
            return nil
        }
        if let markup = foreignMarkup(of: element, declaration) {
            return value(
                markup, declared.kind, label: "the element", allowsExpression: declared.allowsExpression, of: element)
        }
        guard element.hasText || !declared.isRequired else {
            report(element.name, element.place, "The element must hold a text.")
            return nil
        }
        let text = element.text ?? DocumentText(text: "", place: element.place)
        return value(
            text, declared.kind, label: "the element", allowsExpression: declared.allowsExpression, of: element)
    }

    /// The markup that is the text of a body: there are elements in it which the policy does not know.
    private func foreignMarkup(of element: DocumentElement, _ declaration: ElementDeclaration) -> DocumentText? {
        guard declaration.text?.kind == .body, let markup = element.markup else { return nil }
        let known = Set(declaration.children.map(\.element))
        return element.children.allSatisfy { known.contains($0.name) } ? nil : markup
    }

    private mutating func children(
        of element: DocumentElement, _ declaration: ElementDeclaration, in section: PolicySection?, path: String,
        depth: Int
    ) -> [CheckedPolicy] {
        if foreignMarkup(of: element, declaration) != nil { return [] }
        var checked: [CheckedPolicy] = []
        var counts: [String: Int] = [:]
        for child in element.children {
            guard let declared = declaration.children.first(where: { $0.element == child.name }) else {
                report(
                    child.name, child.place,
                    "The element '\(Self.shown(child.name))' may not stand in '\(element.name)'.")
                continue
            }
            let count = counts[child.name, default: 0] + 1
            counts[child.name] = count
            if count == declared.count.upperBound + 1 {
                report(
                    child.name, child.place,
                    "'\(element.name)' may hold at most \(declared.count.upperBound) '\(child.name)'.")
            }
            guard count <= declared.count.upperBound else { continue }
            let childPath = "\(path)/\(child.name)[\(count)]"
            if let policy = self.element(child, declared, in: section, path: childPath, depth: depth + 1) {
                checked.append(policy)
            }
        }
        for declared in declaration.children where counts[declared.element, default: 0] < declared.count.lowerBound {
            report(
                element.name, element.place, "The required element '\(declared.element)' is missing.")
        }
        return checked
    }

    /// The policies inside a policy.
    private mutating func block(
        _ element: DocumentElement, in section: PolicySection?, path: String, depth: Int
    ) -> [CheckedPolicy] {
        if element.children.isEmpty { report(element.name, element.place, "The element must hold a policy.") }
        return policies(element.children, in: section, block: path, depth: depth + 1)
    }

    // MARK: Values

    /// Puts named values in and reads a literal or an expression; nil when it is wrong.
    private mutating func value(
        _ written: DocumentText, _ kind: ValueKind, label: String, allowsExpression: Bool, of element: DocumentElement
    ) -> PolicyValue? {
        let resolved = NamedValueText(written.text, value: references.namedValue)
        uses.namedValues.formUnion(resolved.names)
        guard resolved.unknown.isEmpty else {
            for name in resolved.unknown {
                report(element.name, element.place, "Cannot find a property '\(Self.shown(name))'")
            }
            return nil
        }
        guard !isTooLarge(adding: resolved.text.utf8.count, element.name, element.place) else { return nil }
        if let expression = expression(resolved.text, label: label, of: element) {
            if case .refused = expression { return nil }
            let message =
                allowsExpression
                ? "Policy expressions are not supported yet: \(label) must be literal."
                : "Policy expressions are not allowed in \(label)."
            report(element.name, element.place, message)
            return nil
        }
        let text = kind.normalised(resolved.text)
        if let requirement = kind.requirement(brokenBy: text) {
            // The text as written: a named value may be a secret.
            report(
                element.name, element.place,
                "The value '\(Self.shown(written.text))' of \(label) \(requirement).")
            return nil
        }
        if kind == .backend, !exists(backend: text, written: written, of: element) { return nil }
        return .literal(text)
    }

    private enum FoundExpression {
        case found(ExpressionText)
        case refused
    }

    /// The expression that a value is; nil when it is a literal. One that does not end, or ends before its value does,
    /// is reported.
    private mutating func expression(_ text: String, label: String, of element: DocumentElement) -> FoundExpression? {
        let bytes = Array(text.utf8)
        guard let start = bytes.firstIndex(where: { !LiteralText.isBlank($0) }),
            ExpressionEnd.begins(in: bytes, at: start)
        else { return nil }
        do {
            let end = try ExpressionEnd(in: bytes, from: start).offset
            guard bytes[end...].allSatisfy(LiteralText.isBlank) else {
                report(element.name, element.place, "Text stands behind the end of the expression in \(label).")
                return .refused
            }
            let code = String(decoding: bytes[(start + 2)..<(end - 1)], as: UTF8.self)
            return .found(ExpressionText(code: code, isBlock: bytes[start + 1] == UInt8(ascii: "{")))
        } catch {
            report(element.name, element.place, "The expression in \(label) does not end: \(error.message)")
            return .refused
        }
    }

    private mutating func exists(backend id: String, written: DocumentText, of element: DocumentElement) -> Bool {
        uses.backends.insert(id)
        if references.backendExists(id) { return true }
        report(
            element.name, element.place, "Backend with id '\(Self.shown(written.text))' could not be found.")
        return false
    }
}
