/// log(x), error below 1 ulp: -infinity for 0, NaN for negative numbers.
///
/// x = 2^k m with m in [sqrt(1/2), sqrt(2)); log(m) by the series of log((1+s)/(1-s)) in s = f / (2 + f), f = m - 1,
/// arranged so that the rounding error of s only enters through the small terms (as in fdlibm's e_log.c).
/// Constants: tools/make_constants.py (approximation error 2^-60.7).
#if arch(x86_64) && CROSSENTROPY_KERNELS
    // Four lanes at a time, so that the stack does not hold every step of sixteen.
    private typealias LogLanes = SIMD4<Double>
    private typealias LogBits = SIMD4<Int64>

    @inline(never)
    func log(_ x: DoubleLanes) -> DoubleLanes {
        let (low, high) = (x.lowHalf, x.highHalf)
        return DoubleLanes(
            lowHalf: SIMD8(lowHalf: logOf(low.lowHalf), highHalf: logOf(low.highHalf)),
            highHalf: SIMD8(lowHalf: logOf(high.lowHalf), highHalf: logOf(high.highHalf)))
    }
#else
    private typealias LogLanes = DoubleLanes
    private typealias LogBits = SIMD16<Int64>

    @inline(__always)
    func log(_ x: DoubleLanes) -> DoubleLanes { logOf(x) }
#endif

#if arch(x86_64) && CROSSENTROPY_KERNELS
    @inline(never)  // see fusedAdding
#else
    @inline(__always)
#endif
private func logOf(_ input: LogLanes) -> LogLanes {
    let isSubnormal = input .< LogLanes(repeating: 0x1p-1022)
    let x = input.replacing(with: input * LogLanes(repeating: 0x1p54), where: isSubnormal)
    let bits = unsafeBitCast(x, to: LogBits.self)
    let k = (bits &- LogBits(repeating: 0x3FE6_A09E_667F_3BCD)) &>> 52
    let m = unsafeBitCast(bits &- (k &<< 52), to: LogLanes.self)
    var kd =
        unsafeBitCast(k &+ LogBits(repeating: 0x4338_0000_0000_0000), to: LogLanes.self)
        - LogLanes(repeating: 0x1.8p52)
    kd = kd.replacing(with: kd - LogLanes(repeating: 54), where: isSubnormal)

    let f = m - LogLanes(repeating: 1)
    let s = f / (f + LogLanes(repeating: 2))
    let t = s * s
    var p = LogLanes(repeating: 0x1.0c0aff044a970p-3)
    p = LogLanes(repeating: 0x1.0fbde0f4ad17bp-3).fusedAdding(p, t)
    p = LogLanes(repeating: 0x1.3b1c3c1c81c8fp-3).fusedAdding(p, t)
    p = LogLanes(repeating: 0x1.745cf8e4bba1bp-3).fusedAdding(p, t)
    p = LogLanes(repeating: 0x1.c71c7201a55d7p-3).fusedAdding(p, t)
    p = LogLanes(repeating: 0x1.2492492476a1ap-2).fusedAdding(p, t)
    p = LogLanes(repeating: 0x1.9999999999a39p-2).fusedAdding(p, t)
    p = LogLanes(repeating: 0x1.5555555555555p-1).fusedAdding(p, t)
    let halfSquare = f * f * LogLanes(repeating: 0.5)
    let small = (s * (halfSquare + t * p)).fusedAdding(kd, LogLanes(repeating: -0x1.718432a1b0e26p-35))
    var result = (f - (halfSquare - small)).fusedAdding(kd, LogLanes(repeating: 0x1.62e42ff000000p-1))

    let infinity = LogLanes(repeating: .infinity)
    result = result.replacing(with: input, where: input .== infinity)
    result = result.replacing(with: -infinity, where: input .== LogLanes(repeating: 0))
    let isNaN = (input .< LogLanes(repeating: 0)) .| (input .!= input)
    return result.replacing(with: LogLanes(repeating: .nan), where: isNaN)
}

@inline(__always)
func log(_ x: Double) -> Double { log(DoubleLanes(repeating: x))[0] }

/// log(1 + x) for x >= 0, error below 2 ulp. The rounding error of 1 + x is computed exactly and added again.
@inline(__always)
func log1p(_ x: DoubleLanes) -> DoubleLanes {
    let one = DoubleLanes(repeating: 1)
    let u = one + x
    let lost = (one - (u - x)).replacing(with: x - (u - one), where: x .< one)
    return log(u) + lost / u
}

/// log(1 - x) for x in [0, 1], error below 2 ulp; NaN for NaN.
@inline(__always)
func log1p(minus x: DoubleLanes) -> DoubleLanes {
    let one = DoubleLanes(repeating: 1)
    let u = one - x
    let lost = ((one - u) - x) / u
    return log(u) + lost.replacing(with: DoubleLanes(repeating: 0), where: u .== DoubleLanes(repeating: 0))
}
