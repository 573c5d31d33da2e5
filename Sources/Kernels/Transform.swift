import Shims

// Logits that are scaled or capped before anything else: z = c tanh(s x / c), or s x where there is no cap.
//
// That is computed in f64 for every type of input, so that what it adds to the error is a few units in the last place of f64.
// -infinity and +infinity remain what they are: an impossible class stays impossible.

extension crossentropy_transform {
    /// z of sixteen x. Error: below 6 units in the last place.
    @inline(never)
    func callAsFunction(_ x: DoubleLanes) -> DoubleLanes {
        let scaled = DoubleLanes(repeating: logit_scale) * x
        if softcap == 0 { return scaled }
        let zero = DoubleLanes(repeating: 0)
        let one = DoubleLanes(repeating: 1)
        let cap = DoubleLanes(repeating: softcap)
        let y = scaled / cap
        // tanh |y| = -g / (2 + g), g = exp(w) - 1 for w = -2 |y|. Near 0, where that would cancel, log(e) knows what e = exp(w)
        // was rounded from, and (e - 1) / log(e) varies so slowly that it is right for w, too (Kahan).
        let w = y.replacing(with: zero - y, where: y .> zero) * DoubleLanes(repeating: 2)
        let e = Double.exp(w)
        let corrected = ((e - one) * w / log(e)).replacing(with: w, where: e .== one)
        let g = (e - one).replacing(with: corrected, where: w .> DoubleLanes(repeating: -1))
        let tanh = (zero - g) / (DoubleLanes(repeating: 2) + g)
        let z = cap * tanh.replacing(with: zero - tanh, where: y .< zero)
        return z.replacing(with: scaled, where: isInfinite(scaled))
    }

    /// dz/dx: s (1 - tanh(s x / c)^2) = 4 s e / (1 + e)^2 for e = exp(-2 |s x / c|), which does not cancel.
    @inline(never)
    func slope(_ x: DoubleLanes) -> DoubleLanes {
        let scale = DoubleLanes(repeating: logit_scale)
        if softcap == 0 { return scale }
        let zero = DoubleLanes(repeating: 0)
        let y = scale * x / DoubleLanes(repeating: softcap)
        let e = Double.exp(y.replacing(with: zero - y, where: y .> zero) * DoubleLanes(repeating: 2))
        let sum = DoubleLanes(repeating: 1) + e
        return DoubleLanes(repeating: 4) * scale * (e / (sum * sum))
    }

    /// Replaces x by z.
    @inline(never)
    func apply(_ block: UnsafeMutableRawPointer, _ count: Int) {
        forEachVector(in: block, count) { self($0) }
    }

    /// Multiplies what was computed for z by dz/dx of the `x`.
    @inline(never)
    func chain(_ block: UnsafeMutableRawPointer, _ x: UnsafeRawPointer, _ count: Int) {
        var i = 0
        forEachVector(in: block, count) { g in
            let slope = slope(
                i &+ laneCount <= count ? Double.loadLanes(x, i) : Double.loadTail(x, i, count &- i, filler: 0))
            i &+= laneCount
            return g * slope
        }
    }
}

@inline(__always)
private func isInfinite(_ x: DoubleLanes) -> SIMDMask<SIMD16<Int64>> {
    (x .== DoubleLanes(repeating: .infinity)) .| (x .== DoubleLanes(repeating: -.infinity))
}

/// Replaces a block's numbers, sixteen at a time.
@inline(__always)
private func forEachVector(in block: UnsafeMutableRawPointer, _ count: Int, _ body: (DoubleLanes) -> DoubleLanes) {
    var i = 0
    while i < count {
        let n = count &- i
        if n >= laneCount {
            Double.storeLanes(body(Double.loadLanes(UnsafeRawPointer(block), i)), block, i)
        } else {
            Double.storeTail(body(Double.loadTail(UnsafeRawPointer(block), i, n, filler: 0)), block, i, n)
        }
        i &+= laneCount
    }
}
