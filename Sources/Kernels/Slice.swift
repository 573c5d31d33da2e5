import KernelABI

// Rows of which a call has a slice of the classes: the block sums of the slice, and the gradient once the whole row is
// known. Block sums are in absolute powers of two, so that Core can add them exactly.
//
// Here, a group's label is counted from the slice's first class, and may be outside of the slice.

/// exp(m) = factor 2^exponent, with the factor in [0.70, 1.42]; error of the factor: below 1 ulp.
///
/// Two numbers beyond 2^62 are equal, or so far apart that the smaller one's exponential vanishes beside the other. So
/// all of them share one exponential, 1.
struct PowerOfE {
    var factor: Double
    var exponent: Int64

    @inline(never)
    @_optimize(size)
    init(_ m: Double) {
        if m.magnitude < 0x1p40 {
            factor = Double.expUnit(DoubleLanes(repeating: m))[0] / expBiasPower
            exponent = Double.expExponent(m)
        } else if m.magnitude > 0x1p62 {
            factor = 1
            exponent = 0
        } else {
            // |m| = significand 2^power, times log2(e) = 1 + the fraction of 128 bits below (tools/make_constants.py).
            let power = Int64(m.exponentBitPattern) &- 1023 &- 52  // -12 to 10
            let significand = m.significandBitPattern | 1 << 52
            let low = significand.multipliedFullWidth(by: 0x7D0F_FDA0_D23A_7D11)
            let high = significand.multipliedFullWidth(by: 0x7154_7652_B82F_E177)
            let (middle, carry) = high.low.addingReportingOverflow(low.high)
            let top = significand &+ high.high &+ (carry ? 1 : 0)
            // The bits before and after the binary point.
            var whole: UInt64
            var fraction: UInt64
            if power >= 0 {
                whole = top &<< UInt64(power) | (power == 0 ? 0 : middle &>> UInt64(64 &- power))
                fraction = middle &<< UInt64(power) | (power == 0 ? 0 : low.low &>> UInt64(64 &- power))
            } else {
                whole = top &>> UInt64(0 &- power)
                fraction = top &<< UInt64(64 &+ power) | middle &>> UInt64(0 &- power)
            }
            whole &+= fraction &>> 63  // to nearest: the remainder is from -1/2 to 1/2
            let sign: Double = m < 0 ? -1 : 1
            let rest = sign * Double(Int64(bitPattern: fraction)) * 0x1p-64 * 0x1.62e42fefa39efp-1
            factor = expFactor(DoubleLanes(repeating: rest), DoubleLanes(repeating: 0))[0]
            exponent = m < 0 ? 0 &- Int64(bitPattern: whole) : Int64(bitPattern: whole)
        }
    }
}

/// The sums of a block of a row's slice. The class of the block's largest logit is searched for only if that logit is
/// above `result.max`, the largest so far.
@inline(never)
func sliceBlock<T: Element>(
    _ group: GroupPointer, _ row: Int, _ block: Int, _ result: UnsafeMutablePointer<crossentropy_block_sum>, _: T.Type
) {
    let (start, count) = extent(group, block)
    let reader = reader(group, row, T.self)
    let x = reader.block(start, count)
    let sums: BlockSum<T> = blockSum(
        x, count, .one, reader.upcoming(start), scratch: shiftBlock(group), T.self)
    let isShifted = T.get(0, of: T.expReference(T.splat(sums.reference)).shift) != 0
    var factor = 1.0
    var exponent: Int64
    if isShifted {
        let unit = PowerOfE(Double(sums.reference))
        (factor, exponent) = (unit.factor, unit.exponent)
    } else {
        exponent = T.expExponent(sums.reference)
    }
    let argmax = Double(sums.max) > result.pointee.max ? firstIndex(of: sums.max, x, count) : nil
    result.pointee.max = Double(sums.max) + 0
    result.pointee.argmax = argmax.map { Int64(start &+ $0) } ?? -1
    result.pointee.sum = sums.sum * factor
    result.pointee.top = Double(sums.top) * factor
    result.pointee.exponent = exponent &- Int64(expBias)
}

/// Reads the logits of those labels that are in the slice; 0 for the others.
@inline(never)
@_optimize(size)
func readSliceTargets<T: Element>(_ group: GroupPointer, _: T.Type) {
    store(DoubleLanes(repeating: 0), &group.pointee.target)
    withUnsafeMutablePointer(to: &group.pointee.target) { target in
        for row in 0..<group.rows where group.label(row) >= 0 && group.label(row) < group.classes {
            let x = group.input(T.self).load(group.pointee.input, group.inputPlace(row, group.label(row)))
            Double.store(Double(x), UnsafeMutableRawPointer(target), row)
        }
    }
    if T.self == Double.self && group.pointee.transform.applies != 0 { transformTargets(group) }
}

/// sum 2^exponent / exp(max).
@inline(never)
@_optimize(size)
func sliceRest(_ max: Double, _ sum: Double, _ exponent: Int64) -> Double {
    let largest = PowerOfE(max)
    var rest = sum / largest.factor
    var power = exponent &- largest.exponent
    while power < -1000 && rest != 0 {
        rest *= 0x1p-1000
        power &+= 1000
    }
    while power > 1000 && rest < .infinity && rest != 0 {
        rest *= 0x1p1000
        power &-= 1000
    }
    if rest == 0 { return 0 }
    return rest * Double(bitPattern: UInt64(bitPattern: power < -1000 ? 0 : power > 1000 ? 2046 : power &+ 1023) &<< 52)
}

/// Writes the gradient of the slice, for rows that are finished.
@inline(never)
@_optimize(size)
func writeSlice<T: Element>(_ group: GroupPointer, _: T.Type) {
    let one = DoubleLanes(repeating: 1)
    let stats = LogSumExp(max: lanes(&group.pointee.max), rest: lanes(&group.pointee.rest))
    // Relative to the row's largest logit rather than the block's, so that a gradient
    // depends on its logit and that maximum alone.
    let inverse = one / T.expUnit(T.narrow(stats.max))
    let factors = ProbabilityFactor<T>(group, weights: (one, inverse), total: stats.total)
    let certainty = Certainty<T>(group)
    for row in 0..<group.rows {
        let max = T(get(&group.pointee.max, row))
        for block in 0..<blockCount(group) {
            if crossentropy_is_cancelled(group.pointee.cancel) { return }
            writeBlock(group, row, block, factors.lane(row), certainty, kept: nil, reference: max)
        }
    }
}
