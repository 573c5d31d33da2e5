import KernelABI
import Shims

// Groups of f32 logits with a cap: the same sums as of other logits, of exponentials that Cap.swift computes from x.
// Because z grows with x, a row's largest z is that of its largest x.

extension crossentropy_group {
    /// Whether logits have a cap, in kernels for f32; those for f64 transform them before.
    @inline(__always) var isCapped: Bool { transform.softcap != 0 }
    /// Whether the logits, which the slopes need, are where the gradients will be.
    @inline(__always) var isCappedInPlace: Bool { isCapped && grad == UnsafeMutableRawPointer(mutating: input) }
}

extension ExponentScale {
    /// Whether exponentials are those of `Cap`, whose unit does not depend on m.
    @inline(__always) var isOfCap: Bool { high == 0 }
}

// The loops over whole vectors, which rows and columns share.

/// The exponentials of `count` logits. `e` may be `x`.
/// - Parameters:
///   - count: A multiple of 16.
///   - origin: See `Cap`, of each lane.
@inline(never)
private func exponentials(
    _ group: GroupPointer, _ x: UnsafeRawPointer, _ count: Int, from origin: DoubleLanes, _ e: UnsafeMutableRawPointer,
    _ upcoming: Upcoming
) {
    let cap = Cap(group.pointee.transform)
    var i = 0
    while i < count {
        upcoming.prefetch(i)
        Float.storeLanes(cap.exponential(Float.loadLanes(x, i), from: origin), e, i)
        i &+= laneCount
    }
}

/// Multiplies exponentials by a factor, which gives gradients with respect to z, and by dz/dx. `g` may be `e` or `x`.
/// - Parameter count: A multiple of 16.
@inline(never)
private func gradients(
    _ group: GroupPointer, _ x: UnsafeRawPointer, _ e: UnsafeRawPointer, _ count: Int, _ factor: CapFactor,
    _ g: UnsafeMutableRawPointer
) {
    let cap = Cap(group.pointee.transform)
    let (factor, factorPower) = (factor.factor, factor.power)
    var i = 0
    while i < count {
        let (slope, power) = cap.slope(Float.loadLanes(x, i))
        // In this order no product overflows or underflows where the gradient does not.
        Float.storeLanes(Float.loadLanes(e, i) * factor * slope * factorPower * power, g, i)
        i &+= laneCount
    }
}

/// A `ProbabilityFactor`; or 1 in rows that `Certainty` corrects, which takes complete gradients with respect to z. That
/// depends on the row alone, so that the bits do not depend on the other rows of a group.
private struct CapFactor {
    let factor: Singles
    let power: Singles

    @inline(__always)
    init(_ factor: ProbabilityFactor<Float>, _ bar: Singles) {
        let isCertain = bar .< Singles(repeating: .infinity)
        self.factor = factor.factor.replacing(with: Singles(repeating: 1), where: isCertain)
        power = factor.power.replacing(with: Singles(repeating: 1), where: isCertain)
    }
}

/// z of sixteen x: the logits of labels, or the largest ones; and references for exponentials, which are finite.
@inline(never)
@_optimize(size)
private func setLogits(
    _ group: GroupPointer, _ x: Singles, _ z: UnsafeMutablePointer<Doubles16>,
    _ reference: UnsafeMutablePointer<Doubles16>
) {
    let finite = Cap(group.pointee.transform).logits(x)
    store(finite, reference)
    let wide = Float.widen(x)
    // The z-loss needs z to a relative error.
    if group.pointee.terms.z_loss != 0 { return store(group.pointee.transform(wide), z) }
    // x - x is 0 unless x is infinite or NaN.
    store(finite.replacing(with: wide, where: (wide - wide) .!= DoubleLanes(repeating: 0)), z)
}

/// Replaces the labels' x by z, and sets the slopes there.
@inline(never)
@_optimize(size)
func capTargets(_ group: GroupPointer) {
    let x = Float.narrow(lanes(&group.pointee.target))
    let (slope, power) = Cap(group.pointee.transform).slope(x)
    setLogits(group, x, &group.pointee.target, &group.pointee.target_slope)
    store(Float.widen(slope) * Float.widen(power), &group.pointee.target_slope)
}

// MARK: Row by row

/// Scratch memory for the last, incomplete vector of a block: logits, and exponentials or gradients.
private struct Tail {
    private let base: UnsafeMutableRawPointer
    let whole: Int
    let rest: Int

    @inline(__always)
    init(_ group: GroupPointer, _ count: Int) {
        base = shiftBlock(group)
        whole = count & -laneCount
        rest = count & (laneCount &- 1)
    }

    @inline(__always) var x: UnsafeMutableRawPointer { base }
    @inline(__always) var result: UnsafeMutableRawPointer { base + 64 }

    /// Copies the last numbers of a block; the other lanes hold `filler`.
    @inline(__always)
    func read(_ block: UnsafeRawPointer, to lanes: UnsafeMutableRawPointer, filler: Float) {
        Float.storeLanes(Singles(repeating: filler), lanes, 0)
        lanes.copyMemory(from: block + whole &* 4, byteCount: rest &* 4)
    }

    @inline(__always)
    func write(to block: UnsafeMutableRawPointer) {
        (block + whole &* 4).copyMemory(from: result, byteCount: rest &* 4)
    }
}

/// Sums a block, as `sumBlocks` in Logits.swift. The exponentials are left in `e`.
@inline(never)
@_optimize(size)
func sumCappedBlock(
    _ group: GroupPointer, _ x: UnsafeRawPointer, _ count: Int, _ e: UnsafeMutableRawPointer, _ upcoming: Upcoming,
    _ table: BlockTable<Float>, _ lane: Int
) {
    setLogits(group, Singles(repeating: largest(x, count, Float.self)), &group.pointee.max, &group.pointee.rest)
    let m = get(&group.pointee.rest, 0)
    cappedExponentials(group, x, count, from: m, e, upcoming)
    let tail = Tail(group, count)
    let (sum, top) = sumExponentials(e, tail.whole, tail.rest == 0 ? nil : UnsafeRawPointer(tail.result))
    table.set(lane / laneCount, lane % laneCount, max: get(&group.pointee.max, 0), reference: m, sum: sum, top: top)
}

/// The exponentials of a block, relative to m; those of its last, incomplete vector are also left in `Tail`.
@inline(never)
@_optimize(size)
func cappedExponentials(
    _ group: GroupPointer, _ x: UnsafeRawPointer, _ count: Int, from m: Double, _ e: UnsafeMutableRawPointer,
    _ upcoming: Upcoming
) {
    let tail = Tail(group, count)
    let origin = Cap(group.pointee.transform).origin(DoubleLanes(repeating: m))
    exponentials(group, x, tail.whole, from: origin, e, upcoming)
    if tail.rest == 0 { return }
    tail.read(x, to: tail.x, filler: -.infinity)
    exponentials(group, tail.x, laneCount, from: origin, tail.result, upcoming)
    tail.write(to: e)
}

/// The sum of exponentials but the largest, and the largest: as `blockSum` adds them up.
/// - Parameter last: A last vector, if there is one.
@inline(never)
private func sumExponentials(_ e: UnsafeRawPointer, _ count: Int, _ last: UnsafeRawPointer?) -> (Double, Float) {
    var top = Singles(repeating: 0)
    var sums = DoubleLanes(repeating: 0)
    @inline(__always) func add(_ e: Singles) {
        sums += Float.widen(Float.minimum(top, e))
        top = Float.maximum(top, e)
    }
    var i = 0
    while i < count {
        add(Float.loadLanes(e, i))
        i &+= laneCount
    }
    if let last { add(Float.loadLanes(last, 0)) }
    let result = total(Float(0), Float(0), sums, top)
    return (result.sum, result.top)
}

/// The gradient of a row's block, from its exponentials. `g` may be `e` or `x`.
@inline(never)
@_optimize(size)
private func cappedGradients(
    _ group: GroupPointer, _ x: UnsafeRawPointer, _ e: UnsafeRawPointer, _ count: Int, _ factor: CapFactor,
    _ g: UnsafeMutableRawPointer
) {
    let tail = Tail(group, count)
    gradients(group, x, e, tail.whole, factor, g)
    if tail.rest == 0 { return }
    tail.read(x, to: tail.x, filler: 0)
    tail.read(e, to: tail.result, filler: 0)
    gradients(group, tail.x, tail.result, laneCount, factor, tail.result)
    tail.write(to: g)
}

/// Writes the gradient of a row's block to `g`, from the exponentials in `e`; or, if these were not kept, after it has
/// computed them again.
@inline(never)
@_optimize(size)
func writeCappedBlock(
    _ group: GroupPointer, _ row: Int, _ block: Int, _ e: UnsafeMutableRawPointer, isKept: Bool,
    _ factor: ProbabilityFactor<Float>, _ certainty: Certainty<Float>, _ g: UnsafeMutableRawPointer
) {
    let (start, count) = extent(group, block)
    let reader = reader(group, row, Float.self)
    let x = reader.block(start, count)
    if !isKept {
        let table = BlockTable(group.pointee.blocks, group.pointee.exponent_scale, Double.self)
        let lane = group.rows > 1 ? row : block
        let m = table.reference(lane / laneCount, lane % laneCount)
        cappedExponentials(group, x, count, from: m, e, reader.upcoming(start))
    }
    let bar = certainty.bar[row]
    if bar < .infinity {
        scale(e, count, factor)
        certainty.correct(e, count, row: row)
    }
    cappedGradients(group, x, e, count, CapFactor(factor, Singles(repeating: bar)), g)
}

// MARK: Class by class

/// Reads logits into the second panel, where they stay for the slopes.
@inline(__always)
func readCapped(_ group: GroupPointer, _ start: Int, _ count: Int) -> Panel<Float> {
    let logits = Panel(group, Float.self, isSecond: true)
    logits.read(start, count)
    return logits
}

/// Writes the logits' exponentials to the first panel.
@inline(never)
@_optimize(size)
func cappedExponentials(_ logits: Panel<Float>, _ count: Int, from m: DoubleLanes) {
    let x = logits.numbers
    let origin = Cap(logits.group.pointee.transform).origin(m)
    let e = Panel(logits.group, Float.self).numbers
    exponentials(logits.group, x, count &* laneCount, from: origin, e, Upcoming(block: x, shift: 2))
}

@inline(never)
@_optimize(size)
func cappedSum(_ group: GroupPointer, _ start: Int, _ count: Int) -> BlockSums<Float> {
    let panel = readCapped(group, start, count)
    var x = Singles(repeating: -.infinity)
    for c in 0..<count { x = Float.maximum(x, panel[c]) }
    setLogits(group, x, &group.pointee.max, &group.pointee.rest)
    cappedExponentials(panel, count, from: lanes(&group.pointee.rest))
    var block = sums(Panel(group, Float.self), count)
    block.max = lanes(&group.pointee.max)
    block.reference = lanes(&group.pointee.rest)
    return block
}

/// Writes gradients, as `write` in LogitsColumns.swift.
@inline(never)
@_optimize(size)
func writeCapped(
    _ group: GroupPointer, _ start: Int, _ count: Int, _ factor: ProbabilityFactor<Float>,
    _ certainty: Certainty<Float>
) {
    let panel = Panel(group, Float.self)
    let logits = Panel(group, Float.self, isSecond: true)
    if certainty.isAny {
        let isCertain = certainty.bar .< Singles(repeating: .infinity)
        for c in 0..<count { panel[c] = panel[c].replacing(with: certainty(factor(panel[c])), where: isCertain) }
    }
    gradients(
        group, logits.numbers, panel.numbers, count &* laneCount, CapFactor(factor, certainty.bar),
        panel.numbers)
    let isFilled = Float.narrow(lanes(&group.pointee.is_filled))
    if Float.isAny(isFilled, equalTo: Singles(repeating: 1)) {
        let filler = Float.narrow(lanes(&group.pointee.target_grad))
        for c in 0..<count { panel[c] = Float.select(isFilled, filler, panel[c]) }
    }
    panel.write(start, count)
}
