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
/// if a label is none of these; such a label becomes 0.
func binaryLabels(
    _ base: UnsafeRawPointer, size: Int, start: Int, stride: Int, count: Int, ignored: UInt64?,
    _ copy: UnsafeMutablePointer<Float>
) -> Int {
    func read<Label: FixedWidthInteger & BitwiseCopyable>(_: Label.Type) -> Int {
        let ignoredLabel = Label(truncatingIfNeeded: ignored ?? 0)
        let ignores: UInt32 = ignored == nil ? 0 : 1
        // Without branches, because they would be mispredicted.
        var found: UInt32 = 0
        var bad: UInt32 = 0
        @inline(__always) func loop(_ stride: Int) {
            for i in 0..<count {
                let label = base.loadUnaligned(
                    fromByteOffset: (start &+ i &* stride) &* MemoryLayout<Label>.size, as: Label.self)
                let isIgnored = ignores & (label == ignoredLabel ? 1 : 0)
                found &+= isIgnored
                bad |= (isIgnored ^ 1) & (label > 1 ? 1 : 0)
                let y: Float = label == 1 ? 1 : 0
                copy[i] = isIgnored != 0 ? .nan : y
            }
        }
        // Neighbours of the commonest type have a loop of their own, which the compiler turns into vectors.
        if stride == 1 && MemoryLayout<Label>.size == 8 { loop(1) } else { loop(stride) }
        return bad == 0 ? Int(found) : -1
    }
    switch size {
    case 1: return read(UInt8.self)
    case 2: return read(UInt16.self)
    case 4: return read(UInt32.self)
    default: return read(UInt64.self)
    }
}
