import KernelABI

// Cross-entropy of logits with class indices, row by row: loss = w_y (lse - z_y), gradient w_y (p_c - [c = y]).
//
// Rows of at most one block are finished 16 at a time. A longer row is a group by itself, and threads may share it.

func logitsGroup<T: Element>(_ group: GroupPointer, _: T.Type) {
    #if !(arch(x86_64) && CROSSENTROPY_KERNELS)  // that module is kept small, and takes all groups by rows
        if group.pointee.by_columns != 0 { return logitsColumns(group, T.self) }
    #endif
    let blocks = blockCount(group)
    begin(group, T.self)
    sumBlocks(group, 0, blocks, T.self)
    if blocks > 1 && crossentropy_was_cancelled(group.pointee.cancel) { return }
    finish(group, T.self)
    if group.pointee.grad != nil { writeBlocks(group, 0, blocks, T.self) }
}

/// The memory that keeps a row's exponentials until the factor that turns them into probabilities is known: the gradient's
/// memory or, if that differs from the kernel's own type or layout, a buffer. `nil`: the exponentials are computed again.
@inline(__always)
func kept<T: Element>(_ group: GroupPointer, _ row: Int, _ start: Int, _: T.Type) -> UnsafeMutableRawPointer? {
    if group.pointee.grad == nil || group.pointee.mode == CROSSENTROPY_LOG_SOFTMAX { return nil }
    let writer = writer(group, row, T.self)
    if writer.isDirect && !(T.self == Float.self && group.pointee.isCappedInPlace) { return writer.block(start) }
    return group.pointee.kept.map { $0 + (row &* group.classes &+ start) &* MemoryLayout<T>.size }
}

func begin<T: Element>(_ group: GroupPointer, _: T.Type) {
    readTargets(group, T.self)
    let table = BlockTable(group.pointee.blocks, group.pointee.exponent_scale, T.self)
    table.prepare(group.rows > 1 ? group.rows : blockCount(group))
}

func sumBlocks<T: Element>(_ group: GroupPointer, _ first: Int, _ count: Int, _: T.Type) {
    let table = BlockTable(group.pointee.blocks, group.pointee.exponent_scale, T.self)
    let isOfMass = T.self == Float.self && group.pointee.isOfMass
    for row in 0..<group.rows {
        let reader = reader(group, row, T.self)
        var best = -T.infinity
        for i in first..<first &+ count {
            if i > 0 && crossentropy_is_cancelled(group.pointee.cancel) { return }
            let (start, size) = extent(group, i)
            let x = reader.block(start, size)
            let block: BlockSum<T>
            let upcoming = reader.upcoming(start)
            // The lane of a row or, if there is only one row, of a block.
            let lane = group.rows > 1 ? row : i
            if T.self == Float.self && group.pointee.isCapped {
                let e = kept(group, row, start, Float.self) ?? spareBlock(group)
                sumCappedBlock(group, x, size, e, upcoming, unsafeBitCast(table, to: BlockTable<Float>.self), lane)
                continue
            }
            var mass: MassSum?
            if group.pointee.wants_statistics != 0 {
                let statistics: RowStatisticsPart
                (block, statistics) = statisticsBlockSum(
                    group, row, x, start, size, best: best, kept: kept(group, row, start, T.self), upcoming)
                table.set(lane / laneCount, lane % laneCount, to: statistics)
                best = block.max > best ? block.max : best
            } else if let kept = kept(group, row, start, T.self) {
                let max = largest(x, size, T.self)
                if isOfMass { mass = sumMass(group, row, x, start, size, from: Float(max)) }
                block = keepingBlockSum(
                    x, size, max: max, table.scale, kept: kept, upcoming, scratch: shiftBlock(group), T.self)
            } else {
                block = blockSum(x, size, table.scale, upcoming, scratch: shiftBlock(group), T.self)
                if isOfMass { mass = sumMass(group, row, x, start, size, from: Float(block.max)) }
            }
            table.set(lane / laneCount, lane % laneCount, to: block)
            if let mass {
                // The exponentials of a confident row are in the order of the logits.
                let isConfident = group.pointee.mass != nil && block.sum < 0.5 * Double(block.top)
                let kept = kept(group, row, start, T.self)
                let largest =
                    isConfident
                    ? firstIndex(of: kept == nil ? block.max : block.top, kept.map { UnsafeRawPointer($0) } ?? x, size)
                    : nil
                table.set(lane / laneCount, lane % laneCount, to: mass, largest: largest.map { start &+ $0 } ?? -1)
            }
        }
    }
}

func finish<T: Element>(_ group: GroupPointer, _: T.Type) {
    let table = BlockTable(group.pointee.blocks, group.pointee.exponent_scale, T.self)
    let stats = group.rows > 1 ? table.ofRows(1) : table.ofRow(blockCount(group))
    if T.self == Float.self && group.pointee.isOfMass { finishMass(group, stats, table) }
    finish(group, stats)
    if group.pointee.wants_statistics != 0 { finishStatistics(group, stats, table) }
}

func writeBlocks<T: Element>(_ group: GroupPointer, _ first: Int, _ count: Int, _: T.Type) {
    let table = BlockTable(group.pointee.blocks, group.pointee.exponent_scale, T.self)
    let certainty = Certainty<T>(group)
    if group.rows > 1 {
        let stats = LogSumExp(max: lanes(&group.pointee.max), rest: lanes(&group.pointee.rest))
        let factors = table[0].factors(stats, group)
        for row in 0..<group.rows {
            let reference = table.reference(row / laneCount, row % laneCount)
            writeBlock(
                group, row, 0, factors.lane(row), certainty, kept: kept(group, row, 0, T.self), reference: reference)
        }
        return
    }
    let stats = LogSumExp(
        max: DoubleLanes(repeating: get(&group.pointee.max, 0)),
        rest: DoubleLanes(repeating: get(&group.pointee.rest, 0)))
    var i = first
    while i < first &+ count {
        let factors = table[i / laneCount].factors(stats, group)
        repeat {
            if i > 0 && crossentropy_is_cancelled(group.pointee.cancel) { return }
            let reference = table.reference(i / laneCount, i % laneCount)
            let kept = kept(group, 0, i &* blockSize, T.self)
            writeBlock(group, 0, i, factors.lane(i % laneCount), certainty, kept: kept, reference: reference)
            i &+= 1
        } while i < first &+ count && i % laneCount != 0
    }
}

/// Writes the gradient of a row's block: from its exponentials if they were kept; otherwise they are computed again,
/// relative to the reference.
@inline(never)
func writeBlock<T: Element>(
    _ group: GroupPointer, _ row: Int, _ block: Int, _ factor: ProbabilityFactor<T>, _ certainty: Certainty<T>,
    kept: UnsafeMutableRawPointer?, reference: T
) {
    let (start, count) = extent(group, block)
    let writer = writer(group, row, T.self)
    let atLabel = T(get(&group.pointee.target_grad, row))
    if get(&group.pointee.is_filled, row) != 0 {
        writer.fill(start, count, with: atLabel)
        return
    }
    if group.pointee.mode == CROSSENTROPY_LOG_SOFTMAX {
        let x = reader(group, row, T.self).block(start, count)
        logProbabilities(
            x, writer.block(start), count, get(&group.pointee.max, row), get(&group.pointee.prob_scale, row), T.self)
        writer.finish(start, count)
        return
    }
    let isCapped = T.self == Float.self && group.pointee.isCapped
    let e = kept ?? (isCapped ? spareBlock(group) : writer.block(start))
    var g = e
    if isCapped {
        if writer.isDirect { g = writer.block(start) }
        writeCappedBlock(
            group, row, block, e, isKept: kept != nil, unsafeBitCast(factor, to: ProbabilityFactor<Float>.self),
            unsafeBitCast(certainty, to: Certainty<Float>.self), g)
    } else {
        if kept != nil {
            scale(e, count, factor)
        } else {
            let x = reader(group, row, T.self).block(start, count)
            probabilities(x, e, count, reference, group.pointee.exponent_scale, factor, shiftBlock(group))
        }
        finishBlock(group, row, e, start, count, certainty)
    }
    if !writer.isDirect { writer.write(g, start, count) }
    if group.pointee.mode != CROSSENTROPY_LOSS { return }
    let label = group.label(row)
    if label >= start && label < start &+ count { writer.store(atLabel, at: label) }
}

/// What is left to do for the gradient of a block beside its label's.
@inline(__always)
private func finishBlock<T: Element>(
    _ group: GroupPointer, _ row: Int, _ g: UnsafeMutableRawPointer, _ start: Int, _ count: Int,
    _ certainty: Certainty<T>
) {
    if T.self == Float.self && group.pointee.isOfMass {
        subtractMass(group, row, g, start, count)
    } else if certainty.isAny {
        certainty.correct(g, count, row: row)
    }
}

@inline(never)
func scale<T: Element>(_ e: UnsafeMutableRawPointer, _ count: Int, _ factor: ProbabilityFactor<T>) {
    forEachVector(count) { i in
        T.storeLanes(factor(T.loadLanes(UnsafeRawPointer(e), i)), e, i)
    } tail: { i, n in
        T.storeTail(factor(T.loadTail(UnsafeRawPointer(e), i, n, filler: 0)), e, i, n)
    }
}

/// log p_c = (z_c - m) - log1p(rest), both at most 0. A zero difference may have either sign; adding 0 makes them equal.
@inline(never)
@_optimize(size)
private func logProbabilities<T: Element>(
    _ x: UnsafeRawPointer, _ result: UnsafeMutableRawPointer, _ count: Int, _ max: Double, _ logOfTotal: Double,
    _: T.Type
) {
    let m = DoubleLanes(repeating: max)
    let l = DoubleLanes(repeating: logOfTotal)
    let zero = DoubleLanes(repeating: 0)
    forEachVector(count) { i in
        T.storeLanes(T.narrow((T.widen(T.loadLanes(x, i)) - m + zero) - l), result, i)
    } tail: { i, n in
        T.storeTail(T.narrow((T.widen(T.loadTail(x, i, n, filler: 0)) - m + zero) - l), result, i, n)
    }
}

@inline(__always)
private func probabilities<T: Element>(
    _ block: UnsafeRawPointer, _ g: UnsafeMutableRawPointer, _ count: Int, _ m: T, _ scale: ExponentScale,
    _ factor: ProbabilityFactor<T>, _ scratch: UnsafeMutableRawPointer
) {
    if T.self == Double.self || scale.isOne {
        probabilities(block, g, count, m, scale, factor, scratch, PlainExp<T>.self)
    } else {
        probabilities(block, g, count, m, scale, factor, scratch, ScaledExp<T>.self)
    }
}

@inline(never)
private func probabilities<E: Exponential>(
    _ block: UnsafeRawPointer, _ g: UnsafeMutableRawPointer, _ count: Int, _ m: E.T, _ scale: ExponentScale,
    _ factor: ProbabilityFactor<E.T>, _ scratch: UnsafeMutableRawPointer, _: E.Type
) {
    typealias T = E.T
    let reference = T.expReference(T.splat(m), scale)
    let x = shifted(block, count, by: T.get(0, of: reference.shift), scratch)
    forEachVector(count) { i in
        T.storeLanes(factor(E.exp(T.loadLanes(x, i), reference)), g, i)
    } tail: { i, n in
        T.storeTail(factor(E.exp(T.loadTail(x, i, n, filler: -.infinity), reference)), g, i, n)
    }
}

@inline(__always)
func blockCount(_ group: GroupPointer) -> Int { (group.classes &+ blockSize &- 1) / blockSize }

/// A block's first class and its number of classes.
@inline(__always)
func extent(_ group: GroupPointer, _ block: Int) -> (start: Int, count: Int) {
    let start = block &* blockSize
    return (start, group.classes &- start < blockSize ? group.classes &- start : blockSize)
}

@inline(__always)
func reader<T: Element>(_ group: GroupPointer, _ row: Int, _: T.Type) -> BlockReader<T> {
    let storage = group.input(T.self)
    return BlockReader(
        base: group.pointee.input + group.inputPlace(row, 0) &* storage.size, stride: Int(group.pointee.input_stride),
        storage: storage, scratch: group.pointee.scratch, transform: group.pointee.transform)
}

/// Scratch block for logits minus the reference's shift, next to the block of gathered logits.
@inline(__always)
func shiftBlock(_ group: GroupPointer) -> UnsafeMutableRawPointer {
    group.pointee.scratch + blockSize &* MemoryLayout<Double>.size
}

/// Scratch block for exponentials whose values are discarded.
@inline(__always)
func spareBlock(_ group: GroupPointer) -> UnsafeMutableRawPointer {
    group.pointee.scratch + 2 &* blockSize &* MemoryLayout<Double>.size
}

@inline(__always)
private func writer<T: Element>(_ group: GroupPointer, _ row: Int, _: T.Type) -> BlockWriter<T> {
    let storage = group.grad(T.self)
    var reader = reader(group, row, T.self)
    if group.pointee.mode != CROSSENTROPY_LOSS { reader.transform.applies = 0 }  // only a loss has a derivative
    return BlockWriter(
        base: group.pointee.grad + group.gradPlace(row, 0) &* storage.size, stride: Int(group.pointee.grad_stride),
        storage: storage, scratch: group.pointee.scratch + 2 &* blockSize &* MemoryLayout<Double>.size,
        reader: reader)
}
