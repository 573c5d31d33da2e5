import KernelABI

// The masses a and b, which multiply the two terms of a binary cross-entropy. For an element with target y, smoothed to
// y' = (1 - e) y + e / 2, sample weight s, class weight w and positive weight v
//
//     loss = a (-log p) + b (-log(1 - p)),    a = s w v y',    b = s w (1 - y')
//
// An element that does not count, since it is ignored or s w = 0, has no mass: a = b = 0.

/// False where weights are so near the ends of the f64 range that products with them may be wrong.
func binaryMasses<T: Element>(_ block: crossentropy_binary, _ count: Int, _: T.Type) -> Bool {
    let zero = DoubleLanes(repeating: 0)
    let one = DoubleLanes(repeating: 1)
    let keep = DoubleLanes(repeating: block.keep)
    let spread = DoubleLanes(repeating: block.spread)
    /// The values of lanes beyond the end do not matter, but their memory must exist.
    func load(_ numbers: UnsafePointer<Double>?, _ i: Int) -> DoubleLanes {
        numbers.map { Double.loadLanes(UnsafeRawPointer($0), i) } ?? one
    }
    let least = DoubleLanes(repeating: 0x1p-200)
    let most = DoubleLanes(repeating: 0x1p200)
    let lane = DoubleLanes(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
    var isExtreme = zero .!= zero
    func isOrdinary(_ x: DoubleLanes) -> SIMDMask<SIMD16<Int64>> {
        let magnitude = x.replacing(with: zero - x, where: x .< zero)
        return (magnitude .> least) .& (magnitude .< most)
    }
    func body(_ i: Int, _ target: DoubleLanes) {
        let s = load(block.sample_weight, i)
        let w = load(block.weight, i)
        let v = load(block.positive_weight, i)
        var scale = s * w
        let isNone = (s .== zero) .| (w .== zero)
        let isFine = (isOrdinary(scale) .| isNone) .& (isOrdinary(v) .| (v .== zero))
        isExtreme .|= .!isFine .& (lane .< DoubleLanes(repeating: Double(count &- i)))
        var y = target
        if block.has_indices != 0 {
            scale = scale.replacing(with: zero, where: y .!= y)
            y = y.replacing(with: zero, where: y .!= y)
        }
        // Computed in this way, 1 - y' keeps its digits where y' is nearly 1.
        let a = scale * (v * (keep * y + spread))
        let b = scale * (keep * (one - y) + spread)
        Double.storeLanes(a.replacing(with: zero, where: scale .== zero), block.positive, i)
        Double.storeLanes(b.replacing(with: zero, where: scale .== zero), block.negative, i)
    }
    var i = 0
    while i < count {
        body(i, loadTarget(block, i, count &- i, T.self))
        i &+= laneCount
    }
    return !isAnySet(isExtreme)
}

/// Loads the targets from element i on; `n` elements remain.
@inline(__always)
func loadTarget<T: Element>(_ block: crossentropy_binary, _ i: Int, _ n: Int, _: T.Type) -> DoubleLanes {
    // The array of labels has room for whole vectors.
    if block.has_indices != 0 { return Float.widen(Float.loadLanes(block.target, i)) }
    return T.widen(n >= laneCount ? T.loadLanes(block.target, i) : T.loadTail(block.target, i, n, filler: 0))
}

/// Converts `count` labels to 0 and 1, and those whose bits equal `ignored` to NaN. Returns how many are ignored, or -1
/// if a label is none of these; such a label becomes some number from 0 to 1.
func binaryLabels(
    _ base: UnsafeRawPointer, size: Int, start: Int, stride: Int, count: Int, ignored: UInt64?,
    _ copy: UnsafeMutablePointer<Float>
) -> Int {
    let zero = SIMD16<UInt32>(repeating: 0)
    let ones = SIMD16<UInt32>(repeating: ignored == nil ? 0 : .max)
    let ignoredBits = (ignored ?? 0) & (.max &>> UInt64(64 &- 8 &* size))
    // Halves of labels, as masks are of 32 bits: those of others would be packed and unpacked.
    let ignoredLow = SIMD16<UInt32>(repeating: UInt32(truncatingIfNeeded: ignoredBits))
    let ignoredHigh = SIMD16<UInt32>(repeating: UInt32(truncatingIfNeeded: ignoredBits &>> 32))
    var seen = zero
    var seenHigh = zero
    var found = zero
    var i = 0
    while i &+ laneCount <= count && stride == 1 {
        let first = base + (start &+ i) &* size
        var low: SIMD16<UInt32>
        var high = zero
        switch size {
        case 1: low = narrow(first.loadUnaligned(as: SIMD16<UInt8>.self))
        case 2: low = narrow(first.loadUnaligned(as: SIMD16<UInt16>.self))
        case 4: low = first.loadUnaligned(as: SIMD16<UInt32>.self)
        default:
            let labels = first.loadUnaligned(as: SIMD16<UInt64>.self)
            low = narrow(labels)
            high = narrow(labels &>> 32)
        }
        let isIgnored = zero.replacing(with: ones, where: (low .== ignoredLow) .& (high .== ignoredHigh))
        low &= ~isIgnored
        seen |= low
        seenHigh |= high & ~isIgnored
        found &-= isIgnored
        let y = bits(low) | isIgnored & SIMD16(repeating: Float.nan.bitPattern)
        Float.storeLanes(unsafeBitCast(y, to: SIMD16<Float>.self), UnsafeMutableRawPointer(copy), i)
        i &+= laneCount
    }
    var total = 0
    var all: UInt64 = 0
    for lane in 0..<laneCount {
        total &+= Int(found[lane])
        all |= UInt64(seen[lane]) | UInt64(seenHigh[lane]) &<< 32
    }
    while i < count {
        let label = labelBits(base + (start &+ i &* stride) &* size, size)
        let isIgnored = ignored != nil && label == ignoredBits
        total &+= isIgnored ? 1 : 0
        all |= isIgnored ? 0 : label
        copy[i] = isIgnored ? .nan : label & 1 == 0 ? 0 : 1
        i &+= 1
    }
    return all <= 1 ? total : -1
}

/// The same for labels side by side that are all 0 or 1, as far as is known.
func knownLabels(
    _ base: UnsafeRawPointer, size: Int, start: Int, count: Int, _ copy: UnsafeMutablePointer<Float>
) {
    let first = base + start &* size
    let place = UnsafeMutableRawPointer(copy)
    var i = 0
    @inline(__always) func convert<Label: FixedWidthInteger & SIMDScalar & BitwiseCopyable>(_: Label.Type) {
        while i &+ laneCount <= count {
            let labels = first.loadUnaligned(fromByteOffset: i &* MemoryLayout<Label>.size, as: SIMD16<Label>.self)
            Float.storeLanes(unsafeBitCast(bits(narrow(labels)), to: SIMD16<Float>.self), place, i)
            i &+= laneCount
        }
    }
    switch size {
    case 1: convert(UInt8.self)
    case 2: convert(UInt16.self)
    case 4: convert(UInt32.self)
    default: convert(UInt64.self)
    }
    while i < count {
        copy[i] = labelBits(first + i &* size, size) == 0 ? 0 : 1
        i &+= 1
    }
}

/// The bits of the number 1 where a label is 1, and 0 where it is 0.
@inline(__always)
private func bits(_ labels: SIMD16<UInt32>) -> SIMD16<UInt32> {
    (SIMD16(repeating: 0) &- labels) & SIMD16(repeating: Float(1).bitPattern)
}

@inline(__always)
private func narrow<Label: FixedWidthInteger & SIMDScalar>(_ labels: SIMD16<Label>) -> SIMD16<UInt32> {
    var bits = SIMD16<UInt32>()
    for lane in 0..<laneCount { bits[lane] = UInt32(truncatingIfNeeded: labels[lane]) }
    return bits
}

@inline(__always)
private func labelBits(_ place: UnsafeRawPointer, _ size: Int) -> UInt64 {
    switch size {
    case 1: UInt64(place.load(as: UInt8.self))
    case 2: UInt64(place.loadUnaligned(as: UInt16.self))
    case 4: UInt64(place.loadUnaligned(as: UInt32.self))
    default: place.loadUnaligned(as: UInt64.self)
    }
}

/// Whether labels side by side are all 0 or 1, as nearly all of them are.
func areBinary(_ base: UnsafeRawPointer, size: Int, start: Int, count: Int) -> Bool {
    let bytes = count &* size
    let first = base + start &* size
    var seen = SIMD16<UInt64>(repeating: 0)
    var i = 0
    while i &+ 128 <= bytes {
        seen |= first.loadUnaligned(fromByteOffset: i, as: SIMD16<UInt64>.self)
        i &+= 128
    }
    var all: UInt64 = 0
    for lane in 0..<laneCount { all |= seen[lane] }
    while i &+ 8 <= bytes {
        all |= first.loadUnaligned(fromByteOffset: i, as: UInt64.self)
        i &+= 8
    }
    while i < bytes {
        all |= UInt64(first.load(fromByteOffset: i, as: UInt8.self)) &<< UInt64(8 &* (i & 7))
        i &+= 1
    }
    // The lowest bit of each label.
    let lowest: UInt64
    switch size {
    case 1: lowest = 0x0101_0101_0101_0101
    case 2: lowest = 0x0001_0001_0001_0001
    case 4: lowest = 0x0000_0001_0000_0001
    default: lowest = 1
    }
    return all & ~lowest == 0
}
