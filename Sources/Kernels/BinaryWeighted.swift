import KernelABI
import Shims

// Binary cross-entropy of f32 logits with weights or smoothed targets, computed in f32 but for the masses.
//
// With e = exp(-|z|), t the mass of the side that the logit is against (b for a positive one, else a) and u the other mass,
// both terms together are
//
//     loss = t |z| + (a + b) log1p(e),    gradient = ±(t - u e) / (1 + e)
//
// Masses are computed in f64 (BinaryMass.swift) and rounded once. In units of 2^-24, relative to the sum of the terms'
// magnitudes, the loss has errors of 4 from log1p(e) (Logistic.swift), 2 from a + b, 1 from each product and 1 from the sum: 8,
// 4.8e-7. The gradient has 4 from u e, 1 from the difference, 3 from the quotient and 2 from the factor: 10, 6.0e-7.
//
// That holds for masses, and losses, that are normal f32 numbers or 0: `singleMasses` finds elements that are not so, which are
// left to the kernel for f64 masses. Each element is computed in one way or the other by itself, so no result depends on a
// neighbour.

/// Writes the masses rounded to f32. False if an element of the block is to be computed with masses in f64; with
/// `single_weight` also if the block is not an ordinary one.
func singleMasses(_ block: crossentropy_binary, _ count: Int) -> Bool {
    if let weights = block.single_weight { return writeOrdinaryMasses(block, weights, count) }
    // Both, as the masses are needed in any case.
    let areNormal = writeMasses(block, count)
    return areLossesNormal(block, count) && areNormal
}

/// False if a mass is not 0 and no normal f32 number either.
@inline(never)
private func writeMasses(_ block: crossentropy_binary, _ count: Int) -> Bool {
    // A sum of what must not be there, because a mask for each element would cost as much as the masses.
    var tiny = DoubleLanes(repeating: 0)
    var i = 0
    while i < count {
        let (a, b) = masses(block, i, count &- i)
        tiny += tinyPart(a) + tinyPart(b)
        Float.storeLanes(Float.narrow(a), UnsafeMutableRawPointer(block.single_positive), i)
        Float.storeLanes(Float.narrow(b), UnsafeMutableRawPointer(block.single_negative), i)
        i &+= laneCount
    }
    return !isAnySet(tiny .!= DoubleLanes(repeating: 0))
}

/// The masses v y and 1 - y of targets from 0 to 1, if these are 0 or at least 2^-100 and logits at most 73 or NaN. Then all masses and
/// losses are normal or 0, and the masses have the bits of `writeMasses`: f64 holds the product of two f32 numbers exactly, and
/// 1 - y too, unless y is so small that the difference becomes 1 in either way.
@inline(never)
private func writeOrdinaryMasses(_ block: crossentropy_binary, _ weights: UnsafePointer<Float>, _ count: Int) -> Bool {
    if count & (laneCount - 1) != 0 { return false }  // which is at most the last block
    let zero = SIMD16<Float>(repeating: 0)
    let one = SIMD16<Float>(repeating: 1)
    var smallest = one
    var largest = zero
    var farthest = zero
    var sum = zero  // for NaN, which is neither small nor large
    var i = 0
    while i < count {
        let y = Float.loadLanes(block.target, i)
        Float.storeLanes(
            Float.loadLanes(UnsafeRawPointer(weights), i) * y, UnsafeMutableRawPointer(block.single_positive), i)
        Float.storeLanes(one - y, UnsafeMutableRawPointer(block.single_negative), i)
        smallest = Float.minimum(smallest, y.replacing(with: one, where: y .== zero))
        largest = Float.maximum(largest, y)
        sum += y
        farthest = Float.maximum(farthest, magnitude(Float.loadLanes(block.input, i)))
        i &+= laneCount
    }
    // A logit that is NaN makes the loss NaN in either way.
    return Float.largestLane(zero - smallest) <= -0x1p-100 && Float.largestLane(largest) <= 1
        && Float.largestLane(farthest) <= 73 && !isAnySet(sum .!= sum)
}

/// The magnitude of a mass where it is below the normal f32 numbers, else 0; NaN stays.
@inline(__always)
private func tinyPart(_ x: DoubleLanes) -> DoubleLanes {
    let magnitude = unsafeBitCast(
        unsafeBitCast(x, to: SIMD16<UInt64>.self) & SIMD16(repeating: 0x7FFF_FFFF_FFFF_FFFF), to: DoubleLanes.self)
    return magnitude.replacing(with: DoubleLanes(repeating: 0), where: magnitude .>= DoubleLanes(repeating: 0x1p-126))
}

/// False if a loss may be neither 0 nor a normal f32 number, or if a mass is no number.
@inline(never)
private func areLossesNormal(_ block: crossentropy_binary, _ count: Int) -> Bool {
    let zero = SIMD16<Float>(repeating: 0)
    let infinity = SIMD16<Float>(repeating: .infinity)
    let low = SIMD16<Float>(repeating: 0x1p-20)
    let one = SIMD16<Float>(repeating: 1)
    let far = SIMD16<Float>(repeating: 73)
    var small = zero
    var largest = zero
    var undefined = zero
    var i = 0
    while i < count {
        let n = count &- i
        let z = n >= laneCount ? Float.loadLanes(block.input, i) : Float.loadTail(block.input, i, n, filler: 0)
        let distance = magnitude(z)
        let total =
            magnitude(Float.loadLanes(UnsafeRawPointer(block.single_positive), i))
            + magnitude(Float.loadLanes(UnsafeRawPointer(block.single_negative), i))
        // Beyond `far` e is below 2^-105, and down to 2^-126.
        let floor = low.replacing(with: one, where: distance .> far)
        small += total.replacing(with: zero, where: total .>= floor)
        undefined += total * zero
        // A logit of infinity has a loss of 0 or infinity.
        let product = total * distance.replacing(with: zero, where: distance .== infinity)
        largest = Float.maximum(Float.maximum(largest, total), product)
        i &+= laneCount
    }
    let most: Float = 0x1p120
    return !isAnySet(small .!= zero) && !isAnySet(undefined .!= zero) && Float.largestLane(largest) < most
}

@inline(__always)
private func magnitude(_ x: SIMD16<Float>) -> SIMD16<Float> {
    unsafeBitCast(
        unsafeBitCast(x, to: SIMD16<UInt32>.self) & SIMD16(repeating: 0x7FFF_FFFF), to: SIMD16<Float>.self)
}

/// The masses of sixteen elements, of which `n` are left; lanes beyond them have none.
@inline(__always)
private func masses(_ block: crossentropy_binary, _ i: Int, _ n: Int) -> (DoubleLanes, DoubleLanes) {
    let zero = DoubleLanes(repeating: 0)
    let one = DoubleLanes(repeating: 1)
    /// Lanes beyond the end may hold anything, but their memory exists.
    func load(_ numbers: UnsafePointer<Double>) -> DoubleLanes { Double.loadLanes(UnsafeRawPointer(numbers), i) }
    var y = loadTarget(block, i, n, Float.self)
    var a = y
    var b = one - y
    if block.spread != 0 || block.keep != 1 {
        let keep = DoubleLanes(repeating: block.keep)
        let spread = DoubleLanes(repeating: block.spread)
        a = keep * y + spread
        b = keep * b + spread
    }
    if let v = block.positive_weight { a = load(v) * a }
    if block.sample_weight != nil || block.weight != nil {
        var scale = block.sample_weight.map(load) ?? one
        if let w = block.weight { scale = scale * load(w) }
        a = (scale * a).replacing(with: zero, where: scale .== zero)
        b = (scale * b).replacing(with: zero, where: scale .== zero)
    }
    if block.has_indices != 0 {
        a = a.replacing(with: zero, where: y .!= y)
        b = b.replacing(with: zero, where: y .!= y)
    }
    if n < laneCount {
        let lane = DoubleLanes(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
        y = DoubleLanes(repeating: Double(n))
        a = a.replacing(with: zero, where: lane .>= y)
        b = b.replacing(with: zero, where: lane .>= y)
    }
    return (a, b)
}

/// Losses, their sums and gradients of a block whose masses `singleMasses` has written. Returns 1 if the sums are exact, as
/// `binaryPlain`. The factor of gradients must be 0 or of a magnitude from 2^-64 to 1.
func binaryWeighted(_ block: crossentropy_binary, _ count: Int) -> Int32 {
    let (low, high) = weightedVectors(block, count)
    // A gradient can be NaN only where a loss is infinite or NaN.
    if high >= 0x7F80_0000 { unifyNaNs(block, count) }
    return areSumsExact(low, high)
}

/// Returns the bits of the smallest nonzero loss and of the largest loss, without signs.
@inline(never)
private func weightedVectors(_ block: crossentropy_binary, _ count: Int) -> (low: UInt32, high: UInt32) {
    let zero = SIMD16<Float>(repeating: 0)
    let one = SIMD16<Float>(repeating: 1)
    let magnitudeBits = SIMD16<UInt32>(repeating: 0x7FFF_FFFF)
    let factor = SIMD16<Float>(repeating: Float(block.grad_factor))
    var sums = DoubleLanes(repeating: 0)
    var largest = SIMD16<UInt32>(repeating: 0)
    var smallest = SIMD16<UInt32>(repeating: .max)  // bits minus 1, so that 0 becomes the largest
    var i = 0
    while i < count {
        let n = count &- i
        let isFull = n >= laneCount
        let x = isFull ? Float.loadLanes(block.input, i) : Float.loadTail(block.input, i, n, filler: 0)
        let a = Float.loadLanes(UnsafeRawPointer(block.single_positive), i)
        let b = Float.loadLanes(UnsafeRawPointer(block.single_negative), i)
        shim_prefetch(block.input + (i &+ count) &* MemoryLayout<Float>.size)
        prefetchTargets(block, i)
        // Where there is no mass, any finite logit has a loss and a gradient of 0.
        let z = x.replacing(with: zero, where: (a .== zero) .& (b .== zero))
        let isPositive = z .> zero
        let distance = magnitude(z)
        let (e, log) = Float.softplusParts(distance)
        let t = a.replacing(with: b, where: isPositive)
        let u = b.replacing(with: a, where: isPositive)
        let total = a + b
        let loss = (t * distance).replacing(with: zero, where: t .== zero) + total * log
        if let place = block.grad {
            let slope = (t - u * e) / (one + e)
            let grad = slope * (zero - factor).replacing(with: factor, where: isPositive) + zero
            if isFull { Float.storeLanes(grad, place, i) } else { Float.storeTail(grad, place, i, n) }
        }
        Float.storeLanes(loss, UnsafeMutableRawPointer(block.single_loss), i)
        sums += Float.widen(loss)
        let bits = unsafeBitCast(loss, to: SIMD16<UInt32>.self) & magnitudeBits
        largest = largest.replacing(with: bits, where: bits .> largest)
        let below = bits &- SIMD16(repeating: 1)
        smallest = smallest.replacing(with: below, where: below .< smallest)
        i &+= laneCount
    }
    Double.storeLanes(sums, UnsafeMutableRawPointer(block.loss), 0)
    return extremes(smallest, largest)
}
