import KernelABI

/// A length, and the distance in elements of a step along it.
public struct TensorDimension {
    public var length: Int
    public var stride: Int

    public init(length: Int = 0, stride: Int = 0) {
        self.length = length
        self.stride = stride
    }
}

/// The elements of a tensor in the order in which a call goes through them all, numbered from 0: the last dimension
/// fastest. The tensors of a call are walked through together, and each has its own dimensions, of which as many are
/// merged as its strides allow.
///
/// The dimensions lie in memory of the caller's, so that a walk is cheap to hand around.
public struct ElementWalk {
    let operand: Operand
    public private(set) var count = 1
    private var ndim = 0
    private let dimensions: UnsafeMutablePointer<TensorDimension>

    /// - Parameter storage: Room for as many dimensions as will be appended, as long as the value is in use.
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

    /// From an element to the next of the same run.
    var step: Int { ndim == 0 ? 1 : dimensions[ndim - 1].stride }

    /// Where an element is, and how many follow in the same run, itself included.
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

    /// Calls `visit(done, offset, count)` for runs of elements that are each one `step` from the one before; `done` are
    /// those before them in the range. Ends when it returns false.
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

    /// The memory of elements that lie side by side in the format that is given; `nil` if it is not the kernel's own,
    /// or they do not.
    func neighbours(_ elements: Range<Int>, _ format: Int32) -> UnsafeMutableRawPointer? {
        if format != CROSSENTROPY_NATIVE { return nil }
        let (offset, left) = place(of: elements.lowerBound)
        return left >= elements.count && (step == 1 || elements.count == 1) ? operand.element(offset) : nil
    }
}
