import KernelABI

// Row statistics of rows that are computed class by class, with a row in each lane: the same numbers and bits as row by
// row. Each statistic takes a pass of its own over a block in the caches; the pass for the entropy computes the
// exponentials again.

/// Puts the statistics of a panel's block into the group's table.
@inline(never)
func columnStatistics<T: Element>(_ panel: Panel<T>, _ start: Int, _ count: Int, _ guess: T.Lanes) {
    let wanted = panel.group.pointee.wants_statistics
    let zero = DoubleLanes(repeating: 0)
    var max = guess
    for c in 0..<count { max = T.maximum(max, panel[c]) }
    BlockTable(panel.group.pointee.blocks, .one, T.self).set(
        start / blockSize,
        distances: wanted & CROSSENTROPY_ENTROPY == 0 ? zero : columnDistances(panel, count, guess, max),
        aheads: wanted & CROSSENTROPY_RANK == 0 ? zero : columnAheads(panel, start, count),
        argmaxes: wanted & CROSSENTROPY_ARGMAX == 0 ? zero : columnArgmaxes(panel, start, count, max))
}

/// The first classes that hold the rows' largest elements. From such a class on, the largest element so far is the
/// largest of all; the number of such steps gives the class.
@inline(never)
private func columnArgmaxes<T: Element>(_ panel: Panel<T>, _ start: Int, _ count: Int, _ max: T.Lanes) -> DoubleLanes {
    var largest = T.splat(-.infinity)
    var behind = T.splat(0)
    for c in 0..<count {
        largest = T.maximum(largest, panel[c])
        behind = T.counting(behind, where: largest, reaches: max)
    }
    return DoubleLanes(repeating: Double(start &+ count)) - T.widen(behind)
}

/// How many classes come before the labels' classes in descending order; of equal logits, those before the label do.
@inline(never)
private func columnAheads<T: Element>(_ panel: Panel<T>, _ start: Int, _ count: Int) -> DoubleLanes {
    // The labels' positions in the block, or beyond its ends, and the next larger numbers than their logits.
    let places = UnsafeMutableRawPointer(panel.laneTop)
    let nexts = UnsafeMutableRawPointer(panel.laneTop + 1)
    for row in 0..<laneCount {
        let place = panel.group.label(row) &- start
        T.store(T(place < 0 ? 0 : place < count ? place : count), places, row)
        T.store(T(get(&panel.group.pointee.target, row)).nextUp, nexts, row)
    }
    let place = T.loadLanes(UnsafeRawPointer(places), 0)
    let next = T.loadLanes(UnsafeRawPointer(nexts), 0)
    let target = T.narrow(lanes(&panel.group.pointee.target))
    let zero = T.splat(0)
    var ahead = zero
    for c in 0..<count {
        let isBefore = T.counting(zero, where: place, reaches: T.splat(T(c &+ 1)))
        ahead = T.counting(ahead, where: panel[c], reaches: T.select(isBefore, target, next))
    }
    return T.widen(ahead)
}

/// Sums of exp(z_c) (max - z_c), in the order of `StatisticsPass`: for each of its lanes, four vectors at a time.
@inline(never)
private func columnDistances<T: Element>(_ panel: Panel<T>, _ count: Int, _ guess: T.Lanes, _ max: T.Lanes)
    -> DoubleLanes
{
    let reference = T.expReference(blockReference(guess: guess, max: max, .one, T.self))
    let shiftedMax = T.difference(max, reference.shift)
    let whole = count / laneCount &* laneCount
    let used = count < laneCount ? count : laneCount
    for lane in 0..<used {
        var sums = DoubleLanes(repeating: 0)
        var part = T.splat(0)
        var c = lane
        while c < count {
            let t = T.difference(panel[c], reference.shift)
            part = T.sum(part, distance(t, T.exp(t, reference), shiftedMax, reference))
            c &+= laneCount
            if c & (3 &* laneCount) < laneCount || c >= whole {
                sums += T.widen(part)
                part = T.splat(0)
            }
        }
        panel.laneSum[lane] = sums
    }
    // The tree of additions of `sum`; lanes that a short block does not have would be zeros.
    var half = laneCount / 2
    while half >= 1 {
        for lane in 0..<half where lane &+ half < used { panel.laneSum[lane] += panel.laneSum[lane &+ half] }
        half /= 2
    }
    return panel.laneSum[0]
}
