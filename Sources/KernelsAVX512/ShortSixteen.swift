import Shims

// Sixteen rows side by side: see ShortLanes.swift. What each function does is said in ShortEight.swift.

typealias RowLanes = SIMD16<Float>
typealias RowBits = SIMD16<UInt32>
typealias RowDoubles = DoubleLanes
typealias RowMasks = DoubleBits
typealias HalfDoubles = SIMD8<Double>
typealias HalfBits = SIMD8<UInt64>
typealias HalfInts = SIMD8<Int64>

@inline(__always) var halfNumbers: HalfInts { HalfInts(0, 1, 2, 3, 4, 5, 6, 7) }

@inline(__always) func signedEven(_ x: RowLanes) -> HalfDoubles { shim_even_doubles(x) }
@inline(__always) func signedOdd(_ x: RowLanes) -> HalfDoubles { shim_odd_doubles(x) }
@inline(__always) func narrow(_ e: HalfDoubles, _ o: HalfDoubles) -> RowLanes { shim_narrow(e, o) }

@inline(__always)
func isAnySet(_ x: HalfBits) -> Bool { shim_is_any_set(unsafeBitCast(x, to: SIMD16<Int32>.self)) }

@inline(__always)
func gather(_ x: UnsafePointer<Float>, _ place: (HalfInts, HalfInts)) -> RowLanes {
    let (a, b) = place
    @inline(__always) func two(_ i: Int) -> SIMD2<Float> { SIMD2(x[Int(a[i])], x[Int(b[i])]) }
    return RowLanes(
        lowHalf: SIMD8(
            lowHalf: SIMD4(lowHalf: two(0), highHalf: two(1)), highHalf: SIMD4(lowHalf: two(2), highHalf: two(3))),
        highHalf: SIMD8(
            lowHalf: SIMD4(lowHalf: two(4), highHalf: two(5)), highHalf: SIMD4(lowHalf: two(6), highHalf: two(7))))
}

@inline(__always)
func gather(_ x: UnsafePointer<Float>, _ place: UnsafePointer<Int>) -> RowLanes {
    @inline(__always) func two(_ i: Int) -> SIMD2<Float> { SIMD2(x[place[i]], x[place[i &+ 8]]) }
    return RowLanes(
        lowHalf: SIMD8(
            lowHalf: SIMD4(lowHalf: two(0), highHalf: two(1)), highHalf: SIMD4(lowHalf: two(2), highHalf: two(3))),
        highHalf: SIMD8(
            lowHalf: SIMD4(lowHalf: two(4), highHalf: two(5)), highHalf: SIMD4(lowHalf: two(6), highHalf: two(7))))
}

@inline(__always)
func scatter(_ x: RowLanes, _ to: UnsafeMutablePointer<Float>, _ place: (HalfInts, HalfInts)) {
    let (a, b) = place
    @inline(__always) func two(_ i: Int) {
        to[Int(a[i])] = x[2 &* i]
        to[Int(b[i])] = x[2 &* i &+ 1]
    }
    two(0)
    two(1)
    two(2)
    two(3)
    two(4)
    two(5)
    two(6)
    two(7)
}

@inline(__always) func lanesOfRows(_ x: RowLanes) -> RowLanes { shim_lanes_of_rows(x) }
@inline(__always) func rowsOfLanes(_ x: RowLanes) -> RowLanes { shim_rows_of_lanes(x) }

/// Four numbers of the rows 0, 2, 4 and 6.
@inline(__always)
func everySecondRow(_ x: UnsafePointer<Float>, _ rowStride: Int) -> RowLanes {
    @inline(__always) func row(_ i: Int) -> SIMD2<UInt64> {
        UnsafeRawPointer(x + i &* rowStride).loadUnaligned(as: SIMD2<UInt64>.self)
    }
    return rowLanes(
        HalfBits(lowHalf: SIMD4(lowHalf: row(0), highHalf: row(2)), highHalf: SIMD4(lowHalf: row(4), highHalf: row(6))))
}

@inline(__always)
func storeEverySecondRow(_ x: RowLanes, _ g: UnsafeMutablePointer<Float>, _ rowStride: Int) {
    @inline(__always) func put(_ x: SIMD2<UInt64>, _ i: Int) {
        UnsafeMutableRawPointer(g + i &* rowStride).storeBytes(of: x, as: SIMD2<UInt64>.self)
    }
    let (low, high) = (wide(x).lowHalf, wide(x).highHalf)
    put(low.lowHalf, 0)
    put(low.highHalf, 2)
    put(high.lowHalf, 4)
    put(high.highHalf, 6)
}

/// Transposes the quarters, as matrices of 4 by 4.
@inline(__always)
func transposed(_ a: RowLanes, _ b: RowLanes, _ c: RowLanes, _ d: RowLanes) -> (
    RowLanes, RowLanes, RowLanes, RowLanes
) {
    // Otherwise the compiler moves operations from before the transposition behind parts of it.
    let (a, b, c, d) = (shim_computed(a), shim_computed(b), shim_computed(c), shim_computed(d))
    let (t0, t1) = (shim_low_singles(a, b), shim_high_singles(a, b))
    let (t2, t3) = (shim_low_singles(c, d), shim_high_singles(c, d))
    return (shim_low_pairs(t0, t2), shim_high_pairs(t0, t2), shim_low_pairs(t1, t3), shim_high_pairs(t1, t3))
}

@inline(__always)
func prefetchTwo(_ x: UnsafeRawPointer, _ c: Int) {
    shim_prefetch(x + c &* 64)
    shim_prefetch(x + (c &* 64 &+ 64))
}

@inline(__always)
func forEachAbreast(
    _ rest: DoubleLanes, _ unit: DoubleLanes, _ skip: DoubleBits, _ i: Int,
    _ body: (RowDoubles, RowDoubles, RowMasks, Int) -> Void
) {
    body(rest, unit, skip, i)
}

@inline(__always)
func sixteenRows(_ row: Int, _ body: (Int) -> (RowDoubles, RowDoubles, RowMasks)) -> (
    DoubleLanes, DoubleLanes, DoubleBits
) {
    body(row)
}

@inline(__always)
func sixteenRows(_ x: UnsafePointer<RowLanes>) -> DoubleLanes {
    DoubleLanes(lowHalf: signedEven(x[0]), highHalf: signedOdd(x[0]))
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@_transparent func shim_max(_ a: RowLanes, _ b: RowLanes) -> RowLanes { shim_max_16(a, b) }
// swift-format-ignore: AlwaysUseLowerCamelCase
@_transparent func shim_min(_ a: RowLanes, _ b: RowLanes) -> RowLanes { shim_min_16(a, b) }
// swift-format-ignore: AlwaysUseLowerCamelCase
@_transparent
func shim_where_above(_ x: RowLanes, _ y: RowLanes, _ a: RowLanes, _ b: RowLanes) -> RowLanes {
    shim_where_above_16(x, y, a, b)
}
// swift-format-ignore: AlwaysUseLowerCamelCase
@_transparent
func shim_where_equal(_ x: RowLanes, _ y: RowLanes, _ a: RowLanes, _ b: RowLanes) -> RowLanes {
    shim_where_equal_16(x, y, a, b)
}
// swift-format-ignore: AlwaysUseLowerCamelCase
@_transparent
func shim_nan_unless_below(_ x: RowLanes, _ y: RowLanes, _ limit: Float) -> RowLanes {
    shim_nan_unless_below_16(x, y, limit)
}

extension SIMD8<Double> {
    @_transparent func fusedAdding(_ a: Self, _ b: Self) -> Self { addingProduct(a, b) }
}
