import KernelABI

/// Exact sums of many numbers, sixteen lanes at a time in the kernels (ExactLanes.swift), on the way to a sum of any numbers.
///
/// A lane holds 4096 additions; then the lanes are emptied into the sum.
package struct LaneSums {
    private let lanes: UnsafeMutablePointer<Double>
    private let kernel: crossentropy_sum_kernel
    /// Vectors of sixteen that have been added since the lanes were empty.
    private var pending = 0

    static let capacity = 4096
    /// Doubles that a sum needs.
    package static var size: Int { Int(CROSSENTROPY_SUMS) * 16 }

    /// - Parameter memory: For `size` doubles.
    package init(_ memory: UnsafeMutablePointer<Double>) {
        lanes = memory
        kernel = Processor.kernels.pointee.sum_exactly
        for i in 0..<Self.size { lanes[i] = 0 }
    }

    /// Adds numbers: to the lanes, or to the sum those that do not fit there.
    @_optimize(speed)
    package mutating func add(_ numbers: UnsafePointer<Double>, _ count: Int, _ sum: inout ExactSum) {
        var first = 0
        while first < count {
            if pending == Self.capacity { empty(into: &sum) }
            let room = min(count, first + 16 * (Self.capacity - pending))
            let done = Int(kernel(numbers, Int64(first), Int64(room), lanes))
            pending += (done - first + 15) / 16
            first = done
            if done == room { continue }
            let end = min(done + 16, count)
            for i in done..<end { sum.add(numbers[i]) }
            first = end
        }
    }

    package mutating func empty(into sum: inout ExactSum) {
        for i in 0..<Self.size where lanes[i] != 0 {
            sum.add(lanes[i])
            lanes[i] = 0
        }
        pending = 0
    }
}
