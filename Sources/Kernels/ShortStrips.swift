import KernelABI
import Shims

// Short rows that cannot be computed in place.

/// Rows that are neighbours in memory while their classes are not, such as pixels of a picture with one plane per class.
///
/// In that layout all classes of a row may compete for the same few cache sets. So each class is copied for many rows
/// at once, and gradients are copied back in the same way.
/// - Parameter count: A multiple of 16, counted from the kernel's first row.
func strips(_ rows: ShortRows, _ count: Int) {
    #if arch(x86_64) && CROSSENTROPY_KERNELS
        // The baseline module is kept small rather than fast.
        compute(rows, count, hasGrad: rows.pointee.grad != nil)
    #else
        if rows.pointee.grad == nil { lossesOfStrips(rows, count) } else { gradientsOfStrips(rows, count) }
    #endif
}

@inline(never)
private func lossesOfStrips(_ rows: ShortRows, _ count: Int) { compute(rows, count, hasGrad: false) }

@inline(never)
private func gradientsOfStrips(_ rows: ShortRows, _ count: Int) { compute(rows, count, hasGrad: true) }

/// The memory of a strip, after the tile. Classes are `step` vectors apart, so that they do not use the same cache sets.
private struct Strip {
    let panel: UnsafeMutablePointer<RowLanes>
    let step: Int
    let classes: Int

    /// The largest logits.
    var largest: UnsafeMutablePointer<RowLanes> { panel + classes &* step }

    /// Copies `groups` times eight rows, and finds their largest logits.
    @inline(__always)
    func read(_ rows: ShortRows, _ first: Int, _ groups: Int) {
        let storage = Storage<Float>(format: rows.pointee.input_format)
        let minusInfinity = RowLanes(repeating: -.infinity)
        for i in 0..<groups { largest[i] = minusInfinity }
        for c in 0..<classes {
            let place = first &+ c &* Int(rows.pointee.input_stride)
            let to = panel + c &* step
            var from = rows.pointee.input + place &* 4
            if !storage.isNative {
                storage.gather(rows.pointee.input, place, 1, rowsAbreast &* groups, to)
                from = UnsafeRawPointer(to)
            }
            for i in 0..<groups {
                let x = lanesOfRows(from.loadUnaligned(fromByteOffset: 4 &* rowsAbreast &* i, as: RowLanes.self))
                to[i] = x
                largest[i] = shim_max(largest[i], x)
            }
        }
    }

    /// Writes the gradients that have replaced the logits.
    @inline(__always)
    func write(_ rows: ShortRows, _ first: Int, _ groups: Int) {
        let storage = Storage<Float>(format: rows.pointee.grad_format)
        for c in 0..<classes {
            let place = first &+ c &* Int(rows.pointee.grad_stride)
            let from = panel + c &* step
            let to = storage.isNative ? rows.pointee.grad! + place &* 4 : UnsafeMutableRawPointer(from)
            for i in 0..<groups {
                to.storeBytes(of: rowsOfLanes(from[i]), toByteOffset: 4 &* rowsAbreast &* i, as: RowLanes.self)
            }
            if !storage.isNative {
                storage.scatter(UnsafeRawPointer(to), rowsAbreast &* groups, rows.pointee.grad!, place, 1)
            }
        }
    }
}

@inline(__always)
private func compute(_ rows: ShortRows, _ count: Int, hasGrad: Bool) {
    let classes = Int(rows.pointee.classes)
    let most = Int(crossentropy_short_strip(Int64(classes)))
    let size = count < most ? count : most
    let tile = ShortTile(rows.pointee.scratch, rows: size < 128 ? size : 128)
    let strip = Strip(
        panel: tile.end.assumingMemoryBound(to: RowLanes.self), step: (size &+ 16) / rowsAbreast, classes: classes)
    let step = strip.step
    let scale = rows.pointee.exponent_scale
    let evenLanes = halfNumbers &+ halfNumbers
    let lanes = (evenLanes, evenLanes &+ HalfInts(repeating: 1))
    var first = 0
    while first < count {
        let all = (count &- first < size ? count &- first : size) / rowsAbreast
        strip.read(rows, first, all)
        var done = 0
        while done < all {
            let most = 128 / rowsAbreast
            let groups = all &- done < most ? all &- done : most
            let row = first &+ rowsAbreast &* done
            let labels = rows.pointee.label + row
            let own = strip.panel + done
            let areIndices = readLabels(tile, labels, groups, rows, apart: rowsAbreast &* step, steps: lanes)
            for i in 0..<groups {
                let x = UnsafeRawPointer(own + i).assumingMemoryBound(to: Float.self)
                setLargest(
                    tile, i, strip.largest[done &+ i], gather(x, tile.place + rowsAbreast &* i), scale, own + i, step,
                    classes)
            }
            if rows.pointee.smoothing != 0 {
                for i in 0..<groups { sumDistances(tile, i, own + i, step, classes) }
            }
            for i in 0..<groups {
                let reference = ShortReference(tile.m[i], scale)
                let (evenRemainder, oddRemainder) = reference.remainder
                tile.remainder.set(i, evenRemainder, oddRemainder)
                let (evenSum, oddSum) = sumExponentials(
                    own + i, step, from: 0, classes, reference, keeps: true, UnsafeRawPointer(own + i))
                tile.sum.set(i, evenSum, oddSum)
            }
            if !areIndices { spoilRows(tile, labels, rowsAbreast &* groups, rows) }
            let isRare = finishTile(rows, tile, row, groups, hasGrad: hasGrad)
            if hasGrad {
                if isRare {
                    for i in 0..<groups { settle(rows, tile, row, i, labels + rowsAbreast &* i, own + i, step) }
                }
                if rows.pointee.smoothing != 0 {
                    for i in 0..<groups { subtractSpread(tile, i, own + i, step, classes) }
                }
                for i in 0..<groups { makeGradients(tile, i, own + i, step, classes) }
            }
            done &+= groups
        }
        if hasGrad { strip.write(rows, first, all) }
        first &+= rowsAbreast &* all
    }
}

/// Replaces the exponentials of eight rows by gradients.
@_transparent
private func makeGradients(
    _ tile: ShortTile, _ i: Int, _ panel: UnsafeMutablePointer<RowLanes>, _ step: Int, _ classes: Int
) {
    let factor = tile.factor[i]
    for c in 0..<classes { panel[c &* step] = panel[c &* step] * factor }
    // At the labels' classes, scale (p - 1) replaces scale p.
    let numbers = UnsafeMutableRawPointer(panel).assumingMemoryBound(to: Float.self)
    let place = halves(tile.place + rowsAbreast &* i)
    let g = gather(UnsafePointer(numbers), place)
    scatter(
        shim_where_equal(tile.gap[i], RowLanes(repeating: 0), tile.targetGrad[i], g - tile.targetScale[i]), numbers,
        place)
}

/// All other rows: rows of fewer classes than a vector, numbers of 16 bits, arbitrary strides, and a remainder of fewer than
/// sixteen rows. They are computed from a copy. Where it has to be larger, ignored rows and classes of probability 0 are added.
func copiedRows(_ rows: ShortRows, from first: Int) {
    let call = rows.pointee
    let classes = Int(call.classes)
    let padded = call.hasOneExponential ? 2 : classes < 4 ? 4 : classes
    let size = Int(crossentropy_short_tile(call.classes))
    let room = (Int(call.rows) + 15) & ~15
    // After the tile's numbers and exponentials.
    let tile = ShortTile(call.scratch, rows: room < 128 ? room : 128)
    let copy = tile.end + (room < 128 ? room : 128) * (classes < 4 ? 4 : classes) * 4
    let labels = (copy + (copy - tile.end)).assumingMemoryBound(to: Int64.self)
    let input = Storage<Float>(format: call.input_format)
    let grad = Storage<Float>(format: call.grad_format)
    let isDense = call.input_stride == 1 && (Int(call.input_row_stride) == padded || call.rows == 1)
    let isGradDense = call.grad_stride == 1 && (Int(call.grad_row_stride) == padded || call.rows == 1)
    var row = first
    while row < Int(call.rows) {
        let count = Int(call.rows) - row < size ? Int(call.rows) - row : size
        let whole = (count + 15) & ~15
        let from = row * Int(call.input_row_stride)
        if isDense && padded == classes {
            if input.isNative {
                copy.copyMemory(from: call.input! + from * 4, byteCount: count * classes * 4)
            } else {
                input.gather(call.input, from, 1, count * classes, copy)
            }
        } else if classes == 3 && call.input_stride == 1 && input.isNative {
            for i in 0..<count {
                let (x, to) = (call.input! + (from + i * Int(call.input_row_stride)) * 4, copy + i * 16)
                for c in 0..<3 { Float.store(Float.load(x, c), to, c) }
                Float.store(-.infinity, to, 3)
            }
        } else {
            for i in 0..<count {
                let to = copy + i * padded * 4
                for c in 0..<classes {
                    let place = from + i * Int(call.input_row_stride) + c * Int(call.input_stride)
                    Float.store(input.load(call.input, place), to, c)
                }
                for c in classes..<(padded < classes ? classes : padded) { Float.store(-.infinity, to, c) }
            }
        }
        for i in count * padded..<whole * padded { Float.store(0, copy, i) }
        for i in 0..<whole { labels[i] = i < count ? call.label[row + i] : call.ignored }
        if call.hasOneExponential {
            twoClasses(rows, row, whole, TwoClasses(pairs: copy, hasGrad: call.grad != nil, label: labels))
        } else {
            let numbers = copy.assumingMemoryBound(to: Float.self)
            let place = ShortPlace(
                input: UnsafePointer(numbers), inputRowStride: padded, grad: call.grad == nil ? nil : numbers,
                gradRowStride: padded, classes: padded, label: labels)
            rowsOfNeighbours(rows, row, whole, place)
        }
        if call.grad != nil {
            let to = row * Int(call.grad_row_stride)
            if isGradDense && padded == classes {
                if grad.isNative {
                    (call.grad! + to * 4).copyMemory(from: copy, byteCount: count * classes * 4)
                } else {
                    grad.scatter(UnsafeRawPointer(copy), count * classes, call.grad!, to, 1)
                }
            } else if classes == 3 && call.grad_stride == 1 && grad.isNative {
                for i in 0..<count {
                    let g = call.grad! + (to + i * Int(call.grad_row_stride)) * 4
                    for c in 0..<3 { Float.store(Float.load(UnsafeRawPointer(copy), 4 * i + c), g, c) }
                }
            } else {
                for i in 0..<count {
                    for c in 0..<classes {
                        let g = Float.load(UnsafeRawPointer(copy + i * padded * 4), c)
                        grad.store(g, call.grad!, to + i * Int(call.grad_row_stride) + c * Int(call.grad_stride))
                    }
                }
            }
        }
        row += count
    }
}
