import Shims

/// Cross-entropy of a row of logits with a class index: loss = w_y (lse - z_y), with
/// lse - z_y = (m - z_y) + log1p(rest), both at least 0.
func logitsIndex<T: Element>(_ row: crossentropy_row, _: T.Type) -> Double {
    let stats = rowStatistics(row, T.self)
    if stats.isUndefined {
        row.fillGradient(with: T.nan)
        return .nan
    }
    let target = Double(row.inputAtLabel(T.self))
    if let writer = row.writer(T.self) {
        writeProbabilities(row, stats, row.grad_scale * row.label_mass, writer)
        // p_y - 1, without a cancellation: the largest element's is -rest / (1 + rest). Adding 0 makes -0 a 0.
        let difference =
            target == stats.max ? 0 - stats.rest / stats.total : Double.exp(target - stats.max) / stats.total - 1
        T.store(T(row.grad_scale * row.label_mass * difference + 0), writer.base, Int(row.label) &* writer.stride)
    }
    return row.row_weight * row.label_mass * ((stats.max - target) + log1p(stats.rest))
}

/// Cross-entropy of a row of logits with target mass a_c: loss = sum a_c (lse - z_c), which is
/// sum a_c (m - z_c) + (sum a_c) log1p(rest).
func logitsMass<T: Element>(_ row: crossentropy_row, _: T.Type) -> Double {
    let reader = row.reader(T.self)
    let mass = row.massBlock
    var stats = LogSumExp()
    var totalMass = 0.0
    var distance = 0.0  // sum of a_c (m - z_c), for the largest m so far
    forEachBlock(row.count) { start, count in
        let x = reader.block(start, count)
        stageMass(row, start, count, into: mass)
        let block = logSumExp(x, count, T.self)
        // Any finite reference will do for a block of nothing but -infinity.
        let top = block.max.magnitude < .infinity ? block.max : 0
        var masses = DoubleLanes(repeating: 0)
        var distances = masses
        forEachVector(count) { i in
            addDistance(T.widen(T.loadLanes(x, i)), loadMass(mass, i), top, &masses, &distances)
        } tail: { i, n in
            addDistance(T.widen(T.loadTail(x, i, n, filler: 0)), loadMass(mass, i), top, &masses, &distances)
        }
        let oldMax = stats.max
        stats.merge(block)
        let blockMass = sum(masses)
        let max = stats.max.magnitude < .infinity ? stats.max : 0
        if totalMass != 0 { distance += totalMass * (max - (oldMax.magnitude < .infinity ? oldMax : 0)) }
        distance += sum(distances)
        if blockMass != 0 { distance += blockMass * (max - top) }
        totalMass += blockMass
    }
    if stats.isUndefined {
        row.fillGradient(with: T.nan)
        return .nan
    }
    let loss = row.row_weight * (distance + (totalMass == 0 ? 0 : totalMass * log1p(stats.rest)))
    if loss != loss {
        row.fillGradient(with: T.nan)
    } else if let writer = row.writer(T.self) {
        writeDifferences(row, stats, totalMass, writer)
    }
    return loss
}

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
    var stats = LogSumExp()
    forEachBlock(row.count) { start, count in
        stats.merge(logSumExp(reader.block(start, count), count, T.self))
    }
    return stats
}

/// Gradient `scale * p_c` for every class, with p_c = exp(z_c - m) / (1 + rest).
///
/// Error of each element: that of the exponential (below 1 ulp), and half an ulp each for the factor and the
/// product.
@inline(__always)
private func writeProbabilities<T: Element>(
    _ row: crossentropy_row, _ stats: LogSumExp, _ scale: Double, _ writer: BlockWriter<T>
) {
    // Part of the factor goes into the exponent, so that neither it nor a small exponential leaves the range of T
    // while their product is inside.
    let exponent = scale == 0 ? 0 : Int(scale.exponent)
    let limit = T.self == Float.self ? 96 : 800
    let bias = exponent &+ 32 < 3 ? 3 : exponent &+ 32 > limit ? limit : exponent &+ 32
    let reference = T.expReference(T(stats.max), bias: bias)
    var factor = T(scale / (reference.unit * stats.total) * reference.unbias)
    if factor.isInfinite { factor = factor < 0 ? -T.greatestFiniteMagnitude : T.greatestFiniteMagnitude }
    let reader = row.reader(T.self)
    forEachBlock(row.count) { start, count in
        let x = reader.block(start, count)
        let g = writer.block(start)
        forEachVector(count) { i in
            T.storeLanes(T.scaled(T.exp(T.loadLanes(x, i), reference), by: factor), g, i)
        } tail: { i, n in
            let lanes = T.loadTail(x, i, n, filler: -.infinity)
            T.storeTail(T.scaled(T.exp(lanes, reference), by: factor), g, i, n)
        }
        writer.finish(start, count)
    }
}

/// Gradient `grad_scale (A p_c - a_c)` for every class, A = sum a_c.
@inline(__always)
private func writeDifferences<T: Element>(
    _ row: crossentropy_row, _ stats: LogSumExp, _ totalMass: Double, _ writer: BlockWriter<T>
) {
    let max = T(stats.max)
    let reference = T.expReference(max, bias: ExpReference<T>.sumBias)
    let scale = row.grad_scale
    let factor = DoubleLanes(
        repeating: totalMass == 0 ? 0 : scale * totalMass / (reference.unit * stats.total) * reference.unbias)
    let minusScale = DoubleLanes(repeating: 0 - scale)
    let mass = row.massBlock
    let reader = row.reader(T.self)
    var largestIsWritten = false
    forEachBlock(row.count) { start, count in
        let x = reader.block(start, count)
        let g = writer.block(start)
        stageMass(row, start, count, into: mass)
        // The largest element's probability is close to 1 in a confident row, so its difference is written as
        // (A - a_k) - A rest / (1 + rest) there. Looked for now, because g may be x.
        let largest = largestIsWritten || stats.rest >= 1 ? nil : firstIndex(of: max, x, count)
        forEachVector(count) { i in
            let p = T.widen(T.exp(T.loadLanes(x, i), reference)) * factor
            T.storeLanes(T.narrow(p.addingProduct(loadMass(mass, i), minusScale)), g, i)
        } tail: { i, n in
            let p = T.widen(T.exp(T.loadTail(x, i, n, filler: -.infinity), reference)) * factor
            T.storeTail(T.narrow(p.addingProduct(loadMass(mass, i), minusScale)), g, i, n)
        }
        if let largest {
            let difference = (totalMass - mass[largest]) - totalMass * (stats.rest / stats.total)
            T.store(T(scale * difference + 0), g, largest)
            largestIsWritten = true
        }
        writer.finish(start, count)
    }
}

@inline(__always)
private func firstIndex<T: Element>(of value: T, _ x: UnsafeRawPointer, _ count: Int) -> Int? {
    for i in 0..<count where T.load(x, i) == value { return i }
    return nil
}
