import KernelABI
import Shims

// The divergence of f32 logits from f32 logits, and its gradient p - q: the same sum as in Divergence.swift, with
// exponentials in f32. A scale of the logits, such as 1 / temperature, is part of the exponentials (ExponentScale).
//
// Error, in units of u = 2^-24: 3 of p and of q, of which 2 are the exponential's, and 3.8 with a scale, 2.8 of them the
// exponential's; 1 of d, which is computed in f64 and kept in f32. A term (q d - q) + p has an error of 3.8 (q + p) + q |d| +
// q |d| + q |d - 1| and 1 of itself: for |d| >= 3/2 less than 14.3 u of the term, 8.5e-7, and 13 u without a scale. A term q
// phi(-d), with the series in f32, has an error of less than 11 u.
//
// The normalizers each have an error of up to 3.8 u (3 u), which all d have in common. That adds at most (7.6 u)^2 / 2 = 1.1e-13
// (6.4e-14) to the sum: negligible in divergences above `Pairs.leastSingleDivergence`, and the whole error where the
// distributions are the same.
//
// The gradient's p and q have 2 of the rounding of their factors and products beside 4.8 (4) of the exponentials and the
// normalizer, and their difference 1: less than 16 u (13 u) of the larger one, 9.6e-7.

typealias Singles = SIMD16<Float>

/// A row's f32 logits, side by side, their exponentials, and the numbers that turn these into probabilities.
private struct SingleLogits {
    let x: UnsafeRawPointer
    /// Padded with 0 to whole vectors.
    let e: UnsafeMutableRawPointer
    let max: Double
    /// The scale of the logits.
    let scale: Double
    /// Turns exponentials into probabilities; NaN if the row has NaN or +infinity, or nothing but -infinity.
    let factor: Double
    let logTotal: Double

    init(_ d: DistributionPointer, _ classes: Int, scratch: UnsafeMutableRawPointer) {
        let exponentials = d.values
        let logits: UnsafeRawPointer
        let format = d.pointee.format == CROSSENTROPY_F32 ? CROSSENTROPY_NATIVE : d.pointee.format
        if d.pointee.stride == 1 && format == CROSSENTROPY_NATIVE {
            logits = d.pointee.data
        } else {
            let stride = Int(d.pointee.stride)
            forEachBlock(classes, d.pointee.cancel) { start, count in
                Storage<Float>(format: format).gather(
                    d.pointee.data, start &* stride, stride, count, d.logs + start &* MemoryLayout<Float>.size)
            }
            logits = UnsafeRawPointer(d.logs)
        }
        let scale = d.pointee.exponent_scale
        // The largest, and the block that has it: one of its largest exponentials stays out of the sum.
        var m = -Float.infinity
        var holder = 0
        forEachBlock(classes, d.pointee.cancel) { start, count in
            let largest = largest(logits + start &* MemoryLayout<Float>.size, count, Float.self)
            if largest > m { (m, holder) = (largest, start) }
        }
        var rest = 0.0
        let reference = m.magnitude < .infinity ? m : 0
        forEachBlock(classes, d.pointee.cancel) { start, count in
            let bytes = start &* MemoryLayout<Float>.size
            // Prefetches the next row, if that is the next in memory.
            let upcoming = Upcoming(block: logits + bytes + classes &* MemoryLayout<Float>.size, shift: 2)
            let sums = keepingSums(
                logits + bytes, count, m, reference, scale, exponentials + bytes, upcoming, scratch)
            rest += start == holder ? sums.sum : sums.sum + Double(sums.top)
        }
        var i = classes
        while i % laneCount != 0 {
            Float.store(0, exponentials, i)
            i &+= 1
        }
        let unit = Float.expUnit(Singles(repeating: m), scale)[0]
        rest /= unit
        let isUndefined = !(m.magnitude < .infinity && rest == rest)
        x = logits
        e = exponentials
        max = Double(m)
        self.scale = scale.factor
        factor = isUndefined ? .nan : Self.factor(m, scale, unit, rest)
        logTotal = log1p(DoubleLanes(repeating: rest))[0]
    }

    /// The largest logit, scaled.
    var scaledMax: Double { scale * max }

    /// 1 / (unit (1 + rest)); less where the product with the largest logit's f32 exponential would exceed 1. It cannot
    /// where `rest` is more than the error of an exponential.
    private static func factor(_ m: Float, _ scale: ExponentScale, _ unit: Double, _ rest: Double) -> Double {
        let factor = 1 / (unit * (1 + rest))
        if rest > 0x1p-22 { return factor }
        let reference = Float.expReference(Singles(repeating: m), scale)
        let t = Singles(repeating: m) - reference.shift
        let most = 1 / Double((scale.isOne ? Float.exp(t, reference) : Float.scaledExp(t, reference))[0])
        return factor < most ? factor : most
    }
}

/// The exponentials of a row of logits that are a loss's target, and the factor that makes them probabilities.
func stageTeacher(_ d: DistributionPointer, _ classes: Int, _ scratch: UnsafeMutableRawPointer) {
    d.pointee.factor = SingleLogits(d, classes, scratch: scratch).factor
}

/// The divergence of a row; +infinity also where f32 cannot hold the difference of two logits.
func logitsDivergence(_ pair: PairPointer) -> Double {
    let classes = pair.classes
    let prediction = SingleLogits(pair.prediction, classes, scratch: pair.pointee.scratch)
    let target = SingleLogits(pair.target, classes, scratch: pair.pointee.scratch)
    if !(prediction.factor == prediction.factor && target.factor == target.factor) { return .nan }
    // Added to a difference of logits, `shift` gives log q - log p. Added to a difference of logits that are counted
    // from their row's largest, `totals` does.
    let totals = prediction.logTotal - target.logTotal
    let shift = (prediction.scaledMax - target.scaledMax) + totals
    let isNear = prediction.scaledMax.magnitude < Float.nearest && target.scaledMax.magnitude < Float.nearest
    let isScaled = prediction.scale != 1 || target.scale != 1
    pair.prediction.pointee.factor = prediction.factor
    pair.target.pointee.factor = target.factor
    let differences = pair.target.logs
    var total = 0.0
    forEachBlock(classes, pair.pointee.cancel) { start, count in
        let bytes = start &* MemoryLayout<Float>.size
        // Each case has a loop of its own, because in one loop the compiler splits vectors into lanes.
        if isNear && !isScaled {
            subtract(target.x + bytes, prediction.x + bytes, count, shift, to: differences + bytes)
        } else if isNear {
            subtract(
                target.x + bytes, target.scale, prediction.x + bytes, prediction.scale, count, shift,
                to: differences + bytes)
        } else {
            subtractFar(
                target.x + bytes, target, prediction.x + bytes, prediction, count, totals, to: differences + bytes)
        }
        makeTerms(
            differences + bytes, prediction.e + bytes, prediction.factor, target.e + bytes, target.factor, count)
        total += sumVectors(UnsafeRawPointer(differences) + bytes, count)
    }
    return total
}

/// The gradient of that divergence in f32, side by side; it may overwrite the logits, which are no longer needed.
func logitsDivergenceGradient(_ pair: PairPointer) {
    let pFactor = pair.pointee.grad_scale * pair.prediction.pointee.factor
    let qFactor = pair.pointee.grad_scale * pair.target.pointee.factor
    // Outside these bounds f32 cannot hold the factors, or not with all of their digits.
    let isSingle = isOrdinary(pFactor) && isOrdinary(qFactor)
    forEachBlock(pair.classes, pair.pointee.cancel) { start, count in
        let bytes = start &* MemoryLayout<Float>.size
        let (ez, et) = (pair.prediction.values + bytes, pair.target.values + bytes)
        let grad = UnsafeMutableRawPointer(pair.pointee.single_grad) + bytes
        if isSingle {
            writeDifferences(ez, Float(pFactor), et, Float(qFactor), count, to: grad)
        } else {
            writeDifferences(ez, pFactor, et, qFactor, count, to: grad)
        }
    }
}

private func isOrdinary(_ factor: Double) -> Bool { factor.magnitude > 0x1p-120 && factor.magnitude < 0x1p16 }

extension Float {
    /// Where the largest logits are below this, each step of (t - z) + shift loses at most 2^-37, 1.5e-11 in all, and twice as
    /// much with a scale. That changes a divergence D by at most sqrt(2 D) times as much: 2e-8, or 4e-8, of
    /// `leastSingleDivergence`. Larger logits would cancel, and take the other loop.
    fileprivate static var nearest: Double { 0x1p17 }
}

/// d = log q - log p.
@inline(never)
private func subtract(
    _ t: UnsafeRawPointer, _ z: UnsafeRawPointer, _ count: Int, _ shift: Double, to result: UnsafeMutableRawPointer
) {
    let shift = DoubleLanes(repeating: shift)
    forEachVector(count) { i in
        let d = (Float.widen(Float.loadLanes(t, i)) - Float.widen(Float.loadLanes(z, i))) + shift
        Float.storeLanes(Float.narrow(d), result, i)
    } tail: { i, n in
        let tail = Float.widen(Float.loadTail(t, i, n, filler: 0)) - Float.widen(Float.loadTail(z, i, n, filler: 0))
        Float.storeLanes(Float.narrow(tail + shift), result, i)
    }
}

/// d of scaled logits.
@inline(never)
private func subtract(
    _ t: UnsafeRawPointer, _ tScale: Double, _ z: UnsafeRawPointer, _ zScale: Double, _ count: Int, _ shift: Double,
    to result: UnsafeMutableRawPointer
) {
    let shift = DoubleLanes(repeating: shift)
    let tScale = DoubleLanes(repeating: tScale)
    let zScale = DoubleLanes(repeating: zScale)
    forEachVector(count) { i in
        let d = tScale * Float.widen(Float.loadLanes(t, i)) - zScale * Float.widen(Float.loadLanes(z, i))
        Float.storeLanes(Float.narrow(d + shift), result, i)
    } tail: { i, n in
        let (t, z) = (Float.loadTail(t, i, n, filler: 0), Float.loadTail(z, i, n, filler: 0))
        Float.storeLanes(Float.narrow((tScale * Float.widen(t) - zScale * Float.widen(z)) + shift), result, i)
    }
}

/// d for logits of any size. Where q is not 0, the distance of t from the largest t is exact but for its scale, and the
/// rounding of the distance of z from the largest z is 2^-53 of -log p.
@inline(never)
@_optimize(size)
private func subtractFar(
    _ t: UnsafeRawPointer, _ target: SingleLogits, _ z: UnsafeRawPointer, _ prediction: SingleLogits, _ count: Int,
    _ totals: Double, to result: UnsafeMutableRawPointer
) {
    let mt = DoubleLanes(repeating: target.max)
    let mz = DoubleLanes(repeating: prediction.max)
    let tScale = DoubleLanes(repeating: target.scale)
    let zScale = DoubleLanes(repeating: prediction.scale)
    let totals = DoubleLanes(repeating: totals)
    var i = 0
    while i < count {
        let n = count &- i
        let t = n >= laneCount ? Float.loadLanes(t, i) : Float.loadTail(t, i, n, filler: 0)
        let z = n >= laneCount ? Float.loadLanes(z, i) : Float.loadTail(z, i, n, filler: 0)
        let d = (tScale * (Float.widen(t) - mt) - zScale * (Float.widen(z) - mz)) + totals
        Float.storeLanes(Float.narrow(d), result, i)
        i &+= laneCount
    }
}

/// Turns the differences of a block, in whole vectors of classes, into terms.
@inline(never)
private func makeTerms(
    _ differences: UnsafeMutableRawPointer, _ ez: UnsafeMutableRawPointer, _ pFactor: Double,
    _ et: UnsafeMutableRawPointer, _ qFactor: Double, _ count: Int
) {
    let pFactor = Singles(repeating: Float(pFactor))
    let qFactor = Singles(repeating: Float(qFactor))
    let zero = Singles(repeating: 0)
    let limit = Singles(repeating: 1.5)
    var i = 0
    while i < count {
        let d = Float.loadLanes(UnsafeRawPointer(differences), i)
        let p = Float.loadLanes(UnsafeRawPointer(ez), i) * pFactor
        let q = Float.loadLanes(UnsafeRawPointer(et), i) * qFactor
        let far = (q * d - q) + p
        let term = far.replacing(with: q * phi(minus: d), where: (d .< limit) .& (d .> zero - limit))
        Float.storeLanes(term.replacing(with: p, where: q .== zero), differences, i)
        i &+= laneCount
    }
}

@inline(never)
private func sumVectors(_ terms: UnsafeRawPointer, _ count: Int) -> Double {
    var sums = DoubleLanes(repeating: 0)
    var i = 0
    while i < count {
        sums += Float.widen(Float.loadLanes(terms, i))
        i &+= laneCount
    }
    return sum(sums)
}

/// phi(-d) = d^2 g(d) for |d| <= 3 / 2; error below 2^-22.6 (approximation 2^-26.3; the rest is rounding).
/// Constants: tools/make_constants.py.
@inline(__always)
private func phi(minus d: Singles) -> Singles {
    var g = Singles(repeating: 0x1.3374a6p-22)
    g = Singles(repeating: -0x1.834384p-19).fusedAdding(g, d)
    g = Singles(repeating: 0x1.9fcb84p-16).fusedAdding(g, d)
    g = Singles(repeating: -0x1.9fa3cap-13).fusedAdding(g, d)
    g = Singles(repeating: 0x1.6c1786p-10).fusedAdding(g, d)
    g = Singles(repeating: -0x1.11123ap-7).fusedAdding(g, d)
    g = Singles(repeating: 0x1.555554p-5).fusedAdding(g, d)
    g = Singles(repeating: -0x1.555552p-3).fusedAdding(g, d)
    g = Singles(repeating: 0.5).fusedAdding(g, d)
    return g * d * d
}

/// Writes p - q, scaled.
@inline(never)
private func writeDifferences(
    _ ez: UnsafeMutableRawPointer, _ pFactor: Float, _ et: UnsafeMutableRawPointer, _ qFactor: Float, _ count: Int,
    to grad: UnsafeMutableRawPointer
) {
    let pFactor = Singles(repeating: pFactor)
    let qFactor = Singles(repeating: qFactor)
    forEachVector(count) { i in
        let p = Float.loadLanes(UnsafeRawPointer(ez), i) * pFactor
        Float.storeLanes(p - Float.loadLanes(UnsafeRawPointer(et), i) * qFactor, grad, i)
    } tail: { i, n in
        let p = Float.loadLanes(UnsafeRawPointer(ez), i) * pFactor
        Float.storeTail(p - Float.loadLanes(UnsafeRawPointer(et), i) * qFactor, grad, i, n)
    }
}

/// The same with factors of any size.
@inline(never)
@_optimize(size)
private func writeDifferences(
    _ ez: UnsafeMutableRawPointer, _ pFactor: Double, _ et: UnsafeMutableRawPointer, _ qFactor: Double, _ count: Int,
    to grad: UnsafeMutableRawPointer
) {
    let pFactor = DoubleLanes(repeating: pFactor)
    let qFactor = DoubleLanes(repeating: qFactor)
    forEachVector(count) { i in
        let p = Float.widen(Float.loadLanes(UnsafeRawPointer(ez), i)) * pFactor
        let q = Float.widen(Float.loadLanes(UnsafeRawPointer(et), i)) * qFactor
        Float.storeLanes(Float.narrow(p - q), grad, i)
    } tail: { i, n in
        let p = Float.widen(Float.loadLanes(UnsafeRawPointer(ez), i)) * pFactor
        let q = Float.widen(Float.loadLanes(UnsafeRawPointer(et), i)) * qFactor
        Float.storeTail(Float.narrow(p - q), grad, i, n)
    }
}
