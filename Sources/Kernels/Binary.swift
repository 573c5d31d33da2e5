import KernelABI

// Binary cross-entropy of a block of elements with masses a and b (see BinaryMass.swift):
//
//     loss = a (-log p) + b (-log(1 - p))
//
// where p is the probability of a logit z, or the input itself. A term of mass 0 is 0. Losses and masses are f64 for
// every type of input; only the results of Logistic.swift for f32 logits are f32.

/// Logits in f32. The gradient is b p - a (1 - p).
func binaryLogits(_ block: crossentropy_binary, _ count: Int) {
    write(SingleLogits.self, block, count)
}

private enum SingleLogits: Terms {
    typealias Input = Float

    @inline(__always)
    static func outcome(
        _ block: crossentropy_binary, _ z: SIMD16<Float>, _ a: DoubleLanes, _ b: DoubleLanes
    ) -> Outcome {
        let sides = Float.logistic(z)
        return Outcome(
            loss: term(a, Float.widen(sides.minusLogP)) + term(b, Float.widen(sides.minusLogOther)),
            grad: scaled(b * Float.widen(sides.p) - a * Float.widen(sides.other), block))
    }
}

/// All other inputs, in f64.
@_optimize(size)
func binaryTerms(_ block: crossentropy_binary, _ count: Int) {
    write(DoubleTerms.self, block, count)
}

private enum DoubleTerms: Terms {
    typealias Input = Double

    @inline(__always)
    static func outcome(
        _ block: crossentropy_binary, _ x: DoubleLanes, _ a: DoubleLanes, _ b: DoubleLanes
    ) -> Outcome {
        block.is_probs != 0 ? probs(block, x, a, b) : logits(block, x, a, b)
    }
}

/// With focal weighting each term is multiplied by the other side's probability to the power of gamma.
@inline(never)
private func logits(_ block: crossentropy_binary, _ z: DoubleLanes, _ a: DoubleLanes, _ b: DoubleLanes) -> Outcome {
    let sides = Double.logistic(z)
    if block.focal_gamma == 0 {
        return Outcome(
            loss: term(a, sides.minusLogP) + term(b, sides.minusLogOther),
            grad: scaled(b * sides.p - a * sides.other, block))
    }
    var terms = crossentropy_terms()
    terms.focal_gamma = block.focal_gamma
    let positive = focal(terms, minusLogP: sides.minusLogP, p: sides.p, other: sides.other)
    let negative = focal(terms, minusLogP: sides.minusLogOther, p: sides.other, other: sides.p)
    return Outcome(
        loss: term(a, positive.f) + term(b, negative.f),
        grad: scaled(b * negative.b * sides.p - a * positive.b * sides.other, block))
}

/// The gradient is b / (1 - p) - a / p, and 0 where p was clamped. A p outside [0, 1] is NaN.
@inline(never)
@_optimize(size)
private func probs(_ block: crossentropy_binary, _ x: DoubleLanes, _ a: DoubleLanes, _ b: DoubleLanes) -> Outcome {
    let zero = DoubleLanes(repeating: 0)
    let one = DoubleLanes(repeating: 1)
    let low = DoubleLanes(repeating: block.clip_low)
    let high = DoubleLanes(repeating: block.clip_high)
    let clamped = x.replacing(with: low, where: x .< low).replacing(with: high, where: x .> high) + zero  // no -0
    let p = clamped.replacing(with: DoubleLanes(repeating: .nan), where: (clamped .< zero) .| (clamped .> one))
    let grad = scaled(term(b, one / (one - p)) - term(a, one / p), block)
    // Where p is tiny, a / p may be infinite although the gradient is not.
    let late = quotient(scaled(b, block), one - p) - quotient(scaled(a, block), p)
    let most = DoubleLanes(repeating: .greatestFiniteMagnitude)
    let isLate = ((grad .> most) .| (grad .< zero - most)) .& (p .> zero)
    return Outcome(
        loss: term(a, zero - log(p)) + term(b, zero - log1p(minus: p)),
        grad: grad.replacing(with: late, where: isLate).replacing(with: zero, where: (x .< low) .| (x .> high)))
}

private struct Outcome {
    let loss: DoubleLanes
    let grad: DoubleLanes
}

/// Loss and gradient of sixteen elements with masses a and b. A type, because a closure would not be inlined.
private protocol Terms {
    associatedtype Input: Element
    static func outcome(
        _ block: crossentropy_binary, _ x: Input.Lanes, _ a: DoubleLanes, _ b: DoubleLanes
    ) -> Outcome
}

/// mass x, and 0 where the mass is 0, whatever x is.
@inline(__always)
private func term(_ mass: DoubleLanes, _ x: DoubleLanes) -> DoubleLanes {
    let zero = DoubleLanes(repeating: 0)
    return (mass * x).replacing(with: zero, where: mass .== zero)
}

/// mass / x, and 0 where the mass is 0.
@inline(__always)
private func quotient(_ mass: DoubleLanes, _ x: DoubleLanes) -> DoubleLanes {
    let zero = DoubleLanes(repeating: 0)
    return (mass / x).replacing(with: zero, where: mass .== zero)
}

/// Multiplies a derivative by the block's gradient factor and power of two.
@inline(__always)
private func scaled(_ x: DoubleLanes, _ block: crossentropy_binary) -> DoubleLanes {
    x * DoubleLanes(repeating: block.grad_factor) * DoubleLanes(repeating: block.grad_power)
}

/// Writes the losses and, if requested, the gradient.
@inline(__always)
private func write<Kernel: Terms>(_: Kernel.Type, _ block: crossentropy_binary, _ count: Int) {
    typealias T = Kernel.Input
    let zero = DoubleLanes(repeating: 0)
    // One loop with predicted branches rather than a loop and a tail, because the body is large.
    var i = 0
    while i < count {
        let n = count &- i
        let isFull = n >= laneCount
        let x = isFull ? T.loadLanes(block.input, i) : T.loadTail(block.input, i, n, filler: 0)
        let a: DoubleLanes
        let b: DoubleLanes
        if let positive = block.positive {
            a = Double.loadLanes(UnsafeRawPointer(positive), i)
            b = Double.loadLanes(UnsafeRawPointer(block.negative), i)
        } else {
            a = loadTarget(block, i, n, T.self)
            b = DoubleLanes(repeating: 1) - a
        }
        let result = Kernel.outcome(block, x, a, b)
        Double.storeLanes(result.loss, UnsafeMutableRawPointer(block.loss), i)
        if let place = block.grad {
            // Every NaN gets the same bits, -0 becomes 0, and elements without mass get 0.
            let grad = result.grad
            let clean = T.narrow(
                (grad + zero).replacing(with: DoubleLanes(repeating: .nan), where: grad .!= grad)
                    .replacing(with: zero, where: (a .== zero) .& (b .== zero)))
            if isFull { T.storeLanes(clean, place, i) } else { T.storeTail(clean, place, i, n) }
        }
        i &+= laneCount
    }
}
