import Shims

// Short rows are computed side by side: eight, or sixteen where registers have 512 bits (ShortEight.swift,
// ShortSixteen.swift). In every vector the even lanes hold the first half of the rows and the odd lanes the second half, so
// that the doubles of the even lanes, followed by those of the odd lanes, are in the order of the rows.

typealias DoubleBits = SIMD16<UInt64>

/// The number of rows side by side.
@inline(__always) var rowsAbreast: Int { RowLanes.scalarCount }

/// The lane of one of the rows.
@inline(__always) func laneOf(_ row: Int) -> Int { row % (rowsAbreast / 2) * 2 + row / (rowsAbreast / 2) }

@inline(__always) func wide(_ x: RowLanes) -> HalfBits { unsafeBitCast(x, to: HalfBits.self) }
@inline(__always) func rowLanes(_ x: HalfBits) -> RowLanes { unsafeBitCast(x, to: RowLanes.self) }
@inline(__always) func rowLanes(_ x: RowBits) -> RowLanes { unsafeBitCast(x, to: RowLanes.self) }
@inline(__always) func doubles(_ x: HalfBits) -> HalfDoubles { unsafeBitCast(x, to: HalfDoubles.self) }
@inline(__always) func doubles(_ x: DoubleBits) -> DoubleLanes { unsafeBitCast(x, to: DoubleLanes.self) }
@inline(__always) func bits(_ x: DoubleLanes) -> DoubleBits { unsafeBitCast(x, to: DoubleBits.self) }

// The bits of a nonnegative f32, moved to the place of an f64's exponent, are those of x 2^-896; no conversion
// instruction is as cheap. A NaN becomes a number above 2^-768.

/// x 2^-896 of the even lanes, for x >= 0.
@inline(__always) func even(_ x: RowLanes) -> HalfDoubles { doubles((wide(x) &<< 32) &>> 3) }
/// x 2^-896 of the odd lanes, for x >= 0.
@inline(__always)
func odd(_ x: RowLanes) -> HalfDoubles { doubles((wide(x) &>> 3) & HalfBits(repeating: 0x1FFF_FFFF_E000_0000)) }

@inline(__always)
func narrow(_ x: RowDoubles) -> RowLanes { narrow(x.lowHalf, x.highHalf) }

@inline(__always)
func doubleLanes(_ x: UnsafePointer<Double>) -> DoubleLanes {
    UnsafeRawPointer(x).loadUnaligned(as: DoubleLanes.self)
}

/// Loads a number of each row.
@inline(__always)
func halves(_ x: UnsafePointer<Int>) -> (HalfInts, HalfInts) {
    let x = UnsafeRawPointer(x)
    return (
        x.loadUnaligned(as: HalfInts.self),
        x.loadUnaligned(fromByteOffset: MemoryLayout<HalfInts>.size, as: HalfInts.self)
    )
}

@inline(__always)
func halves(_ x: UnsafePointer<Int64>) -> (HalfInts, HalfInts) {
    halves(UnsafeRawPointer(x).assumingMemoryBound(to: Int.self))
}

/// Loads four classes of the rows, where the classes are neighbours.
@inline(__always)
func fourClasses(_ x: UnsafePointer<Float>, _ rowStride: Int) -> (RowLanes, RowLanes, RowLanes, RowLanes) {
    let half = rowsAbreast / 2
    // Lanes 0 to 3 are to become rows 0, half, 1 and half + 1; the next four lanes those that follow by two.
    return transposed(
        everySecondRow(x, rowStride), everySecondRow(x + half &* rowStride, rowStride),
        everySecondRow(x + rowStride, rowStride), everySecondRow(x + (half &+ 1) &* rowStride, rowStride))
}

/// Stores four classes of the rows: the inverse of `fourClasses`.
@inline(__always)
func storeFourClasses(
    _ a: RowLanes, _ b: RowLanes, _ c: RowLanes, _ d: RowLanes, _ g: UnsafeMutablePointer<Float>, _ rowStride: Int
) {
    let half = rowsAbreast / 2
    let (p, q, r, s) = transposed(a, b, c, d)
    storeEverySecondRow(p, g, rowStride)
    storeEverySecondRow(q, g + half &* rowStride, rowStride)
    storeEverySecondRow(r, g + rowStride, rowStride)
    storeEverySecondRow(s, g + (half &+ 1) &* rowStride, rowStride)
}
