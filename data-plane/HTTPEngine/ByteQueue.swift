internal import Glibc

// Bytes that wait, in buffers from a pool: a connection without waiting bytes holds none (engine.md section 4).

/// A run of bytes in a buffer; what is taken is taken from the front. `BufferPool` owns the memory.
struct ByteQueue: BitwiseCopyable {
    fileprivate(set) var base: UnsafeMutableRawPointer?
    fileprivate(set) var capacity = 0
    private(set) var start = 0
    fileprivate(set) var end = 0

    init() {}

    /// Bytes that lie in memory of somebody else.
    init(borrowing base: UnsafeMutableRawPointer, count: Int) {
        self.base = base
        end = count
    }

    var count: Int { end &- start }
    var isEmpty: Bool { end == start }

    /// Safe: the memory stays until the queue is cleared, and no caller keeps the view beyond its own turn.
    var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base.map { UnsafeRawPointer($0 + start) }, count: count)
    }

    mutating func take(_ count: Int) {
        start &+= count
        if start == end {
            start = 0
            end = 0
        }
    }

    /// Writes behind the last byte; there is room, because `BufferPool.reserve` was called.
    @inline(__always)
    mutating func put(_ bytes: UnsafeRawBufferPointer) {
        guard let base, let source = bytes.baseAddress else { return }
        (base + end).copyMemory(from: source, byteCount: bytes.count)
        end &+= bytes.count
    }

    @inline(__always)
    mutating func put(_ byte: UInt8) {
        guard let base else { return }
        (base + end).storeBytes(of: byte, as: UInt8.self)
        end &+= 1
    }

    @inline(__always)
    mutating func put(_ text: StaticString) {
        put(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    @inline(__always)
    mutating func put(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { put($0) }
    }

    fileprivate mutating func moveToFront() {
        guard let base, start > 0 else { return }
        memmove(base, base + start, count)
        end = count
        start = 0
    }

    fileprivate mutating func replace(by memory: UnsafeMutableRawPointer, capacity size: Int) {
        let waiting = bytes
        if let source = waiting.baseAddress { memory.copyMemory(from: source, byteCount: waiting.count) }
        end = waiting.count
        start = 0
        base = memory
        capacity = size
    }
}

/// Buffers of two sizes, kept for the next user; larger ones come from the heap and go back to it.
struct BufferPool: ~Copyable {
    static let smallBytes = 16_384
    static let largeBytes = 73_728
    private static let keptMax = 256

    private var small: [UnsafeMutableRawPointer] = []
    private var large: [UnsafeMutableRawPointer] = []
    /// Bytes handed out and not yet given back.
    private(set) var bytesInUse = 0

    deinit {
        for memory in small { memory.deallocate() }
        for memory in large { memory.deallocate() }
    }

    /// Makes room for `count` more bytes.
    @inline(__always)
    mutating func reserve(_ queue: inout ByteQueue, _ count: Int) {
        if queue.end &+ count > queue.capacity { grow(&queue, count) }
    }

    mutating func append(_ bytes: UnsafeRawBufferPointer, to queue: inout ByteQueue) {
        reserve(&queue, bytes.count)
        queue.put(bytes)
    }

    /// Gives the buffer back, whatever is in it.
    mutating func clear(_ queue: inout ByteQueue) {
        if let base = queue.base, queue.capacity > 0 { release(base, queue.capacity) }
        queue = ByteQueue()
    }

    private mutating func grow(_ queue: inout ByteQueue, _ count: Int) {
        let needed = queue.count &+ count
        if needed <= queue.capacity {
            queue.moveToFront()
            return
        }
        var size = Self.smallBytes
        if needed > Self.smallBytes { size = max(Self.largeBytes, needed &+ needed / 2) }
        let old = (queue.base, queue.capacity)
        queue.replace(by: acquire(size), capacity: size)
        if let base = old.0, old.1 > 0 { release(base, old.1) }
    }

    private mutating func acquire(_ size: Int) -> UnsafeMutableRawPointer {
        bytesInUse &+= size
        if size == Self.smallBytes, let memory = small.popLast() { return memory }
        if size == Self.largeBytes, let memory = large.popLast() { return memory }
        return UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 16)
    }

    private mutating func release(_ memory: UnsafeMutableRawPointer, _ size: Int) {
        bytesInUse &-= size
        if size == Self.smallBytes, small.count < Self.keptMax {
            small.append(memory)
        } else if size == Self.largeBytes, large.count < Self.keptMax / 8 {
            large.append(memory)
        } else {
            memory.deallocate()
        }
    }
}
