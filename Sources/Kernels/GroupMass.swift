import KernelABI
import Shims

// Targets in which every class has mass, for rows of f32 logits in groups: distributions q, and evenly smoothed labels. With
// D = sum q_c (m - z_c) and A = sum q_c,
//
//     loss = D + A log1p(rest),  gradient A p_c - q_c
//
// Smoothed labels have q_c = e / C, and 1 - e more at the label, so that A is 1 and their D takes no products.
//
// D is added up block by block, from the block's largest logit, where a row's block is still in the nearest cache.

extension crossentropy_group {
    /// The smoothed mass of the label alone, and that of each class.
    @inline(__always) var keep: Double { 1 - smoothing }
    @inline(__always) var spread: Double { smoothing / Double(classes) }
    @inline(__always) var isOfMass: Bool { mass != nil || smoothing != 0 }
}

/// A block's part of the sums over classes.
struct MassSum {
    /// The sum of max - z, times the distribution.
    var distance: Double
    var mass = 0.0
}

/// - Parameters:
///   - x: The block's logits.
///   - max: Its largest one.
@inline(__always)
func sumMass(_ group: GroupPointer, _ row: Int, _ x: UnsafeRawPointer, _ start: Int, _ count: Int, from max: Float)
    -> MassSum
{
    if group.pointee.mass == nil { return MassSum(distance: sumDistances(x, count, from: max)) }
    return group.hasDoubleMass
        ? sumProducts(x, massBlock(group, row, start, count, Double.self), count, from: max, Double.self)
        : sumProducts(x, massBlock(group, row, start, count, Float.self), count, from: max, Float.self)
}

extension UnsafeMutablePointer<crossentropy_group> {
    /// Whether the distribution is of f64 numbers; all others are widened to f32.
    @inline(__always) fileprivate var hasDoubleMass: Bool { pointee.mass_format == CROSSENTROPY_NATIVE }

    @inline(__always)
    fileprivate func mass<Q: Element>(_: Q.Type) -> Storage<Q> {
        let format = pointee.mass_format
        return Storage(format: format == CROSSENTROPY_F32 ? CROSSENTROPY_NATIVE : format)
    }
}

/// A block of a row's distribution, side by side.
@inline(__always)
private func massBlock<Q: Element>(_ group: GroupPointer, _ row: Int, _ start: Int, _ count: Int, _: Q.Type)
    -> UnsafeRawPointer
{
    let storage = group.mass(Q.self)
    let stride = Int(group.pointee.mass_stride)
    let place = row &* Int(group.pointee.mass_row_stride) &+ start &* stride
    if stride == 1 && storage.isNative { return group.pointee.mass + place &* MemoryLayout<Q>.size }
    let copy = group.pointee.scratch + 3 &* blockSize &* MemoryLayout<Double>.size
    storage.gather(group.pointee.mass, place, stride, count, copy)
    return UnsafeRawPointer(copy)
}

/// Sums max - z over a block's classes. Four vectors of differences are added in f32, which costs three roundings of 2^-24.
@inline(never)
private func sumDistances(_ x: UnsafeRawPointer, _ count: Int, from max: Float) -> Double {
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

/// Sums q and q (max - z) in f64, because masses may have both signs. Where q is 0 the product is 0.
@inline(never)
private func sumProducts<Q: Element>(
    _ x: UnsafeRawPointer, _ q: UnsafeRawPointer, _ count: Int, from max: Float, _: Q.Type
) -> MassSum {
    let m = DoubleLanes(repeating: Double(finite(max)))
    let zero = DoubleLanes(repeating: 0)
    var masses = zero
    var distances = zero
    @inline(__always)
    func add(_ x: Singles, _ q: DoubleLanes) {
        masses += q
        distances += (q * (m - Float.widen(x))).replacing(with: zero, where: q .== zero)
    }
    forEachVector(count) { i in
        shim_prefetch(q + (i &+ blockSize) &* MemoryLayout<Q>.size)
        add(Float.loadLanes(x, i), Q.widen(Q.loadLanes(q, i)))
    } tail: { i, n in
        add(Float.loadTail(x, i, n, filler: 0), Q.widen(Q.loadTail(q, i, n, filler: 0)))
    }
    return MassSum(distance: sum(distances), mass: sum(masses))
}

/// `max`, or 0 for a block of nothing but -infinity, where any finite reference will do.
@inline(__always)
private func finite(_ max: Float) -> Float { max.magnitude < .infinity ? max : 0 }

/// Sets a group's sums over all classes, from those of the blocks; and as its labels the classes of the largest logits,
/// where the table has them.
@inline(never)
@_optimize(size)
func finishMass<T: Element>(_ group: GroupPointer, _ stats: LogSumExp, _ table: BlockTable<T>) {
    var distances = table.distances(0)
    var masses = table.aheads(0)
    var largest = table.argmaxes(0)
    if group.rows == 1 {
        var distance = CompensatedSum()
        var mass = CompensatedSum()
        for block in 0..<blockCount(group) {
            let (entry, lane) = (block / laneCount, block % laneCount)
            let max = table[entry].max[lane]
            let ofBlock =
                group.pointee.mass == nil ? Double(extent(group, block).count) : table.aheads(entry)[lane]
            distance.add(table.distances(entry)[lane])
            if ofBlock != 0 && max > -.infinity { distance.add(ofBlock * (stats.max[0] - max)) }
            mass.add(ofBlock)
            if max == stats.max[0] { largest[0] = table.argmaxes(entry)[lane] }
        }
        (distances[0], masses[0]) = (distance.value, mass.value)
    }
    if group.pointee.mass != nil {
        distances *= lanes(&group.pointee.mass_factor)
        masses *= lanes(&group.pointee.mass_factor)
    }
    store(distances, &group.pointee.distances)
    store(masses, &group.pointee.masses)
    if group.pointee.mass == nil { return }
    for row in 0..<group.rows { group.setLabel(row, stats.rest[row] < 0.5 ? Int(largest[row]) : -1) }
}

/// Losses and gradients of a finished group's rows.
@inline(never)
@_optimize(size)
func finishedMass(_ group: GroupPointer, _ stats: LogSumExp) -> Finished {
    let zero = DoubleLanes(repeating: 0)
    let one = DoubleLanes(repeating: 1)
    let isSmoothed = group.pointee.mass == nil
    let logOfTotal = log1p(stats.rest)
    let masses = lanes(&group.pointee.masses)
    var distance = lanes(&group.pointee.distances)
    var ofTotal = logOfTotal
    let (keep, spread) = (DoubleLanes(repeating: group.pointee.keep), DoubleLanes(repeating: group.pointee.spread))
    if isSmoothed {
        distance *= spread
        // With smoothing 1 the label's distance has weight 0, even where it is infinite.
        if group.pointee.smoothing != 1 { distance += keep * (stats.max - lanes(&group.pointee.target)) }
    } else {
        ofTotal = (masses * logOfTotal).replacing(with: zero, where: masses .== zero)
    }
    let loss = lanes(&group.pointee.loss_scale) * (stats.scaled(distance) + ofTotal)

    // Scales near the ends of f32 multiply gradients that are otherwise complete.
    var scale = lanes(&group.pointee.grad_scale)
    if group.pointee.has_powers != 0 {
        scale = Double.clamped(scale * lanes(&group.pointee.grad_power))
        store(one, &group.pointee.grad_power)
    }
    let magnitude = scale.replacing(with: zero - scale, where: scale .< zero)
    let isUsual =
        ((magnitude .>= DoubleLanes(repeating: 0x1p-60)) .& (magnitude .<= DoubleLanes(repeating: 0x1p60)))
        .| (scale .== zero)
    let late = scale.replacing(with: one, where: isUsual)
    store(late, &group.pointee.late_scale)
    scale = one.replacing(with: scale, where: isUsual)
    store(zero - scale * (isSmoothed ? spread : lanes(&group.pointee.mass_factor)), &group.pointee.offset)
    var probScale = isSmoothed ? scale : scale * masses
    let isUndefined = .!(masses - masses .== zero)
    if !isSmoothed { probScale.replace(with: DoubleLanes(repeating: .nan), where: isUndefined) }
    var ofLabel = (probability(lanes(&group.pointee.target), stats).p - keep) - spread
    if !isSmoothed {
        // Of a confident row's largest class, (A - q) - A rest / (1 + rest), because A p - q would cancel.
        let storage = Storage<Double>(format: group.pointee.mass_format)
        for row in 0..<group.rows where group.label(row) >= 0 {
            let place = row &* Int(group.pointee.mass_row_stride) &+ group.label(row) &* Int(group.pointee.mass_stride)
            let q = get(&group.pointee.mass_factor, row) * storage.load(group.pointee.mass, place)
            ofLabel[row] = masses[row] - q
        }
        ofLabel -= masses * (stats.rest / stats.total)
    }
    return Finished(loss: loss, probScale: probScale, targetGrad: late * (scale * ofLabel) + zero)
}

/// Completes the gradient of a row's block: A p_c is there, q_c is not.
func subtractMass(_ group: GroupPointer, _ row: Int, _ g: UnsafeMutableRawPointer, _ start: Int, _ count: Int) {
    let offset = Float(get(&group.pointee.offset, row))
    if group.pointee.mass == nil {
        add(offset, to: g, count)
    } else if group.hasDoubleMass {
        add(massBlock(group, row, start, count, Double.self), times: offset, to: g, count, Double.self)
    } else {
        add(massBlock(group, row, start, count, Float.self), times: offset, to: g, count, Float.self)
    }
    let late = get(&group.pointee.late_scale, row)
    if late != 1 { scaleLate(g, count, by: late) }
}

@inline(never)
private func add<Q: Element>(
    _ q: UnsafeRawPointer, times factor: Float, to g: UnsafeMutableRawPointer, _ count: Int, _: Q.Type
) {
    let factor = Singles(repeating: factor)
    forEachVector(count) { i in
        let sum = Float.loadLanes(UnsafeRawPointer(g), i).fusedAdding(Q.singles(Q.loadLanes(q, i)), factor)
        Float.storeLanes(sum, g, i)
    } tail: { i, n in
        let q = Q.singles(Q.loadTail(q, i, n, filler: 0))
        Float.storeTail(Float.loadTail(UnsafeRawPointer(g), i, n, filler: 0).fusedAdding(q, factor), g, i, n)
    }
}

@inline(never)
private func add(_ offset: Float, to g: UnsafeMutableRawPointer, _ count: Int) {
    let offset = Singles(repeating: offset)
    forEachVector(count) { i in
        Float.storeLanes(Float.loadLanes(UnsafeRawPointer(g), i) + offset, g, i)
    } tail: { i, n in
        Float.storeTail(Float.loadTail(UnsafeRawPointer(g), i, n, filler: 0) + offset, g, i, n)
    }
}

@inline(never)
@_optimize(size)
private func scaleLate(_ g: UnsafeMutableRawPointer, _ count: Int, by factor: Double) {
    for i in 0..<count { Float.store(Float(factor * Double(Float.load(UnsafeRawPointer(g), i))), g, i) }
}
