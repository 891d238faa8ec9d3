// Reads a backend's response head into values. What is not exactly well-formed is no response (must-hold A53, A54).

/// What a response's head says about its framing and its connection.
struct ResponseFraming: BitwiseCopyable {
    var status = 0
    var isHTTP10 = false
    var closes = false
    /// The framing of the body as the fields say it; the request's method has its own say.
    var body: BodyLength = .none
    /// No length was given: the body ends with the connection.
    var endsWithConnection = false
}

/// Reader of a response head that `HeadScanner` found.
enum ResponseHeadReader {
    static func read(
        _ bytes: UnsafeRawBufferPointer, answersHead: Bool, into head: inout ResponseHead
    ) throws(Refusal) -> ResponseFraming {
        var framing = ResponseFraming()
        var index = 0
        while bytes[index] != ByteClass.carriageReturn { index &+= 1 }
        let line = bytes.part(0..<index)
        let status = try StatusLine(line)
        framing.status = status.status
        framing.isHTTP10 = status.isHTTP10
        head.status = status.status
        let reason = line.part(status.reasonStart..<line.count)
        let usual = ReasonPhrase.of(status.status)
        head.reason = reason.elementsEqual(usual.utf8) ? nil : String(decoding: reason, as: UTF8.self)
        index &+= 2

        var lengths = 0
        var encodings = 0
        var connectionLines = 0
        let base = head.fields.adopt(bytes)
        while bytes[index] != ByteClass.carriageReturn {
            guard let field = FieldLine(bytes, at: index) else { throw .fieldSyntax }
            let value = bytes.part(field.value)
            index = field.next
            var isKept = true
            switch KnownField(bytes.part(field.name)) {
            case .contentLength:
                lengths &+= 1
                guard let length = ContentLength.parse(value) else { throw .contentLength }
                framing.body = .known(length)
            case .transferEncoding:
                encodings &+= 1
                guard ByteClass.equal(value, folded: "chunked") else { throw .transferEncoding }
                isKept = false
            case .connection: connectionLines &+= 1
            case .host, .expect, .authorization, .contentType, .shadowOfFraming, .other: break
            }
            if isKept { head.fields.add(field, base: base) }
        }
        try frame(&framing, lengths: lengths, encodings: encodings, answersHead: answersHead)
        var keepsAlive = false
        if connectionLines > 0 {
            ConnectionOptions.apply(to: &head.fields, closes: &framing.closes, keepsAlive: &keepsAlive)
        }
        if framing.isHTTP10, !keepsAlive { framing.closes = true }
        head.fields.removeHopByHop()
        head.body = framing.body
        return framing
    }

    /// RFC 9112 section 6.3, without its leaves for what contradicts itself.
    private static func frame(
        _ framing: inout ResponseFraming, lengths: Int, encodings: Int, answersHead: Bool
    ) throws(Refusal) {
        guard lengths <= 1 else { throw .contentLength }
        guard encodings <= 1 else { throw .transferEncoding }
        if encodings == 1 {
            guard lengths == 0 else { throw .contentLengthAndTransferEncoding }
            guard !framing.isHTTP10 else { throw .transferEncoding }
            framing.body = .unknown
        }
        let status = framing.status
        if answersHead || status < 200 || status == 204 || status == 304 {
            framing.body = .none
        } else if lengths == 0, encodings == 0 {
            framing.body = .unknown
            framing.endsWithConnection = true
            framing.closes = true
        }
    }
}
