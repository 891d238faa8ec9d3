// Heads on their way out, staged in a connection's output. Framing is always ours (must-hold A30, A47, A50 to A52).

extension EventLoop {
    /// Room for what the engine itself adds to a head.
    private static let headSlack = 1_024

    /// Stages a response made here; returns its bytes.
    @discardableResult
    mutating func writeOwn(_ own: OwnResponse, to index: UInt32, closes: Bool, withoutBody: Bool) -> Int {
        let connection = connections[index]
        let before = connection.pointee.output.count
        let status = own.head.status
        let hasNoBody = status == 204 || status == 304 || status < 200
        let length = status == 204 || status < 200 ? nil : UInt64(own.body.count)
        writeHead(
            own.head, to: &connection.pointee.output, length: status == 304 ? nil : length, frame: .none,
            closes: closes)
        if !withoutBody, !hasNoBody {
            own.body.withUnsafeBytes { pool.append($0, to: &connection.pointee.output) }
        }
        return connection.pointee.output.count &- before
    }

    /// Stages a status line, the fields, and the framing; `length` is for Content-Length, nil writes none.
    mutating func writeHead(
        _ head: ResponseHead, to output: inout ByteQueue, length: UInt64?, frame: OutgoingFrame, closes: Bool,
        keepsLength: Bool = false
    ) {
        let phrase = head.reason ?? ReasonPhrase.of(head.status)
        pool.reserve(
            &output, Self.headSlack &+ head.fields.bytes.count &+ head.fields.entries.count &* 4 &+ phrase.utf8.count)
        output.put("HTTP/1.1 ")
        putDecimal(UInt64(max(0, head.status)), in: &output)
        output.put(ByteClass.space)
        for byte in phrase.utf8 { output.put(byte) }
        output.put("\r\n")
        var hasDate = false
        head.fields.bytes.withUnsafeBytes { bytes in
            for entry in head.fields.entries {
                let name = bytes.part(entry.nameRange)
                switch name.count {
                case 4 where ByteClass.equal(name, folded: "date"):
                    if hasDate { continue }
                    hasDate = true
                case 10 where ByteClass.equal(name, folded: "connection"): continue
                case 14 where ByteClass.equal(name, folded: "content-length"):
                    if !keepsLength { continue }
                case 17 where ByteClass.equal(name, folded: "transfer-encoding"): continue
                default: break
                }
                putField(name, bytes.part(entry.valueRange), in: &output)
            }
        }
        if let length {
            output.put("Content-Length: ")
            putDecimal(length, in: &output)
            output.put("\r\n")
        } else if frame == .chunked {
            output.put("Transfer-Encoding: chunked\r\n")
        }
        if !hasDate {
            output.put("Date: ")
            output.put(date)
            output.put("\r\n")
        }
        if closes { output.put("Connection: close\r\n") }
        output.put("\r\n")
    }

    /// Stages the request's head for a backend.
    mutating func writeRequest(_ call: UInt32, to index: UInt32) {
        let exchange = exchanges[call]
        let backend = connections[index]
        let state = origins.states[Int(backend.pointee.origin)]
        let fields = exchange.pointee.request.fields
        let forward = exchange.pointee.forward
        pool.reserve(
            &backend.pointee.output,
            Self.headSlack &+ forward.target.count &+ fields.bytes.count &+ fields.entries.count &* 4
                &+ forward.host.count &+ state.authority.count)
        var output = backend.pointee.output
        output.put(exchange.pointee.request.method.bytes)
        output.put(ByteClass.space)
        output.put(forward.target)
        output.put(" HTTP/1.1\r\nHost: ")
        output.put(forward.host.isEmpty ? state.authority : forward.host)
        output.put("\r\n")
        fields.bytes.withUnsafeBytes { bytes in
            for entry in fields.entries {
                let name = bytes.part(entry.nameRange)
                switch name.count {
                case 4 where ByteClass.equal(name, folded: "host"): continue
                case 6 where ByteClass.equal(name, folded: "expect"): continue
                case 10 where ByteClass.equal(name, folded: "connection"): continue
                case 14 where ByteClass.equal(name, folded: "content-length"): continue
                case 17 where ByteClass.equal(name, folded: "transfer-encoding"): continue
                default: putField(name, bytes.part(entry.valueRange), in: &output)
                }
            }
        }
        if let length = lengthToBackend(exchange.pointee) {
            output.put("Content-Length: ")
            putDecimal(length, in: &output)
            output.put("\r\n")
        } else if exchange.pointee.toBackend == .chunked {
            output.put("Transfer-Encoding: chunked\r\n")
        }
        if exchange.pointee.flags.contains(.awaitsContinue), forward.body == nil {
            output.put("Expect: 100-continue\r\n")
        }
        output.put("\r\n")
        backend.pointee.output = output
    }

    /// The Content-Length that the backend gets; nil for none.
    private func lengthToBackend(_ exchange: Exchange) -> UInt64? {
        if let body = exchange.forward.body { return UInt64(body.count) }
        switch exchange.requestFraming.body {
        case .known(let length): return length
        case .unknown: return nil
        case .none:
            // RFC 9110 8.6: a method that means a body says that there is none.
            let method = exchange.request.method
            return method == .post || method == .put || method == .patch ? 0 : nil
        }
    }

    private func putField(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, in output: inout ByteQueue) {
        output.put(name)
        output.put(": ")
        output.put(value)
        output.put("\r\n")
    }

    private func putDecimal(_ number: UInt64, in output: inout ByteQueue) {
        var divisor: UInt64 = 1
        while number / divisor >= 10 { divisor &*= 10 }
        while divisor > 0 {
            output.put(UInt8(truncatingIfNeeded: number / divisor % 10) &+ 48)
            divisor /= 10
        }
    }
}
