import Shims

// Second derivatives of cross-entropy with respect to the logits of a row with target mass A: those of
// A lse + z_loss lse^2, because the target itself enters linearly. With m = sum(p v),
//
//     (H v)_c = p_c ((A + 2 z_loss lse) (v_c - m) + 2 z_loss m)

func hessianVector(_ pair: PairPointer) {
    // Differences of numbers near the ends of the range may overflow although the result does not. Then they are
    // computed in units of 8.
    if !multiply(pair, unit: 1) { _ = multiply(pair, unit: 8) }
}

/// False, and nothing is written, if the mean overflows.
@inline(never)
@_optimize(size)
private func multiply(_ pair: PairPointer, unit: Double) -> Bool {
    let prediction = pair.prediction
    let vector = UnsafeRawPointer(pair.target.values)
    let (mass, square) = coefficients(pair)
    let scale = DoubleLanes(repeating: pair.pointee.grad_scale)
    let share = DoubleLanes(repeating: 1 / unit)
    // v is counted from v0, that of the largest logit: where its probability is nearly 1, m is nearly v0.
    let origin = largestClass(prediction, pair.classes).map { Double.load(vector, $0) } ?? .nan
    let v0 = share * DoubleLanes(repeating: origin)
    var products = DoubleLanes(repeating: 0)
    var mean = CompensatedSum()
    forEachVector(ofRow: pair.classes, pair.pointee.cancel) { i in
        let p = prediction.probs(i)
        let product = p * (share * Double.loadLanes(vector, i) - v0)
        products += product.replacing(with: p, where: p .== DoubleLanes(repeating: 0))
    } blockEnd: {
        mean.add(sum(products))
        products = DoubleLanes(repeating: 0)
    }
    if unit == 1 && !(mean.value.magnitude < .infinity) { return false }
    let m = DoubleLanes(repeating: mean.value)
    let offset = DoubleLanes(repeating: square) * (v0 + m)
    forEachVector(ofRow: pair.classes, pair.pointee.cancel) { i in
        let p = prediction.probs(i)
        let distance = (share * Double.loadLanes(vector, i) - v0) - m
        let result = scale * p * (DoubleLanes(repeating: mass) * distance + offset)
        Double.storeLanes(canonical(DoubleLanes(repeating: unit) * result), prediction.logs, i)
    } blockEnd: {
    }
    return true
}

@inline(never)
@_optimize(size)
func hessianDiagonal(_ pair: PairPointer) {
    let prediction = pair.prediction
    let (mass, square) = coefficients(pair)
    let scale = DoubleLanes(repeating: pair.pointee.grad_scale)
    let largest = largestClass(prediction, pair.classes)
    let rest = prediction.pointee.rest
    forEachVector(ofRow: pair.classes, pair.pointee.cancel) { i in
        let p = prediction.probs(i)
        let other = DoubleLanes(repeating: 1) - p
        let result = scale * p * (DoubleLanes(repeating: mass) * other + DoubleLanes(repeating: square) * p)
        Double.storeLanes(canonical(result), prediction.logs, i)
    } blockEnd: {
    }
    // 1 - p of the largest class, without cancellation.
    if let largest, rest < 1 {
        let p = prediction.pointee.factor
        let result = pair.pointee.grad_scale * p * (mass * (rest * p) + square * p)
        Double.store(result, prediction.logs, largest)
    }
}

/// The factors of v_c - m and of m.
@inline(__always)
private func coefficients(_ pair: PairPointer) -> (Double, Double) {
    let square = 2 * pair.pointee.z_loss
    if square == 0 { return (pair.pointee.mass, 0) }
    let prediction = pair.prediction.pointee
    return (pair.pointee.mass + square * (prediction.largest + prediction.log_total), square)
}

/// `nil` if the row is nothing but NaN.
@inline(__always)
private func largestClass(_ prediction: DistributionPointer, _ classes: Int) -> Int? {
    firstIndex(of: 0.0, inRow: UnsafeRawPointer(prediction.logs), classes, prediction.pointee.cancel)
}
