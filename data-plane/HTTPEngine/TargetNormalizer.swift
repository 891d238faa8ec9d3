// The normal form of a path, made once: routing, policies, log and backend all see what comes out here (must-hold
// B1 to B11). Order: bytes and escapes are checked, escapes of unreserved characters decoded, `//` merged, dot segments
// resolved.

/// Paths of request targets.
package enum TargetNormalizer {
    /// Appends the normal form of `raw`, which begins with `/` and has no query, to `path`.
    static func normalize(_ raw: UnsafeRawBufferPointer, into path: inout [UInt8]) throws(Refusal) {
        if isPlain(raw) {
            path.append(contentsOf: raw)
        } else {
            try normalizeSlowly(raw, into: &path)
        }
    }

    /// Normal form of a path that is not from a request line (a backend's base path, a rewritten target).
    /// - Returns: nil where a request with it would be refused.
    package static func normalized(_ raw: [UInt8]) -> [UInt8]? {
        var path: [UInt8] = []
        path.reserveCapacity(raw.count)
        let isGood = raw.withUnsafeBytes { bytes in
            do throws(Refusal) {
                guard bytes.first == ByteClass.slash else { return false }
                try normalize(bytes, into: &path)
                return true
            } catch {
                return false
            }
        }
        return isGood ? path : nil
    }

    /// Whether nothing has to be done: legal bytes, no escape, no `//`, no segment that begins with a dot.
    private static func isPlain(_ raw: UnsafeRawBufferPointer) -> Bool {
        var before: UInt8 = 0
        for byte in raw {
            guard ByteClass.isPath(byte), byte != ByteClass.percent else { return false }
            if before == ByteClass.slash, byte == ByteClass.slash || byte == ByteClass.dot { return false }
            before = byte
        }
        return true
    }

    private static func normalizeSlowly(
        _ raw: UnsafeRawBufferPointer, into path: inout [UInt8]
    ) throws(Refusal) {
        let clean = try decodeUnreserved(raw)
        let floor = path.count
        var index = 0
        while index < clean.count {
            // `clean[index]` is a slash; several are one.
            while index < clean.count, clean[index] == ByteClass.slash { index += 1 }
            let start = index
            while index < clean.count, clean[index] != ByteClass.slash { index += 1 }
            let segment = clean[start..<index]
            if segment.elementsEqual(".".utf8) {
                if index == clean.count { path.append(ByteClass.slash) }
            } else if segment.elementsEqual("..".utf8) {
                guard path.count > floor else { throw .path }
                while path.count > floor, path.removeLast() != ByteClass.slash {}
                if index == clean.count { path.append(ByteClass.slash) }
            } else {
                try checkSegment(segment)
                path.append(ByteClass.slash)
                path.append(contentsOf: segment)
            }
        }
        if path.count == floor { path.append(ByteClass.slash) }
    }

    /// Checks every byte and escape; writes unreserved characters as themselves and leaves all other escapes alone.
    private static func decodeUnreserved(_ raw: UnsafeRawBufferPointer) throws(Refusal) -> [UInt8] {
        var clean: [UInt8] = []
        clean.reserveCapacity(raw.count)
        var index = 0
        while index < raw.count {
            let byte = raw[index]
            guard ByteClass.isPath(byte) else { throw .path }
            if byte == ByteClass.percent {
                guard index + 2 < raw.count, let high = ByteClass.hexadecimal(raw[index + 1]),
                    let low = ByteClass.hexadecimal(raw[index + 2])
                else { throw .path }
                let value = high << 4 | low
                guard value >= 0x20, value != 0x7F else { throw .path }
                if ByteClass.isUnreserved(value) {
                    clean.append(value)
                } else {
                    clean.append(contentsOf: [byte, raw[index + 1], raw[index + 2]])
                }
                index += 3
            } else {
                clean.append(byte)
                index += 1
            }
        }
        return clean
    }

    /// A segment must be UTF-8 once decoded, and no piece of it, split at `/` and `\` and ended by `;`, may be a dot
    /// segment for whoever reads it otherwise (must-hold B3, B7, B10).
    private static func checkSegment(_ segment: ArraySlice<UInt8>) throws(Refusal) {
        let decoded = PercentEncoding.decoded(segment)
        if decoded.contains(where: { $0 >= 0x80 }), String(validating: decoded, as: UTF8.self) == nil { throw .path }
        let pieces = decoded.split(omittingEmptySubsequences: false) { $0 == ByteClass.slash || $0 == 0x5C }
        for piece in pieces {
            let name = piece.prefix { $0 != ByteClass.semicolon }
            let isWhole = pieces.count == 1 && name.count == piece.count
            if !isWhole, name.elementsEqual(".".utf8) || name.elementsEqual("..".utf8) { throw .path }
        }
    }
}

/// Percent-encoding (RFC 3986 2.1).
package enum PercentEncoding {
    /// Decodes every good escape once; a broken one stays as it is.
    package static func decoded<Bytes: Collection<UInt8>>(_ bytes: Bytes) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        var index = bytes.startIndex
        while index != bytes.endIndex {
            let byte = bytes[index]
            let next = bytes.index(after: index)
            if byte == ByteClass.percent, let value = escape(bytes, behind: next) {
                result.append(value)
                index = bytes.index(next, offsetBy: 2)
            } else {
                result.append(byte)
                index = next
            }
        }
        return result
    }

    private static func escape<Bytes: Collection<UInt8>>(_ bytes: Bytes, behind index: Bytes.Index) -> UInt8? {
        guard index != bytes.endIndex, let high = ByteClass.hexadecimal(bytes[index]) else { return nil }
        let second = bytes.index(after: index)
        guard second != bytes.endIndex, let low = ByteClass.hexadecimal(bytes[second]) else { return nil }
        return high << 4 | low
    }
}
