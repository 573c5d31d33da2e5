import KernelABI

// Row statistics, from the same pass as the loss: entropy, the first class of the largest logit, and the rank of the target.

/// A block's part of the row statistics, beside its `BlockSum`.
struct RowStatisticsPart {
    /// sum of exp(z_c) (max - z_c), in the units of the block's sum, for the block's largest element max.
    var distance: Double
    /// Classes of the block that come before the label in descending order: those of larger logits and, among equal ones, of
    /// lower numbers.
    var ahead: Double
    /// The first class that holds the block's largest element.
    var argmax: Double
}

/// The sums of a block, as `blockSum` and `keepingBlockSum` compute them, and its part
/// of the row statistics that are requested.
///
/// - Parameters:
///   - start: The block's first class.
///   - best: The largest element of the previous blocks; if this block has none above it, its argmax is not searched for.
///   - kept: Memory for the exponentials, if they are to be kept; may be `block`.
@inline(never)
func statisticsBlockSum<T: Element>(
    _ group: GroupPointer, _ row: Int, _ block: UnsafeRawPointer, _ start: Int, _ count: Int, best: T,
    kept: UnsafeMutableRawPointer?, _ upcoming: Upcoming
) -> (BlockSum<T>, RowStatisticsPart) {
    let wanted = group.pointee.wants_statistics
    let scratch = shiftBlock(group)
    let takesPass = wanted & (CROSSENTROPY_ENTROPY | CROSSENTROPY_RANK) != 0
    let sums: BlockSum<T>
    var statistics = RowStatisticsPart(distance: 0, ahead: 0, argmax: 0)
    if !takesPass && kept == nil {
        sums = blockSum(block, count, .one, upcoming, scratch: scratch, T.self)
        statistics.argmax = argmax(group, sums.max, best, block, start, count)
        return (sums, statistics)
    }
    // Found first, because the exponentials may overwrite the block.
    let max = largest(block, count, T.self)
    statistics.argmax = argmax(group, max, best, block, start, count)
    if !takesPass {
        sums = keepingBlockSum(block, count, max: max, .one, kept: kept!, upcoming, scratch: scratch, T.self)
        return (sums, statistics)
    }
    let guess = T.splat(firstLargest(block, count, T.self))
    let m = T.get(0, of: blockReference(guess: guess, max: T.splat(max), .one, T.self))
    let reference = T.expReference(T.splat(m))
    let shift = T.get(0, of: reference.shift)
    // Of equal logits, those before the label rank ahead of it.
    let target = T(get(&group.pointee.target, row))
    let position = group.label(row) &- start
    if wanted & CROSSENTROPY_RANK != 0 && position > 0 && position < count {
        statistics.ahead = countTies(target, block, position)
    }
    var pass = StatisticsPass(
        reference: reference, max: T.splat(max - shift), bar: T.splat(position < count ? target.nextUp : target))
    let x = shifted(block, count, by: shift, scratch)
    pass.add(block, x, count, kept: kept ?? spareBlock(group), step: kept == nil ? 0 : -1, upcoming)
    sums = total(max, m, pass.sums, pass.top)
    statistics.distance = sum(pass.distances)
    statistics.ahead += sum(T.widen(pass.reaching))
    return (sums, statistics)
}

/// The first class that holds the block's largest element, if argmax is requested and may be in this block; otherwise 0.
@inline(__always)
private func argmax<T: Element>(
    _ group: GroupPointer, _ max: T, _ best: T, _ block: UnsafeRawPointer, _ start: Int, _ count: Int
) -> Double {
    if group.pointee.wants_statistics & CROSSENTROPY_ARGMAX == 0 || !(max > best || start == 0) { return 0 }
    return Double(start &+ (firstIndex(of: max, block, count) ?? 0))
}

/// How many of the first `count` numbers equal `value`.
@inline(never)
private func countTies<T: Element>(_ value: T, _ x: UnsafeRawPointer, _ count: Int) -> Double {
    let value = T.splat(value)
    let one = T.splat(1)
    var others = T.splat(0)
    forEachVector(count) { i in
        others = T.sum(others, T.zeroing(one, where: T.loadLanes(x, i), equals: value))
    } tail: { i, n in
        others = T.sum(others, T.zeroing(one, where: T.loadTail(x, i, n, filler: .nan), equals: value))
    }
    return Double((count &+ laneCount &- 1) / laneCount &* laneCount) - sum(T.widen(others))
}

/// One pass over a block: the sums of `keepingBlockSum`, the sum of exp(z_c) (max - z_c), and the number of classes
/// whose logits are at least `bar`.
private struct StatisticsPass<T: Element> {
    let reference: ExpReference<T>
    /// The largest element, minus the reference's shift.
    let max: T.Lanes
    let bar: T.Lanes
    var top = T.splat(0)
    var sums = DoubleLanes(repeating: 0)
    var distances = DoubleLanes(repeating: 0)
    var reaching = T.splat(0)

    init(reference: ExpReference<T>, max: T.Lanes, bar: T.Lanes) {
        self.reference = reference
        self.max = max
        self.bar = bar
    }

    /// Adds a block; `x` is the block minus the reference's shift. If `step` is -1, exponentials are kept. If it is 0,
    /// they are discarded: all of them go to the first 16 places of `kept`.
    @inline(__always)
    mutating func add(
        _ block: UnsafeRawPointer, _ x: UnsafeRawPointer, _ count: Int, kept: UnsafeMutableRawPointer, step: Int,
        _ upcoming: Upcoming
    ) {
        let whole = count / laneCount &* laneCount
        addVectors(block, x, whole, kept, step, upcoming)
        if whole == count { return }
        // The remainder, as one more vector.
        var z = T.loadTail(block, whole, count &- whole, filler: .nan)
        var t = T.loadTail(x, whole, count &- whole, filler: -.infinity)
        var e = T.splat(0)
        addVectors(&z, &t, laneCount, &e, 0, upcoming)
        T.storeTail(e, kept, whole & step, count &- whole)
    }

    /// Adds whole vectors. The distances of four vectors are added up in the kernel's own type before they are widened,
    /// which costs three more roundings.
    @inline(never)
    private mutating func addVectors(
        _ block: UnsafeRawPointer, _ x: UnsafeRawPointer, _ count: Int, _ kept: UnsafeMutableRawPointer, _ step: Int,
        _ upcoming: Upcoming
    ) {
        let (reference, max, bar) = (reference, max, bar)
        var (top, sums, distances, reaching) = (top, sums, distances, reaching)
        var i = 0
        while i < count {
            let end = i &+ 4 &* laneCount < count ? i &+ 4 &* laneCount : count
            var part = T.splat(0)
            repeat {
                upcoming.prefetchNear(i)
                reaching = T.counting(reaching, where: T.loadLanes(block, i), reaches: bar)
                let t = T.loadLanes(x, i)
                let e = T.exp(t, reference)
                T.storeLanes(e, kept, i & step)
                sums += T.widen(T.minimum(top, e))
                top = T.maximum(top, e)
                part = T.sum(part, distance(t, e, max, reference))
                i &+= laneCount
            } while i < end
            distances += T.widen(part)
        }
        (self.top, self.sums, self.distances, self.reaching) = (top, sums, distances, reaching)
    }
}

/// e (max - t): two more roundings than e, whose error is below 1 ulp; 0 where e is 0.
@inline(__always)
func distance<T: Element>(_ t: T.Lanes, _ e: T.Lanes, _ max: T.Lanes, _ reference: ExpReference<T>) -> T.Lanes {
    T.zeroing(T.product(e, T.difference(max, t)), where: t, isBelow: reference.cutoff)
}

/// Row statistics of a group, from the parts of the rows' blocks.
@inline(never)
@_optimize(size)
func finishStatistics<T: Element>(_ group: GroupPointer, _ stats: LogSumExp, _ table: BlockTable<T>) {
    let zero = DoubleLanes(repeating: 0)
    let nan = DoubleLanes(repeating: .nan)
    let isByRows = group.rows > 1 || group.pointee.by_columns != 0
    let blocks = (group.classes &+ blockSize &- 1) / blockSize
    var distance = CompensatedSums()
    var ahead = zero
    var argmax = zero
    var sought = stats.max  // NaN after the first block that holds it
    for i in 0..<blocks {
        let entry = isByRows ? i : i / laneCount
        let block = table[entry]
        let (first, second) = block.weights(stats.max)
        // From the distance below the block's largest element to the distance below the row's.
        let all = (table.distances(entry) + (block.sum + block.top) * (stats.max - block.max)) * second * first
        // A block that is too far below adds nothing, however large its distance. `first` is tested, because the
        // product of both weights may underflow where its product with a sum of exponentials does not.
        let isNothing = (first .== zero) .| (block.max .== DoubleLanes(repeating: -.infinity))
        let added = all.replacing(with: zero, where: isNothing)
        @inline(__always) func lane(_ lanes: DoubleLanes) -> DoubleLanes {
            isByRows ? lanes : DoubleLanes(repeating: lanes[i % laneCount])
        }
        distance.add(lane(added))
        ahead += lane(table.aheads(entry))
        let holds = lane(block.max) .== sought
        argmax = argmax.replacing(with: lane(table.argmaxes(entry)), where: holds)
        sought = sought.replacing(with: nan, where: holds)
    }
    let target = lanes(&group.pointee.target)
    let isUndefined = stats.isUndefined
    let isSkipped = lanes(&group.pointee.is_counted) .== zero
    // For equal classes the sum may be a rounding or two above log C, the maximum of the entropy. The maximum is
    // reduced by the unit in the last place by which the logarithm may be too large.
    let most = log1p(DoubleLanes(repeating: Double(group.classes &- 1))) * DoubleLanes(repeating: 1 - 0x1p-53)
    var entropy = log1p(stats.rest) + distance.value / stats.total
    entropy.replace(with: most, where: entropy .> most)
    let isUnknown = (stats.rest .!= stats.rest) .& (stats.max .!= DoubleLanes(repeating: .infinity))
    let missing = DoubleLanes(repeating: -1)
    store(stats.lse, &group.pointee.lse)
    store(stats.max.replacing(with: nan, where: isUnknown), &group.pointee.largest)
    store(argmax.replacing(with: missing, where: isUnknown), &group.pointee.argmax)
    store(entropy.replacing(with: nan, where: isUndefined), &group.pointee.entropy)
    store(
        probability(target, stats).p.replacing(with: nan, where: isUndefined .| isSkipped), &group.pointee.target_prob)
    store(ahead.replacing(with: missing, where: isUndefined .| isSkipped), &group.pointee.target_rank)
}
