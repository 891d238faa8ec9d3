// Things found by index and generation, at addresses that never move: pages of a fixed size, a free list by index
// (engine.md section 4).

/// Where a thing lies, and which one of those that lay there it is. A stale one finds nothing.
package struct SlabReference: Hashable, Sendable, BitwiseCopyable {
    package var index: UInt32
    package var generation: UInt32

    var token: UInt64 { UInt64(generation) << 32 | UInt64(index) }

    init(index: UInt32, generation: UInt32) {
        self.index = index
        self.generation = generation
    }

    init(token: UInt64) {
        index = UInt32(truncatingIfNeeded: token)
        generation = UInt32(truncatingIfNeeded: token >> 32)
    }
}

/// Index of nothing.
let noIndex = UInt32.max

/// What a slab holds tells its own generation.
protocol SlabElement {
    init()
    var generation: UInt32 { get set }
}

/// A slab of `Element`s, all initialised for as long as the slab lives.
struct Slab<Element: SlabElement>: ~Copyable {
    private static var pageCount: Int { 256 }
    private var pages: [UnsafeMutablePointer<Element>] = []
    private var free: [UInt32] = []
    private(set) var inUse = 0

    deinit {
        for page in pages {
            page.deinitialize(count: Self.pageCount)
            page.deallocate()
        }
    }

    /// How many indexes there are, used or not.
    var capacity: Int { pages.count &* Self.pageCount }

    /// Safe: pages are never freed or moved while the slab lives, and indexes come from `allocate` alone.
    @inline(__always)
    subscript(index: UInt32) -> UnsafeMutablePointer<Element> {
        pages[Int(index >> 8)] + Int(index & 255)
    }

    /// The thing that `reference` means, if it is still there.
    @inline(__always)
    func find(_ reference: SlabReference) -> UnsafeMutablePointer<Element>? {
        guard Int(reference.index) < capacity else { return nil }
        let element = self[reference.index]
        return element.pointee.generation == reference.generation ? element : nil
    }

    func reference(_ index: UInt32) -> SlabReference {
        SlabReference(index: index, generation: self[index].pointee.generation)
    }

    mutating func allocate() -> UInt32 {
        inUse &+= 1
        if let index = free.popLast() { return index }
        let page = UnsafeMutablePointer<Element>.allocate(capacity: Self.pageCount)
        for offset in 0..<Self.pageCount { (page + offset).initialize(to: Element()) }
        let first = UInt32(capacity)
        pages.append(page)
        for index in stride(from: first &+ UInt32(Self.pageCount) &- 1, to: first, by: -1) { free.append(index) }
        return first
    }

    /// Makes every reference to it stale.
    mutating func release(_ index: UInt32) {
        self[index].pointee.generation &+= 1
        free.append(index)
        inUse &-= 1
    }
}
