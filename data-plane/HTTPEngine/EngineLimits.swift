// Every bound and timer of the engine, with must-hold's default; a node's settings change them by name.

/// Bounds of one event loop. Times in milliseconds, sizes in bytes.
package struct EngineLimits: Sendable, Hashable {
    /// Request line without its CRLF; beyond it 414.
    package var requestLineBytes = 8_192
    /// Whole head with its request line; beyond it 431.
    package var requestHeadBytes = 32_768
    package var requestFields = 100
    /// Beyond it 501.
    package var methodBytes = 32
    /// Host with its port.
    package var hostBytes = 255
    package var responseHeadBytes = 65_536
    package var responseFields = 200
    package var interimResponses = 16
    package var chunkExtensionBytes = 256
    package var chunkExtensionBytesInMessage = 16_384
    package var trailerLines = 20
    package var trailerBytes = 8_192

    /// From a head's first byte to its last.
    package var headMilliseconds = 10_000
    package var handshakeMilliseconds = 10_000
    /// From accept to the whole header of the PROXY protocol, where a listener asks for one.
    package var proxyHeaderMilliseconds = 5_000
    /// A connection that never sent a byte.
    package var firstByteMilliseconds = 10_000
    package var idleMilliseconds = 60_000
    /// Silence within a request's body.
    package var bodyGapMilliseconds = 60_000
    /// Least bytes a second of a body with Content-Length, over any such time.
    package var bodyBytesPerSecond = 240
    package var bodyRateMilliseconds = 60_000
    /// A caller that reads nothing of what waits for it.
    package var stalledReaderMilliseconds = 60_000
    /// How long a backend may leave Expect: 100-continue unanswered before the gateway answers it itself.
    package var continueMilliseconds = 1_000
    /// After the last answer of a connection: what is still read before it is closed.
    package var lingerBytes = 65_536
    package var lingerMilliseconds = 1_000
    /// A stop cuts what still runs after that.
    package var drainMilliseconds = 30_000
    /// Bytes that may wait for one side before the other is no longer read.
    package var waitingBytes = 65_536

    /// From the start of forwarding to the response's head, where the policy says nothing (policies.md 2.5).
    package var backendHeadMilliseconds = 300_000
    /// Silence within a response's body (policies.md 2.5).
    package var backendGapMilliseconds = 300_000
    /// A pooled backend connection.
    package var backendIdleMilliseconds = 50_000
    package var backendIdleConnections = 256
    /// Connections of callers on one loop; beyond it none is accepted until one ends.
    package var connections = 100_000
    /// How long a resolved name stands, and a failure to resolve one.
    package var nameMilliseconds = 30_000
    package var nameFailureMilliseconds = 1_000

    package init() {}
}
