// What a property may be, as data; one walk checks a body against it and gives what is stored.
package import JSONDocuments

/// What values a property takes.
package indirect enum Shape: Sendable {
    /// Length in Unicode scalars.
    case text(ClosedRange<Int>)
    /// One of these, in any case; stored as spelled here.
    case oneOf([String])
    case integer(ClosedRange<Int64>)
    case boolean
    /// ISO 8601, stored in UTC.
    case time
    case list(Shape, atMost: Int)
    case object([Property])
    /// Texts by any name.
    case map(Shape, atMost: Int)
    /// Whatever JSON.
    case any
}

/// A member of a resource's properties.
package struct Property: Sendable {
    package enum WhenAbsent: Sendable {
        /// Not in answers.
        case omitted
        /// `null` in answers.
        case null
        /// This value, stored and answered.
        case value(JSONValue)
    }

    package var name: String
    package var shape: Shape
    package var isRequired = false
    package var whenAbsent = WhenAbsent.omitted
    /// The controller's own; what a body says of it is ignored.
    package var isReadOnly = false
    /// Sealed apart from the properties, never in an answer of its own accord.
    package var isSecret = false
    /// Read from a body and never stored (`format`, `value` of an import).
    package var isTransient = false

    package static func required(_ name: String, _ shape: Shape) -> Property {
        var property = Property(name: name, shape: shape)
        property.isRequired = true
        return property
    }

    package static func optional(_ name: String, _ shape: Shape, absent: WhenAbsent = .omitted) -> Property {
        Property(name: name, shape: shape, whenAbsent: absent)
    }

    package static func readOnly(_ name: String, absent: WhenAbsent = .omitted) -> Property {
        var property = Property(name: name, shape: .any, whenAbsent: absent)
        property.isReadOnly = true
        return property
    }

    package static func secret(_ name: String, _ shape: Shape) -> Property {
        var property = Property(name: name, shape: shape)
        property.isSecret = true
        return property
    }

    package static func transient(_ name: String, _ shape: Shape) -> Property {
        var property = Property(name: name, shape: shape)
        property.isTransient = true
        return property
    }
}

/// The walk over a body.
package struct ShapeReader {
    /// Whether an unknown member is a fault (`Prefer: handling=strict`).
    package let isStrict: Bool
    package var problems: [FieldProblem] = []
    /// What properties with `isSecret` were given, by path below `properties`.
    package var secrets: [String: JSONValue] = [:]
    package var transients = JSONObject()

    package init(isStrict: Bool) { self.isStrict = isStrict }

    /// Reads the members of an object; faults go into `problems`.
    package mutating func object(_ value: JSONValue?, _ properties: [Property], at path: String) -> JSONObject {
        guard let members = value?.members else {
            problems.append(FieldProblem(path, "'\(path)' must be an object."))
            return JSONObject()
        }
        if isStrict {
            for (name, _) in members where !properties.contains(where: { $0.name == name }) {
                problems.append(FieldProblem("\(path).\(name)", "'\(path).\(name)' is not a known property."))
            }
        }
        var result = JSONObject()
        for property in properties where !property.isReadOnly {
            read(property, members[property.name], at: "\(path).\(property.name)", into: &result)
        }
        return result
    }

    private mutating func read(
        _ property: Property, _ given: JSONValue?, at path: String, into result: inout JSONObject
    ) {
        guard let given, !given.isNull else {
            if property.isRequired {
                problems.append(FieldProblem(path, "'\(path)' is required."))
            } else if property.isSecret, given != nil {
                secrets[Self.below(path)] = .null
            } else if case .value(let value) = property.whenAbsent {
                result[property.name] = value
            }
            return
        }
        guard let value = read(given, property.shape, at: path) else { return }
        if property.isSecret {
            secrets[Self.below(path)] = value
        } else if property.isTransient {
            transients[property.name] = value
        } else {
            result[property.name] = value
        }
    }

    /// `properties.proxy.password` → `proxy.password`
    private static func below(_ path: String) -> String {
        path.hasPrefix("properties.") ? String(path.dropFirst("properties.".count)) : path
    }

    private mutating func read(_ value: JSONValue, _ shape: Shape, at path: String) -> JSONValue? {
        switch shape {
        case .text(let length): return text(value, length, at: path)
        case .oneOf(let values):
            guard let text = value.text else { return fault(path, "must be a text.") }
            guard let found = values.first(where: { $0.lowercased() == text.lowercased() }) else {
                return fault(path, "must be one of \(values.joined(separator: ", ")).")
            }
            return .string(found)
        case .integer(let range):
            guard let number = value.wholeNumber else { return fault(path, "must be an integer.") }
            guard range.contains(number) else {
                return fault(path, "must be from \(range.lowerBound) to \(range.upperBound).")
            }
            return .int(number)
        case .boolean: return value.boolean == nil ? fault(path, "must be true or false.") : value
        case .time:
            guard let text = value.text, let time = Timestamp.read(text) else {
                return fault(path, "must be a time as in ISO 8601.")
            }
            return .string(Timestamp.text(time))
        case .list(let item, let atMost):
            guard let items = value.items else { return fault(path, "must be an array.") }
            guard items.count <= atMost else { return fault(path, "must have at most \(atMost) items.") }
            return .array(
                items.enumerated().compactMap { index, value in read(value, item, at: "\(path)[\(index)]") })
        case .object(let properties): return .object(object(value, properties, at: path))
        case .map(let item, let atMost):
            guard let members = value.members else { return fault(path, "must be an object.") }
            guard members.count <= atMost else { return fault(path, "must have at most \(atMost) members.") }
            var result = JSONObject()
            for (name, value) in members { result[name] = read(value, item, at: "\(path).\(name)") }
            return .object(result)
        case .any: return value
        }
    }

    private mutating func text(_ value: JSONValue, _ length: ClosedRange<Int>, at path: String) -> JSONValue? {
        guard let text = value.text else { return fault(path, "must be a text.") }
        let scalars = text.unicodeScalars.count
        if scalars < length.lowerBound {
            return fault(
                path, scalars == 0 ? "must not be empty." : "must have at least \(length.lowerBound) characters.")
        }
        if scalars > length.upperBound { return fault(path, "must have at most \(length.upperBound) characters.") }
        return value
    }

    private mutating func fault(_ path: String, _ message: String) -> JSONValue? {
        problems.append(FieldProblem(path, "'\(path)' \(message)"))
        return nil
    }
}

extension [Property] {
    /// The members as they are answered: in this order, null where an absent one is null, no secrets.
    package func shown(_ stored: JSONObject) -> JSONObject {
        var shown = JSONObject()
        for property in self where !property.isSecret && !property.isTransient {
            if let value = stored[property.name] {
                shown[property.name] = property.shape.shown(value)
            } else {
                switch property.whenAbsent {
                case .omitted: break
                case .null: shown[property.name] = .null
                case .value(let value): shown[property.name] = value
                }
            }
        }
        return shown
    }
}

extension Shape {
    func shown(_ value: JSONValue) -> JSONValue {
        switch (self, value) {
        case (.object(let properties), .object(let members)): .object(properties.shown(members))
        case (.list(let item, _), .array(let items)): .array(items.map(item.shown))
        default: value
        }
    }
}
