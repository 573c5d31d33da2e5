import KernelABI

/// A dimension: its length, and the distance in elements of a step along it.
public struct TensorDimension {
    public var length: Int
    public var stride: Int

    public init(length: Int = 0, stride: Int = 0) {
        self.length = length
        self.stride = stride
    }
}

/// The elements of a tensor in the order in which a call visits them, numbered from 0: the last dimension fastest. All tensors
/// of a call are visited in the same order. Each has dimensions of its own, of which as many are merged as its strides allow.
///
/// The dimensions are in the caller's memory, so that the value is cheap to copy.
public struct ElementWalk {
    let operand: Operand
    public private(set) var count = 1
    private var ndim = 0
    private let dimensions: UnsafeMutablePointer<TensorDimension>

    /// - Parameter storage: Memory for as many dimensions as are appended, which must outlive the value.
    public init(_ operand: Operand, storage: UnsafeMutablePointer<TensorDimension>) {
        self.operand = operand
        dimensions = storage
    }

    /// Adds a dimension inside those added so far.
    public mutating func append(_ length: Int, stride: Int) {
        count *= length
        if length == 1 { return }
        let (outer, overflow) = stride.multipliedReportingOverflow(by: length)
        if ndim > 0 && !overflow && dimensions[ndim - 1].stride == outer {
            dimensions[ndim - 1].length *= length
            dimensions[ndim - 1].stride = stride
        } else {
            dimensions[ndim] = TensorDimension(length: length, stride: stride)
            ndim += 1
        }
    }

    /// The distance from an element to the next one of the same run.
    var step: Int { ndim == 0 ? 1 : dimensions[ndim - 1].stride }

    /// After how many elements the walk begins anew; `nil` if it does not, or not in such a simple way.
    var period: Int? {
        switch ndim {
        case 0: 1
        case 1: step == 0 ? 1 : count
        case 2 where dimensions[0].stride == 0: dimensions[1].length
        default: nil
        }
    }

    /// The offset of an element, and how many elements remain in its run, including itself.
    func place(of element: Int) -> (offset: Int, left: Int) {
        if ndim == 0 { return (0, 1) }
        var offset = 0
        var rest = element
        var left = 0
        for d in Swift.stride(from: ndim - 1, to: 0, by: -1) {
            let (outer, index) = rest.quotientAndRemainder(dividingBy: dimensions[d].length)
            offset += index * dimensions[d].stride
            if d == ndim - 1 { left = dimensions[d].length - index }
            rest = outer
        }
        offset += rest * dimensions[0].stride
        return (offset, ndim == 1 ? dimensions[0].length - rest : left)
    }

    /// Calls `visit(done, offset, count)` for runs of elements that are one `step` apart; `done` is the number of
    /// elements of the range before the run. Ends when `visit` returns false.
    @inline(__always)
    func forEachRun(in elements: Range<Int>, _ visit: (Int, Int, Int) -> Bool) {
        var element = elements.lowerBound
        while element < elements.upperBound {
            let (offset, left) = place(of: element)
            let count = min(left, elements.upperBound - element)
            if !visit(element - elements.lowerBound, offset, count) { return }
            element += count
        }
    }

    /// The memory of elements that lie side by side; `nil` if they do not, or if `format` is not the kernel's own.
    func neighbours(_ elements: Range<Int>, _ format: Int32) -> UnsafeMutableRawPointer? {
        if format != CROSSENTROPY_NATIVE { return nil }
        let (offset, left) = place(of: elements.lowerBound)
        return left >= elements.count && (step == 1 || elements.count == 1) ? operand.element(offset) : nil
    }
}
