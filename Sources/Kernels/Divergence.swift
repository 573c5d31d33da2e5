import KernelABI

// The Kullback-Leibler divergence of two distributions of a row, in its generalised form (Csiszar, 1991):
//
//     sum of q d - q + p,   d = log q - log p
//
// Each term is q phi(-d), phi(u) = exp(u) - 1 - u, and so at least 0. An error that all d have in
// common, such as that of log_total, changes the sum only by half its square. For distributions that add
// up to 1 this is the sum of q d, the plain form.

typealias PairPointer = UnsafeMutablePointer<crossentropy_pair>

extension UnsafeMutablePointer<crossentropy_pair> {
    @inline(__always) var classes: Int { Int(pointee.classes) }
    @inline(__always) var prediction: DistributionPointer { crossentropy_prediction(self) }
    @inline(__always) var target: DistributionPointer { crossentropy_target(self) }
    /// Of two softmax distributions, which always add up to 1, both forms agree, and the generalised one cannot cancel.
    @inline(__always) var isPlain: Bool {
        pointee.is_plain != 0
            && !(prediction.pointee.kind == CROSSENTROPY_LOGITS && target.pointee.kind == CROSSENTROPY_LOGITS)
    }
}

/// The divergence of a row, in units of pair.total_unit. Leaves the d of each class in target.logs, in units of pair.unit, and
/// nothing of use in prediction.logs.
func divergence(_ pair: PairPointer) -> Double {
    pair.pointee.unit = 1
    pair.pointee.total_unit = 1
    let total = addTerms(pair)
    if total.magnitude == .infinity { return scaledDivergence(pair) }
    // Probabilities that underflow can leave a negative term.
    return total < 0 && !pair.isPlain ? 0 : total
}

/// Classes whose terms are written before they are added: few enough that they stay in the core's first cache.
private let partSize = 512

@inline(never)
private func addTerms(_ pair: PairPointer) -> Double {
    let target = pair.target
    let zero = DoubleLanes(repeating: 0)
    let shift = pair.prediction.pointee.log_total - target.pointee.log_total
    var total = CompensatedSum()
    var targetSum = CompensatedSum()
    var costSum = CompensatedSum()
    forEachBlock(pair.classes, pair.pointee.cancel) { start, count in
        var terms = zero
        var targets = zero
        var costs = zero
        var i = start
        while i < start &+ count {
            let end = start &+ count &- i < partSize ? start &+ count : i &+ partSize
            writeTerms(pair, i, end, shift)
            while i < end {
                let q = target.probs(i)
                terms += pair.prediction.logs(i)
                targets += q
                costs += (q * target.logs(i)).replacing(with: zero, where: q .== zero)
                i &+= laneCount
            }
        }
        total.add(sum(terms))
        targetSum.add(sum(targets))
        costSum.add(sum(costs))
    }
    pair.pointee.target_sum = target.pointee.kind == CROSSENTROPY_LOGITS ? 1 : targetSum.value
    pair.pointee.cost_sum = costSum.value
    return total.value
}

/// The divergence of a row for which `addTerms` gives an infinity: a product or a difference of logits may be too large
/// for f64 while the divergence is not. Here d is in units of 4, and terms are in units of 2^12. Where logits are that
/// far apart, the other parts of d vanish beside their difference.
@inline(never)
@_optimize(size)
private func scaledDivergence(_ pair: PairPointer) -> Double {
    let prediction = pair.prediction
    let target = pair.target
    let zero = DoubleLanes(repeating: 0)
    let one = DoubleLanes(repeating: 1)
    let quarter = DoubleLanes(repeating: 0.25)
    let unit = DoubleLanes(repeating: 0x1p-12)
    let x = prediction.logs
    let isOfLogits = (prediction.pointee.kind == CROSSENTROPY_LOGITS ? one : zero) .!= zero
    let isPlain = (pair.isPlain ? one : zero) .!= zero
    gather(prediction, pair.classes, to: x, transforms: prediction.pointee.transform.applies != 0)
    let m = DoubleLanes(repeating: prediction.pointee.largest)
    var terms = zero
    var costs = zero
    var total = CompensatedSum()
    var costSum = CompensatedSum()
    forEachVector(ofRow: pair.classes, pair.pointee.cancel) { i in
        let p = prediction.probs(i)
        let q = target.probs(i)
        let d = Double.loadLanes(UnsafeRawPointer(target.logs), i)
        let gap = quarter * m - quarter * prediction.logs(i)
        let isFar = (d .== DoubleLanes(repeating: .infinity)) .& isOfLogits
        let scaled = (quarter * d).replacing(with: gap, where: isFar)
        Double.storeLanes(scaled, target.logs, i)
        // Not 2^-10 q, which is 0 for the smallest q, and NaN times an infinite d.
        let cost = (q * (DoubleLanes(repeating: 0x1p-10) * scaled)).replacing(with: zero, where: q .== zero)
        terms += ((cost - unit * q) + unit * p).replacing(with: cost, where: isPlain)
        costs += (q * scaled).replacing(with: zero, where: q .== zero)
    } blockEnd: {
        total.add(sum(terms))
        costSum.add(sum(costs))
        terms = zero
        costs = zero
    }
    pair.pointee.unit = 4
    pair.pointee.total_unit = 1 / unit[0]
    pair.pointee.cost_sum = costSum.value
    return total.value
}

/// The divergence's derivative with respect to the prediction as given, before the chain rule for the transform of logits.
@inline(never)
func divergenceGradient(_ pair: PairPointer) {
    let prediction = pair.prediction
    let target = pair.target
    let zero = DoubleLanes(repeating: 0)
    let scale = DoubleLanes(repeating: pair.pointee.grad_scale)
    let kind = prediction.pointee.kind
    // Q p - q for logits, otherwise p - q, and 0 p - q in the plain form; divided by p where the prediction is probabilities.
    let share = DoubleLanes(
        repeating: kind == CROSSENTROPY_LOGITS ? pair.pointee.target_sum : pair.isPlain ? 0 : 1)
    let hasNone = share .== zero  // true even where p is infinite
    // A loop for each case, because a quotient costs more than all else.
    if kind == CROSSENTROPY_PROBS {
        forEachVector(ofRow: pair.classes, pair.pointee.cancel) { i in
            let p = prediction.probs(i)
            let q = target.probs(i)
            let difference = (p * share).replacing(with: zero, where: hasNone) - q
            let quotient = (difference / (p + zero)).replacing(with: share, where: q .== zero)
            Double.storeLanes(canonical(scale * quotient), prediction.logs, i)
        } blockEnd: {
        }
        return
    }
    forEachVector(ofRow: pair.classes, pair.pointee.cancel) { i in
        let difference = (prediction.probs(i) * share).replacing(with: zero, where: hasNone) - target.probs(i)
        Double.storeLanes(canonical(scale * difference), prediction.logs, i)
    } blockEnd: {
    }
}

/// The cost of a class, w_c (1 - e) (-log p_c), written over d: cross-entropy's derivative with respect to q_c.
@inline(never)
@_optimize(size)
func costs(_ pair: PairPointer) {
    pair.pointee.unit = 1
    let prediction = pair.prediction
    let target = pair.target
    let zero = DoubleLanes(repeating: 0)
    let logTotal = DoubleLanes(repeating: prediction.pointee.log_total)
    let keep = DoubleLanes(repeating: pair.pointee.keep)
    var costs = zero
    var costSum = CompensatedSum()
    forEachVector(ofRow: pair.classes, pair.pointee.cancel) { i in
        var mass = keep
        if let weight = pair.pointee.weight {
            mass *=
                i &+ laneCount <= pair.classes
                ? Double.loadLanes(UnsafeRawPointer(weight), i)
                : Double.loadTail(UnsafeRawPointer(weight), i, pair.classes &- i, filler: 0)
        }
        let cost = (mass * (logTotal - prediction.logs(i))).replacing(with: zero, where: mass .== zero)
        let q = target.probs(i)
        Double.storeLanes(cost, target.logs, i)
        costs += (q * cost).replacing(with: zero, where: q .== zero)
    } blockEnd: {
        costSum.add(sum(costs))
        costs = zero
    }
    pair.pointee.cost_sum = costSum.value
}

/// The derivative with respect to the target as given, from the derivative with respect
/// to q in target.logs, which is d or d + 1.
@inline(never)
@_optimize(size)
func targetGradient(_ pair: PairPointer) {
    let target = pair.target
    let zero = DoubleLanes(repeating: 0)
    let unit = pair.pointee.unit
    let scale = DoubleLanes(repeating: pair.pointee.grad_scale * unit)
    let kind = target.pointee.kind
    let one = DoubleLanes(repeating: pair.pointee.is_plain != 0 ? 1 / unit : 0)
    let mean = DoubleLanes(repeating: pair.pointee.cost_sum)
    let temper = DoubleLanes(
        repeating: target.pointee.transform.applies == 0 ? 1 : target.pointee.transform.logit_scale)
    forEachVector(ofRow: pair.classes, pair.pointee.cancel) { i in
        let q = target.probs(i)
        let d = target.logs(i)
        let slope: DoubleLanes
        if kind == CROSSENTROPY_PROBS {
            slope = d + one
        } else {
            let inner = kind == CROSSENTROPY_LOGITS ? (d - mean) * temper : d + one
            slope = (q * inner).replacing(with: zero, where: q .== zero)
        }
        Double.storeLanes(canonical(scale * slope), target.logs, i)
    } blockEnd: {
    }
}

/// Multiplies the gradient in prediction.logs by the derivative of the logits' transform.
func chain(_ pair: PairPointer) {
    let prediction = pair.prediction
    let stride = Int(prediction.pointee.stride)
    forEachBlock(pair.classes, pair.pointee.cancel) { start, count in
        let x = prediction.values + start &* MemoryLayout<Double>.size
        Storage<Double>(format: prediction.pointee.format).gather(
            prediction.pointee.data, start &* stride, stride, count, x)
        prediction.pointee.transform.chain(
            prediction.logs + start &* MemoryLayout<Double>.size, UnsafeRawPointer(x), count)
    }
}
