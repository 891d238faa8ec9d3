// Reads JSON in the very form in which blobs are written (sorted members, no blanks), many times faster than by way of
// Codable: a node that starts reads hundreds of thousands of keys and operations. Whatever is not of that form gives nil;
// the reader that says what is wrong looks at it then.

package struct WrittenJSON {
    let bytes: [UInt8]
    private(set) var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { position == bytes.count }

    /// Goes on behind `expected`, if that is next.
    mutating func take(_ expected: StaticString) -> Bool {
        let count = expected.utf8CodeUnitCount
        guard bytes.count - position >= count else { return false }
        let isEqual = expected.withUTF8Buffer { expected in
            for index in 0..<count where expected[index] != bytes[position + index] { return false }
            return true
        }
        if isEqual { position += count }
        return isEqual
    }

    /// The next `count` bytes.
    mutating func take(_ count: Int) -> ArraySlice<UInt8>? {
        guard bytes.count - position >= count else { return nil }
        defer { position += count }
        return bytes[position..<(position + count)]
    }

    mutating func boolean() -> Bool? { take("true") ? true : take("false") ? false : nil }

    /// A whole number without sign, of at most 18 digits.
    mutating func number() -> Int64? {
        let begin = position
        var value: Int64 = 0
        while position < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[position]) {
            guard position - begin < 18 else { return nil }
            value = value * 10 + Int64(bytes[position] - UInt8(ascii: "0"))
            position += 1
        }
        let digits = position - begin
        return digits == 0 || (digits > 1 && bytes[begin] == UInt8(ascii: "0")) ? nil : value
    }

    /// A string; nil for one that has an escape by number.
    mutating func text() -> String? {
        guard take("\"") else { return nil }
        let start = position
        while position < bytes.count, bytes[position] != UInt8(ascii: "\"") {
            guard bytes[position] >= 0x20 else { return nil }
            guard bytes[position] != UInt8(ascii: "\\") else { return escapedText(from: start) }
            position += 1
        }
        guard position < bytes.count else { return nil }
        defer { position += 1 }
        return String(validating: bytes[start..<position], as: UTF8.self)
    }

    /// The rest of a string from its first escape on, with what stands before.
    private mutating func escapedText(from start: Int) -> String? {
        var text = Array(bytes[start..<position])
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            switch byte {
            case UInt8(ascii: "\""): return String(validating: text, as: UTF8.self)
            case 0..<0x20: return nil
            case UInt8(ascii: "\\"):
                guard position < bytes.count, let meant = Self.escapes[bytes[position]] else { return nil }
                position += 1
                text.append(meant)
            default: text.append(byte)
            }
        }
        return nil
    }

    private static let escapes: [UInt8: UInt8] = [
        UInt8(ascii: "\""): UInt8(ascii: "\""), UInt8(ascii: "\\"): UInt8(ascii: "\\"),
        UInt8(ascii: "/"): UInt8(ascii: "/"),
        UInt8(ascii: "b"): 0x08, UInt8(ascii: "f"): 0x0C, UInt8(ascii: "n"): 0x0A, UInt8(ascii: "r"): 0x0D,
        UInt8(ascii: "t"): 0x09,
    ]

    /// What `item` reads, again and again, between brackets.
    mutating func array<Item>(_ item: (inout WrittenJSON) -> Item?) -> [Item]? {
        guard take("[") else { return nil }
        var items: [Item] = []
        if take("]") { return items }
        repeat {
            guard let next = item(&self) else { return nil }
            items.append(next)
        } while take(",")
        return take("]") ? items : nil
    }

    /// Members by name, each once.
    mutating func dictionary<Value>(_ value: (inout WrittenJSON) -> Value?) -> [String: Value]? {
        guard take("{") else { return nil }
        var members: [String: Value] = [:]
        if take("}") { return members }
        repeat {
            guard let name = text(), take(":"), let next = value(&self), members.updateValue(next, forKey: name) == nil
            else { return nil }
        } while take(",")
        return take("}") ? members : nil
    }

    /// A member behind others that may be missing: nil inside where it is, nil for one that is not of the form.
    mutating func member<Value>(_ name: StaticString, _ value: (inout WrittenJSON) -> Value?) -> Value?? {
        guard take(name) else { return .some(nil) }
        guard let value = value(&self) else { return nil }
        return .some(value)
    }
}

extension PolicyText {
    static func read(_ json: inout WrittenJSON) -> PolicyText? {
        guard json.take(#"{"format":"#), let name = json.text(), let format = Format(rawValue: name),
            json.take(#","text":"#), let text = json.text(), json.take("}")
        else { return nil }
        return PolicyText(text: text, format: format)
    }
}

extension ApiConfiguration {
    /// What the bytes of a blob say; nil where the general reader must look.
    static func read(_ bytes: [UInt8]) -> ApiConfiguration? {
        var json = WrittenJSON(bytes)
        guard json.take(#"{"displayName":"#), let displayName = json.text(),
            json.take(#","forwardsSubscriptionKey":"#), let forwards = json.boolean(),
            json.take(#","isCurrent":"#), let isCurrent = json.boolean(),
            json.take(#","keyHeaderName":"#), let keyHeaderName = json.text(),
            json.take(#","keyQueryName":"#), let keyQueryName = json.text(),
            json.take(#","name":"#), let name = json.text(),
            json.take(#","operations":"#), let operations = json.array(OperationConfiguration.read),
            json.take(#","path":"#), let path = json.text(),
            let policy = json.member(#","policy":"#, PolicyText.read),
            json.take(#","protocols":"#), let protocols = json.array({ $0.text() }),
            json.take(#","revision":"#), let revision = json.text(),
            let serviceUrl = json.member(#","serviceUrl":"#, { $0.text() }),
            json.take(#","subscriptionRequired":"#), let subscriptionRequired = json.boolean(),
            let version = json.member(#","version":"#, Version.read), json.take("}"), json.isAtEnd
        else { return nil }
        return ApiConfiguration(
            name: name, displayName: displayName, revision: revision, isCurrent: isCurrent, path: path,
            version: version, protocols: protocols, serviceUrl: serviceUrl,
            subscriptionRequired: subscriptionRequired, keyHeaderName: keyHeaderName, keyQueryName: keyQueryName,
            forwardsSubscriptionKey: forwards, policy: policy, operations: operations)
    }
}

extension ApiConfiguration.Version {
    fileprivate static func read(_ json: inout WrittenJSON) -> Self? {
        guard json.take("{") else { return nil }
        var parameter: String?
        if json.take(#""parameterName":"#) {
            parameter = json.text()
            guard parameter != nil, json.take(",") else { return nil }
        }
        guard json.take(#""scheme":"#), let word = json.text(), let scheme = Scheme(rawValue: word),
            let value = json.member(#","value":"#, { $0.text() }), json.take("}")
        else { return nil }
        return Self(scheme: scheme, parameterName: parameter, value: value)
    }
}

extension OperationConfiguration {
    fileprivate static func read(_ json: inout WrittenJSON) -> Self? {
        guard json.take(#"{"displayName":"#), let displayName = json.text(),
            json.take(#","method":"#), let method = json.text(), json.take(#","name":"#), let name = json.text(),
            let policy = json.member(#","policy":"#, PolicyText.read),
            json.take(#","responses":"#), let responses = json.array(ResponseDefinition.read),
            json.take(#","urlTemplate":"#), let urlTemplate = json.text(), json.take("}")
        else { return nil }
        return Self(
            name: name, displayName: displayName, method: method, urlTemplate: urlTemplate, policy: policy,
            responses: responses)
    }
}

extension ResponseDefinition {
    fileprivate static func read(_ json: inout WrittenJSON) -> Self? {
        guard json.take(#"{"representations":"#), let representations = json.array(Representation.read),
            json.take(#","statusCode":"#), let number = json.number(), let status = Int(exactly: number),
            json.take("}")
        else { return nil }
        return Self(statusCode: status, representations: representations)
    }
}

extension ResponseDefinition.Representation {
    fileprivate static func read(_ json: inout WrittenJSON) -> Self? {
        guard json.take(#"{"contentType":"#), let contentType = json.text(),
            let sample = json.member(#","sample":"#, { $0.text() }), json.take("}")
        else { return nil }
        return Self(contentType: contentType, sample: sample)
    }
}
