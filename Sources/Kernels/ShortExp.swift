import KernelABI
import Shims

/// The reference of the exponentials of eight rows: 2^32 exp(s (z - m)) is 2^(n - n_m + 32) f, with exp(s z) = 2^n f and
/// exp(s m) = 2^(n_m) f_m, times 1 / f_m, a factor that is applied to the complete sum. Here n = round(s z log2(e)), and
/// f = 2^r for the remainder r.
struct ShortReference {
    /// The largest logits, or 0 where these were first subtracted from all logits (see `moveLargest`).
    let m: RowLanes
    private let u: RowLanes
    let origin: RowBits
    /// Below this, exponentials are 0: exp(s (z - m)) < 2^-158.
    let cutoff: RowLanes
    let scale: ExponentScale

    private static var magic: RowLanes { RowLanes(repeating: 0x1.8p23) }

    @inline(__always)
    init(_ m: RowLanes, _ scale: ExponentScale) {
        self.m = m
        self.scale = scale
        u = Self.magic.fusedAdding(RowLanes(repeating: scale.high), m)
        origin = unsafeBitCast(u, to: RowBits.self) &- RowBits(repeating: 159)
        cutoff = (u - Self.magic - RowLanes(repeating: 159)) * RowLanes(repeating: 0x1.62e430p-1 * scale.inverse)
    }

    /// log f_m = s m - n_m ln2, of the even and the odd lanes.
    @inline(__always) var remainder: (HalfDoubles, HalfDoubles) {
        let bits = unsafeBitCast(u, to: HalfBits.self)
        let origin = HalfDoubles(repeating: Double(bitPattern: 0x4330_0000_4B40_0000))
        let exponent = HalfBits(repeating: 0x4330_0000_0000_0000)
        let even = doubles((bits & HalfBits(repeating: 0xFFFF_FFFF)) | exponent) - origin
        let odd = doubles((bits &>> 32) | exponent) - origin
        let ln2 = HalfDoubles(repeating: -0x1.62e42fefa39efp-1)
        let factor = HalfDoubles(repeating: scale.factor)
        return (
            (factor * signedEven(m)).fusedAdding(even, ln2), (factor * signedOdd(m)).fusedAdding(odd, ln2)
        )
    }
}

/// 2^32 exp(s (z - m)) f_m, for z at or above the cutoff, in units of the last place with an error below 1.2.
@inline(__always)
func shortExp(_ z: RowLanes, _ scale: ExponentScale, _ origin: RowBits) -> RowLanes {
    let magic = RowLanes(repeating: 0x1.8p23)
    let high = RowLanes(repeating: scale.high)
    let u = magic.fusedAdding(high, z)
    let r = (magic - u).fusedAdding(z, high).fusedAdding(z, RowLanes(repeating: scale.low))
    return shortExp(u, r, origin)
}

/// The same exponential, from u = s z log2(e) + 1.5 2^23 and r = s z log2(e) - n. Constants: tools/make_constants.py.
@inline(__always)
func shortExp(_ u: RowLanes, _ r: RowLanes, _ origin: RowBits) -> RowLanes {
    let square = r * r
    let high = RowLanes(repeating: 0x1.5f0956p-10).fusedAdding(RowLanes(repeating: 0x1.441412p-13), r)
    let middle = RowLanes(repeating: 0x1.c6af6cp-5).fusedAdding(RowLanes(repeating: 0x1.3b2a52p-7), r)
    let low = RowLanes(repeating: 0x1.62e430p-1).fusedAdding(RowLanes(repeating: 0x1.ebfbe0p-3), r)
    let p = low.fusedAdding(middle.fusedAdding(high, square), square)
    // 2^n (1 + r p): the power of two is exact in both places, and off the critical path.
    let scale = rowLanes((unsafeBitCast(u, to: RowBits.self) &- origin) &<< 23)
    return scale.fusedAdding(p, scale * r)
}

/// The sums of the exponentials of eight rows without the largest of each row, times 2^-896, of the even and of the odd
/// lanes. They are added class by class in f64, which adds nothing to the error of the exponentials.
///
/// - Parameters:
///   - panel: The logits, `step` vectors from class to class; with `keeps` they are replaced by their exponentials.
///   - first: 0; or 1 where the largest logit is already left out. Both give the same sum, because it is the larger logit
///     that is left out, and not the larger exponential: of neighbouring logits these may be in the other order.
///   - upcoming: The logits that are read next, to be prefetched.
@_transparent
func sumExponentials(
    _ panel: UnsafeMutablePointer<RowLanes>, _ step: Int, from first: Int, _ classes: Int, _ reference: ShortReference,
    keeps: Bool, _ upcoming: UnsafeRawPointer
) -> (HalfDoubles, HalfDoubles) {
    // The largest logit so far, and its exponential.
    var largest = RowLanes(repeating: -.infinity)
    var top = RowLanes(repeating: 0)
    var evenSum = HalfDoubles(repeating: 0)
    var oddSum = HalfDoubles(repeating: 0)
    let cutoff = reference.cutoff
    let origin = reference.origin
    let (high, low) = (RowLanes(repeating: reference.scale.high), RowLanes(repeating: reference.scale.low))
    var c = first
    while c &+ 2 <= classes {
        prefetchTwo(upcoming, c)
        // Two classes at a time, whose instructions are independent. A NaN stays.
        let z0 = shim_max(panel[c &* step], cutoff)
        let z1 = shim_max(panel[(c &+ 1) &* step], cutoff)
        let magic = RowLanes(repeating: 0x1.8p23)
        let u0 = magic.fusedAdding(high, z0)
        let u1 = magic.fusedAdding(high, z1)
        let q0 = (magic - u0).fusedAdding(z0, high)
        let q1 = (magic - u1).fusedAdding(z1, high)
        let r0 = q0.fusedAdding(z0, low)
        let r1 = q1.fusedAdding(z1, low)
        let e0 = shortExp(u0, r0, origin)
        if keeps { panel[c &* step] = e0 }
        let e1 = shortExp(u1, r1, origin)
        if keeps { panel[(c &+ 1) &* step] = e1 }
        var low0 = e0
        if keeps {
            low0 = shim_where_above(z0, largest, top, e0)
            top = shim_where_above(z0, largest, e0, top)
            largest = shim_max(largest, z0)
        }
        evenSum += even(low0)
        oddSum += odd(low0)
        var low1 = e1
        if keeps {
            low1 = shim_where_above(z1, largest, top, e1)
            top = shim_where_above(z1, largest, e1, top)
            largest = shim_max(largest, z1)
        }
        evenSum += even(low1)
        oddSum += odd(low1)
        c &+= 2
    }
    if c < classes {
        prefetchTwo(upcoming, c)
        let z = shim_max(panel[c &* step], cutoff)
        let e = shortExp(z, reference.scale, origin)
        if keeps { panel[c &* step] = e }
        let low = keeps ? shim_where_above(z, largest, top, e) : e
        evenSum += even(low)
        oddSum += odd(low)
    }
    return (evenSum, oddSum)
}

/// 2^864 exp(-r), |r| <= ln2 / 2, error below 2^-36. Turns sums of exponentials into sums of exp(z - m).
@_transparent
func unitOfSum(_ r: DoubleLanes) -> DoubleLanes {
    let one = 0x1p864
    var p = DoubleLanes(repeating: 0x1.6ab9728a16e38p-10 * one)
    p = DoubleLanes(repeating: -0x1.126d197f3f9fdp-7 * one).fusedAdding(p, r)
    p = DoubleLanes(repeating: 0x1.55589a84ddca5p-5 * one).fusedAdding(p, r)
    p = DoubleLanes(repeating: -0x1.55540a641097ap-3 * one).fusedAdding(p, r)
    p = DoubleLanes(repeating: 0x1.fffffaaeb3491p-2 * one).fusedAdding(p, r)
    p = DoubleLanes(repeating: -0x1.0000009c13d2ep+0 * one).fusedAdding(p, r)
    return DoubleLanes(repeating: 0x1.0000000261aebp+0 * one).fusedAdding(p, r)
}

/// scale distance + log(1 + rest), error below 2^-31 of the result. NaN where `rest` is not below 2^64.
/// - Parameter distance: m - z_y, times 2^-896.
@_transparent
func lossOfDistance(_ rest: DoubleLanes, _ distance: DoubleLanes, _ scale: ExponentScale) -> DoubleLanes {
    let one = DoubleLanes(repeating: 1)
    // 1 + rest = 2^k (1 + f), f in [-0.29, 0.41]; the subtraction of 1 loses nothing.
    let exponent =
        (bits(rest + one) &- DoubleBits(repeating: 0x3FE6_A09E_667F_3BCD))
        & DoubleBits(repeating: 0xFFF0_0000_0000_0000)
    let power = doubles(DoubleBits(repeating: 0x3FF0_0000_0000_0000) &- exponent)  // 2^-k
    let f = (power - one).fusedAdding(rest, power)
    let k =
        doubles((exponent &>> 52) | DoubleBits(repeating: 0x4330_0000_0000_0000)) - DoubleLanes(repeating: 0x1p52)
    var q = DoubleLanes(repeating: 0x1.1375538f02d19p-4)
    q = DoubleLanes(repeating: -0x1.de4036e80f14bp-4).fusedAdding(q, f)
    q = DoubleLanes(repeating: 0x1.e7768c58cd9e1p-4).fusedAdding(q, f)
    q = DoubleLanes(repeating: -0x1.fc3460906c74fp-4).fusedAdding(q, f)
    q = DoubleLanes(repeating: 0x1.232d989dc1b48p-3).fusedAdding(q, f)
    q = DoubleLanes(repeating: -0x1.555ab1728e6a8p-3).fusedAdding(q, f)
    q = DoubleLanes(repeating: 0x1.99a53d34515bcp-3).fusedAdding(q, f)
    q = DoubleLanes(repeating: -0x1.0000113fa5f54p-2).fusedAdding(q, f)
    q = DoubleLanes(repeating: 0x1.5555463832ab2p-2).fusedAdding(q, f)
    q = DoubleLanes(repeating: -0x1.ffffffd5a7c6ep-2).fusedAdding(q, f)
    var loss = f.fusedAdding(f * f, q)
    loss = loss.fusedAdding(k, DoubleLanes(repeating: 0x1.62e42fefa39efp-1))
    loss = loss.fusedAdding(distance, DoubleLanes(repeating: 0x1p896 * scale.factor))
    return shim_nan_unless_doubles_below(loss, rest, 0x1p64)
}

/// Rounded to 29 bits: many such numbers fit into the exact sums without a carry (see `sumExactly`).
@_transparent
func roundedLoss(_ x: DoubleLanes) -> DoubleLanes {
    doubles((bits(x) &+ DoubleBits(repeating: 0x80_0000)) & DoubleBits(repeating: ~0xFF_FFFF))
}
