@testable import HTTPEngine

/// Reads requests as a connection does, from pieces, and writes down what it read: a codec without sockets.
struct CodecRun {
    private var buffer: [UInt8] = []
    private var scanner = HeadScanner()
    private var body = BodyReader()
    private var text: [UInt8] = []
    private var current = ""
    private var isInBody = false
    private var steps = 0
    private(set) var events: [String] = []
    private var isOver = false
    private let limits = EngineLimits()

    /// What becomes of `input` when it comes cut at `cuts`.
    static func verdict(_ input: [UInt8], cuts: [Int] = [], scheme: URLScheme = .http) -> String {
        var run = CodecRun()
        var start = 0
        for cut in cuts + [input.count] {
            run.feed(Array(input[start..<cut]), scheme)
            start = cut
        }
        if run.isInBody { run.events.append("unfinished \(run.current)") }
        return run.events.joined(separator: " | ")
    }

    private mutating func feed(_ piece: [UInt8], _ scheme: URLScheme) {
        guard !isOver else { return }
        buffer += piece
        while !isOver, !buffer.isEmpty {
            let progressed = isInBody ? readBody() : readHead(scheme)
            if !progressed { return }
        }
    }

    private static func read(_ bytes: [UInt8], _ body: (UnsafeRawBufferPointer) throws(Refusal) -> Void) throws(Refusal)
    {
        let refusal = bytes.withUnsafeBytes { raw -> Refusal? in
            do throws(Refusal) {
                try body(raw)
                return nil
            } catch {
                return error
            }
        }
        if let refusal { throw refusal }
    }

    private mutating func readHead(_ scheme: URLScheme) -> Bool {
        let bounds = HeadLimits(
            firstLineBytes: limits.requestLineBytes, headBytes: limits.requestHeadBytes, fields: limits.requestFields)
        var head = RequestHead(
            method: .get, scheme: scheme, authority: [], path: [], query: nil, fields: HeaderFields(), body: .none)
        do throws(Refusal) {
            let bytes = buffer
            var consumed = 0
            var framing: RequestFraming?
            try Self.read(bytes) { raw throws(Refusal) in
                guard case .complete(let start, let end) = try scanner.scan(raw, kind: .request, limits: bounds)
                else { return }
                consumed = end
                framing = try RequestHeadReader.read(
                    UnsafeRawBufferPointer(rebasing: raw[start..<end]), scheme: scheme, into: &head)
            }
            guard let framing else { return false }
            buffer.removeFirst(consumed)
            scanner = HeadScanner()
            if let refusal = framing.refusal {
                events.append("kept \(refusal.status)")
                return true
            }
            let query = head.query.map { "?" + String(decoding: $0, as: UTF8.self) } ?? ""
            current = "\(head.method) \(String(decoding: head.path, as: UTF8.self))\(query)"
            if framing.closes { current += " closes" }
            text = []
            body = BodyReader(framing.body)
            isInBody = true
            return readBody()
        } catch {
            events.append("refused \(error.status) \(error)")
            isOver = true
            return false
        }
    }

    private mutating func readBody() -> Bool {
        var position = 0
        let bytes = buffer
        do throws(Refusal) {
            try Self.read(bytes) { raw throws(Refusal) in
                while let piece = try body.next(raw, at: &position, limits: limits) { text += raw[piece] }
            }
        } catch {
            events.append("refused \(error.status) \(error)")
            isInBody = false
            isOver = true
            return false
        }
        buffer.removeFirst(position)
        guard body.isWhole else { return false }
        events.append(text.isEmpty ? current : "\(current) [\(String(decoding: text, as: UTF8.self))]")
        isInBody = false
        if current.hasSuffix(" closes") { isOver = true }
        return true
    }

    /// The verdict on `input`, which must be the same however it is cut; nil where it is not.
    static func steadyVerdict(_ input: String, latin1: Bool = true) -> String? {
        let bytes = latin1 ? input.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) } : Array(input.utf8)
        let whole = verdict(bytes)
        for cut in 0...bytes.count where verdict(bytes, cuts: [cut]) != whole { return nil }
        let single = verdict(bytes, cuts: Array(0..<bytes.count))
        guard single == whole else { return nil }
        let good = Array("GET /first HTTP/1.1\r\nHost: gw.test\r\n\r\n".utf8)
        guard verdict(good + bytes) == "GET /first | " + whole || whole.isEmpty else { return nil }
        return whole
    }
}
