import KernelABI
import Shims

/// The memory of a call beside the caller's: a share for each thread, from malloc, so that running out of memory is an
/// error and does not end the process.
struct BinaryWorkspace {
    let threads: Int
    private let elements: Int
    private let memory: UnsafeMutableRawPointer

    init?(threads: Int, count: Int) {
        self.threads = threads
        // Whole vectors, because kernels may read and write beyond the last element.
        elements = (min(max(count, 1), Int(CROSSENTROPY_ELEMENTS)) + 15) & ~15
        guard let memory = aligned_alloc(128, threads * BinarySlot.bytes(elements)) else { return nil }
        self.memory = memory
    }

    func free() { Shims.free(memory) }

    func slot(_ number: Int) -> BinarySlot {
        BinarySlot(start: memory + number * BinarySlot.bytes(elements), elements: elements)
    }

    func reset() {
        for i in 0..<threads { slot(i).reset() }
    }

    func counted() -> Int {
        var total = 0
        for i in 0..<threads { total += slot(i).result.pointee.counted }
        return total
    }

    func largest() -> Int {
        var largest = Int.min
        for i in 0..<threads { largest = max(largest, slot(i).result.pointee.largest) }
        return largest
    }

    /// Adds all threads' sums to the first thread's, and returns it.
    func total() -> UnsafePointer<ExactSum> {
        let first = slot(0).result
        for i in 1..<max(1, threads) {
            first.pointee.sum.add(slot(i).result.pointee.sum)
            slot(i).result.pointee.sum = ExactSum()
        }
        return withUnsafePointer(to: &first.pointee.sum) { $0 }
    }
}

/// One thread's share: its results, the sums of ExactLanes.swift, and memory for a block of each kind of numbers.
struct BinarySlot {
    enum Room: Int {
        case input, target, sampleWeight, weight, positiveWeight, positive, negative, loss, grad
    }

    struct Result: ~Copyable {
        var sum = ExactSum()
        /// Elements that are not ignored.
        var counted = 0
        /// The exponent of the largest weight. Ordinary weights count as 0.
        var largest = Int.min
    }

    fileprivate let start: UnsafeMutableRawPointer
    fileprivate let elements: Int

    private static var resultBytes: Int { (MemoryLayout<Result>.stride + 127) & ~127 }
    private static var headBytes: Int { resultBytes + LaneSums.size * 8 }

    fileprivate static func bytes(_ elements: Int) -> Int { headBytes + 9 * 8 * elements }

    var result: UnsafeMutablePointer<Result> { start.assumingMemoryBound(to: Result.self) }

    var sums: UnsafeMutablePointer<Double> { (start + Self.resultBytes).assumingMemoryBound(to: Double.self) }

    func memory(_ room: Room) -> UnsafeMutableRawPointer { start + Self.headBytes + room.rawValue * 8 * elements }

    func numbers(_ room: Room) -> UnsafeMutablePointer<Double> { memory(room).assumingMemoryBound(to: Double.self) }

    /// Numbers in f32, half as many bytes, in either half of the memory of a kind.
    func singles(_ room: Room, half: Int = 0) -> UnsafeMutablePointer<Float> {
        (memory(room) + half * 4 * elements).assumingMemoryBound(to: Float.self)
    }

    /// The memory of weights that a problem without these kinds does not need, and how many numbers in f32 it holds.
    var unused: (numbers: UnsafeMutablePointer<Float>, count: Int) { (singles(.sampleWeight), 4 * elements) }

    fileprivate func reset() { result.initialize(to: Result()) }
}
