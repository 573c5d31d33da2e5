import Shims

/// Cross-entropy of a row of logits with a class index: loss = w_y (lse - z_y), with
/// lse - z_y = (m - z_y) + log1p(rest), both at least 0.
func logitsIndex<T: Element>(_ row: crossentropy_row, _: T.Type) -> Double {
    let result = outcome(row, rowStatistics(row, T.self), T.self)
    if result.loss != result.loss {
        row.fillGradient(with: T.nan)
    } else if let writer = row.writer(T.self) {
        writeProbabilities(row, result.stats, 0, row.count, writer)
        writer.store(T(result.target_grad), at: Int(row.label))
    }
    return result.loss
}

private func outcome<T: Element>(_ row: crossentropy_row, _ stats: LogSumExp, _: T.Type) -> crossentropy_outcome {
    let target = DoubleLanes(repeating: Double(row.inputAtLabel(T.self)))
    let loss = row.row_weight * row.label_mass * indexLoss(stats, target)[0]
    let scale = DoubleLanes(repeating: row.grad_scale * row.label_mass)
    return crossentropy_outcome(
        stats: crossentropy_stats(max: stats.max[0], rest: stats.rest[0]), loss: stats.isUndefined[0] ? .nan : loss,
        target_grad: row.grad == nil ? 0 : targetGradient(stats, target, scale)[0])
}

// A long row in parts.

func blockStatistics<T: Element>(
    _ row: crossentropy_row, _ first: Int, _ count: Int, _ blocks: UnsafeMutablePointer<crossentropy_stats>, _: T.Type
) {
    let reader = row.reader(T.self)
    for i in first..<first &+ count {
        let start = i &* blockSize
        let size = row.count &- start < blockSize ? row.count &- start : blockSize
        let stats = logSumExp(reader.block(start, size), size, scratch: reader.scratch, T.self)
        blocks[i] = crossentropy_stats(max: stats.max[0], rest: stats.rest[0])
    }
}

func outcome<T: Element>(
    _ row: crossentropy_row, _ blocks: UnsafePointer<crossentropy_stats>, _ count: Int, _: T.Type
) -> crossentropy_outcome {
    var stats = LogSumExp(blocks[0])
    for i in 1..<count { stats.merge(LogSumExp(blocks[i])) }
    return outcome(row, stats, T.self)
}

func blockGradient<T: Element>(
    _ row: crossentropy_row, _ outcome: crossentropy_outcome, _ first: Int, _ count: Int, _: T.Type
) {
    guard let writer = row.writer(T.self) else { return }
    let start = first &* blockSize
    let end = start &+ count &* blockSize < row.count ? start &+ count &* blockSize : row.count
    writeProbabilities(row, outcome.stats, start, end, writer)
    let label = Int(row.label)
    if label >= start && label < end { writer.store(T(outcome.target_grad), at: label) }
}

/// lse - z_y, for rows of which `target` holds z_y.
@inline(never)
func indexLoss(_ stats: LogSumExp, _ target: DoubleLanes) -> DoubleLanes {
    (stats.max - target) + log1p(stats.rest)
}

/// scale (p_y - 1), without a cancellation: the largest element's is -rest / (1 + rest).
@inline(never)
func targetGradient(_ stats: LogSumExp, _ target: DoubleLanes, _ scale: DoubleLanes) -> DoubleLanes {
    let zero = DoubleLanes(repeating: 0)
    let other = Double.exp(target - stats.max) / stats.total - DoubleLanes(repeating: 1)
    let difference = other.replacing(with: zero - stats.rest / stats.total, where: target .== stats.max)
    return scale * difference + zero  // makes -0 a 0
}

/// What turns exponentials into `scale * p_c`, p_c = exp(z_c - m) / (1 + rest).
struct ProbabilityFactor<T: Element> {
    var reference: ExpReference<T>
    var factor: T.Lanes

    /// For t = x - reference.shift. Error: that of the exponential (below 1 ulp), and half an ulp each for the factor and
    /// the product.
    @inline(__always)
    func callAsFunction(_ t: T.Lanes) -> T.Lanes { T.product(T.exp(t, reference), factor) }
}

@inline(never)
func probabilityFactor<T: Element>(_ stats: LogSumExp, _ scale: DoubleLanes, _: T.Type) -> ProbabilityFactor<T> {
    // Part of the factor goes into the exponent, so that neither it nor a small exponential leaves the range of T
    // while their product is inside.
    let exponent = ((unsafeBitCast(scale, to: SIMD16<Int64>.self) &>> 52) & SIMD16<Int64>(repeating: 0x7FF)) &- 1023
    let low = SIMD16<Int64>(repeating: 3)
    let high = SIMD16<Int64>(repeating: T.self == Float.self ? 126 : 800)
    var bias = exponent &+ SIMD16<Int64>(repeating: 32)
    bias = bias.replacing(with: low, where: bias .< low).replacing(with: high, where: bias .> high)
    let max = T.narrow(stats.max)
    let reference = T.expReference(T.zeroing(max, whereNotFinite: max), bias: bias)
    let factor = T.narrow(scale / (reference.unit * stats.total) * reference.unbias)
    return ProbabilityFactor(reference: reference, factor: T.clamped(factor))
}

/// Cross-entropy of a row of logits with target mass a_c: loss = sum a_c (lse - z_c), which is
/// sum a_c (m - z_c) + (sum a_c) log1p(rest).
func logitsMass<T: Element>(_ row: crossentropy_row, _: T.Type) -> Double {
    let reader = row.reader(T.self)
    let mass = row.massBlock
    var stats = LogSumExp(max: DoubleLanes(repeating: -.infinity), rest: DoubleLanes(repeating: 0))
    var totalMass = 0.0
    var distance = 0.0  // sum of a_c (m - z_c), for the largest m so far
    forEachBlock(row.count) { start, count in
        let x = reader.block(start, count)
        stageMass(row, start, count, into: mass)
        let block = logSumExp(x, count, scratch: row.shiftBlock, T.self)
        let top = finite(block.max[0])
        var masses = DoubleLanes(repeating: 0)
        var distances = masses
        forEachVector(count) { i in
            addDistance(T.widen(T.loadLanes(x, i)), loadMass(mass, i), top, &masses, &distances)
        } tail: { i, n in
            addDistance(T.widen(T.loadTail(x, i, n, filler: 0)), loadMass(mass, i), top, &masses, &distances)
        }
        let oldMax = finite(stats.max[0])
        if start == 0 { stats = block } else { stats.merge(block) }
        let blockMass = sum(masses)
        let max = finite(stats.max[0])
        if totalMass != 0 { distance += totalMass * (max - oldMax) }
        distance += sum(distances)
        if blockMass != 0 { distance += blockMass * (max - top) }
        totalMass += blockMass
    }
    if stats.isUndefined[0] {
        row.fillGradient(with: T.nan)
        return .nan
    }
    let loss = row.row_weight * (distance + (totalMass == 0 ? 0 : totalMass * log1p(stats.rest)[0]))
    if loss != loss {
        row.fillGradient(with: T.nan)
    } else if let writer = row.writer(T.self) {
        writeDifferences(row, stats, totalMass, writer)
    }
    return loss
}

/// Any finite reference will do where there is nothing but -infinity.
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

@inline(__always)
private func rowStatistics<T: Element>(_ row: crossentropy_row, _: T.Type) -> LogSumExp {
    let reader = row.reader(T.self)
    var stats = LogSumExp(max: DoubleLanes(repeating: -.infinity), rest: DoubleLanes(repeating: 0))
    forEachBlock(row.count) { start, count in
        let block = logSumExp(reader.block(start, count), count, scratch: reader.scratch, T.self)
        if start == 0 { stats = block } else { stats.merge(block) }
    }
    return stats
}

/// Gradient `scale * p_c` for the classes from `first` to `end`, the former at the beginning of a block.
@inline(__always)
private func writeProbabilities<T: Element>(
    _ row: crossentropy_row, _ stats: crossentropy_stats, _ first: Int, _ end: Int, _ writer: BlockWriter<T>
) {
    let probability = probabilityFactor(
        LogSumExp(stats), DoubleLanes(repeating: row.grad_scale * row.label_mass), T.self)
    let reader = row.reader(T.self)
    forEachBlock(from: first, to: end) { start, count in
        let x = shifted(
            reader.block(start, count), count, by: T.get(0, of: probability.reference.shift), reader.scratch)
        let g = writer.block(start)
        forEachVector(count) { i in
            T.storeLanes(probability(T.loadLanes(x, i)), g, i)
        } tail: { i, n in
            T.storeTail(probability(T.loadTail(x, i, n, filler: -.infinity)), g, i, n)
        }
        writer.finish(start, count)
    }
}

/// Gradient `grad_scale (A p_c - a_c)` for every class, A = sum a_c.
@inline(__always)
private func writeDifferences<T: Element>(
    _ row: crossentropy_row, _ stats: LogSumExp, _ totalMass: Double, _ writer: BlockWriter<T>
) {
    let max = T(stats.max[0])
    let rest = stats.rest[0]
    let reference = T.expReference(T.splat(max), bias: sumBias)
    let scale = row.grad_scale
    let factor =
        totalMass == 0
        ? DoubleLanes(repeating: 0)
        : DoubleLanes(repeating: scale * totalMass) / (reference.unit * stats.total) * reference.unbias
    let minusScale = DoubleLanes(repeating: 0 - scale)
    let mass = row.massBlock
    let reader = row.reader(T.self)
    var largestIsWritten = false
    forEachBlock(row.count) { start, count in
        let x = shifted(
            reader.block(start, count), count, by: T.get(0, of: reference.shift), reader.scratch)
        let g = writer.block(start)
        stageMass(row, start, count, into: mass)
        // The largest element's probability is close to 1 in a confident row, so its difference is written as
        // (A - a_k) - A rest / (1 + rest) there. Looked for now, because g may be x.
        let largest =
            largestIsWritten || rest >= 1 ? nil : firstIndex(of: max - T.get(0, of: reference.shift), x, count)
        forEachVector(count) { i in
            let p = T.widen(T.exp(T.loadLanes(x, i), reference)) * factor
            T.storeLanes(T.narrow(p.fusedAdding(loadMass(mass, i), minusScale)), g, i)
        } tail: { i, n in
            let p = T.widen(T.exp(T.loadTail(x, i, n, filler: -.infinity), reference)) * factor
            T.storeTail(T.narrow(p.fusedAdding(loadMass(mass, i), minusScale)), g, i, n)
        }
        if let largest {
            let difference = (totalMass - mass[largest]) - totalMass * (rest / (1 + rest))
            T.store(T(scale * difference + 0), g, largest)
            largestIsWritten = true
        }
        writer.finish(start, count)
    }
}
