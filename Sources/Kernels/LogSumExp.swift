import Shims

/// The two parts of log(sum(exp(s z))), a row in each lane: the row's largest element m, and `rest`, the sum of
/// exp(s (z_j - m)) over all elements but that one.
///
/// Because the largest element stays out of the sum, lse - m = log1p(rest) keeps its relative accuracy however
/// small it is.
struct LogSumExp {
    var max: DoubleLanes
    var rest: DoubleLanes
    /// The scale s that is part of the exponentials (see `ExponentScale`).
    var scale = 1.0

    /// sum(exp(s (z_j - m))) over all elements.
    @inline(__always) var total: DoubleLanes { DoubleLanes(repeating: 1) + rest }

    /// s times a distance between logits.
    @inline(__always) func scaled(_ distance: DoubleLanes) -> DoubleLanes { DoubleLanes(repeating: scale) * distance }

    /// log(sum(exp(s z_j))): +infinity if the row has one; otherwise NaN if the row has one; -infinity if every element is.
    @inline(never) var lse: DoubleLanes {
        let isInfinite =
            (max .== DoubleLanes(repeating: .infinity))
            .| ((max .== DoubleLanes(repeating: -.infinity)) .& (rest .== DoubleLanes(repeating: 0)))
        return (scaled(max) + log1p(rest)).replacing(with: max, where: isInfinite)
    }

    /// The z-loss, z_loss lse^2, and the factor of p_c in its gradient. Both are 0 without
    /// a z-loss, even where lse is infinite.
    @inline(__always)
    func zLoss(_ factor: Double) -> (loss: DoubleLanes, scale: DoubleLanes) {
        let zero = DoubleLanes(repeating: 0)
        if factor == 0 { return (zero, zero) }
        let product = DoubleLanes(repeating: factor) * lse
        return (product * lse, product + product)
    }

    /// Rows with NaN or +infinity, or with nothing but -infinity.
    @inline(__always) var isUndefined: SIMDMask<SIMD16<Int64>> {
        let infinity = DoubleLanes(repeating: .infinity)
        return .!((max .< infinity) .& (max .> -infinity) .& (rest .== rest))
    }
}

/// Sixteen `BlockSum`s side by side.
struct BlockSums<T: Element> {
    var max: DoubleLanes
    var reference: DoubleLanes
    var sum: DoubleLanes
    var top: DoubleLanes
    var scale: ExponentScale

    /// Rescales a block's exponentials from the block's reference to the row maximum m. Two factors, so that neither is
    /// subnormal while their product with an exponential is not.
    @inline(never)
    func weights(_ m: DoubleLanes) -> (DoubleLanes, DoubleLanes) {
        let one = DoubleLanes(repeating: 1)
        let inverse =
            scale.isOfCap
            ? DoubleLanes(repeating: 1 / expBiasPower) : one / T.expUnit(T.narrow(reference), scale)
        // Every block's reference is its row's maximum, as in rows of at most 16 classes.
        if !isAnySet(reference .!= m) { return (one, inverse) }
        return weightsBelow(m, reference, inverse, scale.factor)
    }

    /// A block's part of the sum of exp(z_j - m).
    @inline(__always)
    func contribution(_ m: DoubleLanes) -> DoubleLanes {
        let (first, second) = weights(m)
        let all = (sum + top) * second * first
        // A block of nothing but -infinity adds 0; with a NaN among them, NaN.
        return all.replacing(with: sum, where: max .== DoubleLanes(repeating: -.infinity))
    }
}

/// The weights where not every reference is its row's maximum, of either type.
@inline(never)
private func weightsBelow(_ m: DoubleLanes, _ reference: DoubleLanes, _ inverse: DoubleLanes, _ scale: Double) -> (
    DoubleLanes, DoubleLanes
) {
    let zero = DoubleLanes(repeating: 0)
    var distance = reference - m
    // The rounding error of the difference (Knuth's TwoSum).
    let minusM = distance - reference
    var lost = (reference - (distance - minusM)) - (m + minusM)
    // The reference is above m only in a block of nothing but -infinity.
    let isBelow = distance .< zero
    distance = zero.replacing(with: distance, where: isBelow)
    lost = zero.replacing(with: lost, where: isBelow .& (lost .== lost))
    let root = Double.exp(distance * DoubleLanes(repeating: 0.5 * scale))
    return (root, root * inverse * (DoubleLanes(repeating: 1) + DoubleLanes(repeating: scale) * lost))
}

extension BlockSums {
    /// The factors that turn the exponentials of these blocks into gradients `prob_scale * p_c`.
    @inline(__always)
    func factors(_ stats: LogSumExp, _ group: GroupPointer) -> ProbabilityFactor<T> {
        ProbabilityFactor(group, weights: weights(stats.max), total: stats.total)
    }
}

/// A table of block sums: of one row, 16 blocks to an entry; or of 16 rows, where an entry holds the same block of each row.
struct BlockTable<T: Element> {
    let base: UnsafeMutableRawPointer
    let scale: ExponentScale

    @inline(__always)
    init(_ blocks: UnsafeMutableRawPointer, _ scale: ExponentScale, _: T.Type) {
        base = blocks
        self.scale = scale
    }

    @inline(__always)
    private func place(_ entry: Int, _ part: Int) -> UnsafeMutableRawPointer {
        base + (entry &* 7 &+ part) &* MemoryLayout<DoubleLanes>.size
    }

    @inline(__always)
    subscript(entry: Int) -> BlockSums<T> {
        get {
            BlockSums(
                max: Double.loadLanes(place(entry, 0), 0), reference: Double.loadLanes(place(entry, 1), 0),
                sum: Double.loadLanes(place(entry, 2), 0), top: Double.loadLanes(place(entry, 3), 0), scale: scale)
        }
        nonmutating set {
            Double.storeLanes(newValue.max, place(entry, 0), 0)
            Double.storeLanes(newValue.reference, place(entry, 1), 0)
            Double.storeLanes(newValue.sum, place(entry, 2), 0)
            Double.storeLanes(newValue.top, place(entry, 3), 0)
        }
    }

    @inline(__always)
    func reference(_ entry: Int, _ lane: Int) -> T { T(Double.load(place(entry, 1), lane)) }

    /// Sets one lane of an entry.
    @inline(__always)
    func set(_ entry: Int, _ lane: Int, to block: BlockSum<T>) {
        Double.store(Double(block.max), place(entry, 0), lane)
        Double.store(Double(block.reference), place(entry, 1), lane)
        Double.store(block.sum, place(entry, 2), lane)
        Double.store(Double(block.top), place(entry, 3), lane)
    }

    /// Likewise, of a block whose numbers f32 may not hold.
    @inline(__always)
    func set(_ entry: Int, _ lane: Int, max: Double, reference: Double, sum: Double, top: Float) {
        Double.store(max, place(entry, 0), lane)
        Double.store(reference, place(entry, 1), lane)
        Double.store(sum, place(entry, 2), lane)
        Double.store(Double(top), place(entry, 3), lane)
    }

    // The numbers that row statistics need or, in their place, those of `MassSum`.

    @inline(__always)
    func set(_ entry: Int, _ lane: Int, to statistics: RowStatisticsPart) {
        Double.store(statistics.distance, place(entry, 4), lane)
        Double.store(statistics.ahead, place(entry, 5), lane)
        Double.store(statistics.argmax, place(entry, 6), lane)
    }

    @inline(__always)
    func set(_ entry: Int, _ lane: Int, to sum: MassSum, largest: Int) {
        Double.store(sum.distance, place(entry, 4), lane)
        Double.store(sum.mass, place(entry, 5), lane)
        Double.store(Double(largest), place(entry, 6), lane)
    }

    /// Sets all lanes of an entry.
    @inline(__always)
    func set(_ entry: Int, distances: DoubleLanes, aheads: DoubleLanes, argmaxes: DoubleLanes) {
        Double.storeLanes(distances, place(entry, 4), 0)
        Double.storeLanes(aheads, place(entry, 5), 0)
        Double.storeLanes(argmaxes, place(entry, 6), 0)
    }

    @inline(__always) func distances(_ entry: Int) -> DoubleLanes { Double.loadLanes(place(entry, 4), 0) }
    @inline(__always) func aheads(_ entry: Int) -> DoubleLanes { Double.loadLanes(place(entry, 5), 0) }
    @inline(__always) func argmaxes(_ entry: Int) -> DoubleLanes { Double.loadLanes(place(entry, 6), 0) }

    /// Clears the last entry of a table with that many lanes. Lanes without a block hold zeros rather than what was in
    /// memory before, which might be slow to compute with.
    @inline(__always)
    func prepare(_ lanes: Int) {
        let zero = DoubleLanes(repeating: 0)
        let last = (lanes &- 1) / laneCount
        self[last] = BlockSums(max: zero, reference: zero, sum: zero, top: zero, scale: scale)
        for part in 4..<7 { Double.storeLanes(zero, place(last, part), 0) }
    }

    /// The log-sum-exp of 16 rows with `count` blocks each, an entry per block.
    @inline(never)
    @_optimize(size)
    func ofRows(_ count: Int) -> LogSumExp {
        var max = self[0].max
        for i in 1..<count { max = Double.maximum(max, self[i].max) }
        var rest = CompensatedSums()
        // The first block that holds the row's largest element leaves it out of the sum. From then on `sought` is NaN,
        // which equals nothing.
        var sought = max
        for i in 0..<count {
            var blocks = self[i]
            blocks.top.replace(with: 0, where: blocks.max .== sought)
            rest.add(blocks.contribution(max))
            sought = sought.replacing(with: DoubleLanes(repeating: .nan), where: blocks.max .== sought)
        }
        return LogSumExp(max: max, rest: rest.value, scale: scale.factor)
    }

    /// The log-sum-exp of one row with `count` blocks, 16 to an entry; the same in every lane.
    @inline(never)
    @_optimize(size)
    func ofRow(_ count: Int) -> LogSumExp {
        var max = -Double.infinity
        var holder = 0
        for i in 0..<count {
            let m = Double.load(place(i / laneCount, 0), i % laneCount)
            if m > max {
                max = m
                holder = i
            }
        }
        // The row's largest element, which is in this block, stays out of the sum.
        Double.store(0, place(holder / laneCount, 3), holder % laneCount)
        let m = DoubleLanes(repeating: max)
        var added = DoubleLanes()
        var rest = CompensatedSum()
        for i in 0..<count {
            if i % laneCount == 0 { added = self[i / laneCount].contribution(m) }
            rest.add(withUnsafeBytes(of: &added) { Double.load($0.baseAddress!, i % laneCount) })
        }
        return LogSumExp(
            max: DoubleLanes(repeating: max), rest: DoubleLanes(repeating: rest.value), scale: scale.factor)
    }
}
