// The chunked transfer coding, read strictly: every line ends with CRLF, extensions follow their grammar and are
// bounded, trailers are checked (RFC 9112 section 7.1; must-hold A25 to A29).

/// A chunked body on its way in. A value of a few numbers; it keeps no bytes.
struct ChunkedReader: BitwiseCopyable {
    enum Piece {
        /// Bytes of the body.
        case data(Range<Int>)
        case needsMore
        /// The last chunk and its trailers are read.
        case end
    }

    private enum State: UInt8, BitwiseCopyable {
        case size
        case blankBeforeExtension, extensionStart, extensionName, blankBehindName, valueStart, valueToken
        case valueQuoted, valueEscaped, blankBehindValue
        case sizeLineFeed
        case data, dataReturn, dataLineFeed
        case trailerStart, trailerName, trailerValue, trailerLineFeed, lastLineFeed
        case done
    }

    private var state = State.size
    private var digits: UInt8 = 0
    private var isLast = false
    private var trailerLines: Int32 = 0
    private var extensionBytes: Int32 = 0
    private var allExtensionBytes: Int32 = 0
    private var trailerBytes: Int32 = 0
    private var remaining: UInt64 = 0

    init() {}

    /// Eats from `position` up to the end of one piece.
    /// - Throws: `.chunk`, `.trailers` or `.trailersTooLarge`; where the next message begins is then unknown.
    mutating func next(
        _ bytes: UnsafeRawBufferPointer, at position: inout Int, limits: EngineLimits
    ) throws(Refusal) -> Piece {
        while position < bytes.count {
            if state == .data {
                let count = Int(min(remaining, UInt64(bytes.count &- position)))
                let piece = position..<(position &+ count)
                position &+= count
                remaining &-= UInt64(count)
                if remaining == 0 { state = .dataReturn }
                return .data(piece)
            }
            let byte = bytes[position]
            position &+= 1
            switch state {
            case .size: try eatSize(byte)
            case .blankBeforeExtension, .extensionStart, .extensionName, .blankBehindName, .valueStart, .valueToken,
                .valueQuoted, .valueEscaped, .blankBehindValue:
                try eatExtension(byte, limits: limits)
            case .sizeLineFeed:
                guard byte == ByteClass.lineFeed else { throw .chunk }
                state = isLast ? .trailerStart : .data
                digits = 0
                extensionBytes = 0
            case .dataReturn:
                guard byte == ByteClass.carriageReturn else { throw .chunk }
                state = .dataLineFeed
            case .dataLineFeed:
                guard byte == ByteClass.lineFeed else { throw .chunk }
                state = .size
            case .trailerStart, .trailerName, .trailerValue, .trailerLineFeed, .lastLineFeed:
                try eatTrailer(byte, limits: limits)
                if state == .done { return .end }
            case .data, .done: return .end
            }
        }
        return state == .done ? .end : .needsMore
    }

    private mutating func eatSize(_ byte: UInt8) throws(Refusal) {
        if let value = ByteClass.hexadecimal(byte) {
            digits &+= 1
            guard digits <= 16, remaining < 1 << 59 else { throw .chunk }
            remaining = remaining << 4 | UInt64(value)
            return
        }
        guard digits > 0 else { throw .chunk }
        isLast = remaining == 0
        switch byte {
        case ByteClass.carriageReturn: state = .sizeLineFeed
        case ByteClass.semicolon: state = .extensionStart
        case ByteClass.space, ByteClass.tab: state = .blankBeforeExtension
        default: throw .chunk
        }
    }

    private mutating func eatExtension(_ byte: UInt8, limits: EngineLimits) throws(Refusal) {
        extensionBytes &+= 1
        allExtensionBytes &+= 1
        if byte != ByteClass.carriageReturn {
            guard Int(extensionBytes) < limits.chunkExtensionBytes,
                Int(allExtensionBytes) <= limits.chunkExtensionBytesInMessage
            else { throw .chunk }
        }
        let isBlank = byte == ByteClass.space || byte == ByteClass.tab
        switch (state, byte) {
        case (.valueQuoted, UInt8(ascii: "\"")): state = .blankBehindValue
        case (.valueQuoted, UInt8(ascii: "\\")): state = .valueEscaped
        case (.valueQuoted, _) where ByteClass.isFieldValue(byte): break
        case (.valueEscaped, _) where ByteClass.isFieldValue(byte): state = .valueQuoted
        case (.blankBeforeExtension, ByteClass.semicolon), (.extensionName, ByteClass.semicolon),
            (.blankBehindName, ByteClass.semicolon), (.valueToken, ByteClass.semicolon),
            (.blankBehindValue, ByteClass.semicolon):
            state = .extensionStart
        case (.extensionName, UInt8(ascii: "=")), (.blankBehindName, UInt8(ascii: "=")): state = .valueStart
        case (.extensionName, ByteClass.carriageReturn), (.valueToken, ByteClass.carriageReturn),
            (.blankBehindValue, ByteClass.carriageReturn):
            state = .sizeLineFeed
        case (.blankBeforeExtension, _) where isBlank, (.extensionStart, _) where isBlank,
            (.blankBehindName, _) where isBlank, (.valueStart, _) where isBlank:
            break
        case (.blankBehindValue, _) where isBlank: break
        case (.extensionName, _) where isBlank: state = .blankBehindName
        case (.valueToken, _) where isBlank: state = .blankBehindValue
        case (.extensionStart, _) where ByteClass.isToken(byte): state = .extensionName
        case (.extensionName, _) where ByteClass.isToken(byte): break
        case (.valueStart, UInt8(ascii: "\"")): state = .valueQuoted
        case (.valueStart, _) where ByteClass.isToken(byte): state = .valueToken
        case (.valueToken, _) where ByteClass.isToken(byte): break
        default: throw .chunk
        }
    }

    private mutating func eatTrailer(_ byte: UInt8, limits: EngineLimits) throws(Refusal) {
        trailerBytes &+= 1
        if Int(trailerBytes) > limits.trailerBytes &+ 2 { throw .trailersTooLarge }
        switch state {
        case .trailerStart:
            if byte == ByteClass.carriageReturn {
                state = .lastLineFeed
            } else {
                guard ByteClass.isToken(byte) else { throw .trailers }
                trailerLines &+= 1
                if Int(trailerLines) > limits.trailerLines { throw .trailersTooLarge }
                state = .trailerName
            }
        case .trailerName:
            if byte == ByteClass.colon {
                state = .trailerValue
            } else if !ByteClass.isToken(byte) {
                throw .trailers
            }
        case .trailerValue:
            if byte == ByteClass.carriageReturn {
                state = .trailerLineFeed
            } else if !ByteClass.isFieldValue(byte) {
                throw .trailers
            }
        case .trailerLineFeed:
            guard byte == ByteClass.lineFeed else { throw .trailers }
            state = .trailerStart
        case .lastLineFeed:
            guard byte == ByteClass.lineFeed else { throw .trailers }
            state = .done
        case .size, .blankBeforeExtension, .extensionStart, .extensionName, .blankBehindName, .valueStart,
            .valueToken, .valueQuoted, .valueEscaped, .blankBehindValue, .sizeLineFeed, .data, .dataReturn,
            .dataLineFeed, .done:
            break
        }
    }
}

/// A body on its way in, whatever frames it.
struct BodyReader: BitwiseCopyable {
    private enum Frame: UInt8, BitwiseCopyable { case none, length, chunked, connection }

    private var frame = Frame.none
    private(set) var isWhole = true
    /// Bytes that are still to come, where the head said so.
    private(set) var remaining: UInt64 = 0
    private var chunked = ChunkedReader()

    /// No body.
    init() {}

    init(_ length: BodyLength, endsWithConnection: Bool = false) {
        switch length {
        case .none: break
        case .known(let count):
            frame = .length
            remaining = count
            isWhole = count == 0
        case .unknown:
            frame = endsWithConnection ? .connection : .chunked
            isWhole = false
        }
    }

    /// Whether the end of the connection is the end of the body.
    var endsWithConnection: Bool { frame == .connection }
    var isChunked: Bool { frame == .chunked }

    mutating func connectionEnded() { isWhole = isWhole || frame == .connection }

    /// The next bytes of the body in `bytes` from `position` on; nil when there are none.
    mutating func next(
        _ bytes: UnsafeRawBufferPointer, at position: inout Int, limits: EngineLimits
    ) throws(Refusal) -> Range<Int>? {
        guard !isWhole, position < bytes.count else { return nil }
        switch frame {
        case .none: return nil
        case .connection:
            let piece = position..<bytes.count
            position = bytes.count
            return piece
        case .length:
            let count = Int(min(remaining, UInt64(bytes.count &- position)))
            let piece = position..<(position &+ count)
            position &+= count
            remaining &-= UInt64(count)
            isWhole = remaining == 0
            return piece
        case .chunked:
            switch try chunked.next(bytes, at: &position, limits: limits) {
            case .data(let piece): return piece
            case .needsMore: return nil
            case .end:
                isWhole = true
                return nil
            }
        }
    }
}
