// A chunked body: the same bytes and the same end however it is cut, and what was read, written again, is read alike.
@testable import HTTPEngine

extension FuzzTarget {
    static let chunkedBody = FuzzTarget("chunked-body") { bytes in
        var generator = SeededGenerator(bytes)
        let whole = ChunkedRun(bytes, cuts: [bytes.count])
        let cut = ChunkedRun(bytes, cuts: generator.cuts(bytes.count))
        try promise(whole == cut, "the same body however it is cut: \(whole), \(cut)")
        let single = ChunkedRun(bytes, cuts: Array(0...bytes.count))
        try promise(whole == single, "the same body byte by byte")
        guard whole.ending == .end else { return }
        try promise(whole.consumed <= bytes.count, "no more is eaten than there is")
        var again: [UInt8] = []
        for chunk in stride(from: 0, to: whole.body.count, by: 100) {
            let part = whole.body[chunk..<min(chunk + 100, whole.body.count)]
            again += Array("\(String(part.count, radix: 16))\r\n".utf8) + part + Array("\r\n".utf8)
        }
        again += Array("0\r\n\r\nnext".utf8)
        let second = ChunkedRun(again, cuts: [again.count])
        try promise(second.body == whole.body && second.ending == .end, "the body stays")
        try promise(second.consumed == again.count - 4, "the next message is not touched")
    }
}

/// A body read as a connection reads it: what is eaten is gone, the next piece comes behind what is left.
struct ChunkedRun: Equatable {
    enum Ending: Equatable {
        case needsMore
        case end
        case refused(Refusal)
    }

    private(set) var body: [UInt8] = []
    private(set) var ending = Ending.needsMore
    private(set) var consumed = 0

    init(_ bytes: [UInt8], cuts: [Int]) {
        var reader = BodyReader(.unknown)
        var waiting: [UInt8] = []
        var start = 0
        for cut in cuts where ending == .needsMore {
            waiting += bytes[start..<cut]
            start = cut
            let (position, failure) = Self.read(waiting, with: &reader, into: &body)
            consumed += position
            waiting = Array(waiting[position...])
            if let failure { ending = .refused(failure) } else if reader.isWhole { ending = .end }
        }
        // A refused body's end is unknown, so it does not count where the reader stopped.
        if case .refused = ending { consumed = 0 }
    }

    private static func read(
        _ bytes: [UInt8], with reader: inout BodyReader, into body: inout [UInt8]
    ) -> (Int, Refusal?) {
        bytes.withUnsafeBytes { raw in
            var position = 0
            do throws(Refusal) {
                while let piece = try reader.next(raw, at: &position, limits: EngineLimits()) {
                    body += raw[piece]
                }
                return (position, nil)
            } catch {
                return (position, error)
            }
        }
    }
}
