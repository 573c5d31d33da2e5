/// The most dimensions that a tensor can have; equal to CE_MAX_NDIM.
public let maxDimensions = 64

/// An offset in elements for each of the tensors that have a value or a position per row. Arithmetic wraps, because a
/// step may lead beyond the last row, where there is no memory.
public struct RowOffsets: Equatable {
    var input = 0
    var target = 0
    var sampleWeight = 0
    var loss = 0
    var grad = 0
    var mask = 0
    var gradLoss = 0
    var targetProbs = 0
    var targetGrad = 0
    var vector = 0

    static func + (a: RowOffsets, b: RowOffsets) -> RowOffsets {
        RowOffsets(
            input: a.input &+ b.input, target: a.target &+ b.target, sampleWeight: a.sampleWeight &+ b.sampleWeight,
            loss: a.loss &+ b.loss, grad: a.grad &+ b.grad, mask: a.mask &+ b.mask,
            gradLoss: a.gradLoss &+ b.gradLoss, targetProbs: a.targetProbs &+ b.targetProbs,
            targetGrad: a.targetGrad &+ b.targetGrad, vector: a.vector &+ b.vector)
    }

    static func * (a: RowOffsets, n: Int) -> RowOffsets {
        RowOffsets(
            input: a.input &* n, target: a.target &* n, sampleWeight: a.sampleWeight &* n, loss: a.loss &* n,
            grad: a.grad &* n, mask: a.mask &* n, gradLoss: a.gradLoss &* n, targetProbs: a.targetProbs &* n,
            targetGrad: a.targetGrad &* n, vector: a.vector &* n)
    }
}

/// One dimension of the rows: its length, and each tensor's distance of a step along it.
public struct RowDimension {
    var length = 0
    var step = RowOffsets()

    public init() {}
}

/// The rows of a call: all positions but the class axis, numbered with the last dimension fastest. Dimensions that
/// every tensor steps through evenly are merged, so there is usually one.
///
/// The dimensions are in the caller's memory, so that the value is cheap to copy.
public struct RowSpace {
    public private(set) var count = 1
    private var ndim = 0
    private let dimensions: UnsafeMutablePointer<RowDimension>

    /// - Parameter storage: Memory for as many dimensions as are appended, and for one at least, which must outlive the value.
    @inline(__always)
    public init(storage: UnsafeMutablePointer<RowDimension>) {
        dimensions = storage
        dimensions.initialize(to: RowDimension())  // the step of a single row
    }

    /// Adds a dimension inside those added so far.
    public mutating func append(
        _ length: Int, input: Int, target: Int, sampleWeight: Int, loss: Int, grad: Int, mask: Int = 0,
        gradLoss: Int = 0, targetProbs: Int = 0, targetGrad: Int = 0, vector: Int = 0
    ) {
        count *= length
        if length == 1 { return }
        let step = RowOffsets(
            input: input, target: target, sampleWeight: sampleWeight, loss: loss, grad: grad, mask: mask,
            gradLoss: gradLoss, targetProbs: targetProbs, targetGrad: targetGrad, vector: vector)
        if ndim > 0 && dimensions[ndim - 1].step == step * length {
            dimensions[ndim - 1].length *= length
            dimensions[ndim - 1].step = step
        } else {
            dimensions[ndim].length = length
            dimensions[ndim].step = step
            ndim += 1
        }
    }

    /// The distances between neighbouring rows, along the last dimension.
    var step: RowOffsets {
        @inline(__always) get { dimensions[ndim == 0 ? 0 : ndim &- 1].step }
    }

    /// Whether all neighbouring rows are one `step` apart.
    var isEven: Bool { ndim <= 1 }

    /// Calls `visit(row, offsets)` for a range of rows until it returns false.
    @inline(__always)
    func forEachRow(in rows: Range<Int>, _ visit: (Int, RowOffsets) -> Bool) {
        forEachRun(in: rows, limit: 1) { row, offsets, _ in visit(row, offsets) }
    }

    /// Calls `visit(first row, its offsets, count)` until it returns false, for runs of at most `limit` rows that are
    /// one `step` apart.
    @inline(__always)
    func forEachRun(in rows: Range<Int>, limit: Int, _ visit: (Int, RowOffsets, Int) -> Bool) {
        if rows.isEmpty { return }
        if isEven {
            var row = rows.lowerBound
            var offsets = row == 0 ? RowOffsets() : step * row
            while true {
                let count = min(limit, rows.upperBound - row)
                if !visit(row, offsets, count) { return }
                row += count
                if row == rows.upperBound { return }
                offsets = offsets + step * count
            }
        }
        let step = self.step
        var index = InlineArray<64, Int>(repeating: 0)
        var offsets = RowOffsets()
        var rest = rows.lowerBound
        for d in stride(from: ndim - 1, through: 0, by: -1) {
            index[d] = rest % dimensions[d].length
            rest /= dimensions[d].length
            offsets = offsets + dimensions[d].step * index[d]
        }
        let last = ndim - 1
        var row = rows.lowerBound
        while row < rows.upperBound {
            let count = min(limit, rows.upperBound - row, dimensions[last].length - index[last])
            if !visit(row, offsets, count) { return }
            row += count
            index[last] += count
            offsets = offsets + step * count
            var d = last
            while d > 0 && index[d] == dimensions[d].length {
                offsets = offsets + dimensions[d].step * -dimensions[d].length + dimensions[d - 1].step
                index[d] = 0
                index[d - 1] += 1
                d -= 1
            }
        }
    }
}
