// Which bytes may stand where: the character classes of RFC 9110 and RFC 3986 as bit sets, so that a look-up is a shift.

/// Character classes of heads and targets.
enum ByteClass {
    static let carriageReturn = UInt8(ascii: "\r")
    static let lineFeed = UInt8(ascii: "\n")
    static let space = UInt8(ascii: " ")
    static let tab = UInt8(ascii: "\t")
    static let slash = UInt8(ascii: "/")
    static let colon = UInt8(ascii: ":")
    static let comma = UInt8(ascii: ",")
    static let semicolon = UInt8(ascii: ";")
    static let percent = UInt8(ascii: "%")
    static let dot = UInt8(ascii: ".")

    @inline(__always)
    private static func contains(_ low: UInt64, _ high: UInt64, _ byte: UInt8) -> Bool {
        if byte < 64 { return (low >> UInt64(byte)) & 1 != 0 }
        if byte < 128 { return (high >> UInt64(byte &- 64)) & 1 != 0 }
        return false
    }

    /// RFC 9110 5.6.2: tchar.
    @inline(__always)
    static func isToken(_ byte: UInt8) -> Bool { contains(0x03ff_6cfa_0000_0000, 0x57ff_ffff_c7ff_fffe, byte) }

    /// RFC 3986 3.3: pchar or `/`; a `%` begins an escape.
    @inline(__always)
    static func isPath(_ byte: UInt8) -> Bool { contains(0x2fff_fff2_0000_0000, 0x47ff_fffe_87ff_ffff, byte) }

    /// RFC 3986 2.3: letters, digits, `-._~`.
    @inline(__always)
    static func isUnreserved(_ byte: UInt8) -> Bool { contains(0x03ff_6000_0000_0000, 0x47ff_fffe_87ff_fffe, byte) }

    /// A query may hold any printable ASCII but `#` (must-hold B8).
    @inline(__always)
    static func isQuery(_ byte: UInt8) -> Bool { byte > 0x20 && byte < 0x7F && byte != UInt8(ascii: "#") }

    /// A value's byte: HTAB, SP, visible ASCII, 80 to FF (must-hold A10, A13).
    @inline(__always)
    static func isFieldValue(_ byte: UInt8) -> Bool { (byte >= 0x20 && byte != 0x7F) || byte == tab }

    @inline(__always)
    static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }

    /// The value of a hexadecimal digit.
    @inline(__always)
    static func hexadecimal(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte &- UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte &- UInt8(ascii: "a") &+ 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte &- UInt8(ascii: "A") &+ 10
        default: nil
        }
    }

    /// Whether `bytes` begins with `text`, byte for byte.
    @inline(__always)
    static func begins(_ bytes: UnsafeRawBufferPointer, _ text: StaticString) -> Bool {
        guard bytes.count >= text.utf8CodeUnitCount else { return false }
        for index in 0..<text.utf8CodeUnitCount where bytes[index] != text.utf8Start[index] { return false }
        return true
    }

    /// Whether `bytes` is `text`, which is in lower case, without regard to case.
    @inline(__always)
    static func equal(_ bytes: UnsafeRawBufferPointer, folded text: StaticString) -> Bool {
        guard bytes.count == text.utf8CodeUnitCount else { return false }
        let other = text.utf8Start
        for index in 0..<bytes.count where FieldName.lower(bytes[index]) != other[index] { return false }
        return true
    }
}

extension UnsafeRawBufferPointer {
    /// The bytes of `range`, with indexes from 0.
    @inline(__always)
    func part(_ range: Range<Int>) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: self[range]) }

    /// Without SP and HTAB at the ends.
    @inline(__always)
    var trimmed: UnsafeRawBufferPointer {
        var start = 0
        var end = count
        while start < end, self[start] == ByteClass.space || self[start] == ByteClass.tab { start &+= 1 }
        while end > start, self[end &- 1] == ByteClass.space || self[end &- 1] == ByteClass.tab { end &-= 1 }
        return part(start..<end)
    }
}
