import KernelABI

// Divergences of rows of one class, such as PyTorch's kl_div without a reduction has: a row is a single term. Such rows are
// staged side by side as if they were the classes of one row, as no step from there to their gradients looks at a neighbour.

/// Writes the term of each row, times `scale`, and leaves d in target.logs. Returns CROSSENTROPY_TERMS_...
@inline(never)
func divergenceTerms(_ pair: PairPointer, _ scale: Double, _ terms: UnsafeMutablePointer<Double>) -> Int32 {
    pair.pointee.unit = 1
    let terms = UnsafeMutableRawPointer(terms)
    // A loop for each form, because the plain one is a quarter of the other and needs no p.
    return pair.pointee.is_plain != 0 ? plainTerms(pair, scale, terms) : generalisedTerms(pair, scale, terms)
}

@inline(never)
private func plainTerms(_ pair: PairPointer, _ scale: Double, _ terms: UnsafeMutableRawPointer) -> Int32 {
    let prediction = pair.prediction
    let target = pair.target
    let zero = DoubleLanes(repeating: 0)
    let scale = DoubleLanes(repeating: scale)
    var notes = TermNotes()
    var i = 0
    while i < pair.classes {
        let q = target.probs(i)
        let logP = prediction.logs(i)
        let logQ = target.logs(i)
        // As `divergenceTerm`.
        let gap = logQ - logP
        let d = (gap + zero).replacing(with: zero, where: gap .!= gap)
        Double.storeLanes(d, target.logs, i)
        let isUndefined = (logP .!= logP) .| (logQ .!= logQ)
        let cost = (q * d).replacing(with: zero, where: q .== zero)
            .replacing(with: DoubleLanes(repeating: .nan), where: isUndefined)
        notes.add(cost, d)
        Double.storeLanes(canonical(scale * (cost + zero)), terms, i)
        i &+= laneCount
    }
    return notes.bits
}

@inline(never)
private func generalisedTerms(_ pair: PairPointer, _ scale: Double, _ terms: UnsafeMutableRawPointer) -> Int32 {
    let prediction = pair.prediction
    let target = pair.target
    let zero = DoubleLanes(repeating: 0)
    let scale = DoubleLanes(repeating: scale)
    var notes = TermNotes()
    var i = 0
    while i < pair.classes {
        let (d, _, term) = divergenceTerm(
            p: prediction.probs(i), q: target.probs(i), logP: prediction.logs(i), logQ: target.logs(i), zero,
            zero .!= zero)
        Double.storeLanes(d, target.logs, i)
        notes.add(term, d)
        // Probabilities that underflow can leave a negative term.
        let atLeast0 = term.replacing(with: zero, where: term .< zero)
        Double.storeLanes(canonical(scale * (atLeast0 + zero)), terms, i)
        i &+= laneCount
    }
    return notes.bits
}

/// What is to be known of terms beside their values.
private struct TermNotes {
    private var areNaN = DoubleLanes(repeating: 0)
    private var overflow = DoubleLanes(repeating: 0)

    @inline(__always)
    mutating func add(_ term: DoubleLanes, _ d: DoubleLanes) {
        let zero = DoubleLanes(repeating: 0)
        // NaN for NaN and infinities: of a term whose d is finite a product was too large, which another unit may hold.
        let vanished = term * zero
        areNaN += zero.replacing(with: DoubleLanes(repeating: 1), where: term .!= term)
        overflow += vanished.replacing(with: zero, where: (term .!= term) .| (d * zero .!= zero))
    }

    @inline(__always)
    var bits: Int32 {
        let zero = DoubleLanes(repeating: 0)
        return (isAnySet(areNaN .!= zero) ? CROSSENTROPY_TERMS_NAN : 0)
            | (isAnySet(overflow .!= zero) ? CROSSENTROPY_TERMS_OVERFLOW : 0)
    }
}
