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
    let scratch = shiftBlock(group)
    let hasEntropy = group.pointee.wants_statistics & CROSSENTROPY_ENTROPY != 0
    var statistics = RowStatisticsPart(distance: 0, ahead: 0, argmax: 0)
    if !hasEntropy && kept == nil {
        let sums: BlockSum<T> = blockSum(block, count, .one, upcoming, scratch: scratch, T.self)
        statistics.argmax = argmax(group, sums.max, best, block, start, count)
        statistics.ahead = ahead(group, row, block, start, count, T.self)
        return (sums, statistics)
    }
    // Found first, because the exponentials may overwrite the block.
    let max = largest(block, count, T.self)
    statistics.argmax = argmax(group, max, best, block, start, count)
    statistics.ahead = ahead(group, row, block, start, count, T.self)
    if !hasEntropy {
        let sums = keepingBlockSum(block, count, max: max, .one, kept: kept!, upcoming, scratch: scratch, T.self)
        return (sums, statistics)
    }
    let guess = T.splat(firstLargest(block, count, T.self))
    let m = T.get(0, of: blockReference(guess: guess, max: T.splat(max), .one, T.self))
    let reference = T.expReference(T.splat(m))
    let shift = T.get(0, of: reference.shift)
    var pass = StatisticsPass(reference: reference, max: T.splat(max - shift))
    let x = shifted(block, count, by: shift, scratch)
    pass.add(x, count, kept: kept, spare: spareBlock(group), scratch: scratch, upcoming)
    statistics.distance = sum(pass.distances)
    return (total(max, m, pass.sums, pass.top), statistics)
}

/// The first class that holds the block's largest element, if argmax is requested and may be in this block; otherwise 0.
@inline(__always)
private func argmax<T: Element>(
    _ group: GroupPointer, _ max: T, _ best: T, _ block: UnsafeRawPointer, _ start: Int, _ count: Int
) -> Double {
    if group.pointee.wants_statistics & CROSSENTROPY_ARGMAX == 0 || !(max > best || start == 0) { return 0 }
    return Double(start &+ (firstIndex(of: max, block, count) ?? 0))
}

/// How many classes of the block come before the label in descending order, if the rank is requested. Of equal logits,
/// those before the label rank ahead of it.
@inline(__always)
private func ahead<T: Element>(
    _ group: GroupPointer, _ row: Int, _ block: UnsafeRawPointer, _ start: Int, _ count: Int, _: T.Type
) -> Double {
    if group.pointee.wants_statistics & CROSSENTROPY_RANK == 0 { return 0 }
    let target = T(get(&group.pointee.target, row))
    let position = group.label(row) &- start
    let before = position < 0 ? 0 : position < count ? position : count
    let whole = before / laneCount &* laneCount
    var reaching = T.noBits
    countReaching(target, block, 0, whole, &reaching)
    countReaching(target.nextUp, block, before, count, &reaching)
    var ahead = T.sum(reaching)
    for i in whole..<before where T.load(block, i) >= target { ahead &+= 1 }
    return Double(ahead)
}

/// Counts the numbers from `first` to before `end` that are at least `bar`.
@inline(never)
private func countReaching<T: Element>(
    _ bar: T, _ x: UnsafeRawPointer, _ first: Int, _ end: Int, _ result: inout T.Bits
) {
    let bar = T.splat(bar)
    var reaching = result
    var i = first
    while i &+ 4 &* laneCount <= end {
        reaching = T.counting(reaching, where: T.loadLanes(x, i), reaches: bar)
        reaching = T.counting(reaching, where: T.loadLanes(x, i &+ laneCount), reaches: bar)
        reaching = T.counting(reaching, where: T.loadLanes(x, i &+ 2 &* laneCount), reaches: bar)
        reaching = T.counting(reaching, where: T.loadLanes(x, i &+ 3 &* laneCount), reaches: bar)
        i &+= 4 &* laneCount
    }
    forEachVector(end, from: i) { i in
        reaching = T.counting(reaching, where: T.loadLanes(x, i), reaches: bar)
    } tail: { i, n in
        reaching = T.counting(reaching, where: T.loadTail(x, i, n, filler: .nan), reaches: bar)
    }
    result = reaching
}

/// One pass over a block: the sums of `keepingBlockSum`, and the sum of exp(z_c) (max - z_c).
private struct StatisticsPass<T: Element> {
    let reference: ExpReference<T>
    /// The largest element, minus the reference's shift.
    let max: T.Lanes
    var top = T.splat(0)
    var sums = DoubleLanes(repeating: 0)
    var distances = DoubleLanes(repeating: 0)

    init(reference: ExpReference<T>, max: T.Lanes) {
        self.reference = reference
        self.max = max
    }

    /// Adds a block; `x` is the block minus the reference's shift. Without `kept` the exponentials are discarded.
    @inline(__always)
    mutating func add(
        _ x: UnsafeRawPointer, _ count: Int, kept: UnsafeMutableRawPointer?, spare: UnsafeMutableRawPointer,
        scratch: UnsafeMutableRawPointer, _ upcoming: Upcoming
    ) {
        let whole = count / laneCount &* laneCount
        // Discarded ones all go to the first 16 places of `spare`.
        let step = kept == nil ? 0 : -1
        let kept = kept ?? spare
        #if CROSSENTROPY_KERNELSAVX2
            if T.self == Float.self {
                addChunks(x, whole, kept: step == 0 ? nil : kept, scratch, upcoming)
            } else {
                addVectors(x, whole, kept, step, upcoming)
            }
        #else
            addVectors(x, whole, kept, step, upcoming)
        #endif
        if whole == count { return }
        // The remainder, as one more vector.
        var t = T.loadTail(x, whole, count &- whole, filler: -.infinity)
        var e = T.splat(0)
        addVectors(&t, laneCount, &e, 0, upcoming)
        T.storeTail(e, kept, whole & step, count &- whole)
    }

    /// Adds whole vectors. The distances of four vectors are added up in the kernel's own type before they are widened,
    /// which costs three more roundings.
    @inline(never)
    private mutating func addVectors(
        _ x: UnsafeRawPointer, _ count: Int, _ kept: UnsafeMutableRawPointer, _ step: Int, _ upcoming: Upcoming
    ) {
        let (reference, max) = (reference, max)
        var (top, sums, distances) = (top, sums, distances)
        var i = 0
        while i < count {
            let end = i &+ 4 &* laneCount < count ? i &+ 4 &* laneCount : count
            var part = T.splat(0)
            repeat {
                upcoming.prefetchNear(i)
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
        (self.top, self.sums, self.distances) = (top, sums, distances)
    }

    #if CROSSENTROPY_KERNELSAVX2
        /// `addVectors` in short loops: see ChunkedExp.swift.
        @inline(__always)
        private mutating func addChunks(
            _ x: UnsafeRawPointer, _ count: Int, kept: UnsafeMutableRawPointer?, _ scratch: UnsafeMutableRawPointer,
            _ upcoming: Upcoming
        ) {
            var result = ChunkedSum()
            chunkedStatistics(
                x, count, unsafeBitCast(reference, to: ExpReference<Float>.self), Float(T.get(0, of: max)),
                upcoming, kept: kept, room: chunkRoom(scratch), &result)
            top = unsafeBitCast(result.top, to: T.Lanes.self)
            sums = result.sums
            distances = result.distances
        }
    #endif
}

/// e (max - t): two more roundings than e, whose error is below 1 ulp; 0 where e is 0.
@inline(__always)
func distance<T: Element>(_ t: T.Lanes, _ e: T.Lanes, _ max: T.Lanes, _ reference: ExpReference<T>) -> T.Lanes {
    T.zeroing(T.product(e, T.difference(max, t)), where: t, isBelow: reference.cutoff)
}

/// Row statistics of a group, from the parts of the rows' blocks. Two steps, so that the stack holds the vectors of one.
@inline(never)
func finishStatistics<T: Element>(_ group: GroupPointer, _ stats: LogSumExp, _ table: BlockTable<T>) {
    mergeStatistics(group, stats, table)
    finishStatistics(group, stats)
}

/// Leaves the sum of the distances in place of the entropy.
@inline(never)
@_optimize(size)
private func mergeStatistics<T: Element>(_ group: GroupPointer, _ stats: LogSumExp, _ table: BlockTable<T>) {
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
    store(distance.value, &group.pointee.entropy)
    store(argmax, &group.pointee.argmax)
    store(ahead, &group.pointee.target_rank)
}

@inline(never)
@_optimize(size)
private func finishStatistics(_ group: GroupPointer, _ stats: LogSumExp) {
    let zero = DoubleLanes(repeating: 0)
    let nan = DoubleLanes(repeating: .nan)
    let argmax = lanes(&group.pointee.argmax)
    let ahead = lanes(&group.pointee.target_rank)
    let target = lanes(&group.pointee.target)
    let isUndefined = stats.isUndefined
    let isSkipped = lanes(&group.pointee.is_counted) .== zero
    // For equal classes the sum may be a rounding or two above log C, the maximum of the entropy. The maximum is
    // reduced by the unit in the last place by which the logarithm may be too large.
    let most = log1p(DoubleLanes(repeating: Double(group.classes &- 1))) * DoubleLanes(repeating: 1 - 0x1p-53)
    var entropy = log1p(stats.rest) + lanes(&group.pointee.entropy) / stats.total
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
