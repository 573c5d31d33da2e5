import KernelABI

// Smoothed labels, for rows of f32 logits in groups: see ShortSmoothing.swift for the formula.

extension crossentropy_group {
    /// The mass of the label alone, and the mass of each class.
    @inline(__always) var keep: Double { 1 - smoothing }
    @inline(__always) var spread: Double { smoothing / Double(classes) }
}

/// Sums max - z over a block's classes. Four vectors of differences are added in f32, which costs three roundings of 2^-24.
/// - Parameter max: The block's largest logit.
@inline(never)
func sumDistances(_ x: UnsafeRawPointer, _ count: Int, from max: Float) -> Double {
    if max == -.infinity { return .infinity }
    let m = Singles(repeating: max)
    var sums = DoubleLanes(repeating: 0)
    var i = 0
    while i &+ 4 &* laneCount <= count {
        let first = (m - Float.loadLanes(x, i)) + (m - Float.loadLanes(x, i &+ laneCount))
        let second = (m - Float.loadLanes(x, i &+ 2 &* laneCount)) + (m - Float.loadLanes(x, i &+ 3 &* laneCount))
        sums += Float.widen(first + second)
        i &+= 4 &* laneCount
    }
    forEachVector(count, from: i) { i in
        sums += Float.widen(m - Float.loadLanes(x, i))
    } tail: { i, n in
        sums += Float.widen(m - Float.loadTail(x, i, n, filler: max))
    }
    let total = sum(sums)
    return total < 0x1p100 ? total : sumFarDistances(x, count, from: max)
}

/// The same of distances that f32 may not hold.
@inline(never)
@_optimize(size)
private func sumFarDistances(_ x: UnsafeRawPointer, _ count: Int, from max: Float) -> Double {
    var total = 0.0
    for i in 0..<count { total += Double(max) - Double(Float.load(x, i)) }
    return total
}

/// Sets the distances of a group's rows, from those of their blocks.
@inline(never)
@_optimize(size)
func finishDistances<T: Element>(_ group: GroupPointer, _ stats: LogSumExp, _ table: BlockTable<T>) {
    if group.rows > 1 { return store(table.distances(0), &group.pointee.distances) }
    var total = 0.0
    for block in 0..<blockCount(group) {
        let (entry, lane) = (block / laneCount, block % laneCount)
        let ofBlock = stats.max[0] - table[entry].max[lane]
        total += table.distances(entry)[lane] + Double(extent(group, block).count) * ofBlock
    }
    store(DoubleLanes(repeating: total), &group.pointee.distances)
}

/// Adds a number to a block's gradients.
@inline(never)
func add<T: Element>(_ offset: T, _ g: UnsafeMutableRawPointer, _ count: Int) {
    let offset = T.splat(offset)
    forEachVector(count) { i in
        T.storeLanes(T.sum(T.loadLanes(UnsafeRawPointer(g), i), offset), g, i)
    } tail: { i, n in
        T.storeTail(T.sum(T.loadTail(UnsafeRawPointer(g), i, n, filler: 0), offset), g, i, n)
    }
}
