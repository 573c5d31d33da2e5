import Shims

/// What rows, or parts of them, contribute to log(sum(exp(z))), a row in each lane: its largest element m, and the sum of
/// exp(z_j - m) over all elements but that one.
///
/// Because the largest element stays out of the sum, lse - m = log1p(rest) keeps its relative accuracy however
/// small it is.
struct LogSumExp {
    var max: DoubleLanes
    var rest: DoubleLanes

    /// sum(exp(z_j - m)) over all elements.
    @inline(__always) var total: DoubleLanes { DoubleLanes(repeating: 1) + rest }

    /// NaN or +infinity in the row, or nothing but -infinity.
    @inline(__always) var isUndefined: SIMDMask<SIMD16<Int64>> {
        let infinity = DoubleLanes(repeating: .infinity)
        return .!((max .< infinity) .& (max .> -infinity) .& (rest .== rest))
    }

    /// Takes in the statistics of the block that follows.
    @inline(never)
    mutating func merge(_ block: LogSumExp) {
        let isHigher = block.max .> max
        let high = LogSumExp(
            max: max.replacing(with: block.max, where: isHigher),
            rest: rest.replacing(with: block.rest, where: isHigher))
        let low = LogSumExp(
            max: block.max.replacing(with: max, where: isHigher),
            rest: block.rest.replacing(with: rest, where: isHigher))
        // A part of nothing but -infinity adds 0, or NaN if it holds one.
        let added = (low.total * Double.exp(low.max - high.max)).replacing(
            with: low.rest, where: low.max .== DoubleLanes(repeating: -.infinity))
        self = LogSumExp(max: high.max, rest: high.rest + added)
    }

    /// From a block's largest elements, sums of exponentials relative to them (without those equal to them), and the
    /// number of those.
    @inline(__always)
    init<T: Element>(_ max: T.Lanes, sums: DoubleLanes, equal: T.Counts, _ reference: ExpReference<T>) {
        self.max = T.widen(max)
        // The others that are as large are exp(0) each.
        let others = T.widen(equal) - DoubleLanes(repeating: 1)
        let value = sums * reference.unbias / reference.unit + others
        // Without a finite largest element the sum is 0, or NaN if there is one: which is all that is needed then.
        let infinity = DoubleLanes(repeating: .infinity)
        rest = sums.replacing(with: value, where: (self.max .< infinity) .& (self.max .> -infinity))
    }

    /// The same in every lane.
    @inline(__always)
    init(_ stats: crossentropy_stats) {
        self.init(max: DoubleLanes(repeating: stats.max), rest: DoubleLanes(repeating: stats.rest))
    }

    @inline(__always)
    init(max: DoubleLanes, rest: DoubleLanes) {
        self.max = max
        self.rest = rest
    }
}

/// The statistics of a row's block, in every lane. Two looks at it, the second from the nearest cache.
///
/// The sum runs over fixed lanes in f64, so it adds nothing to the error of the exponentials (below 1 ulp each).
@inline(never)
func logSumExp<T: Element>(_ x: UnsafeRawPointer, _ count: Int, _: T.Type) -> LogSumExp {
    let max = T.splat(largest(x, count, T.self))
    let reference = T.expReference(T.zeroing(max, whereNotFinite: max), bias: sumBias)
    var sums = DoubleLanes(repeating: 0)
    var equal = T.Counts(repeating: 0)
    forEachVector(count) { i in
        let lanes = T.loadLanes(x, i)
        sums += T.widen(T.zeroing(T.exp(lanes, reference), where: lanes, equals: max))
        equal = T.counting(equal, where: lanes, equals: max)
    } tail: { i, n in
        let lanes = T.loadTail(x, i, n, filler: -.infinity)
        sums += T.widen(T.zeroing(T.exp(lanes, reference), where: lanes, equals: max))
        equal = T.counting(equal, where: lanes, equals: max)
    }
    return LogSumExp(
        max, sums: DoubleLanes(repeating: sum(sums)), equal: T.Counts(repeating: equal.wrappedSum()), reference)
}

/// The largest element; NaNs are passed over.
@inline(__always)
private func largest<T: Element>(_ x: UnsafeRawPointer, _ count: Int, _: T.Type) -> T {
    var a = T.splat(-.infinity)
    var b = a
    var i = 0
    while i &+ 2 &* laneCount <= count {
        a = T.maximum(a, T.loadLanes(x, i))
        b = T.maximum(b, T.loadLanes(x, i &+ laneCount))
        i &+= 2 &* laneCount
    }
    if i &+ laneCount <= count {
        a = T.maximum(a, T.loadLanes(x, i))
        i &+= laneCount
    }
    if i < count { b = T.maximum(b, T.loadTail(x, i, count &- i, filler: -.infinity)) }
    return T.largestLane(T.maximum(a, b))
}
