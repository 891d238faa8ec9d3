// A connection as the loop keeps it: numbers and borrowed pointers alone, so that nothing is counted when it is touched
// (engine.md section 4). The loop frees what it points to in one place, `EventLoop.close`.

/// What a connection is for, and how far it is.
enum ConnectionPhase: UInt8, BitwiseCopyable {
    case free
    // A caller's connection.
    /// The PROXY protocol's header has not come whole.
    case announcing
    case accepting
    /// Between requests, or within a head.
    case head
    /// A request is being served.
    case call
    /// The answer is out, a small rest of the request's body is still read.
    case drainingBody
    /// The last answer is out and the writing side is shut.
    case lingering
    // A backend's connection.
    case connecting
    case handshaking
    /// In the pool.
    case idle
    /// The request goes out, no whole response head has come.
    case awaitingHead
    /// A head has come and the gateway looks at it.
    case deciding
    /// The body of the response comes.
    case body
}

/// What is true of a connection beside its phase.
struct ConnectionFlags: OptionSet, BitwiseCopyable {
    let rawValue: UInt16

    /// The kernel may have bytes for us.
    static let readable = Self(rawValue: 1 << 0)
    /// The kernel takes bytes.
    static let writable = Self(rawValue: 1 << 1)
    /// The peer has shut its writing side; what it sent before may still wait in the kernel.
    static let hangingUp = Self(rawValue: 1 << 2)
    /// All that the peer sent was read.
    static let inputEnded = Self(rawValue: 1 << 3)
    static let isClient = Self(rawValue: 1 << 4)
    static let isDirty = Self(rawValue: 1 << 5)
    static let isReady = Self(rawValue: 1 << 6)
    /// The input lies in the loop's scratch.
    static let inputInScratch = Self(rawValue: 1 << 7)
    static let closesAfterOutput = Self(rawValue: 1 << 8)
    static let writingShut = Self(rawValue: 1 << 9)
    /// Answered something before.
    static let wasUsed = Self(rawValue: 1 << 10)
    /// A byte was ever read.
    static let hasSpoken = Self(rawValue: 1 << 11)
    /// SSL_write waits for the peer's bytes.
    static let writeNeedsRead = Self(rawValue: 1 << 12)
}

/// A caller's or a backend's connection.
struct Connection: BitwiseCopyable, SlabElement {
    var generation: UInt32 = 1
    var descriptor: Int32 = -1
    var phase = ConnectionPhase.free
    var flags: ConnectionFlags = []
    /// Index of the listener it came from.
    var listener: UInt8 = 0
    /// SSL*, freed by `close`.
    var tls: OpaquePointer?
    var input = ByteQueue()
    var output = ByteQueue()
    var scanner = HeadScanner()
    /// What comes in behind a head: a caller's request body, a backend's response body.
    var body = BodyReader()
    /// The exchange it serves.
    var call = noIndex
    /// Index of a backend connection's origin.
    var origin: Int32 = -1

    // Timers, in milliseconds of the loop's clock.
    var deadline: UInt64 = 0
    /// Slot of the wheel it is filed in.
    var filedAt: UInt64 = 0
    var timerNext = noIndex
    var timerPrevious = noIndex
    /// When bytes last moved.
    var progressAt: UInt64 = 0
    /// When the present head, or the wait for one, began.
    var beganAt: UInt64 = 0

    var drained: Int32 = 0
    /// The turn of the loop in which it was taken from the pool.
    var takenInTurn: UInt64 = 0

    init() {}

    var isOpen: Bool { phase != .free }
    var isClient: Bool { flags.contains(.isClient) }
}
