import KernelABI

// The arrays of a crossentropy_group, which Swift sees as tuples.

typealias GroupPointer = UnsafeMutablePointer<crossentropy_group>

typealias Doubles16 = (
    Double, Double, Double, Double, Double, Double, Double, Double, Double, Double, Double, Double, Double, Double,
    Double, Double
)
typealias Labels16 = (
    Int64, Int64, Int64, Int64, Int64, Int64, Int64, Int64, Int64, Int64, Int64, Int64, Int64, Int64, Int64, Int64
)

@inline(__always)
func lanes(_ array: UnsafeMutablePointer<Doubles16>) -> DoubleLanes {
    UnsafeRawPointer(array).loadUnaligned(as: DoubleLanes.self)
}

@inline(__always)
func store(_ lanes: DoubleLanes, _ array: UnsafeMutablePointer<Doubles16>) {
    UnsafeMutableRawPointer(array).storeBytes(of: lanes, as: DoubleLanes.self)
}

@inline(__always)
func get(_ array: UnsafeMutablePointer<Doubles16>, _ row: Int) -> Double { Double.load(UnsafeRawPointer(array), row) }

extension UnsafeMutablePointer<crossentropy_group> {
    @inline(__always) var classes: Int { Int(pointee.classes) }
    @inline(__always) var rows: Int { Int(pointee.rows) }

    @inline(__always)
    func label(_ row: Int) -> Int {
        withUnsafeMutablePointer(to: &pointee.label) {
            Int(UnsafeRawPointer($0).loadUnaligned(fromByteOffset: row &* 8, as: Int64.self))
        }
    }

    @inline(__always)
    func setLabel(_ row: Int, _ label: Int) {
        withUnsafeMutablePointer(to: &pointee.label) {
            UnsafeMutableRawPointer($0).storeBytes(of: Int64(label), toByteOffset: row &* 8, as: Int64.self)
        }
    }

    /// The position of a row's element, in elements from the first row's first class.
    @inline(__always)
    func inputPlace(_ row: Int, _ c: Int) -> Int {
        row &* Int(pointee.input_row_stride) &+ c &* Int(pointee.input_stride)
    }

    @inline(__always)
    func gradPlace(_ row: Int, _ c: Int) -> Int {
        row &* Int(pointee.grad_row_stride) &+ c &* Int(pointee.grad_stride)
    }

    @inline(__always)
    func input<T: Element>(_: T.Type) -> Storage<T> { Storage(format: pointee.input_format) }

    @inline(__always)
    func grad<T: Element>(_: T.Type) -> Storage<T> { Storage(format: pointee.grad_format) }

}

// The steps before and after the sums over classes, which all kernels of groups share.

/// Keeps the logits of the labels, because the gradient may overwrite the input.
@inline(never)
func readTargets<T: Element>(_ group: GroupPointer, _: T.Type) {
    store(DoubleLanes(repeating: 0), &group.pointee.target)
    withUnsafeMutablePointer(to: &group.pointee.target) { target in
        for row in 0..<group.rows {
            let x = group.input(T.self).load(group.pointee.input, group.inputPlace(row, group.label(row)))
            Double.store(Double(x), UnsafeMutableRawPointer(target), row)
        }
    }
    if group.pointee.transform.applies == 0 { return }
    if T.self == Double.self { transformTargets(group) } else { capTargets(group) }
}

@inline(never)
@_optimize(size)
func transformTargets(_ group: GroupPointer) {
    let x = lanes(&group.pointee.target)
    store(group.pointee.transform.slope(x), &group.pointee.target_slope)
    store(group.pointee.transform(x), &group.pointee.target)
}

/// Computes the losses, and the numbers that the gradients need.
@inline(never)
func finish(_ group: GroupPointer, _ stats: LogSumExp) {
    let zero = DoubleLanes(repeating: 0)
    let nan = DoubleLanes(repeating: .nan)
    let isSkipped = lanes(&group.pointee.is_counted) .== zero
    let terms = group.pointee.terms
    let isPlain = !crossentropy_has_terms(terms)
    if group.pointee.mode != CROSSENTROPY_LOSS { return finishSoftmax(group, stats) }
    var result =
        group.pointee.isOfMass ? finishedMass(group, stats) : isPlain ? plain(group, stats) : withTerms(group, stats)
    if group.pointee.has_powers != 0 { result.targetGrad *= lanes(&group.pointee.grad_power) }
    if group.pointee.transform.applies != 0 { result.targetGrad *= lanes(&group.pointee.target_slope) }
    let isUndefined = stats.isUndefined .| (result.loss .!= result.loss)
    store(
        result.loss.replacing(with: nan, where: isUndefined).replacing(with: zero, where: isSkipped),
        &group.pointee.loss)
    if group.pointee.grad == nil { return }

    let isFilled = isUndefined .| isSkipped .| (result.probScale .!= result.probScale)
    let filler = nan.replacing(with: zero, where: isSkipped)
    store(stats.max, &group.pointee.max)
    store(stats.rest, &group.pointee.rest)
    store(result.probScale, &group.pointee.prob_scale)
    store(result.targetGrad.replacing(with: filler, where: isFilled), &group.pointee.target_grad)
    store(zero.replacing(with: zero + 1, where: isFilled), &group.pointee.is_filled)
}

/// Softmax without targets: lse, and the numbers that probabilities or their logarithms need.
@inline(never)
@_optimize(size)
private func finishSoftmax(_ group: GroupPointer, _ stats: LogSumExp) {
    let zero = DoubleLanes(repeating: 0)
    let one = DoubleLanes(repeating: 1)
    store(stats.lse, &group.pointee.loss)
    store(stats.max, &group.pointee.max)
    store(stats.rest, &group.pointee.rest)
    store(group.pointee.mode == CROSSENTROPY_SOFTMAX ? one : log1p(stats.rest), &group.pointee.prob_scale)
    store(DoubleLanes(repeating: .nan), &group.pointee.target_grad)
    store(zero.replacing(with: one, where: stats.isUndefined), &group.pointee.is_filled)
}

/// The results of a group's rows: losses and gradients. The gradient is probScale p_c, except at the label.
struct Finished {
    var loss: DoubleLanes
    var probScale: DoubleLanes
    var targetGrad: DoubleLanes
}

/// loss_scale (lse - z_y), and grad_scale (p_c - [c = y]).
@inline(__always)
private func plain(_ group: GroupPointer, _ stats: LogSumExp) -> Finished {
    let target = lanes(&group.pointee.target)
    let scale = lanes(&group.pointee.grad_scale)
    return Finished(
        loss: lanes(&group.pointee.loss_scale) * indexLoss(stats, target), probScale: scale,
        targetGrad: group.pointee.grad == nil ? scale : targetGradient(stats, target, scale))
}

/// As `plain`, with f in place of -log p (see `focal`), and with the z-loss, z_loss lse^2 times the row's weight.
@inline(never)
@_optimize(size)
private func withTerms(_ group: GroupPointer, _ stats: LogSumExp) -> Finished {
    let target = lanes(&group.pointee.target)
    let terms = group.pointee.terms
    let (p, other) = probability(target, stats)
    let (f, b) = focal(terms, minusLogP: indexLoss(stats, target), p: p, other: other)
    let (zLoss, zScale) = stats.zLoss(terms.z_loss)
    let scale = lanes(&group.pointee.grad_scale) * b
    let squareScale = lanes(&group.pointee.grad_weight) * zScale
    // A class weight of 0 makes the term 0, even where f is infinite.
    let lossScale = lanes(&group.pointee.loss_scale)
    let loss = (lossScale * f).replacing(with: DoubleLanes(repeating: 0), where: lossScale .== 0)
    return Finished(
        loss: loss + lanes(&group.pointee.sample_weight) * zLoss,
        probScale: scale + squareScale,
        targetGrad: squareScale * p - scale * other + DoubleLanes(repeating: 0))
}

/// Writes each row's gradient at its label.
@inline(__always)
func writeTargets<T: Element>(_ group: GroupPointer, _: T.Type) {
    if group.pointee.mode != CROSSENTROPY_LOSS { return }
    for row in 0..<group.rows {
        group.grad(T.self).store(
            T(get(&group.pointee.target_grad, row)), group.pointee.grad, group.gradPlace(row, group.label(row)))
    }
}

/// lse - z_y = (m - z_y) + log1p(rest), both at least 0. `target` holds z_y.
@inline(never)
func indexLoss(_ stats: LogSumExp, _ target: DoubleLanes) -> DoubleLanes {
    stats.scaled(stats.max - target) + log1p(stats.rest)
}

/// scale (p_y - 1), without cancellation: where y is the largest class, the difference is -rest / (1 + rest).
@inline(never)
func targetGradient(_ stats: LogSumExp, _ target: DoubleLanes, _ scale: DoubleLanes) -> DoubleLanes {
    let zero = DoubleLanes(repeating: 0)
    let other = Double.exp(stats.scaled(target - stats.max)) / stats.total - DoubleLanes(repeating: 1)
    let difference = other.replacing(with: zero - stats.rest / stats.total, where: target .== stats.max)
    return scale * difference + zero  // makes -0 a 0
}

/// Multiplies a block's exponentials to give `scale * p_c`: one factor and, rarely, a power of two that the factor cannot hold.
struct ProbabilityFactor<T: Element> {
    var factor: T.Lanes
    var power: T.Lanes
    var hasPower: Bool

    /// The factors of a finished group's rows. `total` = 1 + rest; `weights` as returned by `BlockSums.weights`.
    @inline(never)
    init(_ group: GroupPointer, weights: (DoubleLanes, DoubleLanes), total: DoubleLanes) {
        // Lanes are rows or, if one row has several blocks, its blocks.
        let isOne = group.rows == 1
        var scale =
            isOne ? DoubleLanes(repeating: get(&group.pointee.prob_scale, 0)) : lanes(&group.pointee.prob_scale)
        let hasPowers = group.pointee.has_powers != 0
        let rowPowers =
            isOne ? DoubleLanes(repeating: get(&group.pointee.grad_power, 0)) : lanes(&group.pointee.grad_power)
        // f32 cannot hold the row powers themselves, but where f32 can hold the gradient the
        // product is far from the ends of f64.
        if hasPowers && T.self == Float.self { scale *= rowPowers }
        let limit = T.self == Float.self ? Int64(100) : 900
        // A reference may be e^32 below the largest element of its block, whose exponential is then 2^110: for a normal
        // result the factor is at least 2^-236. So 2^112 makes the factor a normal number, and no product overflows,
        // since the product of a small factor is below 2^13 times that. A large factor must not fall below what
        // exponentials, which start at 2^-123, allow.
        let isSingle = T.self == Float.self
        let (lift, unlift) = isSingle ? (0x1p112, 0x1p-112) : (0x1p500, 0x1p-500)
        let (lower, unlower) = isSingle ? (0x1p-100, 0x1p100) : (0x1p-500, 0x1p500)
        let one = DoubleLanes(repeating: 1)
        let exponent = exponents(scale) &+ exponents(weights.0) &+ exponents(weights.1)
        let isSmall = (exponent .< SIMD16<Int64>(repeating: -limit)) .& (scale .!= DoubleLanes(repeating: 0))
        let isLarge = exponent .> SIMD16<Int64>(repeating: limit)
        let shift = one.replacing(with: lift, where: isSmall).replacing(with: lower, where: isLarge)
        // Where a large scale meets small weights, the weights are lifted, because the lifted scale would be infinite.
        let isOfWeight = isSmall .& (exponents(scale) .> SIMD16<Int64>(repeating: 0))
        let shifted = scale * shift.replacing(with: one, where: isOfWeight)
        let weight = weights.1 * one.replacing(with: shift, where: isOfWeight)
        factor = T.clamped(T.narrow(shifted * weight / total * weights.0))
        var powers = one.replacing(with: unlift, where: isSmall).replacing(with: unlower, where: isLarge)
        hasPower = isAnySet(isSmall .| isLarge)
        if hasPowers && T.self == Double.self {
            powers *= rowPowers
            hasPower = true
        }
        power = T.clamped(T.narrow(powers))
    }

    /// The factor and the product each add half an ulp to the error of the exponential, which is below 1 ulp.
    @inline(__always)
    func callAsFunction(_ e: T.Lanes) -> T.Lanes {
        let g = T.product(e, factor)
        return hasPower ? T.product(g, power) : g
    }

    /// The factor of one lane, in all lanes.
    @inline(__always)
    func lane(_ lane: Int) -> ProbabilityFactor {
        var one = self
        one.factor = T.splat(T.get(lane, of: factor))
        one.power = T.splat(T.get(lane, of: power))
        one.hasPower = hasPower && T.get(lane, of: power) != 1
        return one
    }
}

@inline(__always)
private func exponents(_ x: DoubleLanes) -> SIMD16<Int64> {
    ((unsafeBitCast(x, to: SIMD16<Int64>.self) &>> 52) & SIMD16<Int64>(repeating: 0x7FF))
        &- SIMD16<Int64>(repeating: 1023)
}
