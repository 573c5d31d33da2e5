import KernelABI

// The terms of a divergence, one for each class (see Divergence.swift). Where rows have one class, as PyTorch's kl_div has them
// without a reduction, a row is a single term. Such rows are staged side by side as if they were the classes of one row, as no
// step from there to their gradients looks at a neighbour.

/// Replaces prediction.logs by the terms of the classes from `start` to `end`, in whole vectors, and target.logs by d.
///
/// - Parameter shift: Added to the difference of the logarithms gives d.
@inline(never)
func writeTerms(_ pair: PairPointer, _ start: Int, _ end: Int, _ shift: Double) {
    // A loop for each form, because the plain one is a quarter of the other and needs no p.
    if pair.isPlain { plainTerms(pair, start, end, shift) } else { generalisedTerms(pair, start, end, shift) }
}

@inline(never)
private func plainTerms(_ pair: PairPointer, _ start: Int, _ end: Int, _ shift: Double) {
    let zero = DoubleLanes(repeating: 0)
    var i = start
    while i < end {
        let q = pair.target.probs(i)
        let (d, isUndefined) = distance(pair, i, shift)
        let cost = (q * d).replacing(with: zero, where: q .== zero)
        let term = cost.replacing(with: DoubleLanes(repeating: .nan), where: isUndefined)
        Double.storeLanes(term, pair.prediction.logs, i)
        i &+= laneCount
    }
}

@inline(never)
private func generalisedTerms(_ pair: PairPointer, _ start: Int, _ end: Int, _ shift: Double) {
    let zero = DoubleLanes(repeating: 0)
    var i = start
    while i < end {
        let p = pair.prediction.probs(i)
        let q = pair.target.probs(i)
        let (d, isUndefined) = distance(pair, i, shift)
        // Two formulas of the term: `near` is accurate where d is small, `far` elsewhere.
        let near = q * phi(zero - d)
        let far = ((q * d) - q) + p
        let isNear = (d .< DoubleLanes(repeating: 0.25)) .& (d .> DoubleLanes(repeating: -0.25))
        let term = far.replacing(with: near, where: isNear).replacing(with: p, where: q .== zero)
            .replacing(with: DoubleLanes(repeating: .nan), where: isUndefined)
        Double.storeLanes(term, pair.prediction.logs, i)
        i &+= laneCount
    }
}

/// d of sixteen classes, which is also stored, and where a logarithm is NaN.
@inline(__always)
private func distance(
    _ pair: PairPointer, _ i: Int, _ shift: Double
) -> (DoubleLanes, isUndefined: SIMDMask<SIMD16<Int64>>) {
    let logP = pair.prediction.logs(i)
    let logQ = pair.target.logs(i)
    let gap = logQ - logP
    // The class has probability 0 on both sides. (Or one of them is NaN, which makes the row's result NaN.)
    let d = (gap + DoubleLanes(repeating: shift)).replacing(with: DoubleLanes(repeating: 0), where: gap .!= gap)
    Double.storeLanes(d, pair.target.logs, i)
    return (d, (logP .!= logP) .| (logQ .!= logQ))
}

/// exp(u) - 1 - u for |u| <= 1/4, by Taylor's series: relative error below 2^-51 (its remainder is 2^-53).
@inline(__always)
private func phi(_ u: DoubleLanes) -> DoubleLanes {
    var s = DoubleLanes(repeating: 1 / 479_001_600)  // 1 / 12!
    s = s * u + DoubleLanes(repeating: 1 / 39_916_800)
    s = s * u + DoubleLanes(repeating: 1 / 3_628_800)
    s = s * u + DoubleLanes(repeating: 1 / 362_880)
    s = s * u + DoubleLanes(repeating: 1 / 40_320)
    s = s * u + DoubleLanes(repeating: 1 / 5_040)
    s = s * u + DoubleLanes(repeating: 1 / 720)
    s = s * u + DoubleLanes(repeating: 1 / 120)
    s = s * u + DoubleLanes(repeating: 1 / 24)
    s = s * u + DoubleLanes(repeating: 1 / 6)
    s = s * u + DoubleLanes(repeating: 0.5)
    return s * u * u
}

/// Writes the divergence of each row of one class, times `scale`, and leaves d in target.logs. Returns CROSSENTROPY_TERMS_...
@inline(never)
func divergenceTerms(_ pair: PairPointer, _ scale: Double, _ terms: UnsafeMutablePointer<Double>) -> Int32 {
    let terms = UnsafeMutableRawPointer(terms)
    let zero = DoubleLanes(repeating: 0)
    let one = DoubleLanes(repeating: 1)
    let scale = DoubleLanes(repeating: scale)
    // Probabilities that underflow can leave a negative term.
    let least = DoubleLanes(repeating: pair.isPlain ? -.infinity : 0)
    pair.pointee.unit = 1
    writeTerms(pair, 0, pair.classes, 0)
    var undefined = zero
    var overflow = zero
    var i = 0
    while i < pair.classes {
        let term = pair.prediction.logs(i)
        undefined += zero.replacing(with: one, where: term .!= term)
        // NaN where the term is infinite and d is not: a product was too large, which another unit may hold.
        let d = pair.target.logs(i)
        overflow += (term * zero).replacing(with: zero, where: term .!= term)
            .replacing(with: zero, where: d * zero .!= zero)
        let clipped = term.replacing(with: least, where: term .< least)
        Double.storeLanes(canonical(scale * (clipped + zero)), terms, i)
        i &+= laneCount
    }
    return (isAnySet(undefined .!= zero) ? CROSSENTROPY_TERMS_NAN : 0)
        | (isAnySet(overflow .!= zero) ? CROSSENTROPY_TERMS_OVERFLOW : 0)
}
