import KernelABI
import Shims

/// Cross-entropy of up to 16 rows of logits with class indices, class by class, with a row in each lane: for short
/// rows, and for rows that are neighbours in memory while their classes are not.
///
/// The arithmetic and its order are the same as row by row, and so are the bits: for every l, the numbers that a row
/// adds up in lane l are added up here in a sum of their own.
func logitsColumns<T: Element>(_ group: GroupPointer, _: T.Type) {
    let panel = Panel(group, T.self)
    readTargets(group, T.self)
    if group.classes <= blockSize {
        let block = sum(panel, 0, group.classes)
        let weights = block.weights(block.max)
        let stats = LogSumExp(max: block.max, rest: block.sum * weights.1 * weights.0)
        finish(group, stats)
        if group.pointee.wants_statistics != 0 {
            let table = BlockTable(group.pointee.blocks, group.pointee.exponent_scale, T.self)
            table[0] = block
            finishStatistics(group, stats, table)
        }
        if group.pointee.grad == nil { return }
        if group.pointee.mode == CROSSENTROPY_LOG_SOFTMAX { return writeLogarithms(panel) }
        let factor = ProbabilityFactor<T>(group, weights: weights, total: stats.total)
        write(panel, 0, group.classes, factor, Certainty(group))
    } else {
        // The exponentials of many blocks would not stay in the caches, so they are computed again.
        let table = BlockTable(group.pointee.blocks, group.pointee.exponent_scale, T.self)
        forEachBlock(group.classes, group.pointee.cancel) { start, count in
            table[start / blockSize] = sum(panel, start, count)
        }
        if crossentropy_was_cancelled(group.pointee.cancel) { return }
        let stats = table.ofRows((group.classes &+ blockSize &- 1) / blockSize)
        finish(group, stats)
        if group.pointee.wants_statistics != 0 { finishStatistics(group, stats, table) }
        if group.pointee.grad == nil { return }
        if group.pointee.mode == CROSSENTROPY_LOG_SOFTMAX { return writeLogarithms(panel) }
        let certainty = Certainty<T>(group)
        forEachBlock(group.classes, group.pointee.cancel) { start, count in
            let block = table[start / blockSize]
            if T.self == Float.self && group.pointee.isCapped {
                cappedExponentials(readCapped(group, start, count), count, from: block.reference)
            } else {
                panel.read(start, count)
                _ = exponentials(panel, count, T.narrow(block.reference))
            }
            write(panel, start, count, block.factors(stats, group), certainty)
        }
    }
    writeTargets(group, T.self)
}

/// log p_c = (z_c - m) - log1p(rest), both at most 0.
@inline(never)
@_optimize(size)
private func writeLogarithms<T: Element>(_ panel: Panel<T>) {
    let m = lanes(&panel.group.pointee.max)
    let l = lanes(&panel.group.pointee.prob_scale)
    let zero = DoubleLanes(repeating: 0)
    let isFilled = T.narrow(lanes(&panel.group.pointee.is_filled))
    forEachBlock(panel.group.classes, panel.group.pointee.cancel) { start, count in
        panel.read(start, count)
        for c in 0..<count {
            panel[c] = T.select(isFilled, T.splat(.nan), T.narrow((T.widen(panel[c]) - m + zero) - l))
        }
        panel.write(start, count)
    }
}

@inline(never)
private func write<T: Element>(
    _ panel: Panel<T>, _ start: Int, _ count: Int, _ factor: ProbabilityFactor<T>, _ certainty: Certainty<T>
) {
    if T.self == Float.self && panel.group.pointee.isCapped {
        return writeCapped(
            panel.group, start, count, unsafeBitCast(factor, to: ProbabilityFactor<Float>.self),
            unsafeBitCast(certainty, to: Certainty<Float>.self))
    }
    let isFilled = T.narrow(lanes(&panel.group.pointee.is_filled))
    let filler = T.narrow(lanes(&panel.group.pointee.target_grad))
    for c in 0..<count { panel[c] = T.select(isFilled, filler, factor(panel[c])) }
    if certainty.isAny {
        for c in 0..<count { panel[c] = certainty(panel[c]) }
    }
    panel.write(start, count)
}

@inline(never)
private func sum<T: Element>(_ panel: Panel<T>, _ start: Int, _ count: Int) -> BlockSums<T> {
    if T.self == Float.self && panel.group.pointee.isCapped {
        return unsafeBitCast(cappedSum(panel.group, start, count), to: BlockSums<T>.self)
    }
    panel.read(start, count)
    var guess = panel[0]
    for c in 1..<(count < laneCount ? count : laneCount) { guess = T.maximum(guess, panel[c]) }
    guess = T.maximum(T.splat(-.infinity), guess)
    if panel.group.pointee.wants_statistics != 0 { columnStatistics(panel, start, count, guess) }
    let first = blockReference(guess: guess, max: guess, .one, T.self)
    let result = exponentials(panel, count, first)
    if count <= laneCount { return result }
    let reference = blockReference(guess: guess, max: T.narrow(result.max), .one, T.self)
    if T.areEqual(reference, first) { return result }
    panel.read(start, count)
    return exponentials(panel, count, reference)
}

/// Replaces the panel's numbers by their exponentials.
@inline(never)
private func exponentials<T: Element>(_ panel: Panel<T>, _ count: Int, _ m: T.Lanes) -> BlockSums<T> {
    let reference = T.expReference(m)
    var max = T.splat(-.infinity)
    for c in 0..<count {
        panel.prefetch(c)
        let z = panel[c]
        panel[c] = T.exp(T.difference(z, reference.shift), reference)
        max = T.maximum(max, z)
    }
    var block = sums(panel, count)
    block.max = T.widen(max)
    block.reference = T.widen(m)
    return block
}

/// The sums of the panel's exponentials.
@inline(never)
@_optimize(size)
func sums<T: Element>(_ panel: Panel<T>, _ count: Int) -> BlockSums<T> {
    let used = count < laneCount ? count : laneCount
    let longer = count < 2 &* laneCount ? count &- used : laneCount  // lanes with more than one class
    var top = T.splat(0)
    for c in 0..<used { top = T.maximum(top, panel[c]) }
    for lane in 0..<longer {
        var laneTop = T.maximum(T.splat(0), panel[lane])
        var sums = T.widen(T.minimum(T.splat(0), panel[lane]))  // 0 or NaN
        var c = lane &+ laneCount
        while c < count {
            let e = panel[c]
            sums += T.widen(T.minimum(laneTop, e))
            laneTop = T.maximum(laneTop, e)
            c &+= laneCount
        }
        panel.laneTop[lane] = laneTop
        panel.laneSum[lane] = sums
        top = T.maximum(top, laneTop)
    }
    // The first of the largest exponentials stays out of the sum. From then on `sought` is NaN, which equals nothing.
    var sought = top
    for lane in 0..<longer {
        panel.laneSum[lane] += T.widen(T.zeroing(panel.laneTop[lane], where: panel.laneTop[lane], equals: sought))
        sought = T.removing(sought, where: panel.laneTop[lane], equals: sought)
    }
    for lane in longer..<used {
        panel.laneSum[lane] = T.widen(T.zeroing(panel[lane], where: panel[lane], equals: sought))
        sought = T.removing(sought, where: panel[lane], equals: sought)
    }
    // The tree of additions of `sum`; lanes that a short block does not have would be zeros.
    var half = laneCount / 2
    while half >= 1 {
        for lane in 0..<half where lane &+ half < used { panel.laneSum[lane] += panel.laneSum[lane &+ half] }
        half /= 2
    }
    let zero = DoubleLanes(repeating: 0)
    return BlockSums(
        max: zero, reference: zero, sum: panel.laneSum[0], top: T.widen(top),
        scale: panel.group.pointee.exponent_scale)
}

/// A block of the rows in scratch space, transposed: class by class, a row in each lane.
struct Panel<T: Element> {
    let group: GroupPointer
    private let columns: UnsafeMutablePointer<T.Lanes>
    /// Scratch space of 16 vectors each.
    let laneTop: UnsafeMutablePointer<T.Lanes>
    let laneSum: UnsafeMutablePointer<DoubleLanes>

    /// Scratch space for sixteen rows of f32, which has memory for a second panel after the first.
    private let other: UnsafeMutableRawPointer

    @inline(__always)
    init(_ group: GroupPointer, _: T.Type, isSecond: Bool = false) {
        self.group = group
        let block = group.classes < blockSize ? group.classes : blockSize
        let first = group.pointee.scratch.assumingMemoryBound(to: T.Lanes.self)
        let second = first + (block &+ 3 &* laneCount)
        columns = isSecond ? second : first
        other = UnsafeMutableRawPointer(isSecond ? first : second)
        laneTop = columns + block
        laneSum = UnsafeMutableRawPointer(laneTop + laneCount).assumingMemoryBound(to: DoubleLanes.self)
    }

    /// Prefetches a part of the logits that are read next.
    @inline(__always)
    func prefetch(_ c: Int) { shim_prefetch(group.pointee.upcoming + c &* Int(group.pointee.upcoming_stride)) }

    @inline(__always) var numbers: UnsafeMutableRawPointer { UnsafeMutableRawPointer(columns) }

    /// Scratch space for assembling short rows, before or after the sums of lanes use it.
    private var strip: UnsafeMutableRawPointer { UnsafeMutableRawPointer(laneSum) }

    @inline(__always)
    subscript(c: Int) -> T.Lanes {
        get { columns[c] }
        nonmutating set { columns[c] = newValue }
    }

    @inline(__always)
    private func isWhole(_ format: Int32) -> Bool { group.rows == laneCount && format == CROSSENTROPY_NATIVE }

    @inline(never)
    func read(_ start: Int, _ count: Int) {
        let input = group.pointee.input!
        let (rowStride, stride) = (Int(group.pointee.input_row_stride), Int(group.pointee.input_stride))
        let storage = group.input(T.self)
        let isWhole = isWhole(storage.format)
        if rowStride == 1 && (isWhole || T.self == Float.self) {
            for c in 0..<count {
                let place = group.inputPlace(0, start &+ c)
                if isWhole {
                    self[c] = T.loadLanes(input, place)
                } else {
                    self[c] = T.splat(0)  // lanes without a row
                    storage.gather(input, place, 1, group.rows, UnsafeMutableRawPointer(columns + c))
                }
            }
            return
        }
        if isWhole && stride == 1 && count >= 4 {
            let first = input + start &* MemoryLayout<T>.size
            return transpose(first, rowStride, laneCount, columns, laneCount, count, T.self)
        }
        let isDense = stride == 1 && rowStride == count
        if T.self == Float.self || (isWhole && isDense) {
            // From a copy: a row may have fewer classes than the 4 that are transposed at a time, and reading beyond the copy
            // does no harm. Lanes without a row hold zeros.
            let copy = count >= 4 ? other : strip
            if isDense {
                storage.gather(input, start, 1, group.rows &* count, copy)
            } else {
                for row in 0..<group.rows {
                    let to = copy + row &* count &* MemoryLayout<T>.size
                    storage.gather(input, group.inputPlace(row, start), stride, count, to)
                }
            }
            for i in group.rows &* count..<laneCount &* count { T.store(0, copy, i) }
            return transpose(copy, count, laneCount, columns, laneCount, count < 4 ? 4 : count, T.self)
        }
        for row in 0..<group.rows {
            for c in 0..<count {
                T.store(storage.load(input, group.inputPlace(row, start &+ c)), columns, c &* laneCount &+ row)
            }
        }
        // Lanes without a row hold zeros rather than what was in memory before, which might be slow to compute with.
        for row in group.rows..<laneCount {
            for c in 0..<count { T.store(0, columns, c &* laneCount &+ row) }
        }
    }

    @inline(never)
    func write(_ start: Int, _ count: Int) {
        let grad = group.pointee.grad!
        let (rowStride, stride) = (Int(group.pointee.grad_row_stride), Int(group.pointee.grad_stride))
        let storage = group.grad(T.self)
        let isWhole = isWhole(storage.format)
        if rowStride == 1 && (isWhole || T.self == Float.self) {
            for c in 0..<count {
                let place = group.gradPlace(0, start &+ c)
                if isWhole {
                    T.storeLanes(self[c], grad, place)
                } else {
                    storage.scatter(UnsafeRawPointer(columns + c), group.rows, grad, place, 1)
                }
            }
            return
        }
        if isWhole && stride == 1 && count >= 4 {
            let first = grad + start &* MemoryLayout<T>.size
            return transpose(columns, laneCount, count, first, rowStride, laneCount, T.self)
        }
        let isDense = stride == 1 && rowStride == count
        if T.self == Float.self || (isWhole && isDense) {
            // Numbers written beyond a row's end are overwritten by the next row.
            let copy = count >= 4 ? other : strip
            transpose(columns, laneCount, count < 4 ? 4 : count, copy, count, laneCount, T.self)
            if isDense { return storage.scatter(copy, group.rows &* count, grad, start, 1) }
            for row in 0..<group.rows {
                let from = copy + row &* count &* MemoryLayout<T>.size
                storage.scatter(from, count, grad, group.gradPlace(row, start), stride)
            }
            return
        }
        for row in 0..<group.rows {
            for c in 0..<count {
                let g = T.load(UnsafeRawPointer(columns), c &* laneCount &+ row)
                storage.store(g, grad, group.gradPlace(row, start &+ c))
            }
        }
    }
}
