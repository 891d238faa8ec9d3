internal import PolicyExpressions

// One check of one document: it walks the tree once, in document order, and writes down every fault.

struct CheckRun {
    /// Policies inside policies; a deeper one is refused (policies.md 1.7).
    static let nestingMax = 32
    /// Bytes of a document with its fragments and named values (must-hold I9).
    static let resolvedBytesMax = 4 << 20

    /// nil while a fragment is checked by itself.
    let level: PolicyLevel?
    let references: PolicyReferences
    private(set) var problems: [PolicyProblem] = []
    private(set) var warnings: [PolicyProblem] = []
    var uses = PolicyUses()
    /// Bytes of what was put in so far.
    private var resolvedBytes = 0
    /// Set while the policies of a fragment are checked at the place of inclusion.
    private var inclusion: Inclusion?
    /// Fragments that were read already.
    private var readFragments: [String: Result<DocumentElement, PolicyProblem>] = [:]
    private var fragmentBytes: [String: Int] = [:]
    /// Policies that may stand once a section or once a document, that were seen.
    private var seenInSection: Set<String> = []
    private var seenInDocument: Set<String> = []

    struct Inclusion {
        var fragment: String
        var place: SourcePosition
    }

    init(level: PolicyLevel?, references: PolicyReferences) {
        self.level = level
        self.references = references
    }

    mutating func report(_ element: String, _ place: SourcePosition, _ message: String) {
        problems.append(located(element, place, message))
    }

    mutating func warn(_ element: String, _ place: SourcePosition, _ message: String) {
        warnings.append(located(element, place, message))
    }

    /// A fault in a fragment stands at the place of inclusion, and says where in the fragment it is.
    private func located(_ element: String, _ place: SourcePosition, _ message: String) -> PolicyProblem {
        let problem = PolicyProblem.inElement(element, at: place, message)
        guard let inclusion else { return problem }
        return .inElement(
            PolicyDeclaration.includeFragment.element, at: inclusion.place,
            "In policy fragment '\(inclusion.fragment)': \(problem.message)")
    }

    /// Counts bytes that are put in. Too many are reported once; what is behind them is not looked at any more, so that
    /// the work stays within the bound too.
    mutating func isTooLarge(adding bytes: Int, _ element: String, _ place: SourcePosition) -> Bool {
        let before = resolvedBytes
        resolvedBytes += bytes
        guard resolvedBytes > Self.resolvedBytesMax else { return false }
        if before <= Self.resolvedBytesMax {
            report(
                element, place,
                "The document with its fragments and named values is larger than \(Self.resolvedBytesMax >> 20) MiB.")
        }
        return true
    }

    /// What was found, in document order.
    func inOrder(_ found: [PolicyProblem]) -> [PolicyProblem] {
        found.enumerated().sorted { left, right in
            (left.element.line, left.element.column, left.offset)
                < (right.element.line, right.element.column, right.offset)
        }.map(\.element)
    }

    // MARK: Documents

    mutating func document(_ root: DocumentElement) -> [PolicySection: [CheckedPolicy]] {
        guard root.name == "policies" else {
            report(root.name, root.place, "The root of a policy document must be the element 'policies'.")
            return [:]
        }
        refuseAttributesAndText(of: root)
        var sections: [PolicySection: [CheckedPolicy]] = [:]
        for child in root.children {
            guard let section = PolicySection(rawValue: child.name) else {
                report(
                    child.name, child.place,
                    "The element '\(Self.shown(child.name))' is no section: expected inbound, backend, outbound or "
                        + "on-error.")
                continue
            }
            if sections[section] != nil {
                report(child.name, child.place, "The section '\(child.name)' may stand once.")
                continue
            }
            refuseAttributesAndText(of: child)
            seenInSection = []
            sections[section] = policies(child.children, in: section, depth: 1)
            warnOfMissingBase(in: child, section)
        }
        return sections
    }

    mutating func fragment(_ root: DocumentElement) {
        guard root.name == "fragment" else {
            report(root.name, root.place, "The root of a policy fragment must be the element 'fragment'.")
            return
        }
        refuseAttributesAndText(of: root)
        _ = policies(root.children, in: nil, depth: 1)
    }

    mutating func refuseAttributesAndText(of element: DocumentElement) {
        for attribute in element.attributes { refuseUndeclared(attribute, of: element) }
        if element.hasText { report(element.name, element.place, "The element may not hold text.") }
    }

    mutating func refuseUndeclared(_ attribute: DocumentAttribute, of element: DocumentElement) {
        report(
            element.name, element.place, "The '\(Self.shown(attribute.name))' attribute is not declared.")
    }

    /// A name or text of the document for a message: at most 64 letters of it.
    static func shown(_ text: String) -> String {
        let line = text.prefix(64).map { $0.isNewline || $0 == "\t" ? " " : $0 }
        return String(line) + (text.count > 64 ? "…" : "")
    }

    /// Must-hold I10: what is left out of an inbound section is seldom left out on purpose.
    private mutating func warnOfMissingBase(in section: DocumentElement, _ kind: PolicySection) {
        guard kind == .inbound, level != .global, !section.children.contains(where: { $0.name == "base" }) else {
            return
        }
        warn(section.name, section.place, "Without <base /> the policies of broader scopes do not run here.")
    }

    // MARK: Policies

    /// Checks policies that stand side by side. `section` is nil in a fragment that is checked by itself, `block` is the
    /// path of the policy around them.
    mutating func policies(
        _ elements: [DocumentElement], in section: PolicySection?, block: String? = nil, depth: Int
    ) -> [CheckedPolicy] {
        var checked: [CheckedPolicy] = []
        var counts: [String: Int] = [:]
        for element in elements {
            guard let declaration = Policies.byElement[element.name] else {
                reportUnknown(element)
                continue
            }
            counts[element.name, default: 0] += 1
            let path = (block.map { "\($0)/" } ?? "") + "\(element.name)[\(counts[element.name, default: 1])]"
            guard mayStand(element, declaration, in: section, isInBlock: block != nil) else { continue }
            if element.name == PolicyDeclaration.base.element {
                if let base = base(element, in: section, path: path) { checked.append(base) }
                continue
            }
            guard
                let policy = self.element(
                    element, ElementDeclaration(declaration), in: section, path: path, depth: depth)
            else { continue }
            for message in declaration.warnings(policy) { warn(element.name, element.place, message) }
            if element.name == PolicyDeclaration.includeFragment.element {
                checked += included(policy, as: element, in: section, block: block, depth: depth)
            } else {
                checked.append(policy)
            }
        }
        return checked
    }

    private mutating func reportUnknown(_ element: DocumentElement) {
        if Policies.notBuilt.contains(element.name) {
            report(element.name, element.place, "The policy '\(element.name)' is not supported yet.")
        } else if PolicySection(rawValue: element.name) != nil {
            report(element.name, element.place, "A section may not stand here.")
        } else {
            let hint = Policies.nearest(to: element.name).map { " Did you mean '\($0)'?" } ?? ""
            report(element.name, element.place, "The element '\(Self.shown(element.name))' is not a policy.\(hint)")
        }
    }

    private mutating func mayStand(
        _ element: DocumentElement, _ declaration: PolicyDeclaration, in section: PolicySection?, isInBlock: Bool
    ) -> Bool {
        let before = problems.count
        let isInFragment = section == nil || inclusion != nil
        if isInFragment, element.name == PolicyDeclaration.base.element {
            report(element.name, element.place, "<base /> may not stand in a policy fragment.")
            return false
        }
        if isInBlock, element.name == PolicyDeclaration.base.element {
            report(element.name, element.place, "<base /> may not stand in another policy.")
            return false
        }
        if isInFragment, element.name == PolicyDeclaration.includeFragment.element {
            report(element.name, element.place, "A policy fragment may not include a policy fragment.")
            return false
        }
        if let section, !declaration.sections.contains(section) {
            report(element.name, element.place, "Policy is not allowed in the specified section")
        }
        if let level, !declaration.levels.contains(level) {
            report(element.name, element.place, "Policy is not allowed in the specified scope")
        }
        let isFirst =
            switch declaration.repetition {
            case .any: true
            case .oncePerSection: seenInSection.insert(element.name).inserted
            case .oncePerDocument: seenInDocument.insert(element.name).inserted
            }
        if !isFirst {
            let where_ = declaration.repetition == .oncePerSection ? "section" : "document"
            report(element.name, element.place, "The policy '\(element.name)' may stand once in a \(where_).")
        }
        return problems.count == before
    }

    private mutating func base(_ element: DocumentElement, in section: PolicySection?, path: String) -> CheckedPolicy? {
        let before = problems.count
        refuseAttributesAndText(of: element)
        for child in element.children {
            report(child.name, child.place, "The element '\(Self.shown(child.name))' may not stand in 'base'.")
        }
        guard problems.count == before else { return nil }
        return CheckedPolicy(
            element: element.name, place: element.place, level: level ?? .global, section: section ?? .inbound,
            path: path, attributes: [:], text: nil, children: [])
    }

    // MARK: Fragments

    /// The policies of the fragment that an include-fragment names, checked where they are put in. Messages have the id
    /// as written: a named value may be a secret.
    private mutating func included(
        _ policy: CheckedPolicy, as element: DocumentElement, in section: PolicySection?, block: String?, depth: Int
    ) -> [CheckedPolicy] {
        let written = element.attributes.first { $0.name == "fragment-id" }.map { Self.shown($0.value.text) } ?? ""
        guard let id = policy.literal("fragment-id") else { return [] }
        uses.fragments.insert(id)
        if readFragments[id] == nil {
            guard let fragment = references.fragment(id) else {
                report(
                    policy.element, policy.place, "Policy fragment with id '\(written)' could not be found.")
                return []
            }
            do {
                let root = try DocumentReader.read(
                    fragment.text, format: fragment.format, bytesMax: PolicyChecker.fragmentBytesMax)
                readFragments[id] = .success(root)
                fragmentBytes[id] = fragment.text.utf8.count
            } catch {
                readFragments[id] = .failure(error)
            }
        }
        switch readFragments[id] {
        case .success(let root)?:
            guard !isTooLarge(adding: fragmentBytes[id] ?? 0, policy.element, policy.place) else { return [] }
            inclusion = Inclusion(fragment: written, place: policy.place)
            defer { inclusion = nil }
            guard root.name == "fragment" else {
                report(root.name, root.place, "The root of a policy fragment must be the element 'fragment'.")
                return []
            }
            refuseAttributesAndText(of: root)
            return policies(root.children, in: section, block: block, depth: depth)
        case .failure(let problem)?:
            report(
                policy.element, policy.place,
                "The policy fragment '\(written)' is not a valid XML: \(problem.message)")
            return []
        case nil: return []
        }
    }
}
