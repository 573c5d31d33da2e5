import KernelABI
import Shims

// Smoothed labels: of a row's target mass (1 - e) is the label's, and e / C each class's. So
//
//     loss = (1 - e) (m - z_y) + e / C sum of (m - z_c) + log1p(rest)
//
// and gradients are p - e / C, at the label 1 - e less.

extension crossentropy_short_rows {
    /// The label's own mass, and each class's.
    @inline(__always) var keep: Double { 1 - smoothing }
    @inline(__always) var spread: Double { smoothing / Double(classes) }
}

/// The sums of m - z of eight rows.
@inline(never)
func sumDistances(_ tile: ShortTile, _ i: Int, _ panel: UnsafePointer<Eight>, _ step: Int, _ classes: Int) {
    let m = tile.m[i]
    var evenSum = Four(repeating: 0)
    var oddSum = Four(repeating: 0)
    for c in 0..<classes {
        let distance = (m - panel[c &* step]) + Eight(repeating: 0)  // makes -0 a 0
        evenSum += even(distance)
        oddSum += odd(distance)
    }
    tile.distances.set(i, evenSum, oddSum)
}

/// The distances of sixteen rows that their losses are made of.
/// - Parameter first: The tile's first row, counted from the kernel's.
@inline(__always)
func smoothedDistance(_ rows: ShortRows, _ tile: ShortTile, _ first: Int, _ i: Int) -> DoubleLanes {
    let far = DoubleLanes(repeating: 0x1p100 * 0x1p-896)
    if isAnySet(.!(doubleLanes(tile.distances + 8 &* i) .< far)) { sumFarDistances(rows, tile, first, i) }
    let spread = DoubleLanes(repeating: rows.pointee.spread) * doubleLanes(tile.distances + 8 &* i)
    // Nothing of an infinite one is kept where nothing is.
    if rows.pointee.smoothing == 1 { return spread }
    return spread.fusedAdding(DoubleLanes(repeating: rows.pointee.keep), doubleLanes(tile.distance + 8 &* i))
}

/// Distances that f32 does not hold, of the rows where they are: once more in f64.
@inline(never)
@_optimize(size)
private func sumFarDistances(_ rows: ShortRows, _ tile: ShortTile, _ first: Int, _ i: Int) {
    let call = rows.pointee
    let storage = Storage<Float>(format: call.input_format)
    for row in 0..<16 where !(tile.distances[8 * i + row] < 0x1p100 * 0x1p-896) {
        // Rows that were added to the last ones are not there.
        let number = first + 8 * i + row
        if number >= Int(call.rows) { continue }
        let m = Double(tile.largest[i + row / 8][row % 4 * 2 + row % 8 / 4])
        var sum = 0.0
        for c in 0..<Int(call.classes) {
            let place = number * Int(call.input_row_stride) + c * Int(call.input_stride)
            sum += m - Double(storage.load(call.input, place))
        }
        tile.distances[8 * i + row] = sum * 0x1p-896
    }
}

/// Gradients in place of the exponentials of eight rows, but for the labels'.
@inline(never)
func subtractSpread(_ tile: ShortTile, _ i: Int, _ panel: UnsafeMutablePointer<Eight>, _ step: Int, _ classes: Int) {
    let (factor, offset) = (tile.factor[i], tile.offset[i])
    for c in 0..<classes { panel[c &* step] = offset.fusedAdding(panel[c &* step], factor) }
    tile.factor[i] = Eight(repeating: 1)
}
