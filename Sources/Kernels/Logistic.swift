// The two probabilities of a logit z, p = 1 / (1 + exp(-z)) and 1 - p, and minus their logarithms, softplus(-z) and
// softplus(z).
//
// All four come from e = exp(-|z|), which is in [0, 1]: the likelier side has the probability 1 / (1 + e), the other
// side e / (1 + e); minus their logarithms are log1p(e) and |z| + log1p(e). Nothing is subtracted, so nothing cancels.
// Infinite logits are no special case, because e is 0. NaN stays NaN.

struct Logistic<T: Element> {
    let p: T.Lanes
    let other: T.Lanes
    /// -log(p)
    let minusLogP: T.Lanes
    /// -log(1 - p)
    let minusLogOther: T.Lanes
}

extension Float {
    /// Relative errors, except where e is flushed to 0, which it is below 2^-126. The error of e is 2^-23, because that
    /// of its exponential is below 1 ulp; the error of log1p(e) is 2^-22, of which 2^-23 come with e. The likelier
    /// probability adds two roundings and at most half the error of e, 2^-22.4 in all; the less likely one another
    /// rounding and all of that error, 2^-21.8; and the logarithms one rounding, 2^-21.6. So the documented bound,
    /// 1e-6, is more than three times as large.
    @inline(__always)
    static func logistic(_ z: Lanes) -> Logistic<Float> {
        let zero = Lanes(repeating: 0)
        let one = Lanes(repeating: 1)
        let isPositive = z .> zero
        let e = exp(z.replacing(with: zero - z, where: isPositive))
        let likelier = one / (one + e)
        let lesser = e * likelier
        let log = log1p(e)
        return Logistic(
            p: lesser.replacing(with: likelier, where: isPositive),
            other: likelier.replacing(with: lesser, where: isPositive),
            minusLogP: log + (zero - z).replacing(with: zero, where: isPositive),
            minusLogOther: log + zero.replacing(with: z, where: isPositive))
    }

    /// exp(-x) for x >= 0, and its log1p.
    @inline(__always)
    static func softplusParts(_ x: Lanes) -> (e: Lanes, log: Lanes) {
        let e = exp(Lanes(repeating: 0) - x)
        return (e, log1p(e))
    }

    /// exp(x) for x <= 0; 0 below log(2^-126), so that no result is subnormal.
    @inline(__always)
    private static func exp(_ x: Lanes) -> Lanes {
        let reference = ExpReference<Float>(
            shift: Lanes(repeating: 0), cutoff: Lanes(repeating: -0x1.5d589ep+6),
            exponentOrigin: Bits(repeating: Int32(bitPattern: Float(0x1.8p23).bitPattern) &- 127), scale: .one)
        return exp(x, reference)
    }

    /// log1p(e) = e + e^2 q(e) for e in [0, 1]. Error below 1.03 2^-23 (approximation 2^-24.9; the rest is rounding).
    /// Constants: tools/make_constants.py.
    #if arch(x86_64) && CROSSENTROPY_KERNELS
        @inline(never)  // see fusedAdding
    #else
        @inline(__always)
    #endif
    private static func log1p(_ e: Lanes) -> Lanes {
        var q = Lanes(repeating: -0x1.24b298p-8)
        q = Lanes(repeating: 0x1.9d455ap-6).fusedAdding(q, e)
        q = Lanes(repeating: -0x1.11708cp-4).fusedAdding(q, e)
        q = Lanes(repeating: 0x1.d992bcp-4).fusedAdding(q, e)
        q = Lanes(repeating: -0x1.448ee2p-3).fusedAdding(q, e)
        q = Lanes(repeating: 0x1.969cb2p-3).fusedAdding(q, e)
        q = Lanes(repeating: -0x1.ffb95cp-3).fusedAdding(q, e)
        q = Lanes(repeating: 0x1.55540cp-2).fusedAdding(q, e)
        q = Lanes(repeating: -0x1.fffffep-2).fusedAdding(q, e)
        return e.fusedAdding(e * e, q)
    }
}

extension Double {
    /// Relative errors below 2^-50, except where e is flushed to 0, which it is below 2^-1022.
    @inline(__always)
    static func logistic(_ z: Lanes) -> Logistic<Double> {
        let zero = Lanes(repeating: 0)
        let one = Lanes(repeating: 1)
        let isPositive = z .> zero
        let e = exp(z.replacing(with: zero - z, where: isPositive))
        let likelier = one / (one + e)
        let lesser = e * likelier
        let log = log1p(e)
        return Logistic(
            p: lesser.replacing(with: likelier, where: isPositive),
            other: likelier.replacing(with: lesser, where: isPositive),
            minusLogP: log + (zero - z).replacing(with: zero, where: isPositive),
            minusLogOther: log + zero.replacing(with: z, where: isPositive))
    }
}
