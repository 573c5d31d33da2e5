import Shims

// Eight rows side by side: see ShortLanes.swift.

typealias RowLanes = SIMD8<Float>
typealias RowBits = SIMD8<UInt32>
typealias RowDoubles = SIMD8<Double>
typealias RowMasks = SIMD8<UInt64>
// One number of the even lanes, or one of the odd ones.
typealias HalfDoubles = SIMD4<Double>
typealias HalfBits = SIMD4<UInt64>
typealias HalfInts = SIMD4<Int64>

@inline(__always) var halfNumbers: HalfInts { HalfInts(0, 1, 2, 3) }

@inline(__always)
func signedEven(_ x: RowLanes) -> HalfDoubles {
    let half = x.evenHalf
    return HalfDoubles(Double(half[0]), Double(half[1]), Double(half[2]), Double(half[3]))
}

@inline(__always)
func signedOdd(_ x: RowLanes) -> HalfDoubles {
    let half = x.oddHalf
    return HalfDoubles(Double(half[0]), Double(half[1]), Double(half[2]), Double(half[3]))
}

/// Rounded to f32, from the doubles of the even and the odd lanes.
@inline(__always)
func narrow(_ e: HalfDoubles, _ o: HalfDoubles) -> RowLanes {
    RowLanes(Float(e[0]), Float(o[0]), Float(e[1]), Float(o[1]), Float(e[2]), Float(o[2]), Float(e[3]), Float(o[3]))
}

@inline(__always)
func isAnySet(_ mask: SIMDMask<SIMD8<Int32>>) -> Bool { isAnySet(unsafeBitCast(mask, to: HalfBits.self)) }

@inline(__always)
func isAnySet(_ x: HalfBits) -> Bool {
    let half = x.lowHalf | x.highHalf
    return half[0] | half[1] != 0
}

/// Loads one number of each row, given the places of both halves of the rows.
@inline(__always)
func gather(_ x: UnsafePointer<Float>, _ place: (HalfInts, HalfInts)) -> RowLanes {
    let (a, b) = place
    return RowLanes(
        x[Int(a[0])], x[Int(b[0])], x[Int(a[1])], x[Int(b[1])], x[Int(a[2])], x[Int(b[2])], x[Int(a[3])], x[Int(b[3])])
}

@inline(__always)
func gather(_ x: UnsafePointer<Float>, _ place: UnsafePointer<Int>) -> RowLanes {
    RowLanes(
        x[place[0]], x[place[4]], x[place[1]], x[place[5]], x[place[2]], x[place[6]], x[place[3]], x[place[7]])
}

@inline(__always)
func scatter(_ x: RowLanes, _ to: UnsafeMutablePointer<Float>, _ place: (HalfInts, HalfInts)) {
    let (a, b) = place
    to[Int(a[0])] = x[0]
    to[Int(b[0])] = x[1]
    to[Int(a[1])] = x[2]
    to[Int(b[1])] = x[3]
    to[Int(a[2])] = x[4]
    to[Int(b[2])] = x[5]
    to[Int(a[3])] = x[6]
    to[Int(b[3])] = x[7]
}

/// Permutes consecutive numbers from the order of rows to the order of lanes, and back.
@inline(__always)
func lanesOfRows(_ x: RowLanes) -> RowLanes { RowLanes(x[0], x[4], x[1], x[5], x[2], x[6], x[3], x[7]) }
@inline(__always)
func rowsOfLanes(_ x: RowLanes) -> RowLanes { RowLanes(x[0], x[2], x[4], x[6], x[1], x[3], x[5], x[7]) }

/// Four numbers of the rows 0 and 2.
@inline(__always)
func everySecondRow(_ x: UnsafePointer<Float>, _ rowStride: Int) -> RowLanes {
    // Lanes of 64 bits keep the compiler from merging both steps of the transposition into more instructions.
    rowLanes(
        HalfBits(
            lowHalf: UnsafeRawPointer(x).loadUnaligned(as: SIMD2<UInt64>.self),
            highHalf: UnsafeRawPointer(x + 2 &* rowStride).loadUnaligned(as: SIMD2<UInt64>.self)))
}

@inline(__always)
func storeEverySecondRow(_ x: RowLanes, _ g: UnsafeMutablePointer<Float>, _ rowStride: Int) {
    UnsafeMutableRawPointer(g).storeBytes(of: wide(x).lowHalf, as: SIMD2<UInt64>.self)
    UnsafeMutableRawPointer(g + 2 &* rowStride).storeBytes(of: wide(x).highHalf, as: SIMD2<UInt64>.self)
}

/// Transposes both halves, as matrices of 4 by 4.
@inline(__always)
func transposed(_ a: RowLanes, _ b: RowLanes, _ c: RowLanes, _ d: RowLanes) -> (
    RowLanes, RowLanes, RowLanes, RowLanes
) {
    let t0 = wide(RowLanes(a[0], b[0], a[1], b[1], a[4], b[4], a[5], b[5]))
    let t1 = wide(RowLanes(a[2], b[2], a[3], b[3], a[6], b[6], a[7], b[7]))
    let t2 = wide(RowLanes(c[0], d[0], c[1], d[1], c[4], d[4], c[5], d[5]))
    let t3 = wide(RowLanes(c[2], d[2], c[3], d[3], c[6], d[6], c[7], d[7]))
    return (
        rowLanes(HalfBits(t0[0], t2[0], t0[2], t2[2])), rowLanes(HalfBits(t0[1], t2[1], t0[3], t2[3])),
        rowLanes(HalfBits(t1[0], t3[0], t1[2], t3[2])), rowLanes(HalfBits(t1[1], t3[1], t1[3], t3[3]))
    )
}

/// Prefetches two classes of rows that are copied, where `c` counts the classes.
@inline(__always)
func prefetchTwo(_ x: UnsafeRawPointer, _ c: Int) { shim_prefetch(x + c &* 32) }

/// Calls `body` for sixteen rows.
@inline(__always)
func forEachAbreast(
    _ rest: DoubleLanes, _ unit: DoubleLanes, _ skip: DoubleBits, _ i: Int,
    _ body: (RowDoubles, RowDoubles, RowMasks, Int) -> Void
) {
    body(rest.lowHalf, unit.lowHalf, skip.lowHalf, i)
    body(rest.highHalf, unit.highHalf, skip.highHalf, i &+ 1)
}

/// The results of `body` for sixteen rows from `row` on.
@inline(__always)
func sixteenRows(_ row: Int, _ body: (Int) -> (RowDoubles, RowDoubles, RowMasks)) -> (
    DoubleLanes, DoubleLanes, DoubleBits
) {
    let p = body(row)
    let q = body(row &+ 8)
    return (
        DoubleLanes(lowHalf: p.0, highHalf: q.0), DoubleLanes(lowHalf: p.1, highHalf: q.1),
        DoubleBits(lowHalf: p.2, highHalf: q.2)
    )
}

/// Sixteen rows' numbers as doubles.
@inline(__always)
func sixteenRows(_ x: UnsafePointer<RowLanes>) -> DoubleLanes {
    DoubleLanes(
        lowHalf: RowDoubles(lowHalf: signedEven(x[0]), highHalf: signedOdd(x[0])),
        highHalf: RowDoubles(lowHalf: signedEven(x[1]), highHalf: signedOdd(x[1])))
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
