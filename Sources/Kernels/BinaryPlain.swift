import KernelABI
import Shims

/// Binary cross-entropy of f32 logits without weights, computed in f32 throughout. Returns 1 if the sums are exact, else 0.
///
/// With e = exp(-|z|), t = 1 - y for a positive logit and y for another one, both terms together are
///
///     loss = t |z| + log1p(e),    gradient = ±(t - e / (1 + e))
///
/// for any y. For labels nothing cancels, since t is 0 or 1. Relative to the sum of the terms' magnitudes the errors
/// are those of Logistic.swift and a few roundings: below 2^-21.6 for the loss and 2^-20.4 for the gradient. For labels
/// the gradient is within 2^-21.7, because t is exact.
///
/// The losses are also added up, lane by lane in f64. The sums are exact where the largest loss is at most 2^23 times the
/// smallest nonzero loss: 64 multiples of a unit, each below 2^47 units, stay below 2^53. Otherwise the sums are unspecified.
func binaryPlain(_ block: crossentropy_binary, _ count: Int) -> Int32 {
    let (low, high) = plainVectors(block, count)
    // A gradient can be NaN only where a loss is infinite or NaN.
    if high >= 0x7F80_0000 { unifyNaNs(block, count) }
    return areSumsExact(low, high)
}

/// 1 if sums of losses between these two in bits are exact. Compares exponents; a subnormal number counts as exponent 1. A block of
/// zeros is exact, too.
func areSumsExact(_ low: UInt32, _ high: UInt32) -> Int32 {
    let top = exponent(high)
    return top < 255 && (high == 0 || top &- exponent(low) <= 23) ? 1 : 0
}

/// Writes losses, sums and gradient. Returns the bits of the smallest nonzero loss and of the largest loss, without signs.
@inline(never)
private func plainVectors(_ block: crossentropy_binary, _ count: Int) -> (low: UInt32, high: UInt32) {
    let zero = SIMD16<Float>(repeating: 0)
    let one = SIMD16<Float>(repeating: 1)
    let magnitudeBits = SIMD16<UInt32>(repeating: 0x7FFF_FFFF)
    let factor = DoubleLanes(repeating: block.grad_factor)
    let singleFactor = SIMD16<Float>(repeating: Float(block.grad_factor))
    // Outside these bounds f32 cannot hold the factor, or not with all of its digits.
    let isSingle = block.grad_factor.magnitude >= 0x1p-64 && block.grad_factor.magnitude <= 0x1p64
    var sums = DoubleLanes(repeating: 0)
    var largest = SIMD16<UInt32>(repeating: 0)
    var smallest = SIMD16<UInt32>(repeating: .max)  // bits minus 1, so that 0 becomes the largest
    var i = 0
    while i < count {
        let n = count &- i
        let isFull = n >= laneCount
        let z = isFull ? Float.loadLanes(block.input, i) : Float.loadTail(block.input, i, n, filler: 0)
        let y =
            isFull || block.has_indices != 0
            ? Float.loadLanes(block.target, i) : Float.loadTail(block.target, i, n, filler: 0)
        if block.has_indices != 0 { prefetchTargets(block, i) }
        let isPositive = z .> zero
        let magnitude = unsafeBitCast(unsafeBitCast(z, to: SIMD16<UInt32>.self) & magnitudeBits, to: SIMD16<Float>.self)
        let (e, log) = Float.softplusParts(magnitude)
        let t = y.replacing(with: one - y, where: isPositive)
        var loss = (t * magnitude).replacing(with: zero, where: t .== zero) + log
        let difference = t - e / (one + e)
        var grad: SIMD16<Float>
        if isSingle {
            grad = difference * (zero - singleFactor).replacing(with: singleFactor, where: isPositive)
        } else {
            grad = (zero - difference).replacing(with: difference, where: isPositive)
            grad = Float.narrow(Float.widen(grad) * factor)
        }
        if block.has_indices != 0 {
            loss = loss.replacing(with: zero, where: y .!= y)
            grad = grad.replacing(with: zero, where: y .!= y)
        }
        if let place = block.grad {
            if isFull { Float.storeLanes(grad, place, i) } else { Float.storeTail(grad, place, i, n) }
        }
        if !isFull { loss = firstLanes(loss, n) }
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

@inline(__always)
func prefetchTargets(_ block: crossentropy_binary, _ i: Int) {
    let place = block.upcoming + i &* Int(block.upcoming_size)
    shim_prefetch(place)
    shim_prefetch(place + 64)
}

/// The bits of the smallest nonzero and of the largest loss, from those of the lanes.
@inline(__always)
func extremes(_ smallest: SIMD16<UInt32>, _ largest: SIMD16<UInt32>) -> (low: UInt32, high: UInt32) {
    var high: UInt32 = 0
    var low = UInt32.max
    for lane in 0..<laneCount {
        if largest[lane] > high { high = largest[lane] }
        if smallest[lane] < low { low = smallest[lane] }
    }
    return (low &+ 1, high)
}

@inline(__always)
private func exponent(_ bits: UInt32) -> UInt32 { bits < 0x80_0000 ? 1 : bits &>> 23 }

/// Gives every NaN the same bits.
@inline(never)
@_optimize(size)
func unifyNaNs(_ block: crossentropy_binary, _ count: Int) {
    func unify(_ numbers: UnsafeMutableRawPointer) {
        for i in 0..<count where Float.load(UnsafeRawPointer(numbers), i).isNaN { Float.store(.nan, numbers, i) }
    }
    unify(UnsafeMutableRawPointer(block.single_loss))
    if let grad = block.grad { unify(grad) }
}

/// `x`, with 0 from lane `n` on.
@inline(__always)
private func firstLanes(_ x: SIMD16<Float>, _ n: Int) -> SIMD16<Float> {
    let numbers = SIMD16<Int32>(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
    return x.replacing(
        with: SIMD16(repeating: 0), where: numbers .>= SIMD16<Int32>(repeating: Int32(truncatingIfNeeded: n)))
}
