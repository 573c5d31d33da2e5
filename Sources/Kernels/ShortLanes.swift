import Shims

// Short rows are computed eight side by side. In every vector the even lanes hold rows 0 to 3 and the odd lanes rows 4
// to 7, so that the doubles of the even lanes, followed by those of the odd lanes, are in the order of the rows.

typealias Eight = SIMD8<Float>
typealias EightBits = SIMD8<UInt32>
typealias Four = SIMD4<Double>
typealias FourBits = SIMD4<UInt64>
typealias DoubleBits = SIMD16<UInt64>

/// The lane of one of eight rows.
@inline(__always) func laneOf(_ row: Int) -> Int { row % 4 * 2 + row / 4 }

@inline(__always) func wide(_ x: Eight) -> FourBits { unsafeBitCast(x, to: FourBits.self) }
@inline(__always) func eight(_ x: FourBits) -> Eight { unsafeBitCast(x, to: Eight.self) }
@inline(__always) func eight(_ x: EightBits) -> Eight { unsafeBitCast(x, to: Eight.self) }
@inline(__always) func doubles(_ x: FourBits) -> Four { unsafeBitCast(x, to: Four.self) }
@inline(__always) func doubles(_ x: DoubleBits) -> DoubleLanes { unsafeBitCast(x, to: DoubleLanes.self) }
@inline(__always) func bits(_ x: DoubleLanes) -> DoubleBits { unsafeBitCast(x, to: DoubleBits.self) }

// The bits of a nonnegative f32, moved to the place of an f64's exponent, are those of x 2^-896; no conversion
// instruction is as cheap. A NaN becomes a number above 2^-768.

/// x 2^-896 of the even lanes, for x >= 0.
@inline(__always) func even(_ x: Eight) -> Four { doubles((wide(x) &<< 32) &>> 3) }
/// x 2^-896 of the odd lanes, for x >= 0.
@inline(__always) func odd(_ x: Eight) -> Four { doubles((wide(x) &>> 3) & FourBits(repeating: 0x1FFF_FFFF_E000_0000)) }

@inline(__always)
func signedEven(_ x: Eight) -> Four {
    let half = x.evenHalf
    return Four(Double(half[0]), Double(half[1]), Double(half[2]), Double(half[3]))
}

@inline(__always)
func signedOdd(_ x: Eight) -> Four {
    let half = x.oddHalf
    return Four(Double(half[0]), Double(half[1]), Double(half[2]), Double(half[3]))
}

/// Rounded to f32, from the doubles of the even and the odd lanes.
@inline(__always)
func narrow(_ e: Four, _ o: Four) -> Eight {
    Eight(Float(e[0]), Float(o[0]), Float(e[1]), Float(o[1]), Float(e[2]), Float(o[2]), Float(e[3]), Float(o[3]))
}

@inline(__always)
func narrow(_ x: SIMD8<Double>) -> Eight { narrow(x.lowHalf, x.highHalf) }

@inline(__always)
func isAnySet(_ mask: SIMDMask<SIMD8<Int32>>) -> Bool {
    let bits = unsafeBitCast(mask, to: FourBits.self)
    let half = bits.lowHalf | bits.highHalf
    return half[0] | half[1] != 0
}

@inline(__always)
func isAnySet(_ mask: SIMDMask<SIMD4<Int64>>) -> Bool {
    let bits = unsafeBitCast(mask, to: FourBits.self)
    let half = bits.lowHalf | bits.highHalf
    return half[0] | half[1] != 0
}

@inline(__always)
func doubleLanes(_ x: UnsafePointer<Double>) -> DoubleLanes {
    UnsafeRawPointer(x).loadUnaligned(as: DoubleLanes.self)
}

/// Loads one number of each of eight rows.
@inline(__always)
func gather(_ x: UnsafePointer<Float>, _ place: UnsafePointer<Int>) -> Eight {
    let x = UnsafeRawPointer(x)
    @inline(__always) func row(_ i: Int) -> Float { Float.load(x, place[i]) }
    return Eight(row(0), row(4), row(1), row(5), row(2), row(6), row(3), row(7))
}

/// Permutes eight consecutive numbers from the order of rows to the order of lanes, and back.
@inline(__always) func lanesOfRows(_ x: Eight) -> Eight { Eight(x[0], x[4], x[1], x[5], x[2], x[6], x[3], x[7]) }
@inline(__always) func rowsOfLanes(_ x: Eight) -> Eight { Eight(x[0], x[2], x[4], x[6], x[1], x[3], x[5], x[7]) }

/// Loads four classes of eight rows whose classes are neighbours.
@inline(__always)
func fourClasses(_ x: UnsafePointer<Float>, _ rowStride: Int) -> (Eight, Eight, Eight, Eight) {
    // Lanes of 64 bits keep the compiler from merging both steps of the transposition into more instructions.
    @inline(__always) func rows(_ a: Int, _ b: Int) -> Eight {
        eight(
            FourBits(
                lowHalf: UnsafeRawPointer(x + a &* rowStride).loadUnaligned(as: SIMD2<UInt64>.self),
                highHalf: UnsafeRawPointer(x + b &* rowStride).loadUnaligned(as: SIMD2<UInt64>.self)))
    }
    // Lanes 0 to 3 are to become rows 0 4 1 5, lanes 4 to 7 rows 2 6 3 7.
    return transposed(rows(0, 2), rows(4, 6), rows(1, 3), rows(5, 7))
}

/// Stores four classes of eight rows: the inverse of `fourClasses`.
@inline(__always)
func storeFourClasses(
    _ a: Eight, _ b: Eight, _ c: Eight, _ d: Eight, _ g: UnsafeMutablePointer<Float>, _ rowStride: Int
) {
    @inline(__always) func put(_ x: Eight, _ i: Int, _ j: Int) {
        UnsafeMutableRawPointer(g + i &* rowStride).storeBytes(of: wide(x).lowHalf, as: SIMD2<UInt64>.self)
        UnsafeMutableRawPointer(g + j &* rowStride).storeBytes(of: wide(x).highHalf, as: SIMD2<UInt64>.self)
    }
    let (p, q, r, s) = transposed(a, b, c, d)
    put(p, 0, 2)
    put(q, 4, 6)
    put(r, 1, 3)
    put(s, 5, 7)
}

/// Transposes both halves, as matrices of 4 by 4.
@inline(__always)
private func transposed(_ a: Eight, _ b: Eight, _ c: Eight, _ d: Eight) -> (Eight, Eight, Eight, Eight) {
    let t0 = wide(Eight(a[0], b[0], a[1], b[1], a[4], b[4], a[5], b[5]))
    let t1 = wide(Eight(a[2], b[2], a[3], b[3], a[6], b[6], a[7], b[7]))
    let t2 = wide(Eight(c[0], d[0], c[1], d[1], c[4], d[4], c[5], d[5]))
    let t3 = wide(Eight(c[2], d[2], c[3], d[3], c[6], d[6], c[7], d[7]))
    return (
        eight(FourBits(t0[0], t2[0], t0[2], t2[2])), eight(FourBits(t0[1], t2[1], t0[3], t2[3])),
        eight(FourBits(t1[0], t3[0], t1[2], t3[2])), eight(FourBits(t1[1], t3[1], t1[3], t3[3]))
    )
}

// self + a b, rounded once: see Element.swift.

extension SIMD8<Float> {
    #if arch(x86_64) && CROSSENTROPY_KERNELS
        @inline(never)
    #else
        @_transparent
    #endif
    func fusedAdding(_ a: Self, _ b: Self) -> Self { addingProduct(a, b) }
}

extension SIMD4<Double> {
    #if arch(x86_64) && CROSSENTROPY_KERNELS
        @inline(never)
    #else
        @_transparent
    #endif
    func fusedAdding(_ a: Self, _ b: Self) -> Self { addingProduct(a, b) }
}
