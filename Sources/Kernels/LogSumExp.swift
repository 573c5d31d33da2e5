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

    /// From a block's largest elements, and sums of the other exponentials relative to them.
    @inline(__always)
    init<T: Element>(_ max: T.Lanes, sums: DoubleLanes, _ reference: ExpReference<T>) {
        self.max = T.widen(max)
        // Without a finite largest element the sum is 0, or NaN if there is one: which is all that is needed then.
        let infinity = DoubleLanes(repeating: .infinity)
        rest = sums.replacing(
            with: sums * reference.unbias / reference.unit, where: (self.max .< infinity) .& (self.max .> -infinity))
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

/// The statistics of a row's block, in every lane. A few looks at it, all but the first from the nearest cache.
///
/// The sum runs over fixed lanes in f64, so it adds nothing to the error of the exponentials (below 1 ulp each).
///
/// - Parameter scratch: Room for the block; may be `block` itself.
@inline(never)
func logSumExp<T: Element>(
    _ block: UnsafeRawPointer, _ count: Int, scratch: UnsafeMutableRawPointer, _: T.Type
) -> LogSumExp {
    let largest = largest(block, count, T.self)
    let max = T.splat(largest)
    let reference = T.expReference(T.zeroing(max, whereNotFinite: max), bias: sumBias)
    let x = shifted(block, count, by: T.get(0, of: reference.shift), scratch)
    // The first of the largest elements stays out of the sum; the vector that holds it is looked after by itself.
    let left = firstIndex(of: T.get(0, of: T.difference(max, reference.shift)), x, count) ?? count
    let leftVector = left & ~(laneCount &- 1)
    let whole = count & ~(laneCount &- 1)
    var sums = DoubleLanes(repeating: 0)
    var i = 0
    var end = leftVector < whole ? leftVector : whole
    while true {
        while i < end {
            // The exponentials leave the memory idle; the next block may come meanwhile.
            shim_prefetch(block + (i &+ blockSize) &* MemoryLayout<T>.size)
            sums += T.widen(T.exp(T.loadLanes(x, i), reference))
            i &+= laneCount
        }
        if i == whole { break }
        var e = T.exp(T.loadLanes(x, i), reference)
        T.set(left &- i, of: &e, to: 0)
        sums += T.widen(e)
        i &+= laneCount
        end = whole
    }
    if i < count {
        var e = T.exp(T.loadTail(x, i, count &- i, filler: -.infinity), reference)
        if leftVector == i { T.set(left &- i, of: &e, to: 0) }
        sums += T.widen(e)
    }
    return LogSumExp(max, sums: DoubleLanes(repeating: sum(sums)), reference)
}

/// x - shift, which is x itself almost always.
@inline(__always)
func shifted<T: Element>(
    _ x: UnsafeRawPointer, _ count: Int, by shift: T, _ scratch: UnsafeMutableRawPointer
) -> UnsafeRawPointer {
    if shift == 0 { return x }
    subtract(x, count, shift, scratch)
    return UnsafeRawPointer(scratch)
}

@inline(never)
private func subtract<T: Element>(
    _ x: UnsafeRawPointer, _ count: Int, _ shift: T, _ difference: UnsafeMutableRawPointer
) {
    for i in 0..<count { T.store(T.load(x, i) - shift, difference, i) }
}

/// The first class that holds `value`; `nil` if none does, or if it is -infinity.
@inline(__always)
func firstIndex<T: Element>(of value: T, _ x: UnsafeRawPointer, _ count: Int) -> Int? {
    if value == -.infinity { return nil }
    let lanes = T.splat(value)
    var i = 0
    while i &+ laneCount <= count && !T.isAny(T.loadLanes(x, i), equalTo: lanes) { i &+= laneCount }
    let end = i &+ laneCount < count ? i &+ laneCount : count
    while i < end {
        if T.load(x, i) == value { return i }
        i &+= 1
    }
    return nil
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
