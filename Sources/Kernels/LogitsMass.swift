import KernelABI

/// Cross-entropy of a row of logits with target mass a_c: loss = sum a_c (lse - z_c), which is
/// sum a_c (m - z_c) + (sum a_c) log1p(rest).
func logitsMass<T: Element>(_ row: crossentropy_row, _: T.Type) -> Double {
    let reader = row.reader(T.self)
    let mass = row.massBlock
    let table = BlockTable(row.blocks, .one, T.self)
    table.prepare((row.count &+ blockSize &- 1) / blockSize)
    var blocks = 0
    var max = -Double.infinity
    var masses = CompensatedSum()
    var distance = CompensatedSum()  // of a_c (m - z_c), for the largest m so far
    forEachBlock(row.count, row.cancel) { start, count in
        let x = reader.block(start, count)
        stageMass(row, start, count, into: mass)
        let block = blockSum(x, count, .one, reader.upcoming(start), scratch: row.shiftBlock, T.self)
        table.set(blocks / laneCount, blocks % laneCount, to: block)
        blocks &+= 1
        let top = finite(Double(block.max))
        var blockMasses = DoubleLanes(repeating: 0)
        var distances = blockMasses
        forEachVector(count) { i in
            addDistance(T.widen(T.loadLanes(x, i)), loadMass(mass, i), top, &blockMasses, &distances)
        } tail: { i, n in
            addDistance(T.widen(T.loadTail(x, i, n, filler: 0)), loadMass(mass, i), top, &blockMasses, &distances)
        }
        let oldMax = finite(max)
        max = Double(block.max) > max ? Double(block.max) : max
        let blockMass = sum(blockMasses)
        let before = masses.value
        if before != 0 { distance.add(before * (finite(max) - oldMax)) }
        distance.add(sum(distances))
        if blockMass != 0 { distance.add(blockMass * (finite(max) - top)) }
        masses.add(blockMass)
    }
    if crossentropy_was_cancelled(row.cancel) { return .nan }
    let totalMass = masses.value
    let stats = table.ofRow(blocks)
    if stats.isUndefined[0] {
        row.fillGradient(with: T.nan)
        return .nan
    }
    var losses = distance.value + (totalMass == 0 ? 0 : totalMass * log1p(stats.rest)[0])
    var slopes = totalMass
    if row.terms.isFocal { (losses, slopes) = focalSums(row, stats, T.self) }
    let (zLoss, zScale) = stats.zLoss(row.terms.z_loss)
    let loss = row.row_weight * (losses + zLoss[0])
    if loss != loss || !(totalMass.magnitude < .infinity) {
        row.fillGradient(with: T.nan)
    } else if let writer = row.writer(T.self) {
        writeDifferences(row, stats, slopes, zScale[0], writer)
    }
    return loss
}

/// Sums of f and b over the classes, each times its target mass (see `focal`).
@inline(never)
@_optimize(size)
private func focalSums<T: Element>(_ row: crossentropy_row, _ stats: LogSumExp, _: T.Type) -> (Double, Double) {
    let reader = row.reader(T.self)
    var losses = CompensatedSum()
    var slopes = CompensatedSum()
    forEachBlock(row.count, row.cancel) { start, count in
        let x = reader.block(start, count)
        stageMass(row, start, count, into: row.massBlock)
        let sums = stageSlopes(row, stats, x, count, T.self)
        losses.add(sum(sums.0))
        slopes.add(sum(sums.1))
    }
    return (losses.value, slopes.value)
}

/// Turns the staged target mass a_c of a block into a_c b_c. Returns the sums of a_c f_c and of a_c b_c, lane by lane.
@inline(never)
@_optimize(size)
private func stageSlopes<T: Element>(
    _ row: crossentropy_row, _ stats: LogSumExp, _ x: UnsafeRawPointer, _ count: Int, _: T.Type
) -> (DoubleLanes, DoubleLanes) {
    let zero = DoubleLanes(repeating: 0)
    let mass = row.massBlock
    var losses = zero
    var slopes = zero
    var i = 0
    while i < count {
        // Lanes beyond the end have target mass 0.
        let isWhole = i &+ laneCount <= count
        let z = T.widen(isWhole ? T.loadLanes(x, i) : T.loadTail(x, i, count &- i, filler: 0))
        let a = loadMass(mass, i)
        let (p, other) = probability(z, stats)
        let (f, b) = focal(row.terms, minusLogP: indexLoss(stats, z), p: p, other: other)
        let slope = (a * b).replacing(with: zero, where: a .== zero)
        Double.storeLanes(slope, UnsafeMutableRawPointer(mass), i)
        losses += (a * f).replacing(with: zero, where: a .== zero)
        slopes += slope
        i &+= laneCount
    }
    return (losses, slopes)
}

/// `max`, or 0 for a block of nothing but -infinity, where any finite reference will do.
@inline(__always)
private func finite(_ max: Double) -> Double { max.magnitude < .infinity ? max : 0 }

@inline(__always)
private func addDistance(
    _ x: DoubleLanes, _ a: DoubleLanes, _ top: Double, _ masses: inout DoubleLanes, _ distances: inout DoubleLanes
) {
    let zero = DoubleLanes(repeating: 0)
    masses += a
    distances += (a * (DoubleLanes(repeating: top) - x)).replacing(with: zero, where: a .== zero)
}

/// Writes the gradient `grad_scale ((A + z) p_c - a_c)` of every class, where A = sum a_c and z is the z-loss's part;
/// with terms, a_c b_c takes the place of a_c.
@inline(__always)
private func writeDifferences<T: Element>(
    _ row: crossentropy_row, _ stats: LogSumExp, _ slopes: Double, _ zScale: Double, _ writer: BlockWriter<T>
) {
    let totalMass = slopes + zScale
    let max = T(stats.max[0])
    let rest = stats.rest[0]
    let reference = T.expReference(T.splat(max))
    // Masses may be so small that the factor would lose digits.
    let lift = (row.grad_scale * totalMass).magnitude < 0x1p-900 ? 0x1p200 : 1
    let scale = row.grad_scale * lift
    let rowPower = row.grad_power / lift
    let factor =
        totalMass == 0
        ? DoubleLanes(repeating: 0)
        : DoubleLanes(repeating: scale * totalMass) / (T.expUnit(T.splat(max)) * stats.total)
    let minusScale = DoubleLanes(repeating: 0 - scale)
    let power = DoubleLanes(repeating: rowPower)
    let mass = row.massBlock
    let reader = row.reader(T.self)
    var largestIsWritten = false
    forEachBlock(row.count, row.cancel) { start, count in
        let block = reader.block(start, count)
        if row.count > blockSize {  // the mass of a single block is still staged
            stageMass(row, start, count, into: mass)
            if row.terms.isFocal { _ = stageSlopes(row, stats, block, count, T.self) }
        }
        let x = shifted(block, count, by: T.get(0, of: reference.shift), reader.scratch)
        let g = writer.block(start)
        // The largest element's probability is close to 1 in a confident row, so its difference is written as
        // (A - a_k) + z - (A + z) rest / (1 + rest) there. The class k is searched for first, because g may overwrite x.
        let largest =
            largestIsWritten || rest >= 1 || max == -.infinity
            ? nil : firstIndex(of: max - T.get(0, of: reference.shift), x, count)
        forEachVector(count) { i in
            let p = T.widen(T.exp(T.loadLanes(x, i), reference)) * factor
            T.storeLanes(T.narrow(p.fusedAdding(loadMass(mass, i), minusScale) * power), g, i)
        } tail: { i, n in
            let p = T.widen(T.exp(T.loadTail(x, i, n, filler: -.infinity), reference)) * factor
            T.storeTail(T.narrow(p.fusedAdding(loadMass(mass, i), minusScale) * power), g, i, n)
        }
        if let largest {
            let difference = (slopes - mass[largest]) + zScale - totalMass * (rest / (1 + rest))
            T.store(T(scale * difference * rowPower + 0), g, largest)
            largestIsWritten = true
        }
        writer.finish(start, count)
    }
}
