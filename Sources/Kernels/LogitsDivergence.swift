import KernelABI
import Shims

// The divergence of f32 logits from f32 logits, and its gradient p - q: the same sum as in Divergence.swift, with
// exponentials in f32 and all else in f64.
//
// Error, in units of u = 2^-24: 3 of p and of q, of which 2 are the exponential's; 1 of d, which is computed in f64 and
// kept in f32. A term (q d - q) + p has an error of 3 (q + p) + q |d| + q |d| + q |d - 1| and 1 of itself: for
// |d| >= 3/2 less than 13 u of the term, 7.8e-7. A term q phi(-d), with the series in f32, has an error of less than 10 u.
//
// The normalizers each have an error of up to 3 u, which all d have in common. That adds at most (6 u)^2 / 2 = 6.4e-14 to the
// sum: negligible in divergences above `leastSingleDivergence`, and the whole error where the distributions are the same.

typealias Singles = SIMD16<Float>

/// A row's f32 logits, side by side, their exponentials, and the numbers that turn these into probabilities.
private struct SingleLogits {
    let x: UnsafeRawPointer
    let e: UnsafeMutableRawPointer
    let max: Double
    /// Turns exponentials into probabilities; NaN if the row has NaN or +infinity, or nothing but -infinity.
    let factor: Double
    let logTotal: Double

    init(_ d: DistributionPointer, _ classes: Int) {
        let exponentials = d.values
        let logits: UnsafeRawPointer
        let format = d.pointee.format == CROSSENTROPY_F32 ? CROSSENTROPY_NATIVE : d.pointee.format
        if d.pointee.stride == 1 && format == CROSSENTROPY_NATIVE && d.pointee.transform.applies == 0 {
            logits = d.pointee.data
        } else {
            let stride = Int(d.pointee.stride)
            forEachBlock(classes, d.pointee.cancel) { start, count in
                let block = d.logs + start &* MemoryLayout<Float>.size
                Storage<Float>(format: format).gather(d.pointee.data, start &* stride, stride, count, block)
                if d.pointee.transform.applies != 0 { scale(block, count, by: Float(d.pointee.transform.logit_scale)) }
            }
            logits = UnsafeRawPointer(d.logs)
        }
        let m = largest(ofRow: logits, classes, d.pointee.cancel, Float.self)
        let reference = Float.expReference(Singles(repeating: m))
        var rest = 0.0
        var maxima = 0.0
        forEachBlock(classes, d.pointee.cancel) { start, count in
            var sums = DoubleLanes(repeating: 0)
            var counts = Singles(repeating: 0)
            forEachVector(count) { i in
                let x = Float.loadLanes(logits, start &+ i)
                // Prefetches the next row, if that is the next in memory.
                shim_prefetch(logits + (classes &+ start &+ i) &* MemoryLayout<Float>.size)
                addExponentials(x, m, reference, exponentials, start &+ i, &sums, &counts)
            } tail: { i, n in
                let x = Float.loadTail(logits, start &+ i, n, filler: -.infinity)
                addExponentials(x, m, reference, exponentials, start &+ i, &sums, &counts)
            }
            rest += sum(sums)
            maxima += sum(Float.widen(counts))
        }
        let unit = Float.expUnit(Singles(repeating: m))[0]
        rest = rest / unit + (maxima - 1)
        let isUndefined = !(m.magnitude < .infinity && rest == rest)
        x = logits
        e = exponentials
        max = Double(m)
        factor = isUndefined ? .nan : Self.factor(m, reference, unit, rest)
        logTotal = log1p(DoubleLanes(repeating: rest))[0]
    }

    /// 1 / (unit (1 + rest)); less where the product with the largest logit's f32 exponential would exceed 1. It cannot
    /// where `rest` is more than the error of an exponential.
    private static func factor(_ m: Float, _ reference: ExpReference<Float>, _ unit: Double, _ rest: Double) -> Double {
        let factor = 1 / (unit * (1 + rest))
        if rest > 0x1p-22 { return factor }
        let most = 1 / Double(Float.exp(Singles(repeating: m) - reference.shift, reference)[0])
        return factor < most ? factor : most
    }
}

/// Multiplies by a power of two, which is exact.
private func scale(_ x: UnsafeMutableRawPointer, _ count: Int, by factor: Float) {
    for i in 0..<count { Float.store(Float.load(UnsafeRawPointer(x), i) * factor, x, i) }
}

/// Adds the exponentials of all logits but the largest, and counts how many logits are the largest.
@inline(__always)
private func addExponentials(
    _ x: Singles, _ m: Float, _ reference: ExpReference<Float>, _ place: UnsafeMutableRawPointer, _ i: Int,
    _ sums: inout DoubleLanes, _ maxima: inout Singles
) {
    let zero = Singles(repeating: 0)
    let isLargest = x .== Singles(repeating: m)
    let e = Float.exp(x - reference.shift, reference)
    Float.storeLanes(e, place, i)
    sums += Float.widen(e.replacing(with: zero, where: isLargest))
    maxima += zero.replacing(with: Singles(repeating: 1), where: isLargest)
}

/// The divergence of a row; +infinity also where f32 cannot hold the difference of two logits.
func logitsDivergence(_ pair: PairPointer) -> Double {
    let classes = pair.classes
    let prediction = SingleLogits(pair.prediction, classes)
    let target = SingleLogits(pair.target, classes)
    if !(prediction.factor == prediction.factor && target.factor == target.factor) { return .nan }
    // Added to a difference of logits, `shift` gives log q - log p. Added to a difference of logits that are counted
    // from their row's largest, `totals` does.
    let totals = prediction.logTotal - target.logTotal
    let shift = (prediction.max - target.max) + totals
    let isNear = prediction.max.magnitude < Float.nearest && target.max.magnitude < Float.nearest
    pair.prediction.pointee.factor = prediction.factor
    pair.target.pointee.factor = target.factor
    let differences = pair.target.logs
    var total = 0.0
    forEachBlock(classes, pair.pointee.cancel) { start, count in
        let bytes = start &* MemoryLayout<Float>.size
        // Each case has a loop of its own, because in one loop the compiler splits vectors into lanes.
        if isNear {
            subtract(target.x + bytes, prediction.x + bytes, count, shift, to: differences + bytes)
        } else {
            subtract(
                target.x + bytes, target.max, prediction.x + bytes, prediction.max, count, totals,
                to: differences + bytes)
        }
        makeTerms(
            differences + bytes, prediction.e + bytes, prediction.factor, target.e + bytes, target.factor, count)
        total += sumVectors(UnsafeRawPointer(differences) + bytes, count)
    }
    return total
}

/// The gradient of that divergence in f32, side by side; it may overwrite the logits, which are no longer needed.
func logitsDivergenceGradient(_ pair: PairPointer) {
    let scale = pair.pointee.grad_scale
    forEachBlock(pair.classes, pair.pointee.cancel) { start, count in
        let bytes = start &* MemoryLayout<Float>.size
        writeDifferences(
            pair.prediction.values + bytes, scale * pair.prediction.pointee.factor, pair.target.values + bytes,
            scale * pair.target.pointee.factor, count, to: UnsafeMutableRawPointer(pair.pointee.single_grad) + bytes)
    }
}

extension Float {
    /// Where the largest logits are below this, each step of (t - z) + shift loses at most 2^-37, 1.5e-11 in all. That
    /// changes a divergence D by at most sqrt(2 D) times as much: 2e-8 of `leastSingleDivergence`. Larger logits would
    /// cancel, and take the other loop.
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

/// d for logits of any size. Where q is not 0, the distance of t from the largest t is exact, and the rounding of the
/// distance of z from the largest z is 2^-53 of -log p.
@inline(never)
@_optimize(size)
private func subtract(
    _ t: UnsafeRawPointer, _ largestT: Double, _ z: UnsafeRawPointer, _ largestZ: Double, _ count: Int,
    _ totals: Double, to result: UnsafeMutableRawPointer
) {
    let mt = DoubleLanes(repeating: largestT)
    let mz = DoubleLanes(repeating: largestZ)
    let totals = DoubleLanes(repeating: totals)
    forEachVector(count) { i in
        let below = Float.widen(Float.loadLanes(t, i)) - mt
        let d = (below - (Float.widen(Float.loadLanes(z, i)) - mz)) + totals
        Float.storeLanes(Float.narrow(d), result, i)
    } tail: { i, n in
        let below = Float.widen(Float.loadTail(t, i, n, filler: 0)) - mt
        let d = (below - (Float.widen(Float.loadTail(z, i, n, filler: 0)) - mz)) + totals
        Float.storeLanes(Float.narrow(d), result, i)
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

/// phi(-d) = d^2 (1 / 2 - d / 6 + d^2 / 24 - ...) for |d| <= 3 / 2; the remainder is below 2^-25 of it.
@inline(__always)
private func phi(minus d: Singles) -> Singles {
    var s = Singles(repeating: 1 / 479_001_600)  // 1 / 12!
    s = s * d + Singles(repeating: -1 / 39_916_800)
    s = s * d + Singles(repeating: 1 / 3_628_800)
    s = s * d + Singles(repeating: -1 / 362_880)
    s = s * d + Singles(repeating: 1 / 40_320)
    s = s * d + Singles(repeating: -1 / 5_040)
    s = s * d + Singles(repeating: 1 / 720)
    s = s * d + Singles(repeating: -1 / 120)
    s = s * d + Singles(repeating: 1 / 24)
    s = s * d + Singles(repeating: -1 / 6)
    s = s * d + Singles(repeating: 0.5)
    return s * d * d
}

/// Writes p - q, scaled.
@inline(never)
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
