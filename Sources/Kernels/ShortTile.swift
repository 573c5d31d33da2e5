import KernelABI
import Shims

typealias ShortRows = UnsafePointer<crossentropy_short_rows>

/// What is known of a tile's rows between the steps, an array for each number: eight rows, or one double of each row, to an entry.
struct ShortTile {
    private let base: UnsafeMutableRawPointer
    /// Rows there is room for.
    private let rows: Int

    /// - Parameter rows: At most 128, a multiple of 16.
    @inline(__always)
    init(_ base: UnsafeMutableRawPointer, rows: Int) {
        self.base = base
        self.rows = rows
    }

    static let bytesPerRow = 100

    /// Behind the tile.
    @inline(__always) var end: UnsafeMutableRawPointer { base + rows &* Self.bytesPerRow }

    @inline(__always)
    private func singles(_ i: Int) -> UnsafeMutablePointer<Eight> {
        (base + i &* 4 &* rows).assumingMemoryBound(to: Eight.self)
    }

    @inline(__always)
    private func doubles(_ i: Int) -> UnsafeMutablePointer<Double> {
        (base + (52 &+ i &* 8) &* rows).assumingMemoryBound(to: Double.self)
    }

    /// The largest logit; and the same, or 0 where it was subtracted from all (see `moveLargest`).
    @inline(__always) var largest: UnsafeMutablePointer<Eight> { singles(0) }
    @inline(__always) var m: UnsafeMutablePointer<Eight> { singles(1) }
    /// The logit of the label, and what it is below the largest.
    @inline(__always) var target: UnsafeMutablePointer<Eight> { singles(2) }
    @inline(__always) var gap: UnsafeMutablePointer<Eight> { singles(3) }
    /// The sum of exp(z - m) but for the largest's.
    @inline(__always) var rest: UnsafeMutablePointer<Eight> { singles(4) }
    /// What multiplies exponentials to make gradients; what multiplies probabilities; the gradient of a certain class.
    @inline(__always) var factor: UnsafeMutablePointer<Eight> { singles(5) }
    @inline(__always) var scale: UnsafeMutablePointer<Eight> { singles(6) }
    @inline(__always) var largestGrad: UnsafeMutablePointer<Eight> { singles(7) }
    /// The gradient of the label's class where it has the largest logit.
    @inline(__always) var targetGrad: UnsafeMutablePointer<Eight> { singles(8) }
    /// Powers of two that multiply the gradients last, where a tile has any.
    @inline(__always) var powers: (UnsafeMutablePointer<Eight>, UnsafeMutablePointer<Eight>) {
        (singles(9), singles(10))
    }

    /// What gradients are a product more, and that of the label's class less: 0 and `scale`, unless labels are smoothed.
    @inline(__always) var offset: UnsafeMutablePointer<Eight> { singles(11) }
    @inline(__always) var targetScale: UnsafeMutablePointer<Eight> { singles(12) }

    /// Where the label's logit is, in elements from the first of eight rows.
    @inline(__always) var place: UnsafeMutablePointer<Int> {
        UnsafeMutableRawPointer(doubles(0)).assumingMemoryBound(to: Int.self)
    }
    /// All bits set in rows that are not counted.
    @inline(__always) var skip: UnsafeMutablePointer<UInt64> {
        UnsafeMutableRawPointer(doubles(1)).assumingMemoryBound(to: UInt64.self)
    }
    /// See `ShortReference.remainder`.
    @inline(__always) var remainder: UnsafeMutablePointer<Double> { doubles(2) }
    /// Of exponentials, times 2^-896.
    @inline(__always) var sum: UnsafeMutablePointer<Double> { doubles(3) }
    /// m - z_y, times 2^-896.
    @inline(__always) var distance: UnsafeMutablePointer<Double> { doubles(4) }
    /// The sum of m - z over all classes, times 2^-896, where labels are smoothed.
    @inline(__always) var distances: UnsafeMutablePointer<Double> { doubles(5) }
}

extension UnsafeMutablePointer<Double> {
    /// Of eight rows, those of the even and those of the odd lanes.
    @inline(__always)
    func set(_ i: Int, _ even: Four, _ odd: Four) {
        UnsafeMutableRawPointer(self + 8 &* i).storeBytes(
            of: SIMD8(lowHalf: even, highHalf: odd), as: SIMD8<Double>.self)
    }
}

/// Reads the labels of `groups` times eight rows. False if one that is not ignored is no class: labels were checked, but the
/// caller's memory may have changed since.
/// - Parameters:
///   - apart: From class to class, in elements.
///   - steps: From row to row, of four rows, and of the next four.
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

/// Rows whose label is no class become NaN.
@inline(never)
@_optimize(size)
func spoilRows(_ tile: ShortTile, _ labels: UnsafePointer<Int64>, _ count: Int, _ rows: ShortRows) {
    for i in 0..<count {
        let isIndex = labels[i] >= 0 && labels[i] < rows.pointee.classes
        if !isIndex && labels[i] != rows.pointee.ignored { tile.sum[i] = .nan }
    }
}

/// Notes the largest logits of eight rows and what the label's are below them; brings rows that are out of reach of exponentials nearer.
/// - Parameters:
///   - z: The logits of the labels.
///   - panel: All logits, `step` vectors from class to class.
@_transparent
func setLargest(
    _ tile: ShortTile, _ i: Int, _ m: Eight, _ z: Eight, _ panel: UnsafeMutablePointer<Eight>, _ step: Int,
    _ classes: Int
) {
    let gap = (m - z) + Eight(repeating: 0)  // makes -0 a 0
    tile.largest[i] = m
    tile.m[i] = m
    tile.target[i] = z
    tile.gap[i] = gap
    tile.distance.set(i, even(gap), odd(gap))
    let isUsual =
        (m .< Eight(repeating: 0x1p17)) .& (m .> Eight(repeating: -0x1p17)) .& (gap .< Eight(repeating: 0x1p100))
    if isAnySet(.!isUsual) { moveLargest(tile, i, panel, step, classes) }
}

/// Rows with a largest logit of 2^17 or more are moved so that it is 0, which takes nothing from what does not vanish beside it; those
/// without one become NaN. Distances that f32 does not hold are those of f64.
@inline(never)
@_optimize(size)
func moveLargest(_ tile: ShortTile, _ i: Int, _ panel: UnsafeMutablePointer<Eight>, _ step: Int, _ classes: Int) {
    let m = tile.largest[i]
    let infinity = Eight(repeating: .infinity)
    let isLarge = .!((m .< Eight(repeating: 0x1p17)) .& (m .> Eight(repeating: -0x1p17)))
    let isUndefined = .!((m .< infinity) .& (m .> -infinity))
    let shift = Eight(repeating: 0).replacing(with: m, where: isLarge)
        .replacing(with: Eight(repeating: .nan), where: isUndefined)
    for c in 0..<classes { panel[c &* step] = panel[c &* step] - shift }
    tile.m[i] = m.replacing(with: Eight(repeating: 0), where: isLarge)
    for row in 0..<8 {
        let lane = row % 4 * 2 + row / 4
        if tile.gap[i][lane] < 0x1p100 { continue }
        tile.distance[8 * i + row] = (Double(m[lane]) - Double(tile.target[i][lane])) * 0x1p-896
    }
}
