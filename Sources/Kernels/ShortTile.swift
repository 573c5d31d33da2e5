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
    private func singles(_ i: Int) -> UnsafeMutablePointer<Eight> {
        (base + i &* 4 &* rows).assumingMemoryBound(to: Eight.self)
    }

    @inline(__always)
    private func doubles(_ i: Int) -> UnsafeMutablePointer<Double> {
        (base + (52 &+ i &* 8) &* rows).assumingMemoryBound(to: Double.self)
    }

    /// The largest logit; and the same, or 0 where the largest was subtracted from all logits (see `moveLargest`).
    @inline(__always) var largest: UnsafeMutablePointer<Eight> { singles(0) }
    @inline(__always) var m: UnsafeMutablePointer<Eight> { singles(1) }
    /// The logit of the label, and its distance below the largest.
    @inline(__always) var target: UnsafeMutablePointer<Eight> { singles(2) }
    @inline(__always) var gap: UnsafeMutablePointer<Eight> { singles(3) }
    /// The sum of exp(z - m) over all classes but the largest.
    @inline(__always) var rest: UnsafeMutablePointer<Eight> { singles(4) }
    /// The factor that turns exponentials into gradients; the factor that turns probabilities into gradients; the
    /// gradient of a nearly certain class.
    @inline(__always) var factor: UnsafeMutablePointer<Eight> { singles(5) }
    @inline(__always) var scale: UnsafeMutablePointer<Eight> { singles(6) }
    @inline(__always) var largestGrad: UnsafeMutablePointer<Eight> { singles(7) }
    /// The gradient of the label's class where its logit is the largest.
    @inline(__always) var targetGrad: UnsafeMutablePointer<Eight> { singles(8) }
    /// Powers of two that multiply the gradients last, if a tile has any.
    @inline(__always) var powers: (UnsafeMutablePointer<Eight>, UnsafeMutablePointer<Eight>) {
        (singles(9), singles(10))
    }

    /// `offset` is added to every gradient, and `targetScale` is subtracted from the label's: 0 and `scale`, unless
    /// labels are smoothed.
    @inline(__always) var offset: UnsafeMutablePointer<Eight> { singles(11) }
    @inline(__always) var targetScale: UnsafeMutablePointer<Eight> { singles(12) }

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
    func set(_ i: Int, _ even: Four, _ odd: Four) {
        UnsafeMutableRawPointer(self + 8 &* i).storeBytes(
            of: SIMD8(lowHalf: even, highHalf: odd), as: SIMD8<Double>.self)
    }
}

/// Reads the labels of `groups` times eight rows. Returns false if a label is neither ignored nor a class: labels were
/// checked, but the caller's memory may have changed since.
/// - Parameters:
///   - apart: The distance from class to class, in elements.
///   - steps: The distances of four rows from the first one, and of the next four.
@inline(never)
func readLabels(
    _ tile: ShortTile, _ labels: UnsafePointer<Int64>, _ groups: Int, _ rows: ShortRows, apart: Int,
    steps: (SIMD4<Int64>, SIMD4<Int64>)
) -> Bool {
    let classes = SIMD4<Int64>(repeating: rows.pointee.classes)
    let ignored = SIMD4<Int64>(repeating: rows.pointee.ignored)
    var wrong = FourBits(repeating: 0)
    @inline(__always) func four(_ i: Int, _ step: SIMD4<Int64>) {
        let label = UnsafeRawPointer(labels + 4 &* i).loadUnaligned(as: SIMD4<Int64>.self)
        let isSkipped = label .== ignored
        let isIndex = (label .< classes) .& (label .> SIMD4<Int64>(repeating: -1))
        let index = SIMD4<Int64>(repeating: 0).replacing(with: label, where: isIndex)
        let first =
            apart == 1
            ? index
            : unsafeBitCast(
                unsafeBitCast(index, to: FourBits.self) &* FourBits(repeating: UInt64(apart)), to: SIMD4<Int64>.self)
        UnsafeMutableRawPointer(tile.place + 4 &* i).storeBytes(of: first &+ step, as: SIMD4<Int64>.self)
        UnsafeMutableRawPointer(tile.skip + 4 &* i).storeBytes(
            of: unsafeBitCast(isSkipped, to: FourBits.self), as: FourBits.self)
        wrong |= ~(unsafeBitCast(isSkipped, to: FourBits.self) | unsafeBitCast(isIndex, to: FourBits.self))
    }
    for i in 0..<groups {
        four(2 &* i, steps.0)
        four(2 &* i &+ 1, steps.1)
    }
    let half = wrong.lowHalf | wrong.highHalf
    return half[0] | half[1] == 0
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
    _ tile: ShortTile, _ i: Int, _ m: Eight, _ z: Eight, _ scale: ExponentScale, _ panel: UnsafeMutablePointer<Eight>,
    _ step: Int, _ classes: Int
) {
    let gap = (m - z) + Eight(repeating: 0)  // makes -0 a 0
    tile.largest[i] = m
    tile.m[i] = m
    tile.target[i] = z
    tile.gap[i] = gap
    tile.distance.set(i, even(gap), odd(gap))
    let limit = 0x1p17 * scale.inverse
    let isUsual =
        (m .< Eight(repeating: limit)) .& (m .> Eight(repeating: -limit)) .& (gap .< Eight(repeating: 0x1p100))
    if isAnySet(.!isUsual) { moveLargest(tile, i, limit, panel, step, classes) }
}

/// Moves rows with a largest logit of 2^17 / s or more in magnitude so that it becomes 0, which is exact for every logit
/// whose exponential does not vanish beside the largest. Rows without a finite largest logit become NaN. Distances that
/// f32 cannot hold are computed in f64.
@inline(never)
@_optimize(size)
func moveLargest(
    _ tile: ShortTile, _ i: Int, _ limit: Float, _ panel: UnsafeMutablePointer<Eight>, _ step: Int, _ classes: Int
) {
    let m = tile.largest[i]
    let infinity = Eight(repeating: .infinity)
    let isLarge = .!((m .< Eight(repeating: limit)) .& (m .> Eight(repeating: -limit)))
    let isUndefined = .!((m .< infinity) .& (m .> -infinity))
    let shift = Eight(repeating: 0).replacing(with: m, where: isLarge)
        .replacing(with: Eight(repeating: .nan), where: isUndefined)
    for c in 0..<classes { panel[c &* step] = panel[c &* step] - shift }
    tile.m[i] = m.replacing(with: Eight(repeating: 0), where: isLarge)
    for row in 0..<8 {
        let lane = laneOf(row)
        if tile.gap[i][lane] < 0x1p100 { continue }
        tile.distance[8 * i + row] = (Double(m[lane]) - Double(tile.target[i][lane])) * 0x1p-896
    }
}
