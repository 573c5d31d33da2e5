import KernelABI

/// The reference m of exponentials exp(x - m), for each lane.
///
/// `exp(x)` is split as 2^n f with n = round(x log2(e)) and f = exp(x - n ln2) in [0.70, 1.42], and only the power of
/// two is made relative: lanes hold 2^(n - n_m + expBias) f. So no difference x - m is ever rounded, which in f32 alone
/// would cost up to 4e-6 of the result, and the error does not grow with the distance x - m. The bias keeps every
/// exponential that is not flushed to 0 among the normal numbers.
struct ExpReference<T: Element> {
    /// Subtracted from x first: 0, or m where |m| is so large that n would not fit. In that case x - m is exact for
    /// every x from 2 m to m / 2 (Sterbenz), and so for every x that is not flushed to 0 and not far above m.
    var shift: T.Lanes
    /// Where t = x - shift is below this, the exponential is 0: exp(x - m) < 2^-187 (f32) or 2^-1083 (f64), so the
    /// exponential would not be a normal number. That is 2^61 below the smallest normal number, so that a sum of many
    /// numbers that are each below it keeps its accuracy.
    var cutoff: T.Lanes
    /// Subtracted from the bits of `x log2(e) + magic`, this gives the biased exponent n - n_m + expBias.
    var exponentOrigin: T.Bits
    var scale: ExponentScale
}

/// The factor s of exponentials exp(s x): f32 logits are not multiplied by their scale, which would cost them digits.
/// Instead s log2(e) takes the place of log2(e), and 1 / s that of 1 in all distances between logits.
typealias ExponentScale = crossentropy_exponent_scale

extension ExponentScale {
    /// That of logits without a scale.
    @inline(__always) static var one: ExponentScale { crossentropy_no_scale() }
    @inline(__always) var isOne: Bool { factor == 1 }
}

/// The two exponentials, so that each has loops of its own.
protocol Exponential {
    associatedtype T: Element
    static func exp(_ t: T.Lanes, _ reference: ExpReference<T>) -> T.Lanes
}

enum PlainExp<T: Element>: Exponential {
    @inline(__always) static func exp(_ t: T.Lanes, _ reference: ExpReference<T>) -> T.Lanes { T.exp(t, reference) }
}

enum ScaledExp<T: Element>: Exponential {
    @inline(__always)
    static func exp(_ t: T.Lanes, _ reference: ExpReference<T>) -> T.Lanes { T.scaledExp(t, reference) }
}

/// log2 of the factor that all exponentials carry. A reference may be e^32 = 2^46.2 below the largest element, whose
/// exponential is then 2^110: f32 holds 2^17 times that.
let expBias = 64
let expBiasPower = 0x1p64

// Constants: tools/make_constants.py.

extension Float {
    /// exp(x - m) expUnit(m), for t = x - shift. Error of the factor f: below 1 ulp (approximation 2^-26.5; the rest is
    /// the rounding of the reduced argument, 0.2 ulp, of the last step but one, 0.2 ulp, and of the last step, 0.5 ulp).
    #if arch(x86_64) && CROSSENTROPY_KERNELS
        @inline(never)  // see fusedAdding
    #else
        @inline(__always)
    #endif
    static func exp(_ t: Lanes, _ reference: ExpReference<Float>) -> Lanes {
        let magic = Lanes(repeating: 0x1.8p23)  // adding it rounds to an integer, which is in the low bits
        let u = magic.fusedAdding(Lanes(repeating: 0x1.715476p+0), t)
        let n = u - magic
        var r = t.fusedAdding(n, Lanes(repeating: -0x1.62e430p-1))
        r = r.fusedAdding(n, Lanes(repeating: 0x1.05c610p-29))
        let scale = unsafeBitCast(
            (unsafeBitCast(u, to: Bits.self) &- reference.exponentOrigin) &<< 23, to: Lanes.self)
        return (expPolynomial(r) * scale).replacing(with: Lanes(repeating: 0), where: t .< reference.cutoff)
    }

    /// exp(r), |r| <= ln2 / 2.
    @inline(__always)
    static func expPolynomial(_ r: Lanes) -> Lanes {
        var p = Lanes(repeating: 0x1.6d117cp-10)
        p = Lanes(repeating: 0x1.120be2p-7).fusedAdding(p, r)
        p = Lanes(repeating: 0x1.555518p-5).fusedAdding(p, r)
        p = Lanes(repeating: 0x1.5554dcp-3).fusedAdding(p, r)
        p = Lanes(repeating: 0.5).fusedAdding(p, r)
        p = Lanes(repeating: 1).fusedAdding(p, r)
        return Lanes(repeating: 1).fusedAdding(p, r)
    }

    /// exp(s (x - m)) expUnit(m), for t = x - shift: with r = t s log2(e) - n it is 2^n exp(r ln2). The error of the factor
    /// exp(r ln2) is below 1.4 ulp, because r has two roundings and the product with ln2 a third.
    #if arch(x86_64) && CROSSENTROPY_KERNELS
        @inline(never)  // see fusedAdding
    #else
        @inline(__always)
    #endif
    static func scaledExp(_ t: Lanes, _ reference: ExpReference<Float>) -> Lanes {
        let magic = Lanes(repeating: 0x1.8p23)
        let high = Lanes(repeating: reference.scale.high)
        let u = magic.fusedAdding(high, t)
        let r = scaledRemainder(t, magic - u, high, Lanes(repeating: reference.scale.low))
        let scale = unsafeBitCast(
            (unsafeBitCast(u, to: Bits.self) &- reference.exponentOrigin) &<< 23, to: Lanes.self)
        return (expPolynomial(r) * scale).replacing(with: Lanes(repeating: 0), where: t .< reference.cutoff)
    }

    /// (t s log2(e) - n) ln2, from -n and both parts of s log2(e).
    @inline(__always)
    static func scaledRemainder(_ t: Lanes, _ minusN: Lanes, _ high: Lanes, _ low: Lanes) -> Lanes {
        minusN.fusedAdding(t, high).fusedAdding(t, low) * Lanes(repeating: 0x1.62e430p-1)
    }

    @inline(__always)
    static func expReference(_ m: Lanes, _ scale: ExponentScale) -> ExpReference<Float> {
        let shift = expShift(m, scale)
        let t = m - shift
        let u = Lanes(repeating: 0x1.8p23).fusedAdding(Lanes(repeating: scale.high), t)
        return ExpReference(
            shift: shift, cutoff: t - Lanes(repeating: 130 * scale.inverse),
            exponentOrigin: unsafeBitCast(u, to: Bits.self) &- Bits(repeating: Int32(127 &+ expBias)), scale: scale)
    }

    @inline(__always)
    static func expUnit(_ m: Lanes, _ scale: ExponentScale) -> DoubleLanes {
        let t = m - expShift(m, scale)
        let magic = Lanes(repeating: 0x1.8p23)
        let n = magic.fusedAdding(Lanes(repeating: scale.high), t) - magic
        return expFactor(widen(t) * DoubleLanes(repeating: scale.factor), widen(n))
            * DoubleLanes(repeating: expBiasPower)
    }

    @inline(__always)
    static func expExponent(_ m: Float) -> Int64 {
        let lanes = Lanes(repeating: m)
        let magic = Lanes(repeating: 0x1.8p23)
        return Int64((magic.fusedAdding(Lanes(repeating: 0x1.715476p+0), lanes - expShift(lanes, .one)) - magic)[0])
    }

    @inline(__always)
    private static func expShift(_ m: Lanes, _ scale: ExponentScale) -> Lanes {
        let limit = Lanes(repeating: 0x1p17 * scale.inverse)
        return m.replacing(with: Lanes(repeating: 0), where: (m .< limit) .& (m .> Lanes(repeating: 0) - limit))
    }
}

extension Double {
    /// exp(x - m) expUnit(m), for t = x - shift. Error below 1 ulp (approximation 2^-61).
    #if arch(x86_64) && CROSSENTROPY_KERNELS
        @inline(never)  // see fusedAdding
    #else
        @inline(__always)
    #endif
    static func exp(_ t: Lanes, _ reference: ExpReference<Double>) -> Lanes {
        let magic = Lanes(repeating: 0x1.8p52)
        let u = magic.fusedAdding(t, Lanes(repeating: 0x1.71547652b82fep+0))
        let f = expFactor(t, u - magic)
        let scale = unsafeBitCast(
            (unsafeBitCast(u, to: Bits.self) &- reference.exponentOrigin) &<< 52, to: Lanes.self)
        return (f * scale).replacing(with: Lanes(repeating: 0), where: t .< reference.cutoff)
    }

    /// f64 logits are multiplied by their scale before (see Transform.swift).
    @inline(__always)
    static func scaledExp(_ t: Lanes, _ reference: ExpReference<Double>) -> Lanes { exp(t, reference) }

    @inline(__always)
    static func expReference(_ m: Lanes, _: ExponentScale) -> ExpReference<Double> {
        let shift = expShift(m)
        let t = m - shift
        let u = Lanes(repeating: 0x1.8p52).fusedAdding(t, Lanes(repeating: 0x1.71547652b82fep+0))
        return ExpReference(
            shift: shift, cutoff: t - Lanes(repeating: 751),
            exponentOrigin: unsafeBitCast(u, to: Bits.self) &- Bits(repeating: Int64(1023 &+ expBias)), scale: .one)
    }

    @inline(__always)
    static func expUnit(_ m: Lanes, _: ExponentScale) -> DoubleLanes {
        let t = m - expShift(m)
        let magic = Lanes(repeating: 0x1.8p52)
        let n = magic.fusedAdding(t, Lanes(repeating: 0x1.71547652b82fep+0)) - magic
        return expFactor(t, n) * Lanes(repeating: expBiasPower)
    }

    @inline(__always)
    static func expExponent(_ m: Double) -> Int64 {
        let lanes = Lanes(repeating: m)
        let magic = Lanes(repeating: 0x1.8p52)
        return Int64((magic.fusedAdding(lanes - expShift(lanes), Lanes(repeating: 0x1.71547652b82fep+0)) - magic)[0])
    }

    @inline(__always)
    private static func expShift(_ m: Lanes) -> Lanes {
        m.replacing(
            with: Lanes(repeating: 0), where: (m .< Lanes(repeating: 0x1p40)) .& (m .> Lanes(repeating: -0x1p40)))
    }

    /// exp(x) for x <= 0; 0 below -709.
    @inline(__always)
    static func exp(_ x: Lanes) -> Lanes {
        let reference = ExpReference<Double>(
            shift: Lanes(repeating: 0), cutoff: Lanes(repeating: -709),
            exponentOrigin: Bits(repeating: Int64(bitPattern: Double(0x1.8p52).bitPattern) &- Int64(1023 &+ expBias)),
            scale: .one)
        return exp(x, reference) * Lanes(repeating: 1 / expBiasPower)
    }
}

/// exp(t - n ln2) for the n nearest to t log2(e).
#if arch(x86_64) && CROSSENTROPY_KERNELS
    @inline(never)  // see fusedAdding
#else
    @inline(__always)
#endif
func expFactor(_ t: DoubleLanes, _ n: DoubleLanes) -> DoubleLanes {
    let (r, q) = expParts(t, n)
    let one = DoubleLanes(repeating: 1)
    return one.fusedAdding(one.fusedAdding(q, r), r)
}

/// exp(w) - 1 for w from -700 to 0, error below 2 ulp: 2^n (exp(r) - 1) + (2^n - 1), where the last term is exact. If n
/// is 0 nothing is added; otherwise the first term is smaller than the sum.
#if arch(x86_64) && CROSSENTROPY_KERNELS
    @inline(never)  // see fusedAdding
#else
    @inline(__always)
#endif
func expm1(_ w: DoubleLanes) -> DoubleLanes {
    let magic = DoubleLanes(repeating: 0x1.8p52)
    let u = magic.fusedAdding(w, DoubleLanes(repeating: 0x1.71547652b82fep+0))
    let (r, q) = expParts(w, u - magic)
    let f = r.fusedAdding(r * r, q)
    let power = unsafeBitCast(
        (unsafeBitCast(u, to: SIMD16<Int64>.self) &+ SIMD16<Int64>(repeating: 1023)) &<< 52, to: DoubleLanes.self)
    return (power - DoubleLanes(repeating: 1)).fusedAdding(power, f)
}

/// r = t - n ln2, and q with exp(r) = 1 + r + r^2 q.
@inline(__always)
private func expParts(_ t: DoubleLanes, _ n: DoubleLanes) -> (r: DoubleLanes, q: DoubleLanes) {
    var r = t.fusedAdding(n, DoubleLanes(repeating: -0x1.62e42fefa39efp-1))
    r = r.fusedAdding(n, DoubleLanes(repeating: -0x1.abc9e3b39803fp-56))
    var p = DoubleLanes(repeating: 0x1.1f7340dbc337ep-29)
    p = DoubleLanes(repeating: 0x1.af4e554377204p-26).fusedAdding(p, r)
    p = DoubleLanes(repeating: 0x1.27e4db46cddd1p-22).fusedAdding(p, r)
    p = DoubleLanes(repeating: 0x1.71de01fdbf9cap-19).fusedAdding(p, r)
    p = DoubleLanes(repeating: 0x1.a01a01a6e1e2ap-16).fusedAdding(p, r)
    p = DoubleLanes(repeating: 0x1.a01a01abf85abp-13).fusedAdding(p, r)
    p = DoubleLanes(repeating: 0x1.6c16c16c162c3p-10).fusedAdding(p, r)
    p = DoubleLanes(repeating: 0x1.11111111100bep-7).fusedAdding(p, r)
    p = DoubleLanes(repeating: 0x1.5555555555556p-5).fusedAdding(p, r)
    p = DoubleLanes(repeating: 0x1.5555555555557p-3).fusedAdding(p, r)
    p = DoubleLanes(repeating: 0.5).fusedAdding(p, r)
    return (r, p)
}
