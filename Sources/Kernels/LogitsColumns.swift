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
            let table = BlockTable(group.pointee.blocks, .one, T.self)
            table[0] = block
            finishStatistics(group, stats, table)
        }
        if group.pointee.grad == nil { return }
        if group.pointee.mode == CROSSENTROPY_LOG_SOFTMAX { return writeLogarithms(panel) }
        let factor = ProbabilityFactor<T>(group, weights: weights, total: stats.total)
        write(panel, 0, group.classes, factor, Certainty(group))
    } else {
        // The exponentials of many blocks would not stay in the caches, so they are computed again.
        let table = BlockTable(group.pointee.blocks, .one, T.self)
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
            panel.read(start, count)
            _ = exponentials(panel, count, T.narrow(block.reference))
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
    let used = count < laneCount ? count : laneCount
    let longer = count < 2 &* laneCount ? count &- used : laneCount  // lanes with more than one class
    var max = T.splat(-.infinity)
    var top = T.splat(0)
    for c in 0..<used {
        panel.prefetch(c)
        let z = panel[c]
        let e = T.exp(T.difference(z, reference.shift), reference)
        panel[c] = e
        max = T.maximum(max, z)
        top = T.maximum(top, e)
    }
    for lane in 0..<longer {
        var laneTop = T.maximum(T.splat(0), panel[lane])
        var sums = T.widen(T.minimum(T.splat(0), panel[lane]))  // 0 or NaN
        var c = lane &+ laneCount
        while c < count {
            panel.prefetch(c)
            let z = panel[c]
            let e = T.exp(T.difference(z, reference.shift), reference)
            panel[c] = e
            max = T.maximum(max, z)
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
    return BlockSums(max: T.widen(max), reference: T.widen(m), sum: panel.laneSum[0], top: T.widen(top), scale: .one)
}

/// A block of the rows in scratch space, transposed: class by class, a row in each lane.
struct Panel<T: Element> {
    let group: GroupPointer
    private let columns: UnsafeMutablePointer<T.Lanes>
    /// Scratch space of 16 vectors each.
    let laneTop: UnsafeMutablePointer<T.Lanes>
    let laneSum: UnsafeMutablePointer<DoubleLanes>

    @inline(__always)
    init(_ group: GroupPointer, _: T.Type) {
        self.group = group
        columns = group.pointee.scratch.assumingMemoryBound(to: T.Lanes.self)
        laneTop = columns + (group.classes < blockSize ? group.classes : blockSize)
        laneSum = UnsafeMutableRawPointer(laneTop + laneCount).assumingMemoryBound(to: DoubleLanes.self)
    }

    /// Prefetches a part of the logits that are read next.
    @inline(__always)
    func prefetch(_ c: Int) { shim_prefetch(group.pointee.upcoming + c &* Int(group.pointee.upcoming_stride)) }

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
        let size = MemoryLayout<T>.size
        let rowStride = Int(group.pointee.input_row_stride)
        if isWhole(group.pointee.input_format) {
            if rowStride == 1 {
                for c in 0..<count {
                    self[c] = T.loadLanes(input, group.inputPlace(0, start &+ c))
                }
                return
            }
            if group.pointee.input_stride == 1 && count >= 4 {
                transpose(input + start &* size, rowStride, laneCount, columns, laneCount, count, T.self)
                return
            }
            if group.pointee.input_stride == 1 && rowStride == count {
                // A row has fewer classes than the 4 that are transposed at a time. It is read from a copy, where
                // reading beyond the row does no harm.
                strip.copyMemory(from: input, byteCount: laneCount &* count &* size)
                transpose(strip, count, laneCount, columns, laneCount, 4, T.self)
                return
            }
        }
        let storage = group.input(T.self)
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
        let size = MemoryLayout<T>.size
        let rowStride = Int(group.pointee.grad_row_stride)
        if isWhole(group.pointee.grad_format) {
            if rowStride == 1 {
                for c in 0..<count { T.storeLanes(self[c], grad, group.gradPlace(0, start &+ c)) }
                return
            }
            if group.pointee.grad_stride == 1 && count >= 4 {
                transpose(columns, laneCount, count, grad + start &* size, rowStride, laneCount, T.self)
                return
            }
            if group.pointee.grad_stride == 1 && rowStride == count {
                // Numbers written beyond a row's end are overwritten by the next row.
                transpose(columns, laneCount, 4, strip, count, laneCount, T.self)
                grad.copyMemory(from: strip, byteCount: laneCount &* count &* size)
                return
            }
        }
        let storage = group.grad(T.self)
        for row in 0..<group.rows {
            for c in 0..<count {
                let g = T.load(UnsafeRawPointer(columns), c &* laneCount &+ row)
                storage.store(g, grad, group.gradPlace(row, start &+ c))
            }
        }
    }
}
