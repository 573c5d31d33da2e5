import KernelABI
import Shims

// Smoothed labels: 1 - e of a row's target mass is the label's, and e / C is each class's. So
//
//     loss = (1 - e) (m - z_y) + e / C sum of (m - z_c) + log1p(rest)
//
// and the gradient is p - e / C, and 1 - e less at the label.

extension crossentropy_short_rows {
    /// The mass of the label alone, and the mass of each class.
    @inline(__always) var keep: Double { 1 - smoothing }
    @inline(__always) var spread: Double { smoothing / Double(classes) }
}

/// Sums m - z over the classes of eight rows.
@inline(never)
func sumDistances(_ tile: ShortTile, _ i: Int, _ panel: UnsafePointer<RowLanes>, _ step: Int, _ classes: Int) {
    let m = tile.m[i]
    var evenSum = HalfDoubles(repeating: 0)
    var oddSum = HalfDoubles(repeating: 0)
    for c in 0..<classes {
        let distance = (m - panel[c &* step]) + RowLanes(repeating: 0)  // makes -0 a 0
        evenSum += even(distance)
        oddSum += odd(distance)
    }
    tile.distances.set(i, evenSum, oddSum)
}

/// The distances from which the losses of sixteen rows are computed.
/// - Parameter first: The tile's first row, counted from the kernel's.
@inline(__always)
func smoothedDistance(_ rows: ShortRows, _ tile: ShortTile, _ first: Int, _ i: Int) -> DoubleLanes {
    let far = DoubleLanes(repeating: 0x1p100 * 0x1p-896)
    if isAnySet(.!(doubleLanes(tile.distances + rowsAbreast &* i) .< far)) { sumFarDistances(rows, tile, first, i) }
    let spread = DoubleLanes(repeating: rows.pointee.spread) * doubleLanes(tile.distances + rowsAbreast &* i)
    // With smoothing 1 the label's distance has weight 0, even where it is infinite.
    if rows.pointee.smoothing == 1 { return spread }
    return spread.fusedAdding(DoubleLanes(repeating: rows.pointee.keep), doubleLanes(tile.distance + rowsAbreast &* i))
}

/// Computes distances that f32 cannot hold again in f64, from the rows in the caller's memory.
@inline(never)
@_optimize(size)
private func sumFarDistances(_ rows: ShortRows, _ tile: ShortTile, _ first: Int, _ i: Int) {
    let call = rows.pointee
    let storage = Storage<Float>(format: call.input_format)
    for row in 0..<16 where !(tile.distances[rowsAbreast * i + row] < 0x1p100 * 0x1p-896) {
        // Rows that were added as padding are not in the caller's memory.
        let number = first + rowsAbreast * i + row
        if number >= Int(call.rows) { continue }
        let m = Double(tile.largest[i + row / rowsAbreast][laneOf(row % rowsAbreast)])
        var sum = 0.0
        for c in 0..<Int(call.classes) {
            let place = number * Int(call.input_row_stride) + c * Int(call.input_stride)
            sum += m - Double(storage.load(call.input, place))
        }
        tile.distances[rowsAbreast * i + row] = sum * 0x1p-896
    }
}

/// Replaces the exponentials of eight rows by gradients, which at the labels are not complete yet.
@inline(never)
func subtractSpread(_ tile: ShortTile, _ i: Int, _ panel: UnsafeMutablePointer<RowLanes>, _ step: Int, _ classes: Int) {
    let (factor, offset) = (tile.factor[i], tile.offset[i])
    for c in 0..<classes { panel[c &* step] = offset.fusedAdding(panel[c &* step], factor) }
    tile.factor[i] = RowLanes(repeating: 1)
}
