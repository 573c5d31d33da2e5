import Shims

/// Cross-entropy of up to 16 rows of logits with class indices, a row in each lane.
///
/// The same arithmetic in the same order as `logitsIndex` of each row, so the same bits: what a row adds up in lane l,
/// a group adds up in the l-th vector of sums.
func logitsGroup<T: Element>(_ group: UnsafeMutablePointer<crossentropy_group>, _: T.Type) {
    let columns = Columns(group, T.self)
    let sums = columns.scratch(2).assumingMemoryBound(to: DoubleLanes.self)
    let classes = Int(group.pointee.classes)
    var stats = LogSumExp(max: DoubleLanes(repeating: -.infinity), rest: DoubleLanes(repeating: 0))
    forEachBlock(classes) { start, count in
        let block = logSumExp(columns, start, count, sums)
        if start == 0 { stats = block } else { stats.merge(block) }
    }

    let zero = DoubleLanes(repeating: 0)
    let nan = DoubleLanes(repeating: .nan)
    let isSkipped = lanes(&group.pointee.is_counted) .== zero
    let target = columns.atLabels()
    let loss = lanes(&group.pointee.loss_scale) * indexLoss(stats, target)
    let isUndefined = stats.isUndefined .| (loss .!= loss)
    store(loss.replacing(with: nan, where: isUndefined).replacing(with: zero, where: isSkipped), &group.pointee.loss)

    guard let grad = group.pointee.grad else { return }
    let scale = lanes(&group.pointee.grad_scale)
    let probability = probabilityFactor(stats, scale, T.self)
    // Rows that are not computed hold one value throughout.
    let isFilled = isUndefined .| isSkipped
    let filler = nan.replacing(with: zero, where: isSkipped)
    columns.writeGradient(
        grad, probability, T.narrow(filler), T.narrow(zero.replacing(with: 1 + zero, where: isFilled)))
    let storage = Storage<T>(format: group.pointee.grad_format)
    var atTarget = targetGradient(stats, target, scale).replacing(with: filler, where: isFilled)
    for row in 0..<Int(group.pointee.rows) {
        let place =
            row &* Int(group.pointee.grad_row_stride) &+ Int(label(&group.pointee.label, row))
            &* Int(group.pointee.grad_stride)
        storage.store(T(get(&atTarget, row)), grad, place)
    }
}

/// A group's classes as vectors of its rows: where rows are neighbours straight from memory, else from a transposed copy
/// in scratch space.
private struct Columns<T: Element> {
    private let group: UnsafeMutablePointer<crossentropy_group>
    private let base: UnsafeRawPointer
    private let stride: Int
    private let isTransposed: Bool
    private let rows: Int
    private let storage: Storage<T>

    @inline(__always)
    init(_ group: UnsafeMutablePointer<crossentropy_group>, _: T.Type) {
        self.group = group
        storage = Storage(format: group.pointee.input_format)
        rows = Int(group.pointee.rows)
        isTransposed =
            group.pointee.classes <= CROSSENTROPY_GROUP_CLASSES
            && (group.pointee.input_row_stride != 1 || rows < laneCount || !storage.isNative)
        base = isTransposed ? UnsafeRawPointer(group.pointee.scratch) : group.pointee.input
        stride = isTransposed ? laneCount : Int(group.pointee.input_stride)
        if isTransposed { transpose() }
    }

    /// A third of the scratch space.
    @inline(__always)
    func scratch(_ i: Int) -> UnsafeMutableRawPointer {
        group.pointee.scratch + i &* blockSize &* MemoryLayout<Double>.size
    }

    @inline(__always)
    private func transpose() {
        let classes = Int(group.pointee.classes)
        let input = group.pointee.input!
        let copy = scratch(0)
        for row in 0..<rows {
            let start = row &* Int(group.pointee.input_row_stride)
            for c in 0..<classes {
                let x = storage.load(input, start &+ c &* Int(group.pointee.input_stride))
                T.store(x, copy, c &* laneCount &+ row)
            }
        }
        // Lanes without a row hold zeros, not what was there before, which might be slow to compute with.
        for row in rows..<laneCount {
            for c in 0..<classes { T.store(0, copy, c &* laneCount &+ row) }
        }
    }

    @inline(__always)
    func column(_ c: Int) -> T.Lanes {
        if isTransposed || isWhole { return T.loadLanes(base, c &* stride) }
        return gather(base, c &* stride, Int(group.pointee.input_row_stride), rows, T.self)
    }

    @inline(__always) private var isWhole: Bool { rows == laneCount && group.pointee.input_row_stride == 1 }

    /// Each row's input at its label.
    @inline(__always)
    func atLabels() -> DoubleLanes {
        // Put together in memory, where the losses will be: lanes are slow to set one by one.
        store(DoubleLanes(repeating: 0), &group.pointee.loss)
        let place = UnsafeMutableRawPointer(shim_group_loss(group)!)
        for row in 0..<rows {
            let c = Int(label(&group.pointee.label, row))
            let index = row &* Int(group.pointee.input_row_stride) &+ c &* Int(group.pointee.input_stride)
            Double.store(Double(storage.load(group.pointee.input, index)), place, row)
        }
        return lanes(&group.pointee.loss)
    }

    @inline(__always)
    func writeGradient(
        _ grad: UnsafeMutableRawPointer, _ probability: ProbabilityFactor<T>, _ filler: T.Lanes, _ isFilled: T.Lanes
    ) {
        let classes = Int(group.pointee.classes)
        let rowStride = Int(group.pointee.grad_row_stride)
        let classStride = Int(group.pointee.grad_stride)
        let storage = Storage<T>(format: group.pointee.grad_format)
        let isWhole = rowStride == 1 && rows == laneCount && storage.isNative
        let isCopied = !isWhole && classes <= CROSSENTROPY_GROUP_CLASSES
        let copy = scratch(1)
        for c in 0..<classes {
            let t = T.difference(column(c), probability.reference.shift)
            let lanes = T.select(isFilled, filler, probability(t))
            if isWhole {
                T.storeLanes(lanes, grad, c &* classStride)
            } else if isCopied {
                T.storeLanes(lanes, copy, c &* laneCount)
            } else {
                scatter(lanes, grad, c &* classStride, rowStride, rows, T.self)
            }
        }
        if !isCopied { return }
        for row in 0..<rows {
            for c in 0..<classes {
                storage.store(
                    T.load(UnsafeRawPointer(copy), c &* laneCount &+ row), grad, row &* rowStride &+ c &* classStride)
            }
        }
    }
}

@inline(never)
private func gather<T: Element>(_ base: UnsafeRawPointer, _ start: Int, _ stride: Int, _ rows: Int, _: T.Type)
    -> T.Lanes
{
    var lanes = T.splat(0)
    for row in 0..<rows { T.set(row, of: &lanes, to: T.load(base, start &+ row &* stride)) }
    return lanes
}

@inline(never)
private func scatter<T: Element>(
    _ lanes: T.Lanes, _ base: UnsafeMutableRawPointer, _ start: Int, _ stride: Int, _ rows: Int, _: T.Type
) {
    for row in 0..<rows { T.store(T.get(row, of: lanes), base, start &+ row &* stride) }
}

/// The statistics of a block of each row. `sums`: room for 16 vectors.
@inline(__always)
private func logSumExp<T: Element>(
    _ columns: Columns<T>, _ start: Int, _ count: Int, _ sums: UnsafeMutablePointer<DoubleLanes>
) -> LogSumExp {
    var max = T.splat(-.infinity)
    for c in start..<start &+ count { max = T.maximum(max, columns.column(c)) }
    let reference = T.expReference(T.zeroing(max, whereNotFinite: max), bias: sumBias)
    let used = count < laneCount ? count : laneCount
    for lane in 0..<used { sums[lane] = DoubleLanes(repeating: 0) }
    // The first of the largest elements stays out of the sum: once it has come, nothing equals what is looked for.
    var sought = max
    for c in 0..<count {
        let x = columns.column(start &+ c)
        let e = T.zeroing(T.exp(T.difference(x, reference.shift), reference), where: x, equals: sought)
        sums[c & (laneCount &- 1)] += T.widen(e)
        sought = T.removing(sought, where: x, equals: sought)
    }
    // The tree of `sum`; what a short block leaves out are zeros.
    var half = laneCount / 2
    while half >= 1 {
        for lane in 0..<half where lane &+ half < used { sums[lane] += sums[lane &+ half] }
        half /= 2
    }
    return LogSumExp(max, sums: sums[0], reference)
}

// The arrays of a crossentropy_group, which Swift sees as tuples.

private typealias Doubles16 = (
    Double, Double, Double, Double, Double, Double, Double, Double, Double, Double, Double, Double, Double, Double,
    Double,
    Double
)
private typealias Labels16 = (
    Int64, Int64, Int64, Int64, Int64, Int64, Int64, Int64, Int64, Int64, Int64, Int64, Int64, Int64, Int64, Int64
)

@inline(__always)
private func lanes(_ array: UnsafeMutablePointer<Doubles16>) -> DoubleLanes {
    UnsafeRawPointer(array).loadUnaligned(as: DoubleLanes.self)
}

@inline(__always)
private func store(_ lanes: DoubleLanes, _ array: UnsafeMutablePointer<Doubles16>) {
    UnsafeMutableRawPointer(array).storeBytes(of: lanes, as: DoubleLanes.self)
}

@inline(__always)
private func label(_ array: UnsafeMutablePointer<Labels16>, _ row: Int) -> Int64 {
    Int64.load(UnsafeRawPointer(array), row)
}

@inline(__always)
private func get(_ lanes: UnsafeMutablePointer<DoubleLanes>, _ row: Int) -> Double {
    Double.load(UnsafeRawPointer(lanes), row)
}

extension Int64 {
    @inline(__always)
    fileprivate static func load(_ base: UnsafeRawPointer, _ index: Int) -> Int64 {
        base.loadUnaligned(fromByteOffset: index &* 8, as: Int64.self)
    }
}
