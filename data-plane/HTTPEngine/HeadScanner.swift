// Finds where a head ends, wherever its bytes were cut: looks at each byte once, keeps its place, and refuses as soon
// as a byte, a line end or a limit is broken (must-hold A1, A8 to A10, A16, A17).

/// Bounds of one head.
struct HeadLimits: BitwiseCopyable {
    var firstLineBytes: Int
    var headBytes: Int
    var fields: Int
    var methodBytes = 32
}

/// What a head is: its first line has its own grammar.
enum HeadKind: BitwiseCopyable {
    case request
    case response
}

/// A head on its way in. A value of a few numbers: the bytes stay where they were read, and every call gets all of them
/// from the head's first on.
struct HeadScanner: BitwiseCopyable {
    enum Progress: BitwiseCopyable {
        case needsMore
        /// The first line begins at `start` (behind an empty line, where there was one); the head ends before `end`.
        case complete(start: Int, end: Int)
    }

    private var position: Int32 = 0
    private var lineStart: Int32 = 0
    private var lines: Int32 = 0
    private var start: Int32 = 0

    init() {}

    /// Bytes that no later call looks at again.
    var lookedAt: Int { Int(position) }

    /// Whether a byte of the head's first line was seen.
    var hasBegun: Bool { position > 0 }

    /// Goes on where the call before stopped.
    mutating func scan(
        _ bytes: UnsafeRawBufferPointer, kind: HeadKind, limits: HeadLimits
    ) throws(Refusal) -> Progress {
        var index = Int(position)
        var line = Int(lineStart)
        while true {
            let first = Int(start)
            let end = lines == 0 ? line &+ limits.firstLineBytes &+ 1 : first &+ limits.headBytes
            let cap = min(bytes.count, end)
            while index < cap, ByteClass.isFieldValue(bytes[index]) { index &+= 1 }
            if index >= cap {
                if cap == end, bytes.count > cap || lines == 0 {
                    throw lines == 0 ? .requestLineTooLong : .headTooLarge
                }
                break
            }
            guard bytes[index] == ByteClass.carriageReturn else {
                throw bytes[index] == ByteClass.lineFeed ? .lineEnd : .controlByte
            }
            guard index &+ 1 < bytes.count else { break }
            guard bytes[index &+ 1] == ByteClass.lineFeed else { throw .lineEnd }
            if index == line {
                if lines > 0 {
                    let end = index &+ 2
                    if end &- first > limits.headBytes { throw .headTooLarge }
                    return .complete(start: first, end: end)
                }
                // One empty line before the first is ignored (RFC 9112 2.2).
                guard line == 0, kind == .request else { throw .emptyLines }
                start = 2
            } else {
                try endLine(bytes.part(line..<index), kind: kind, limits: limits)
            }
            index &+= 2
            line = index
        }
        // What begins otherwise will never be a status line, however long it grows (must-hold A48, A53).
        if kind == .response, lines == 0, !StatusLine.mayBegin(bytes) { throw .requestLine }
        position = Int32(truncatingIfNeeded: index)
        lineStart = Int32(truncatingIfNeeded: line)
        return .needsMore
    }

    private mutating func endLine(
        _ line: UnsafeRawBufferPointer, kind: HeadKind, limits: HeadLimits
    ) throws(Refusal) {
        if lines == 0 {
            switch kind {
            case .request: _ = try RequestLine(line, methodBytes: limits.methodBytes)
            case .response: _ = try StatusLine(line)
            }
        }
        lines &+= 1
        if Int(lines) &- 1 > limits.fields { throw .tooManyFields }
    }
}

/// `GET /a HTTP/1.1`, by offsets into the line (RFC 9112 section 3; must-hold A2 to A4).
struct RequestLine: BitwiseCopyable {
    let methodEnd: Int
    let targetEnd: Int
    let isHTTP10: Bool

    /// The method's length is for the scanner to bound, which reads the line first.
    init(_ line: UnsafeRawBufferPointer, methodBytes: Int = .max) throws(Refusal) {
        var index = 0
        while index < line.count, ByteClass.isToken(line[index]) { index &+= 1 }
        guard index > 0, index < line.count, line[index] == ByteClass.space else { throw .requestLine }
        guard index <= methodBytes else { throw .methodTooLong }
        methodEnd = index
        index &+= 1
        while index < line.count, line[index] != ByteClass.space { index &+= 1 }
        targetEnd = index
        guard targetEnd > methodEnd &+ 1, index < line.count else { throw .requestLine }
        let version = line.part((index &+ 1)..<line.count)
        guard version.count == 8, ByteClass.begins(version, "HTTP/"), ByteClass.isDigit(version[5]),
            version[6] == ByteClass.dot, ByteClass.isDigit(version[7])
        else { throw .version }
        guard version[5] == UInt8(ascii: "1"), version[7] <= UInt8(ascii: "1") else { throw .unknownVersion }
        isHTTP10 = version[7] == UInt8(ascii: "0")
    }
}

/// `HTTP/1.1 200 OK` (RFC 9112 section 4; must-hold A53). A missing second space is the one leave.
struct StatusLine: BitwiseCopyable {
    let status: Int
    let reasonStart: Int
    let isHTTP10: Bool

    /// Whether a status line may begin with these bytes.
    static func mayBegin(_ bytes: UnsafeRawBufferPointer) -> Bool {
        zip(bytes, "HTTP/1.".utf8).allSatisfy { $0 == $1 }
    }

    init(_ line: UnsafeRawBufferPointer) throws(Refusal) {
        guard line.count >= 12, ByteClass.begins(line, "HTTP/1."),
            line[7] == UInt8(ascii: "0") || line[7] == UInt8(ascii: "1"), line[8] == ByteClass.space,
            ByteClass.isDigit(line[9]), ByteClass.isDigit(line[10]), ByteClass.isDigit(line[11]),
            line.count == 12 || line[12] == ByteClass.space
        else { throw .requestLine }
        isHTTP10 = line[7] == UInt8(ascii: "0")
        status = Int(line[9] &- 48) &* 100 &+ Int(line[10] &- 48) &* 10 &+ Int(line[11] &- 48)
        guard status >= 100, status <= 599 else { throw .requestLine }
        reasonStart = min(13, line.count)
    }
}
