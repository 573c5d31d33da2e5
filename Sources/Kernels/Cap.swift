import KernelABI

/// f32 logits with a cap, z = c tanh(s x / c), for s from 2^-20 to 2^20 and c from 2^-20 to 2^12.
///
/// Exponentials need z to an absolute error far below 2^-24. So z is computed in f64, but only to that error, which takes
/// a polynomial of degree 8; from the remainder of z log2(e) on, exponentials are f32.
struct Cap {
    /// -2 s / c log2(e): E = exp(-2 s x / c) = 2^(rate x).
    let rate: Double
    /// c log2(e)
    let top: Double
    /// |x| where E is 2^60. Beyond, z is nearer to c than its error.
    let limit: Float
    /// The rate in two parts.
    let high: Float
    let low: Float
    /// |x| where E is 2^-252. From there on, slopes are 0.
    let farthest: Float

    @inline(__always)
    init(_ transform: crossentropy_transform) {
        rate = transform.logit_scale / transform.softcap * -0x1.71547652b82fep+1
        top = transform.softcap * 0x1.71547652b82fep+0
        limit = Float(-60 / rate)
        high = Float(rate)
        low = Float(rate - Double(high))
        farthest = Float(-252 / rate)
    }

    /// E / (1 + E) for E = 2^(rate x), with an error below 2^-40: the approximation of E has 2^-38.7, of which at most a
    /// quarter remains. Beyond `limit`, x counts as `limit`. Constants: tools/make_constants.py.
    #if arch(x86_64) && CROSSENTROPY_KERNELS
        @inline(never)  // see fusedAdding
    #else
        @_transparent
    #endif
    func share(_ x: Singles) -> DoubleLanes {
        let above = Float.minimum(Singles(repeating: limit), x)  // a NaN stays
        let near = above.replacing(with: Singles(repeating: -limit), where: above .< Singles(repeating: -limit))
        let x = Float.widen(near)
        let rate = DoubleLanes(repeating: rate)
        let magic = DoubleLanes(repeating: 0x1.8p52)
        let u = magic.fusedAdding(x, rate)
        let r = (magic - u).fusedAdding(x, rate)
        var p = DoubleLanes(repeating: 0x1.63b35413335edp-20)
        p = DoubleLanes(repeating: 0x1.00c1552eaeb61p-16).fusedAdding(p, r)
        p = DoubleLanes(repeating: 0x1.4308c6ca5cd4ap-13).fusedAdding(p, r)
        p = DoubleLanes(repeating: 0x1.5d87750bb25c0p-10).fusedAdding(p, r)
        p = DoubleLanes(repeating: 0x1.3b2ab70ae9b8ep-7).fusedAdding(p, r)
        p = DoubleLanes(repeating: 0x1.c6b08da761307p-5).fusedAdding(p, r)
        p = DoubleLanes(repeating: 0x1.ebfbdff82a6f5p-3).fusedAdding(p, r)
        p = DoubleLanes(repeating: 0x1.62e42fef9cb88p-1).fusedAdding(p, r)
        p = DoubleLanes(repeating: 1).fusedAdding(p, r)
        // Times 2^n, by the exponent's bits.
        let e = unsafeBitCast(
            unsafeBitCast(p, to: SIMD16<Int64>.self) &+ (unsafeBitCast(u, to: SIMD16<Int64>.self) &<< 52),
            to: DoubleLanes.self)
        return e / (e + DoubleLanes(repeating: 1))
    }

    /// z = c (1 - 2 E / (1 + E)), with an error below c 2^-39; infinities count as `limit`.
    @inline(__always)
    func logits(_ x: Singles) -> DoubleLanes {
        DoubleLanes(repeating: top).fusedAdding(share(x), DoubleLanes(repeating: -2 * top))
            * DoubleLanes(repeating: 0x1.62e42fefa39efp-1)
    }

    /// What exponentials relative to m start from: (c - m) log2(e).
    @inline(__always)
    func origin(_ m: DoubleLanes) -> DoubleLanes {
        DoubleLanes(repeating: top).fusedAdding(m, DoubleLanes(repeating: -0x1.71547652b82fep+0))
    }

    /// exp(z - m) 2^expBias, with an error below 1.2 ulp beside that of z; 0 below 2^-187 2^expBias.
    @_transparent
    func exponential(_ x: Singles, from origin: DoubleLanes) -> Singles {
        let z = origin.fusedAdding(share(x), DoubleLanes(repeating: -2 * top))
        let magic = DoubleLanes(repeating: 0x1.8p52)
        let whole = (z + magic) - magic
        let r = Float.narrow(z - whole)
        let n = Float.narrow(whole)
        let power = n + Singles(repeating: 0x1.8p23 + Float(127 &+ expBias))
        let scale = unsafeBitCast(unsafeBitCast(power, to: SIMD16<Int32>.self) &<< 23, to: Singles.self)
        let isZero = (n .< Singles(repeating: -187)) .| (x .== Singles(repeating: -.infinity))
        return (binaryExp(r) * scale).replacing(with: Singles(repeating: 0), where: isZero)
    }

    /// 2^n for an integer n from -127, which gives 0.
    @_transparent
    static func power(_ n: Singles) -> Singles {
        let bits = unsafeBitCast(n + Singles(repeating: 0x1.8p23 + 127), to: SIMD16<Int32>.self)
        return unsafeBitCast(bits &<< 23, to: Singles.self)
    }

    /// dz/dx / s = 1 - tanh(s x / c)^2 = 4 E / (1 + E)^2, as a product of a number from 2^-125 to 1 and a power of two,
    /// because f32 does not hold all slopes. Error: below 2^-22. 0 below 2^-249.
    #if arch(x86_64) && CROSSENTROPY_KERNELS
        @inline(never)  // see fusedAdding
    #else
        @_transparent
    #endif
    func slope(_ x: Singles) -> (factor: Singles, power: Singles) {
        let bits = unsafeBitCast(x, to: SIMD16<UInt32>.self) & SIMD16(repeating: 0x7FFF_FFFF)
        let a = Float.minimum(Singles(repeating: farthest), unsafeBitCast(bits, to: Singles.self))
        let magic = Singles(repeating: 0x1.8p23)
        let high = Singles(repeating: high)
        let u = magic.fusedAdding(high, a)
        let n = u - magic
        let r = (magic - u).fusedAdding(a, high).fusedAdding(a, Singles(repeating: low))
        let upper = Float.maximum(Singles(repeating: -125), n)
        let first = Self.power(upper)
        let second = Self.power(n - upper)
        let e = binaryExp(r) * first
        let sum = Singles(repeating: 1).fusedAdding(e, second)
        return (Singles(repeating: 4) * e / (sum * sum), second)
    }
}

/// 2^r, |r| <= 1/2, error below 1 ulp. Constants: those of ShortExp.swift.
#if arch(x86_64) && CROSSENTROPY_KERNELS
    @inline(never)  // see fusedAdding
#else
    @_transparent
#endif
func binaryExp(_ r: Singles) -> Singles {
    var p = Singles(repeating: 0x1.441412p-13)
    p = Singles(repeating: 0x1.5f0956p-10).fusedAdding(p, r)
    p = Singles(repeating: 0x1.3b2a52p-7).fusedAdding(p, r)
    p = Singles(repeating: 0x1.c6af6cp-5).fusedAdding(p, r)
    p = Singles(repeating: 0x1.ebfbe0p-3).fusedAdding(p, r)
    p = Singles(repeating: 0x1.62e430p-1).fusedAdding(p, r)
    return Singles(repeating: 1).fusedAdding(p, r)
}
