import KernelABI
import Shims

// Cross-entropy of rows of up to 128 logits with labels. RowLanes rows are computed side by side in f32, class by class;
// numbers of which a row has only one are computed for sixteen rows in f64. A tile of rows takes one step after the
// other, so that each step is a short loop whose numbers stay in registers, and the numbers between the steps stay in
// the nearest cache:
//
//     largest logit -> sum of exponentials -> loss, factor of the gradient -> gradient
//
// In every layout a row goes through the same operations, so the bits are the same.

func shortRows(_ rows: ShortRows) {
    let done = rowsInPlace(rows)
    if done < Int(rows.pointee.rows) { copiedRows(rows, from: done) }
}

/// Computes rows of layouts that need no copy of each row, in whole groups. Returns how many it has computed.
@inline(__always)
private func rowsInPlace(_ rows: ShortRows) -> Int {
    let call = rows.pointee
    let areNeighbours = call.input_row_stride == 1 && (call.grad == nil || call.grad_row_stride == 1)
    let whole = Int(call.rows) & -Int(CROSSENTROPY_SHORT_GROUP)
    let isOfStrips = !call.hasOneExponential && areNeighbours && call.input_stride != 1
    #if !(arch(x86_64) && CROSSENTROPY_KERNELS)  // that module is kept small rather than fast
        let isNative =
            call.input_format == CROSSENTROPY_NATIVE && (call.grad == nil || call.grad_format == CROSSENTROPY_NATIVE)
        let areClassesNeighbours = call.input_stride == 1 && (call.grad == nil || call.grad_stride == 1)
        if call.hasOneExponential {
            let arePairs =
                areClassesNeighbours && call.input_row_stride == 2 && (call.grad == nil || call.grad_row_stride == 2)
            if isNative && whole > 0 && (arePairs || areNeighbours) {
                twoClasses(rows, 0, whole, TwoClasses(rows, arePairs: arePairs))
                return whole
            }
        } else if whole > 0 && isNative && areClassesNeighbours && call.classes >= 4 {
            let place = ShortPlace(
                input: call.input.assumingMemoryBound(to: Float.self), inputRowStride: Int(call.input_row_stride),
                grad: call.grad?.assumingMemoryBound(to: Float.self), gradRowStride: Int(call.grad_row_stride),
                classes: Int(call.classes), label: call.label)
            rowsOfNeighbours(rows, 0, whole, place)
            return whole
        }
    #endif
    if !isOfStrips || whole == 0 { return 0 }
    strips(rows, whole)
    return whole
}

/// The memory of some rows whose classes are neighbours.
struct ShortPlace {
    var input: UnsafePointer<Float>
    var inputRowStride: Int
    var grad: UnsafeMutablePointer<Float>?
    var gradRowStride: Int
    /// Includes classes that were added as padding.
    var classes: Int
    var label: UnsafePointer<Int64>
}

/// - Parameters:
///   - first: The first of the rows, counted from the kernel's; `place` says where they are in memory.
///   - count: A multiple of 16.
func rowsOfNeighbours(_ rows: ShortRows, _ first: Int, _ count: Int, _ place: ShortPlace) {
    #if arch(x86_64) && CROSSENTROPY_KERNELS
        // The baseline module is kept small rather than fast.
        neighbours(rows, first, count, place, hasGrad: place.grad != nil || rows.pointee.smoothing != 0)
    #else
        if place.grad == nil && rows.pointee.smoothing == 0 {
            lossesOfNeighbours(rows, first, count, place)
        } else {
            gradientsOfNeighbours(rows, first, count, place)
        }
    #endif
}

@inline(never)
private func lossesOfNeighbours(_ rows: ShortRows, _ first: Int, _ count: Int, _ place: ShortPlace) {
    neighbours(rows, first, count, place, hasGrad: false)
}

@inline(never)
private func gradientsOfNeighbours(_ rows: ShortRows, _ first: Int, _ count: Int, _ place: ShortPlace) {
    neighbours(rows, first, count, place, hasGrad: true)
}

/// - Parameter hasGrad: Also set for smoothed labels without a gradient: the exponentials are kept, so that distances
///   are added up in the same order.
@inline(__always)
private func neighbours(_ rows: ShortRows, _ first: Int, _ count: Int, _ place: ShortPlace, hasGrad: Bool) {
    let classes = place.classes
    let stride = place.inputRowStride
    let size = Int(crossentropy_short_tile(Int64(classes)))
    let tile = ShortTile(rows.pointee.scratch, rows: count < 128 ? count : 128)
    let panel = tile.end.assumingMemoryBound(to: RowLanes.self)
    let step = Int64(stride)
    let scale = rows.pointee.exponent_scale
    let firstHalf = halfNumbers &* HalfInts(repeating: step)
    let steps = (firstHalf, firstHalf &+ HalfInts(repeating: Int64(rowsAbreast / 2) &* step))
    var row = 0
    while row < count {
        let groups = (count &- row < size ? count &- row : size) / rowsAbreast
        let input = place.input + row &* stride
        let labels = place.label + row
        let areIndices = readLabels(tile, labels, groups, rows, apart: 1, steps: steps)
        for i in 0..<groups {
            let own = panel + i &* classes
            let x = input + rowsAbreast &* i &* stride
            let m = hasGrad ? copy(x, stride, classes, own) : copyButLargest(x, stride, classes, own)
            setLargest(tile, i, m, gather(x, tile.place + rowsAbreast &* i), scale, own, 1, classes)
        }
        if hasGrad && rows.pointee.smoothing != 0 {
            for i in 0..<groups { sumDistances(tile, i, panel + i &* classes, 1, classes) }
        }
        for i in 0..<groups {
            let reference = ShortReference(tile.m[i], scale)
            let (evenRemainder, oddRemainder) = reference.remainder
            tile.remainder.set(i, evenRemainder, oddRemainder)
            let (evenSum, oddSum) = sumExponentials(
                panel + i &* classes, 1, from: hasGrad ? 0 : 1, classes, reference, keeps: hasGrad,
                UnsafeRawPointer(input + rowsAbreast &* (i &+ groups) &* stride))
            tile.sum.set(i, evenSum, oddSum)
        }
        if !areIndices { spoilRows(tile, labels, rowsAbreast &* groups, rows) }
        let isRare = finishTile(rows, tile, first &+ row, groups, hasGrad: hasGrad)
        if hasGrad, let allGrad = place.grad {
            if isRare {
                for i in 0..<groups {
                    settle(rows, tile, first &+ row, i, labels + rowsAbreast &* i, panel + i &* classes, 1)
                }
            }
            let apart = place.gradRowStride
            let grad = allGrad + row &* apart
            if rows.pointee.smoothing != 0 {
                for i in 0..<groups { subtractSpread(tile, i, panel + i &* classes, 1, classes) }
            }
            for i in 0..<groups {
                writeGradients(tile, i, panel + i &* classes, classes, grad + rowsAbreast &* i &* apart, apart)
            }
            // In a loop of its own, so that numbers are not read right after they are written.
            let shift = halfNumbers &* HalfInts(repeating: Int64(apart &- stride))
            let next = shift &+ HalfInts(repeating: Int64(rowsAbreast / 2 &* (apart &- stride)))
            for i in 0..<groups {
                writeTargetGradients(tile, i, grad + rowsAbreast &* i &* apart, (shift, next))
            }
        }
        row &+= rowsAbreast &* groups
    }
}

/// Copies the logits of eight rows class by class. Returns the largest ones; NaNs are skipped.
@_transparent
private func copy(
    _ x: UnsafePointer<Float>, _ stride: Int, _ classes: Int, _ panel: UnsafeMutablePointer<RowLanes>
) -> RowLanes {
    var m = RowLanes(repeating: -.infinity)
    var c = 0
    while true {
        let (p, q, r, s) = fourClasses(x + c, stride)
        panel[c] = p
        panel[c &+ 1] = q
        panel[c &+ 2] = r
        panel[c &+ 3] = s
        m = shim_max(shim_max(shim_max(shim_max(m, p), q), r), s)
        // Where the classes are no multiple of 4, the last four overlap the ones before.
        if c == classes &- 4 { break }
        c = c &+ 8 > classes ? classes &- 4 : c &+ 4
    }
    return m
}

/// As `copy`, but from the second class on it stores the smaller one of the logit and the largest so far. So the
/// largest of all is not stored.
@_transparent
private func copyButLargest(
    _ x: UnsafePointer<Float>, _ stride: Int, _ classes: Int, _ panel: UnsafeMutablePointer<RowLanes>
) -> RowLanes {
    var place = panel + 1
    let (first, second, third, fourth) = fourClasses(x, stride)
    var m = first  // a NaN in the first class remains
    @inline(__always) func put(_ x: RowLanes) {
        place.pointee = shim_min(m, x)
        m = shim_max(m, x)
        place += 1
    }
    put(second)
    put(third)
    put(fourth)
    var c = 4
    while c &+ 4 <= classes {
        let (p, q, r, s) = fourClasses(x + c, stride)
        put(p)
        put(q)
        put(r)
        put(s)
        c &+= 4
    }
    let left = classes & 3
    if left != 0 {
        let (_, q, r, s) = fourClasses(x + (classes &- 4), stride)
        if left == 3 { put(q) }
        if left >= 2 { put(r) }
        put(s)
    }
    return m
}

@_transparent
private func writeGradients(
    _ tile: ShortTile, _ i: Int, _ panel: UnsafeMutablePointer<RowLanes>, _ classes: Int,
    _ grad: UnsafeMutablePointer<Float>, _ stride: Int
) {
    let factor = tile.factor[i]
    var c = 0
    while true {
        storeFourClasses(
            panel[c] * factor, panel[c &+ 1] * factor, panel[c &+ 2] * factor, panel[c &+ 3] * factor, grad + c,
            stride)
        if c == classes &- 4 { break }
        c = c &+ 8 > classes ? classes &- 4 : c &+ 4
    }
}

/// Replaces scale p by scale (p - 1) in the gradients of the labels' classes.
/// - Parameters:
///   - shift: By how much the gradient's rows are farther from the first one than the input's rows, for both halves of
///     the rows.
@_transparent
private func writeTargetGradients(
    _ tile: ShortTile, _ i: Int, _ grad: UnsafeMutablePointer<Float>, _ shift: (HalfInts, HalfInts)
) {
    let places = halves(tile.place + rowsAbreast &* i)
    let place = (places.0 &+ shift.0, places.1 &+ shift.1)
    let g = gather(UnsafePointer(grad), place)
    scatter(
        shim_where_equal(tile.gap[i], RowLanes(repeating: 0), tile.targetGrad[i], g - tile.targetScale[i]), grad, place)
}

extension crossentropy_short_rows {
    /// Whether the loss has terms beside -log p.
    @inline(__always) var hasTerms: Bool { crossentropy_has_terms(terms) }

    /// Two classes without terms are computed by ShortTwo.swift.
    @inline(__always) var hasOneExponential: Bool { classes == 2 && !hasTerms }
}
