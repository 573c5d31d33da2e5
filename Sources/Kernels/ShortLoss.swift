import KernelABI
import Shims

/// Computes the losses of `groups` times eight rows, and the numbers that their gradients need; `groups` is even.
/// - Parameter first: The tile's first row, counted from the kernel's.
/// - Returns: Whether any row needs `settle`.
@inline(__always)
func finishTile(_ rows: ShortRows, _ tile: ShortTile, _ first: Int, _ groups: Int, hasGrad: Bool) -> Bool {
    if hasGrad { return finishGradients(rows, tile, first, groups) }
    finishLosses(rows, tile, first, groups)
    return false
}

@inline(never)
private func finishLosses(_ rows: ShortRows, _ tile: ShortTile, _ first: Int, _ groups: Int) {
    _ = finish(rows, tile, first, groups, hasGrad: false)
}

@inline(never)
private func finishGradients(_ rows: ShortRows, _ tile: ShortTile, _ first: Int, _ groups: Int) -> Bool {
    finish(rows, tile, first, groups, hasGrad: true)
}

@_transparent
private func finish(_ rows: ShortRows, _ tile: ShortTile, _ first: Int, _ groups: Int, hasGrad: Bool) -> Bool {
    let losses = UnsafeMutableRawPointer(rows.pointee.loss + first)
    let hasTerms = rows.pointee.hasTerms
    var isRare = false
    var i = 0
    while i < groups {
        let row = rowsAbreast &* i
        let unit = unitOfSum(doubleLanes(tile.remainder + row))
        let rest = doubleLanes(tile.sum + row) * unit
        let skip = UnsafeRawPointer(tile.skip + row).loadUnaligned(as: DoubleBits.self)
        if hasTerms {
            finishTerms(rows, tile, first, i)
            isRare = true
        } else {
            let distance =
                rows.pointee.smoothing == 0
                ? doubleLanes(tile.distance + row) : smoothedDistance(rows, tile, first, i)
            var loss = lossOfDistance(rest, distance, rows.pointee.exponent_scale)
            if let scale = rows.pointee.loss_scale { loss *= doubleLanes(scale + (first &+ row)) }
            let counted = doubles(bits(roundedLoss(loss)) & ~skip)
            losses.storeBytes(of: counted, toByteOffset: 8 &* row, as: DoubleLanes.self)
            if hasGrad {
                let perExponential = unit * DoubleLanes(repeating: 0x1p-896)
                @inline(__always)
                func abreast(_ rest: RowDoubles, _ unit: RowDoubles, _ skip: RowMasks, _ j: Int) {
                    let rest = narrow(rest)
                    let skip = (skip.lowHalf & HalfBits(repeating: 0xFFFF_FFFF)) | (skip.highHalf &<< 32)
                    var scale = RowLanes(repeating: Float(rows.pointee.scale))
                    if let scales = rows.pointee.grad_scale {
                        scale = narrow(
                            UnsafeRawPointer(scales + (first &+ rowsAbreast &* j)).loadUnaligned(as: RowDoubles.self))
                    }
                    scale = rowLanes(wide(shim_nan_unless_below(scale, rest, 0x1p64)) & ~skip)
                    let largest = scale / (rest + RowLanes(repeating: 1))
                    tile.rest[j] = rest
                    tile.scale[j] = scale
                    tile.largestGrad[j] = largest
                    tile.factor[j] = largest * narrow(unit)
                    tile.targetGrad[j] = RowLanes(repeating: 0) - largest * rest
                    tile.offset[j] = RowLanes(repeating: 0)
                    tile.targetScale[j] = scale
                    if rows.pointee.smoothing != 0 {
                        tile.offset[j] =
                            RowLanes(repeating: 0) - scale * RowLanes(repeating: Float(rows.pointee.spread))
                        tile.targetScale[j] = scale * RowLanes(repeating: Float(rows.pointee.keep))
                        tile.gap[j] = RowLanes(repeating: 1)  // so that no class is computed separately
                    }
                    // `rest` is not a number; or a class other than the label's is nearly certain; or `rest` is near
                    // the lower end of f32.
                    let isCertain = (rest .< RowLanes(repeating: 0x1p-21)) .& (tile.gap[j] .!= RowLanes(repeating: 0))
                    let isUsual = (rest .< RowLanes(repeating: 0x1p64)) .& (rest .>= RowLanes(repeating: 0x1p-100))
                    if isAnySet(.!isUsual .| isCertain) { isRare = true }
                }
                forEachAbreast(rest, perExponential, skip, i, abreast)
                if !rows.pointee.hasUsualScales(first &+ row) {
                    splitScales(rows, tile, first, i)
                    isRare = true
                }
            }
        }
        i &+= 16 / rowsAbreast
    }
    return isRare
}

extension crossentropy_short_rows {
    /// Whether the gradients' scales of sixteen rows, and products with them, are far from the ends of f32.
    @inline(__always)
    func hasUsualScales(_ first: Int) -> Bool {
        if let scales = grad_scale {
            let magnitude = bits(doubleLanes(scales + first)) & DoubleBits(repeating: 0x7FFF_FFFF_FFFF_FFFF)
            // The sign bit of one difference is set unless the magnitude is from 2^-60 to 2^60. 0 is usual, too.
            let (least, most) = (Double(0x1p-60).bitPattern, Double(0x1p60).bitPattern)
            let outside =
                ((magnitude &- DoubleBits(repeating: least)) | (DoubleBits(repeating: most) &- magnitude))
            let isZero = magnitude .== DoubleBits(repeating: 0)
            let sign = outside.replacing(with: DoubleBits(repeating: 0), where: isZero)
            let eight = sign.lowHalf | sign.highHalf
            let four = eight.lowHalf | eight.highHalf
            let two = four.lowHalf | four.highHalf
            return (two[0] | two[1]) >> 63 == 0
        }
        return scale == 0 || (scale.magnitude >= 0x1p-60 && scale.magnitude <= 0x1p60)
    }
}

/// Splits a scale into a number that f32 can multiply without overflow or underflow, and two powers of two that f32 holds.
func splitScale(_ scale: Double) -> (Double, Float, Float) {
    let magnitude = scale.magnitude
    let isUsual = magnitude == 0 || (magnitude >= 0x1p-60 && magnitude <= 0x1p60)
    if isUsual || !(magnitude < .infinity) { return (scale, 1, 1) }
    // Below 2^-300 gradients are 0. Above 2^300 they are infinite, except where the probability is 0.
    if magnitude < 0x1p-300 { return (0, 1, 1) }
    let sign = scale < 0 ? -1.0 : 1.0
    if magnitude > 0x1p300 { return (sign * 0x1p60, 0x1p120, 0x1p120) }
    var (rest, first, second) = (magnitude, 0, 0)
    while rest > 0x1p60 {
        let step = rest >= 0x1p120 ? 120 : 60
        rest *= step == 120 ? 0x1p-120 : 0x1p-60
        if first + step <= 120 { first += step } else { second += step }
    }
    while rest < 0x1p-60 {
        let step = rest < 0x1p-120 ? 120 : 60
        rest *= step == 120 ? 0x1p120 : 0x1p60
        if first - step >= -120 { first -= step } else { second -= step }
    }
    func power(_ n: Int) -> Float { Float(bitPattern: UInt32(127 + n) << 23) }
    return (sign * rest, power(first), power(second))
}

/// Splits the scales of sixteen rows of which some are near the ends of f32.
@inline(never)
@_optimize(size)
private func splitScales(_ rows: ShortRows, _ tile: ShortTile, _ first: Int, _ i: Int) {
    for row in 0..<16 {
        let (j, lane) = (i + row / rowsAbreast, laneOf(row % rowsAbreast))
        let (scale, power0, power1) = splitScale(
            rows.pointee.grad_scale?[first + rowsAbreast * i + row] ?? rows.pointee.scale)
        tile.powers.0[j][lane] = power0
        tile.powers.1[j][lane] = power1
        if tile.scale[j][lane] == 0 && tile.skip[rowsAbreast * i + row] != 0 { continue }
        let rest = tile.rest[j][lane]
        tile.scale[j][lane] = rest < 0x1p64 ? Float(scale) : .nan
        let largest = tile.scale[j][lane] / (rest + 1)
        tile.largestGrad[j][lane] = largest
        let unit = unitOfSum(DoubleLanes(repeating: tile.remainder[rowsAbreast * i + row]))[0] * 0x1p-896
        tile.factor[j][lane] = largest * Float(unit)
        tile.targetGrad[j][lane] = 0 - largest * rest
        let isSmoothed = rows.pointee.smoothing != 0
        tile.offset[j][lane] = isSmoothed ? 0 - tile.scale[j][lane] * Float(rows.pointee.spread) : 0
        tile.targetScale[j][lane] = tile.scale[j][lane] * (isSmoothed ? Float(rows.pointee.keep) : 1)
    }
}

/// Finishes sixteen rows with focal weighting, a polynomial term, or a z-loss: see Terms.swift.
@inline(never)
@_optimize(size)
private func finishTerms(_ rows: ShortRows, _ tile: ShortTile, _ first: Int, _ i: Int) {
    let zero = DoubleLanes(repeating: 0)
    let terms = rows.pointee.terms
    let place = rowsAbreast * i
    func perRow(_ x: UnsafePointer<Double>?, _ usual: Double) -> DoubleLanes {
        x.map { doubleLanes($0 + first + place) } ?? DoubleLanes(repeating: usual)
    }
    let unit = unitOfSum(doubleLanes(tile.remainder + place))
    let skip = UnsafeRawPointer(tile.skip + place).loadUnaligned(as: DoubleBits.self)
    let isSkipped = skip .!= DoubleBits(repeating: 0)
    let stats = LogSumExp(
        max: sixteenRows(tile.largest + i), rest: doubleLanes(tile.sum + place) * unit,
        scale: rows.pointee.exponent_scale.factor)
    let target = sixteenRows(tile.target + i)
    let (p, other) = probability(target, stats)
    let (f, b) = focal(terms, minusLogP: indexLoss(stats, target), p: p, other: other)
    let (zLoss, zScale) = stats.zLoss(terms.z_loss)
    let lossScale = perRow(rows.pointee.loss_scale, 1)
    // A class weight of 0 makes the term 0, even where f is infinite.
    let ofLabel = (lossScale * f).replacing(with: zero, where: lossScale .== zero)
    let isUndefined = stats.isUndefined .| .!(stats.rest .< DoubleLanes(repeating: 0x1p64))
    let loss = (ofLabel + perRow(rows.pointee.sample_weight, 1) * zLoss)
        .replacing(with: DoubleLanes(repeating: .nan), where: isUndefined)
    let counted = doubles(bits(roundedLoss(loss)) & ~skip)
    UnsafeMutableRawPointer(rows.pointee.loss + first + place).storeBytes(of: counted, as: DoubleLanes.self)
    if rows.pointee.grad == nil { return }

    let scale = perRow(rows.pointee.grad_scale, rows.pointee.scale) * b
    let squareScale = perRow(rows.pointee.grad_weight, rows.pointee.scale) * zScale
    let nan = DoubleLanes(repeating: .nan)
    let all = (scale + squareScale).replacing(with: nan, where: isUndefined).replacing(with: zero, where: isSkipped)
    let ofTarget = (squareScale * p - scale * other + zero)
        .replacing(with: nan, where: all .!= all).replacing(with: zero, where: isSkipped)
    for row in 0..<16 {
        let (j, lane) = (i + row / rowsAbreast, laneOf(row % rowsAbreast))
        let (scale, power0, power1) = splitScale(all[row])
        tile.powers.0[j][lane] = power0
        tile.powers.1[j][lane] = power1
        let rest = stats.rest[row]
        tile.rest[j][lane] = Float(rest)
        tile.scale[j][lane] = Float(scale)
        tile.largestGrad[j][lane] = Float(scale / (1 + rest))
        tile.factor[j][lane] = Float(scale / (1 + rest) * (unit[row] * 0x1p-896))
        tile.targetGrad[j][lane] = Float(ofTarget[row])
        tile.offset[j][lane] = 0
        tile.targetScale[j][lane] = 0
    }
}

/// Changes the exponentials and factors of eight rows so that every product is the gradient, in the cases that the fast
/// path leaves out: rows that are not counted, whatever they hold; rows that are NaN; a class that is nearly certain,
/// whose product could be above its scale; and powers of two.
/// - Parameters:
///   - first: The tile's first row, counted from the kernel's.
///   - labels: The labels of the eight rows.
@inline(never)
@_optimize(size)
func settle(
    _ rows: ShortRows, _ tile: ShortTile, _ first: Int, _ i: Int, _ labels: UnsafePointer<Int64>,
    _ panel: UnsafeMutablePointer<RowLanes>, _ step: Int
) {
    let classes = Int(rows.pointee.classes)
    let zero = RowLanes(repeating: 0)
    let one = RowLanes(repeating: 1)
    let nan = RowLanes(repeating: .nan)
    let hasTerms = rows.pointee.hasTerms
    let sixteen = rowsAbreast * i & -16  // the first of sixteen rows
    let hasPowers = hasTerms || !rows.pointee.hasUsualScales(first + sixteen)
    var factor = tile.factor[i]
    let isZero = tile.scale[i] .== zero
    let isUndefined = factor .!= factor
    let half = tile.largestGrad[i] * RowLanes(repeating: 0.5)
    let bar = half.replacing(with: zero - half, where: half .< zero)
    let hasCertain = rows.pointee.smoothing == 0
    let isCertain =
        (tile.rest[i] .< (hasCertain ? RowLanes(repeating: 0x1p-21) : zero)) .& (tile.gap[i] .!= zero) .& .!isZero
        .& .!isUndefined
    factor.replace(with: nan, where: isUndefined)
    factor.replace(with: zero, where: isZero)
    let (first, second) = hasPowers ? (tile.powers.0[i], tile.powers.1[i]) : (one, one)
    let others = factor.replacing(with: one, where: isCertain)
    for c in 0..<classes {
        var e = panel[c &* step]
        e.replace(with: zero, where: isZero)
        e.replace(with: one, where: isUndefined)
        let g = e * factor
        let magnitude = g.replacing(with: zero - g, where: g .< zero)
        let ofCertain = g.replacing(with: tile.largestGrad[i], where: magnitude .> bar)
        panel[c &* step] = e.replacing(with: ofCertain, where: isCertain)
    }
    tile.factor[i] = others
    if !hasTerms {
        // Computed in f64 where `rest` is near the lower end of f32.
        let unit = unitOfSum(doubleLanes(tile.remainder + sixteen))
        for row in 0..<rowsAbreast where tile.rest[i][laneOf(row)] < 0x1p-100 {
            let place = rowsAbreast * i + row
            let (lane, rest) = (laneOf(row), tile.sum[place] * unit[place - sixteen])
            tile.targetGrad[i][lane] = 0 - Float(Double(tile.largestGrad[i][lane]) * rest)
        }
    }
    tile.targetGrad[i].replace(with: nan, where: isUndefined)
    tile.targetScale[i].replace(with: nan, where: isUndefined)
    tile.offset[i].replace(with: nan, where: isUndefined)
    if !hasPowers { return }

    // The label's gradient is computed here, because its scale may be outside of f32, or not that of the other classes.
    let numbers = UnsafeMutableRawPointer(panel).assumingMemoryBound(to: Float.self)
    for row in 0..<rowsAbreast {
        let lane = laneOf(row)
        let label = labels[row] >= 0 && labels[row] < rows.pointee.classes ? Int(labels[row]) : 0
        let e = numbers[label * step * rowsAbreast + lane]
        let product = tile.offset[i].fusedAdding(RowLanes(repeating: e), tile.factor[i])[lane]
        let ofOther = product - tile.targetScale[i][lane]
        let isOwn = hasTerms || tile.gap[i][lane] == 0
        let g = isOwn ? tile.targetGrad[i][lane] : ofOther
        // With terms it is complete: its factor may be far from that of the other classes.
        tile.targetGrad[i][lane] = (hasTerms ? g : g * first[lane] * second[lane]) + 0
        tile.gap[i][lane] = 0
    }
    if rows.pointee.smoothing != 0 { subtractSpread(tile, i, panel, step, classes) }
    let last = tile.factor[i]
    for c in 0..<classes { panel[c &* step] = panel[c &* step] * last * first * second }
    tile.factor[i] = one
    tile.offset[i] = zero
}
