import KernelABI
import Shims

// Rows of two classes have one exponential, that of the smaller logit's distance below the larger one, and everything
// else follows from it. So eight rows stay in registers from the logits to the gradients.

/// The memory of rows of two classes: either pairs, one after the other, or rows that are neighbours while their two
/// classes are apart.
struct TwoClasses {
    let arePairs: Bool
    let input: UnsafeRawPointer
    let inputStride: Int
    let grad: UnsafeMutableRawPointer?
    let gradStride: Int
    let label: UnsafePointer<Int64>

    /// The kernel's own rows.
    init(_ rows: ShortRows, arePairs: Bool) {
        self.arePairs = arePairs
        input = rows.pointee.input
        inputStride = Int(rows.pointee.input_stride)
        grad = rows.pointee.grad
        gradStride = Int(rows.pointee.grad_stride)
        label = rows.pointee.label
    }

    /// Pairs in scratch space; gradients overwrite the logits.
    init(pairs: UnsafeMutableRawPointer, hasGrad: Bool, label: UnsafePointer<Int64>) {
        arePairs = true
        input = UnsafeRawPointer(pairs)
        inputStride = 1
        grad = hasGrad ? pairs : nil
        gradStride = 1
        self.label = label
    }

    @inline(__always)
    fileprivate func load(_ row: Int) -> (RowLanes, RowLanes) {
        if arePairs {
            let v = input.loadUnaligned(fromByteOffset: 8 &* row, as: RowLanes.self)  // half of the rows
            let w = input.loadUnaligned(fromByteOffset: 8 &* row &+ 4 &* rowsAbreast, as: RowLanes.self)
            return (
                rowLanes((wide(v) & HalfBits(repeating: 0xFFFF_FFFF)) | (wide(w) &<< 32)),
                rowLanes((wide(v) &>> 32) | (wide(w) & HalfBits(repeating: 0xFFFF_FFFF_0000_0000)))
            )
        }
        return (
            lanesOfRows(input.loadUnaligned(fromByteOffset: 4 &* row, as: RowLanes.self)),
            lanesOfRows(input.loadUnaligned(fromByteOffset: 4 &* (row &+ inputStride), as: RowLanes.self))
        )
    }

    @inline(__always)
    fileprivate func store(_ a: RowLanes, _ b: RowLanes, _ row: Int) {
        if arePairs {
            let (a, b) = (wide(a), wide(b))
            let low = HalfBits(repeating: 0xFFFF_FFFF)
            grad!.storeBytes(of: (a & low) | (b &<< 32), toByteOffset: 8 &* row, as: HalfBits.self)
            grad!.storeBytes(of: (a &>> 32) | (b & ~low), toByteOffset: 8 &* row &+ 4 &* rowsAbreast, as: HalfBits.self)
            return
        }
        grad!.storeBytes(of: rowsOfLanes(a), toByteOffset: 4 &* row, as: RowLanes.self)
        grad!.storeBytes(of: rowsOfLanes(b), toByteOffset: 4 &* (row &+ gradStride), as: RowLanes.self)
    }
}

/// - Parameters:
///   - first: The first of the rows, counted from the kernel's; `place` says where they are in memory.
///   - count: A multiple of 16.
func twoClasses(_ rows: ShortRows, _ first: Int, _ count: Int, _ place: TwoClasses) {
    #if arch(x86_64) && CROSSENTROPY_KERNELS
        // The baseline module is kept small rather than fast.
        compute(rows, first, count, place, hasGrad: place.grad != nil)
    #else
        if place.grad == nil { losses(rows, first, count, place) } else { gradients(rows, first, count, place) }
    #endif
}

@inline(never)
private func losses(_ rows: ShortRows, _ first: Int, _ count: Int, _ place: TwoClasses) {
    compute(rows, first, count, place, hasGrad: false)
}

@inline(never)
private func gradients(_ rows: ShortRows, _ first: Int, _ count: Int, _ place: TwoClasses) {
    compute(rows, first, count, place, hasGrad: true)
}

@inline(__always)
private func compute(_ rows: ShortRows, _ first: Int, _ count: Int, _ place: TwoClasses, hasGrad: Bool) {
    let ignored = HalfInts(repeating: rows.pointee.ignored)
    let rare = RareRows(base: rows.pointee.scratch)
    let losses = UnsafeMutableRawPointer(rows.pointee.loss + first)
    let zero = RowLanes(repeating: 0)
    let scale = rows.pointee.exponent_scale

    @inline(__always)
    func abreast(_ row: Int) -> (rest: RowDoubles, distance: RowDoubles, skip: RowMasks) {
        let (a, b) = place.load(row)
        let (y0, y1) = halves(place.label + row)
        let skip0 = unsafeBitCast(y0 .== ignored, to: HalfBits.self)
        let skip1 = unsafeBitCast(y1 .== ignored, to: HalfBits.self)
        let (bits0, bits1) = (unsafeBitCast(y0, to: HalfBits.self), unsafeBitCast(y1, to: HalfBits.self))
        let isSecond = .!(rowLanes((bits0 & HalfBits(repeating: 1)) | (bits1 &<< 32)) .== zero)
        let m = a.replacing(with: b, where: b .> a)
        let low = b.replacing(with: a, where: b .> a)
        let z = a.replacing(with: b, where: isSecond)
        let isLargest = z .== m
        // t + lost = low - m exactly (Knuth's TwoSum); t is NaN if m is infinite.
        let t = (low - m) + (m - m)
        let minusM = t - low
        let lost = (low - (t - minusM)) - (m + minusM)
        let cutoff = RowLanes(repeating: -159 * 0x1.62e430p-1 * scale.inverse)
        let cut = shim_max(t, cutoff)
        let magic = RowLanes(repeating: 0x1.8p23)
        let high = RowLanes(repeating: scale.high)
        let u = magic.fusedAdding(high, cut)
        let tail = zero.replacing(with: lost, where: t .>= cutoff)
        let r = (magic - u).fusedAdding(cut, high) + (tail * high).fusedAdding(cut, RowLanes(repeating: scale.low))
        var e = shortExp(u, r, RowBits(repeating: 0x4B40_0000 &- 159))
        let gap = zero.replacing(with: zero - t, where: .!isLargest)
        var distance = RowDoubles(lowHalf: even(gap), highHalf: odd(gap))

        let wrong = ((bits0 & ~skip0) | (bits1 & ~skip1)) & HalfBits(repeating: ~1)
        if isAnySet(wrong) || isAnySet(.!(gap .< RowLanes(repeating: 0x1p100))) {
            rare.exponential.pointee = e
            rare.m.pointee = m
            rare.z.pointee = z
            rare.distance.pointee = distance
            repairRows(rare, place.label + row, rows.pointee.ignored)
            e = rare.exponential.pointee
            distance = rare.distance.pointee
        }
        if hasGrad {
            let skip = HalfBits(repeating: 0xFFFF_FFFF) & skip0 | skip1 &<< 32
            e = rowLanes(wide(e) & ~skip)
            let rest = e * RowLanes(repeating: 0x1p-32)
            var gradScale = RowLanes(repeating: Float(rows.pointee.scale))
            if let scales = rows.pointee.grad_scale {
                gradScale = narrow(UnsafeRawPointer(scales + (first &+ row)).loadUnaligned(as: RowDoubles.self))
            }
            let isRare = !rows.pointee.hasUsualScales((first &+ row) & ~15)
            if isRare {
                splitScales(rare, rows, first &+ row)
                gradScale = rare.scale.pointee
            }
            var ofLarger = shim_nan_unless_below(gradScale, rest, 0x1p64) / (rest + RowLanes(repeating: 1))
            ofLarger = rowLanes(wide(ofLarger) & ~skip)
            // Multiplied in this order, because `rest` may be too small for f32 while the gradient is not.
            let ofSmaller = ofLarger * e * RowLanes(repeating: 0x1p-32)
            // The other class's gradient is its probability, scaled; the label's gradient is minus that.
            var q = shim_nan_unless_below(ofSmaller.replacing(with: ofLarger, where: .!isLargest), rest, 0x1p64)
            if isRare { q = q * rare.powers.0.pointee * rare.powers.1.pointee }
            let minus = zero - q
            place.store(minus.replacing(with: q, where: isSecond), q.replacing(with: minus, where: isSecond), row)
        }
        return (RowDoubles(lowHalf: even(e), highHalf: odd(e)), distance, RowMasks(lowHalf: skip0, highHalf: skip1))
    }

    var row = 0
    while row < count {
        let (scaled, distance, skip) = sixteenRows(row, abreast)
        let rest = scaled * DoubleLanes(repeating: 0x1p864)
        var loss = lossOfDistance(rest, distance, scale)
        if let scale = rows.pointee.loss_scale { loss *= doubleLanes(scale + (first &+ row)) }
        let counted = doubles(bits(roundedLoss(loss)) & ~skip)
        losses.storeBytes(of: counted, toByteOffset: 8 &* row, as: DoubleLanes.self)
        row &+= 16
    }
}

/// RowLanes rows with at least one unusual row, in memory, where single lanes can be replaced.
private struct RareRows {
    let base: UnsafeMutableRawPointer

    @inline(__always)
    private func vector(_ i: Int) -> UnsafeMutablePointer<RowLanes> {
        (base + 4 &* rowsAbreast &* i).assumingMemoryBound(to: RowLanes.self)
    }

    @inline(__always) var exponential: UnsafeMutablePointer<RowLanes> { vector(0) }
    @inline(__always) var m: UnsafeMutablePointer<RowLanes> { vector(1) }
    @inline(__always) var z: UnsafeMutablePointer<RowLanes> { vector(2) }
    @inline(__always) var scale: UnsafeMutablePointer<RowLanes> { vector(3) }
    @inline(__always) var powers: (UnsafeMutablePointer<RowLanes>, UnsafeMutablePointer<RowLanes>) {
        (vector(4), vector(5))
    }
    @inline(__always) var distance: UnsafeMutablePointer<RowDoubles> {
        UnsafeMutableRawPointer(vector(6)).assumingMemoryBound(to: RowDoubles.self)
    }
}

/// Makes rows NaN whose label is not a class, and computes distances that f32 cannot hold in f64.
@inline(never)
@_optimize(size)
private func repairRows(_ rare: RareRows, _ labels: UnsafePointer<Int64>, _ ignored: Int64) {
    let distances = UnsafeMutableRawPointer(rare.distance)
    for row in 0..<rowsAbreast {
        let lane = laneOf(row)
        if labels[row] != ignored && (labels[row] < 0 || labels[row] > 1) { Float.store(.nan, rare.exponential, lane) }
        if Double.load(distances, row) >= 0x1p100 * 0x1p-896 {
            let distance = Double(Float.load(rare.m, lane)) - Double(Float.load(rare.z, lane))
            Double.store(distance * 0x1p-896, distances, row)
        }
    }
}

@inline(never)
@_optimize(size)
private func splitScales(_ rare: RareRows, _ rows: ShortRows, _ first: Int) {
    for row in 0..<rowsAbreast {
        let lane = laneOf(row)
        let (scale, power0, power1) = splitScale(rows.pointee.grad_scale?[first + row] ?? rows.pointee.scale)
        Float.store(Float(scale), rare.scale, lane)
        Float.store(power0, rare.powers.0, lane)
        Float.store(power1, rare.powers.1, lane)
    }
}
