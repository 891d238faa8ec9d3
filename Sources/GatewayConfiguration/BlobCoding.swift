internal import Foundation
internal import JSONDocuments

// How a blob's value becomes bytes and how they are read: JSON with sorted keys, so that equal values have equal hashes.

/// A blob as it lies in a store and travels.
package struct Blob: Hashable, Sendable {
    package let bytes: [UInt8]
    package let reference: BlobReference

    /// What `bytes` is called.
    package init(_ bytes: [UInt8]) throws {
        self.bytes = bytes
        reference = BlobReference(sha256: try ContentHash(of: bytes).description, size: bytes.count)
    }

    /// The blob that holds `value`.
    package init(encoding value: some Encodable) throws { try self.init(BlobCoding.encode(value)) }
}

/// Reads and writes what blobs hold.
package enum BlobCoding {
    /// JSON with sorted keys and no blanks; an absent optional is left out.
    package static func encode(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(value))
    }

    /// Reads what `encode` wrote, and nothing that would get lost on the way back: a member of a newer version is
    /// `unknown`, with its path (must-hold H9).
    static func decode<Value: Codable>(
        _ type: Value.Type, _ bytes: [UInt8], name: String
    ) throws(SnapshotRefusal) -> Value {
        let value: Value
        do {
            value = try JSONDecoder().decode(type, from: Data(bytes))
        } catch let error as DecodingError {
            throw .unknown(blob: name, path: path(of: error))
        } catch {
            throw .unknown(blob: name, path: "")
        }
        guard let again = try? encode(value) else { throw .unknown(blob: name, path: "") }
        if again == bytes { return value }
        guard let given = try? JSONReader.read(bytes), let understood = try? JSONReader.read(again) else {
            throw .unknown(blob: name, path: "")
        }
        if let path = difference(given, understood, at: "") { throw .unknown(blob: name, path: path) }
        return value
    }

    private static func path(of error: DecodingError) -> String {
        let context: DecodingError.Context
        var last: [any CodingKey] = []
        switch error {
        case .typeMismatch(_, let found), .valueNotFound(_, let found), .dataCorrupted(let found): context = found
        case .keyNotFound(let key, let found):
            context = found
            last = [key]
        @unknown default: return ""
        }
        return (context.codingPath + last).map { $0.intValue.map(String.init) ?? $0.stringValue }
            .joined(separator: "/")
    }

    /// Where the two first differ.
    private static func difference(_ one: JSONValue, _ other: JSONValue, at path: String) -> String? {
        switch (one, other) {
        case (.object(let members), .object(let others)):
            for (name, value) in members {
                let place = path.isEmpty ? name : "\(path)/\(name)"
                guard let twin = others[name] else { return place }
                if let found = difference(value, twin, at: place) { return found }
            }
            return nil
        case (.array(let items), .array(let others)):
            guard items.count == others.count else { return path }
            for (index, pair) in zip(items, others).enumerated() {
                let place = path.isEmpty ? "\(index)" : "\(path)/\(index)"
                if let found = difference(pair.0, pair.1, at: place) { return found }
            }
            return nil
        default: return one == other ? nil : path
        }
    }
}
