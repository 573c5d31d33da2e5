import KernelABI
import Shims

/// Classes per block. Blocks begin at multiples of this number, counted from the row's first class, for every thread
/// and memory layout. So the sums of a block are always the same.
let blockSize = Int(CROSSENTROPY_BLOCK)

/// Reads a row's classes block by block. A block is first gathered into the row's scratch space if its
/// classes are not neighbours in memory, are not of the kernel's type, or have yet to be transformed.
/// So one kernel serves all of these layouts.
struct BlockReader<T: Element> {
    let base: UnsafeRawPointer
    let stride: Int
    let storage: Storage<T>
    let scratch: UnsafeMutableRawPointer
    var transform: crossentropy_transform

    @inline(__always) var isTransformed: Bool { T.self == Double.self && transform.applies != 0 }

    @inline(__always)
    func block(_ start: Int, _ count: Int) -> UnsafeRawPointer {
        if stride == 1 && storage.isNative && !isTransformed { return base + start &* MemoryLayout<T>.size }
        if stride == 1 && storage.isNative {
            transform.apply(base + start &* MemoryLayout<T>.size, scratch, count)
            return UnsafeRawPointer(scratch)
        }
        storage.gather(base, start &* stride, stride, count, scratch)
        if isTransformed { transform.apply(scratch, scratch, count) }
        return UnsafeRawPointer(scratch)
    }
}

/// The block after the current one, to be prefetched: computing exponentials leaves the memory idle.
struct Upcoming {
    let block: UnsafeRawPointer
    /// log2 of the bytes per class, where the classes are neighbours.
    let shift: Int

    @inline(__always) func prefetch(_ i: Int) { shim_prefetch(block + i &<< shift) }
    @inline(__always) func prefetchNear(_ i: Int) { shim_prefetch_near(block + i &<< shift) }
}

extension Upcoming {
    /// What is half a block ahead, where blocks are read as they are: prefetched a whole block ahead, and not to the
    /// nearest cache, rows that do not begin at a cache line take a third longer where registers are as long as a line.
    @inline(__always) var soon: Upcoming {
        Upcoming(block: shift == 2 ? block - blockSize / 2 &* MemoryLayout<Float>.size : block, shift: shift)
    }
}

extension BlockReader {
    @inline(__always)
    func upcoming(_ start: Int) -> Upcoming {
        Upcoming(
            block: base + (start &+ blockSize) &* stride &* storage.size,
            shift: storage.size == 2 ? 1 : storage.size == 4 ? 2 : 3)
    }
}

/// Writes a row's gradient block by block: in place, or through scratch space.
struct BlockWriter<T: Element> {
    let base: UnsafeMutableRawPointer
    let stride: Int
    let storage: Storage<T>
    let scratch: UnsafeMutableRawPointer
    /// Reads the input that the gradient belongs to.
    let reader: BlockReader<T>

    /// Whether kernels write blocks straight into the gradient's memory.
    @inline(__always) var isDirect: Bool { stride == 1 && storage.isNative && !reader.isTransformed }

    @inline(__always)
    func block(_ start: Int) -> UnsafeMutableRawPointer {
        isDirect ? base + start &* MemoryLayout<T>.size : scratch
    }

    @inline(__always)
    func finish(_ start: Int, _ count: Int) {
        if isDirect { return }
        write(scratch, start, count)
    }

    @inline(__always)
    func write(_ block: UnsafeMutableRawPointer, _ start: Int, _ count: Int) {
        if reader.isTransformed {
            // Reads the input again, before the gradient may overwrite it.
            let x = reader.scratch + 3 &* blockSize &* MemoryLayout<Double>.size
            if reader.transform.softcap != 0 {
                reader.storage.gather(reader.base, start &* reader.stride, reader.stride, count, x)
            }
            reader.transform.chain(block, x, count)
        }
        storage.scatter(UnsafeRawPointer(block), count, base, start &* stride, stride)
    }

    @inline(__always) func store(_ value: T, at c: Int) { storage.store(value, base, c &* stride) }

    @inline(__always)
    func fill(_ start: Int, _ count: Int, with value: T) {
        storage.fill(base + start &* stride &* storage.size, stride, count, with: value)
    }
}

extension crossentropy_row {
    @inline(__always) var count: Int { Int(classes) }

    @inline(__always) private func scratchBlock(_ i: Int) -> UnsafeMutableRawPointer {
        scratch + i &* blockSize &* MemoryLayout<Double>.size
    }

    @inline(__always) func reader<T: Element>(_: T.Type) -> BlockReader<T> {
        BlockReader(
            base: input, stride: Int(input_stride), storage: Storage(format: input_format), scratch: scratchBlock(0),
            transform: transform)
    }

    @inline(__always) var massBlock: UnsafeMutablePointer<Double> {
        scratchBlock(1).assumingMemoryBound(to: Double.self)
    }

    /// A scratch block that is free while the block sums are computed.
    @inline(__always) var shiftBlock: UnsafeMutableRawPointer { scratchBlock(2) }

    /// `nil` if no gradient is requested.
    @inline(__always) func writer<T: Element>(_: T.Type) -> BlockWriter<T>? {
        grad.map {
            BlockWriter(
                base: $0, stride: Int(grad_stride), storage: Storage(format: grad_format), scratch: scratchBlock(2),
                reader: reader(T.self))
        }
    }

    /// The input at the target class.
    @inline(__always) func inputAtLabel<T: Element>(_: T.Type) -> T {
        Storage<T>(format: input_format).load(input, Int(label) &* Int(input_stride))
    }

    /// Writes one value to every class of the gradient, if there is one.
    @inline(never)
    func fillGradient<T: Element>(with value: T) {
        guard let grad else { return }
        let storage = Storage<T>(format: grad_format)
        let stride = Int(grad_stride)
        forEachBlock(count, cancel) { start, count in
            storage.fill(grad + start &* stride &* storage.size, stride, count, with: value)
        }
    }
}

typealias CancelPointer = UnsafeMutablePointer<crossentropy_cancel>

/// Calls `body(start, count)` for each block of a row, until the call is cancelled.
@inline(__always)
func forEachBlock(_ classes: Int, _ cancel: CancelPointer?, _ body: (Int, Int) -> Void) {
    var start = 0
    while start < classes && !crossentropy_is_cancelled(cancel) {
        let count = classes &- start < blockSize ? classes &- start : blockSize
        body(start, count)
        start &+= blockSize
    }
}

/// The largest element of a row; NaNs are skipped.
func largest<T: Element>(ofRow x: UnsafeRawPointer, _ classes: Int, _ cancel: CancelPointer?, _: T.Type) -> T {
    var max = -T.infinity
    forEachBlock(classes, cancel) { start, count in
        let block = largest(x + start &* MemoryLayout<T>.size, count, T.self)
        max = block > max ? block : max
    }
    return max
}

/// The first class that holds `value`; `nil` if no class does.
func firstIndex<T: Element>(of value: T, inRow x: UnsafeRawPointer, _ classes: Int, _ cancel: CancelPointer?) -> Int? {
    var start = 0
    while start < classes && !crossentropy_is_cancelled(cancel) {
        let count = classes &- start < blockSize ? classes &- start : blockSize
        if let i = firstIndex(of: value, x + start &* MemoryLayout<T>.size, count) { return start &+ i }
        start &+= blockSize
    }
    return nil
}

/// Calls `full(index)` for each vector of 16 in a block, and `tail(index, lanes used)` for the remainder.
@inline(__always)
func forEachVector(_ count: Int, from first: Int = 0, full: (Int) -> Void, tail: (Int, Int) -> Void) {
    var i = first
    while i &+ laneCount <= count {
        full(i)
        i &+= laneCount
    }
    if i < count { tail(i, count &- i) }
}
