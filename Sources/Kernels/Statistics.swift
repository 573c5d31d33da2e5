import Shims

// What a row can tell beside its loss, from the same look at it: entropy, the first class of the largest logit, and the rank
// of the target.

/// What a block of a row adds to the row's statistics, beside its `BlockSum`.
struct BlockStatistics {
    /// sum of exp(z_c) (max - z_c), in the units of the block's sum, for the block's largest element max.
    var distance: Double
    /// Classes of the block that come before the label in descending order: those of larger logits and, among equal ones, of
    /// lower numbers.
    var ahead: Double
    /// The first class that holds the block's largest element.
    var argmax: Double
}

/// The same sums as `blockSum` and `keepingBlockSum`, and the statistics.
///
/// - Parameters:
///   - start: The block's first class.
///   - best: The largest element of the blocks before; if this block has none above it, its argmax is not looked for.
///   - kept: Where exponentials go; may be `block`.
@inline(never)
func statisticsBlockSum<T: Element>(
    _ block: UnsafeRawPointer, _ start: Int, _ count: Int, best: T, kept: UnsafeMutableRawPointer, target: T,
    label: Int,
    _ upcoming: Upcoming, scratch: UnsafeMutableRawPointer
) -> (BlockSum<T>, BlockStatistics) {
    let max = largest(block, count, T.self)
    let guess = firstLargest(block, count, T.self)
    let m = T.get(0, of: blockReference(guess: T.splat(guess), max: T.splat(max), T.self))
    let reference = T.expReference(T.splat(m))
    let argmax = max > best || start == 0 ? firstIndex(of: max, block, count) ?? 0 : 0
    let shift = T.get(0, of: reference.shift)
    let x = shifted(block, count, by: shift, scratch)
    let shiftedMax = T.splat(max - shift)

    // Before the label's class equal logits are ahead of it, too.
    let position = label &- start
    let threshold = T.splat(target)
    let lower = T.splat(target.nextDown)
    var top = T.splat(0)
    var sums = DoubleLanes(repeating: 0)
    var distances = sums
    var ahead = T.splat(0)
    forEachVector(count) { i in
        upcoming.prefetch(i)
        let z = T.loadLanes(block, i)
        let x = T.loadLanes(x, i)
        let e = T.exp(x, reference)
        T.storeLanes(e, kept, i)
        sums += T.widen(T.minimum(top, e))
        top = T.maximum(top, e)
        distances += T.widen(distance(x, e, shiftedMax, T.self))
        ahead = T.counting(ahead, where: z, isAbove: T.lanes(first: position &- i, lower, threshold))
    } tail: { i, n in
        let z = T.loadTail(block, i, n, filler: -.infinity)
        let x = T.loadTail(x, i, n, filler: -.infinity)
        let e = T.exp(x, reference)
        T.storeTail(e, kept, i, n)
        sums += T.widen(T.minimum(top, e))
        top = T.maximum(top, e)
        distances += T.widen(distance(x, e, shiftedMax, T.self))
        ahead = T.counting(ahead, where: z, isAbove: T.lanes(first: position &- i, lower, threshold))
    }
    let statistics = BlockStatistics(
        distance: sum(distances), ahead: sum(T.widen(ahead)), argmax: Double(start &+ argmax))
    return (total(max, m, sums, top), statistics)
}

/// e (max - x): two more roundings to the error of e, which is below 1 ulp. An x that is far below all with e != 0 stands for
/// -infinity.
@inline(__always)
private func distance<T: Element>(_ x: T.Lanes, _ e: T.Lanes, _ max: T.Lanes, _: T.Type) -> T.Lanes {
    T.product(e, T.difference(max, T.maximum(T.splat(-0x1p100), x)))
}

/// Statistics of a group's rows, from those of their blocks.
@inline(never)
@_optimize(size)
func finishStatistics<T: Element>(_ group: GroupPointer, _ stats: LogSumExp, _ table: BlockTable<T>) {
    let zero = DoubleLanes(repeating: 0)
    let nan = DoubleLanes(repeating: .nan)
    var distance = zero
    var ahead = zero
    var argmax = zero
    if group.rows > 1 {
        let (first, second) = table[0].weights(stats.max)
        distance = table.distances(0) * second * first
        ahead = table.aheads(0)
        argmax = table.argmaxes(0)
    } else {
        let blocks = (group.classes &+ blockSize &- 1) / blockSize
        var isFound = false
        var total = 0.0
        var count = 0.0
        for i in 0..<blocks {
            let entry = i / laneCount
            let block = table[entry]
            let (first, second) = block.weights(stats.max)
            // From the distance to the block's largest to that to the row's.
            let all = (table.distances(entry) + (block.sum + block.top) * (stats.max - block.max)) * second * first
            // Nothing but -infinity adds nothing.
            let term = all.replacing(with: zero, where: block.max .== DoubleLanes(repeating: -.infinity))
            total += term[i % laneCount]
            count += table.aheads(entry)[i % laneCount]
            if !isFound && (block.max .== stats.max)[i % laneCount] {
                argmax = DoubleLanes(repeating: table.argmaxes(entry)[i % laneCount])
                isFound = true
            }
        }
        distance = DoubleLanes(repeating: total)
        ahead = DoubleLanes(repeating: count)
    }
    let target = lanes(&group.pointee.target)
    let isUndefined = stats.isUndefined
    let isSkipped = lanes(&group.pointee.is_counted) .== zero
    let entropy = log1p(stats.rest) + distance / stats.total
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
