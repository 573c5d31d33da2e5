import KernelABI

// Logits that are scaled or capped first: z = c tanh(s x / c), or s x if there is no cap.
//
// z is computed in f64 for every type of input, so that the transform's error is a few units in the last place of f64.
// An infinity stays an infinity; its sign changes only if the scale is negative.

extension crossentropy_transform {
    /// z of sixteen x. Error: below 6 units in the last place; worst found 3.4 (docs/numerics.md).
    @inline(never)
    func callAsFunction(_ x: DoubleLanes) -> DoubleLanes { softcap == 0 ? scaled(x) : capped(x, ratio) }

    @inline(__always)
    private func scaled(_ x: DoubleLanes) -> DoubleLanes { DoubleLanes(repeating: logit_scale) * x }

    /// s / c; 0 where this ratio is so small or large that s x is divided by c instead.
    @inline(__always)
    private var ratio: Double {
        let ratio = logit_scale / softcap
        return ratio.magnitude > 0x1p-1000 && ratio.magnitude < 0x1p1000 ? ratio : 0
    }

    /// s x / c
    @inline(__always)
    private func argument(_ x: DoubleLanes, _ ratio: Double) -> DoubleLanes {
        ratio == 0 ? scaled(x) / DoubleLanes(repeating: softcap) : DoubleLanes(repeating: ratio) * x
    }

    /// tanh |y| = -g / (2 + g), g = exp(-2 |y|) - 1. Error: 2 ulp of g, and half a unit each of sum and quotient. A
    /// unit of y is at most one of tanh; y has two roundings, and c tanh y has one.
    @inline(__always)
    private func capped(_ x: DoubleLanes, _ ratio: Double) -> DoubleLanes {
        let zero = DoubleLanes(repeating: 0)
        let scaled = scaled(x)
        let y = argument(x, ratio)
        let magnitude = y.replacing(with: zero - y, where: y .< zero)
        // tanh of 20 and more is 1 in f64.
        let limited = magnitude.replacing(with: zero + 20, where: magnitude .> zero + 20)
        let g = expm1(limited * DoubleLanes(repeating: -2))
        let tanh = (zero - g) / (DoubleLanes(repeating: 2) + g)
        let z = DoubleLanes(repeating: softcap) * tanh.replacing(with: zero - tanh, where: y .< zero)
        // Below 2^-27 tanh y is y, which may have underflowed, so s x is taken; infinities and NaN stay.
        let isCapped = (magnitude .>= DoubleLanes(repeating: 0x1p-27)) .& isFinite(x)
        return scaled.replacing(with: z, where: isCapped)
    }

    /// dz/dx without the power of two that the field `slope` leaves out: s (1 - tanh(s x / c)^2) = 4 s e / (1 + e)^2
    /// for e = exp(-2 |s x / c|), which does not cancel.
    @inline(never)
    func slope(_ x: DoubleLanes) -> DoubleLanes {
        softcap == 0 ? DoubleLanes(repeating: slope) : slope(x, ratio)
    }

    @inline(__always)
    private func slope(_ x: DoubleLanes, _ ratio: Double) -> DoubleLanes {
        let zero = DoubleLanes(repeating: 0)
        let y = argument(x, ratio)
        let e = Double.exp(y.replacing(with: zero - y, where: y .> zero) * DoubleLanes(repeating: 2))
        let sum = DoubleLanes(repeating: 1) + e
        return DoubleLanes(repeating: slope) * (DoubleLanes(repeating: 4) * e / (sum * sum))
    }

    /// Computes z for `count` numbers x; `z` may be `x`.
    @inline(never)
    func apply(_ x: UnsafeRawPointer, _ z: UnsafeMutableRawPointer, _ count: Int) {
        if softcap == 0 { return multiply(x, z, count, by: logit_scale) }
        let ratio = ratio
        forEachVector(count) { i in
            Double.storeLanes(capped(Double.loadLanes(x, i), ratio), z, i)
        } tail: { i, n in
            Double.storeTail(self(Double.loadTail(x, i, n, filler: 0)), z, i, n)
        }
    }

    /// Multiplies derivatives with respect to z by dz/dx at `x` (see `slope`). Without a cap, dz/dx does not depend on x.
    @inline(never)
    func chain(_ block: UnsafeMutableRawPointer, _ x: UnsafeRawPointer, _ count: Int) {
        let g = UnsafeRawPointer(block)
        if softcap == 0 { return multiply(g, block, count, by: slope) }
        let ratio = ratio
        forEachVector(count) { i in
            Double.storeLanes(Double.loadLanes(g, i) * slope(Double.loadLanes(x, i), ratio), block, i)
        } tail: { i, n in
            let slope = slope(Double.loadTail(x, i, n, filler: 0))
            Double.storeTail(Double.loadTail(g, i, n, filler: 0) * slope, block, i, n)
        }
    }

    @inline(never)
    private func multiply(_ x: UnsafeRawPointer, _ z: UnsafeMutableRawPointer, _ count: Int, by scale: Double) {
        let factor = DoubleLanes(repeating: scale)
        var i = 0
        while i &+ laneCount <= count {
            Double.storeLanes(factor * Double.loadLanes(x, i), z, i)
            i &+= laneCount
        }
        while i < count {
            Double.store(scale * Double.load(x, i), z, i)
            i &+= 1
        }
    }
}

@inline(__always)
private func isFinite(_ x: DoubleLanes) -> SIMDMask<SIMD16<Int64>> {
    (x .< DoubleLanes(repeating: .infinity)) .& (x .> DoubleLanes(repeating: -.infinity))
}
