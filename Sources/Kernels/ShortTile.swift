import KernelABI
import Shims

typealias ShortRows = UnsafePointer<crossentropy_short_rows>

/// The numbers of a tile's rows that one step leaves for the next, an array for each: an
/// entry holds eight rows, or one row's double.
struct ShortTile {
    private let base: UnsafeMutableRawPointer
    /// The number of rows that the arrays hold.
    private let rows: Int

    /// - Parameter rows: At most 128, a multiple of 16.
    @inline(__always)
    init(_ base: UnsafeMutableRawPointer, rows: Int) {
        self.base = base
        self.rows = rows
    }

    static let bytesPerRow = 100

    /// The memory after the tile.
    @inline(__always) var end: UnsafeMutableRawPointer { base + rows &* Self.bytesPerRow }

    @inline(__always)
    private func singles(_ i: Int) -> UnsafeMutablePointer<RowLanes> {
        (base + i &* 4 &* rows).assumingMemoryBound(to: RowLanes.self)
    }

    @inline(__always)
    private func doubles(_ i: Int) -> UnsafeMutablePointer<Double> {
        (base + (52 &+ i &* 8) &* rows).assumingMemoryBound(to: Double.self)
    }

    /// The largest logit; and the same, or 0 where the largest was subtracted from all logits (see `moveLargest`).
    @inline(__always) var largest: UnsafeMutablePointer<RowLanes> { singles(0) }
    @inline(__always) var m: UnsafeMutablePointer<RowLanes> { singles(1) }
    /// The logit of the label, and its distance below the largest.
    @inline(__always) var target: UnsafeMutablePointer<RowLanes> { singles(2) }
    @inline(__always) var gap: UnsafeMutablePointer<RowLanes> { singles(3) }
    /// The sum of exp(z - m) over all classes but the largest.
    @inline(__always) var rest: UnsafeMutablePointer<RowLanes> { singles(4) }
    /// The factor that turns exponentials into gradients; the factor that turns probabilities into gradients; the
    /// gradient of a nearly certain class.
    @inline(__always) var factor: UnsafeMutablePointer<RowLanes> { singles(5) }
    @inline(__always) var scale: UnsafeMutablePointer<RowLanes> { singles(6) }
    @inline(__always) var largestGrad: UnsafeMutablePointer<RowLanes> { singles(7) }
    /// The gradient of the label's class where its logit is the largest.
    @inline(__always) var targetGrad: UnsafeMutablePointer<RowLanes> { singles(8) }
    /// Powers of two that multiply the gradients last, if a tile has any.
    @inline(__always) var powers: (UnsafeMutablePointer<RowLanes>, UnsafeMutablePointer<RowLanes>) {
        (singles(9), singles(10))
    }

    /// `offset` is added to every gradient, and `targetScale` is subtracted from the label's: 0 and `scale`, unless
    /// labels are smoothed.
    @inline(__always) var offset: UnsafeMutablePointer<RowLanes> { singles(11) }
    @inline(__always) var targetScale: UnsafeMutablePointer<RowLanes> { singles(12) }

    /// The position of the label's logit, in elements from the first of eight rows.
    @inline(__always) var place: UnsafeMutablePointer<Int> {
        UnsafeMutableRawPointer(doubles(0)).assumingMemoryBound(to: Int.self)
    }
    /// All bits set in rows that are not counted.
    @inline(__always) var skip: UnsafeMutablePointer<UInt64> {
        UnsafeMutableRawPointer(doubles(1)).assumingMemoryBound(to: UInt64.self)
    }
    /// See `ShortReference.remainder`.
    @inline(__always) var remainder: UnsafeMutablePointer<Double> { doubles(2) }
    /// The sum of exponentials, times 2^-896.
    @inline(__always) var sum: UnsafeMutablePointer<Double> { doubles(3) }
    /// m - z_y, times 2^-896.
    @inline(__always) var distance: UnsafeMutablePointer<Double> { doubles(4) }
    /// The sum of m - z over all classes, times 2^-896, where labels are smoothed.
    @inline(__always) var distances: UnsafeMutablePointer<Double> { doubles(5) }
}

extension UnsafeMutablePointer<Double> {
    /// Sets the numbers of eight rows, given those of the even and of the odd lanes.
    @inline(__always)
    func set(_ i: Int, _ even: HalfDoubles, _ odd: HalfDoubles) {
        UnsafeMutableRawPointer(self + rowsAbreast &* i).storeBytes(
            of: RowDoubles(lowHalf: even, highHalf: odd), as: RowDoubles.self)
    }
}

/// Reads the labels of `groups` times eight rows. Returns false if a label is neither ignored nor a class: labels were
/// checked, but the caller's memory may have changed since.
/// - Parameters:
///   - apart: The distance from class to class, in elements.
///   - steps: The distances of the first half of the rows from the first one, and of the second half.
@inline(never)
func readLabels(
    _ tile: ShortTile, _ labels: UnsafePointer<Int64>, _ groups: Int, _ rows: ShortRows, apart: Int,
    steps: (HalfInts, HalfInts)
) -> Bool {
    let classes = HalfInts(repeating: rows.pointee.classes)
    let ignored = HalfInts(repeating: rows.pointee.ignored)
    var wrong = HalfBits(repeating: 0)
    @inline(__always) func half(_ i: Int, _ step: HalfInts) {
        let first = rowsAbreast / 2 &* i
        let label = UnsafeRawPointer(labels + first).loadUnaligned(as: HalfInts.self)
        let isSkipped = label .== ignored
        let isIndex = (label .< classes) .& (label .> HalfInts(repeating: -1))
        let index = HalfInts(repeating: 0).replacing(with: label, where: isIndex)
        let place =
            apart == 1
            ? index
            : unsafeBitCast(
                unsafeBitCast(index, to: HalfBits.self) &* HalfBits(repeating: UInt64(apart)), to: HalfInts.self)
        UnsafeMutableRawPointer(tile.place + first).storeBytes(of: place &+ step, as: HalfInts.self)
        UnsafeMutableRawPointer(tile.skip + first).storeBytes(
            of: unsafeBitCast(isSkipped, to: HalfBits.self), as: HalfBits.self)
        wrong |= ~(unsafeBitCast(isSkipped, to: HalfBits.self) | unsafeBitCast(isIndex, to: HalfBits.self))
    }
    for i in 0..<groups {
        half(2 &* i, steps.0)
        half(2 &* i &+ 1, steps.1)
    }
    return !isAnySet(wrong)
}

/// Makes rows NaN whose label is not a class.
@inline(never)
@_optimize(size)
func spoilRows(_ tile: ShortTile, _ labels: UnsafePointer<Int64>, _ count: Int, _ rows: ShortRows) {
    for i in 0..<count {
        let isIndex = labels[i] >= 0 && labels[i] < rows.pointee.classes
        if !isIndex && labels[i] != rows.pointee.ignored { tile.sum[i] = .nan }
    }
}

/// Sets the largest logits of eight rows, and the labels' distances below them. Rows that are out of range of the
/// exponentials are moved (see `moveLargest`).
/// - Parameters:
///   - z: The logits of the labels.
///   - panel: All logits, `step` vectors from class to class.
@_transparent
func setLargest(
    _ tile: ShortTile, _ i: Int, _ m: RowLanes, _ z: RowLanes, _ scale: ExponentScale,
    _ panel: UnsafeMutablePointer<RowLanes>,
    _ step: Int, _ classes: Int
) {
    let gap = (m - z) + RowLanes(repeating: 0)  // makes -0 a 0
    tile.largest[i] = m
    tile.m[i] = m
    tile.target[i] = z
    tile.gap[i] = gap
    tile.distance.set(i, even(gap), odd(gap))
    let limit = 0x1p17 * scale.inverse
    let isUsual =
        (m .< RowLanes(repeating: limit)) .& (m .> RowLanes(repeating: -limit)) .& (gap .< RowLanes(repeating: 0x1p100))
    if isAnySet(.!isUsual) { moveLargest(tile, i, limit, panel, step, classes) }
}

/// Moves rows with a largest logit of 2^17 / s or more in magnitude so that it becomes 0, which is exact for every logit
/// whose exponential does not vanish beside the largest. Rows without a finite largest logit become NaN. Distances that
/// f32 cannot hold are computed in f64.
@inline(never)
@_optimize(size)
func moveLargest(
    _ tile: ShortTile, _ i: Int, _ limit: Float, _ panel: UnsafeMutablePointer<RowLanes>, _ step: Int, _ classes: Int
) {
    let m = tile.largest[i]
    let infinity = RowLanes(repeating: .infinity)
    let isLarge = .!((m .< RowLanes(repeating: limit)) .& (m .> RowLanes(repeating: -limit)))
    let isUndefined = .!((m .< infinity) .& (m .> -infinity))
    let shift = RowLanes(repeating: 0).replacing(with: m, where: isLarge)
        .replacing(with: RowLanes(repeating: .nan), where: isUndefined)
    for c in 0..<classes { panel[c &* step] = panel[c &* step] - shift }
    tile.m[i] = m.replacing(with: RowLanes(repeating: 0), where: isLarge)
    for row in 0..<rowsAbreast {
        let lane = laneOf(row)
        if tile.gap[i][lane] < 0x1p100 { continue }
        tile.distance[rowsAbreast * i + row] = (Double(m[lane]) - Double(tile.target[i][lane])) * 0x1p-896
    }
}
