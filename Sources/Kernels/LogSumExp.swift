/// What a row, or part of one, contributes to log(sum(exp(z))): its largest element m, and the sum of
/// exp(z_j - m) over all elements but that one.
///
/// Because the largest element stays out of the sum, lse - m = log1p(rest) keeps its relative accuracy however
/// small it is.
struct LogSumExp {
    var max: Double = -.infinity
    var rest: Double = 0

    /// NaN or +infinity in the row, or nothing but -infinity.
    @inline(__always) var isUndefined: Bool { !(max.magnitude < .infinity) || rest != rest }

    /// sum(exp(z_j - m)) over all elements.
    @inline(__always) var total: Double { 1 + rest }

    /// Takes in the statistics of the block that follows.
    @inline(__always)
    mutating func merge(_ block: LogSumExp) {
        if block.max > max {
            if max > -.infinity { rest = block.rest + total * Double.exp(max - block.max) } else { rest += block.rest }
            max = block.max
        } else if block.max > -.infinity {
            rest += block.total * Double.exp(block.max - max)
        } else {
            rest += block.rest  // 0, or NaN
        }
    }
}

/// The statistics of a block. Two looks at it, the second from the nearest cache.
///
/// The sum runs over fixed lanes in f64, so it adds nothing to the error of the exponentials (below 1 ulp each).
@inline(never)
func logSumExp<T: Element>(_ x: UnsafeRawPointer, _ count: Int, _: T.Type) -> LogSumExp {
    let max = largest(x, count, T.self)
    if !(max.magnitude < .infinity) {
        // All -infinity or NaN, which the sum tells apart; or +infinity, which is undefined anyway.
        return LogSumExp(max: Double(max), rest: containsNaN(x, count, T.self) ? .nan : 0)
    }
    let reference = T.expReference(max, bias: ExpReference<T>.sumBias)
    let maxLanes = T.splat(max)
    var sums = DoubleLanes(repeating: 0)
    var equal = T.Counts(repeating: 0)
    forEachVector(count) { i in
        let lanes = T.loadLanes(x, i)
        sums += T.widen(T.zeroing(T.exp(lanes, reference), where: lanes, equals: maxLanes))
        equal = T.counting(equal, where: lanes, equals: maxLanes)
    } tail: { i, n in
        let lanes = T.loadTail(x, i, n, filler: -.infinity)
        sums += T.widen(T.zeroing(T.exp(lanes, reference), where: lanes, equals: maxLanes))
        equal = T.counting(equal, where: lanes, equals: maxLanes)
    }
    let others = Int(equal.wrappedSum()) &- 1  // that are as large; each is exp(0)
    return LogSumExp(max: Double(max), rest: sum(sums) * reference.unbias / reference.unit + Double(others))
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
    b = T.maximum(b, T.loadTail(x, i, count &- i, filler: -.infinity))
    return T.largestLane(T.maximum(a, b))
}

@inline(__always)
private func containsNaN<T: Element>(_ x: UnsafeRawPointer, _ count: Int, _: T.Type) -> Bool {
    for i in 0..<count {
        let value = T.load(x, i)
        if value != value { return true }
    }
    return false
}
