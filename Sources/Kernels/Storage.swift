import KernelABI

/// The format of an input's or a gradient's numbers in memory: the kernel's own type, or a narrower one. Narrower
/// numbers are widened exactly, and rounded to nearest, ties to even; from f64 to 16 bits by way of f32.
struct Storage<T: Element> {
    let format: Int32

    @inline(__always) var isNative: Bool { format == CROSSENTROPY_NATIVE }
    /// Whether numbers are f32 while the kernel's own type is f64.
    @inline(__always) private var isSingle: Bool { T.self == Double.self && format == CROSSENTROPY_F32 }
    /// Bytes per number.
    @inline(__always) var size: Int { isNative ? MemoryLayout<T>.size : isSingle ? 4 : 2 }

    @inline(__always)
    func load(_ base: UnsafeRawPointer, _ index: Int) -> T {
        if isNative { return T.load(base, index) }
        if isSingle { return T(Float.load(base, index)) }
        let bits = Halves(repeating: base.loadUnaligned(fromByteOffset: 2 &* index, as: UInt16.self))
        return T(widened(bits)[0])
    }

    @inline(__always)
    func store(_ value: T, _ base: UnsafeMutableRawPointer, _ index: Int) {
        if isNative { return T.store(value, base, index) }
        if isSingle { return Float.store(Float(value), base, index) }
        let bits = narrowed(SIMD16(repeating: Float(value)))[0]
        base.storeBytes(of: bits, toByteOffset: 2 &* index, as: UInt16.self)
    }

    @inline(__always)
    private func widened(_ bits: Halves) -> SIMD16<Float> {
        format == CROSSENTROPY_BF16 ? fromBF16(bits) : fromF16(bits)
    }

    @inline(__always)
    private func narrowed(_ x: SIMD16<Float>) -> Halves { format == CROSSENTROPY_BF16 ? toBF16(x) : toF16(x) }

    @inline(__always)
    private func singles(_ base: UnsafeRawPointer, _ index: Int) -> SIMD16<Float> {
        isSingle
            ? Float.loadLanes(base, index)
            : widened(base.loadUnaligned(fromByteOffset: 2 &* index, as: Halves.self))
    }

    /// Copies the numbers from `start` on, `stride` apart, to `copy`, side by side.
    @inline(never)
    func gather(_ base: UnsafeRawPointer, _ start: Int, _ stride: Int, _ count: Int, _ copy: UnsafeMutableRawPointer) {
        if isNative {
            let first = base + start &* size
            if stride == 1 { return copy.copyMemory(from: first, byteCount: count &* size) }
            for i in 0..<count { T.store(T.load(first, i &* stride), copy, i) }
            return
        }
        var i = 0
        if stride == 1 {
            // The format is tested outside of the loops, so that each loop is a few instructions.
            if isSingle {
                while i &+ laneCount <= count {
                    T.storeLanes(T.lanes(of: Float.loadLanes(base, start &+ i)), copy, i)
                    i &+= laneCount
                }
            } else if format == CROSSENTROPY_BF16 {
                while i &+ laneCount <= count {
                    T.storeLanes(T.lanes(of: fromBF16(halves(base, start &+ i))), copy, i)
                    i &+= laneCount
                }
            } else {
                while i &+ laneCount <= count {
                    T.storeLanes(T.lanes(of: fromF16(halves(base, start &+ i))), copy, i)
                    i &+= laneCount
                }
            }
        }
        while i < count {
            T.store(load(base, start &+ i &* stride), copy, i)
            i &+= 1
        }
    }

    /// Copies numbers that are side by side in `copy` to the places from `start` on, `stride` apart.
    @inline(never)
    func scatter(
        _ copy: UnsafeRawPointer, _ count: Int, _ base: UnsafeMutableRawPointer, _ start: Int, _ stride: Int
    ) {
        if isNative {
            let first = base + start &* size
            if stride == 1 { return first.copyMemory(from: copy, byteCount: count &* size) }
            for i in 0..<count { T.store(T.load(copy, i), first, i &* stride) }
            return
        }
        var i = 0
        if stride == 1 {
            if isSingle {
                while i &+ laneCount <= count {
                    Float.storeLanes(T.singles(T.loadLanes(copy, i)), base, start &+ i)
                    i &+= laneCount
                }
            } else if format == CROSSENTROPY_BF16 {
                while i &+ laneCount <= count {
                    let x = T.singles(T.loadLanes(copy, i))
                    base.storeBytes(of: toBF16(x), toByteOffset: 2 &* (start &+ i), as: Halves.self)
                    i &+= laneCount
                }
            } else {
                while i &+ laneCount <= count {
                    let x = T.singles(T.loadLanes(copy, i))
                    base.storeBytes(of: toF16(x), toByteOffset: 2 &* (start &+ i), as: Halves.self)
                    i &+= laneCount
                }
            }
        }
        while i < count {
            store(T.load(copy, i), base, start &+ i &* stride)
            i &+= 1
        }
    }

    /// Writes `value` to `count` places.
    @inline(never)
    func fill(_ base: UnsafeMutableRawPointer, _ stride: Int, _ count: Int, with value: T) {
        for i in 0..<count { store(value, base, i &* stride) }
    }
}

@inline(__always)
private func halves(_ base: UnsafeRawPointer, _ index: Int) -> Halves {
    base.loadUnaligned(fromByteOffset: 2 &* index, as: Halves.self)
}

private typealias Halves = SIMD16<UInt16>
private typealias Words = SIMD16<UInt32>

@inline(__always)
private func words(_ x: SIMD16<Float>) -> Words { unsafeBitCast(x, to: Words.self) }

@inline(__always)
private func floats(_ words: Words) -> SIMD16<Float> { unsafeBitCast(words, to: SIMD16<Float>.self) }

@inline(__always)
private func widen(_ halves: Halves) -> Words {
    var wide = Words()
    for lane in 0..<laneCount { wide[lane] = UInt32(halves[lane]) }
    return wide
}

@inline(__always)
private func narrow(_ words: Words) -> Halves {
    var narrow = Halves()
    for lane in 0..<laneCount { narrow[lane] = UInt16(truncatingIfNeeded: words[lane]) }
    return narrow
}

@inline(__always)
private func word(_ value: UInt32) -> Words { Words(repeating: value) }

@inline(__always)
private func fromBF16(_ bits: Halves) -> SIMD16<Float> { floats(widen(bits) &<< 16) }

@inline(__always)
private func toBF16(_ x: SIMD16<Float>) -> Halves {
    let bits = words(x)
    let rounded = (bits &+ word(0x7FFF) &+ ((bits &>> 16) & word(1))) &>> 16
    return narrow(rounded.replacing(with: word(0x7FC0), where: (bits & word(0x7FFF_FFFF)) .> word(0x7F80_0000)))
}

@inline(__always)
private func fromF16(_ halves: Halves) -> SIMD16<Float> {
    #if CROSSENTROPY_KERNELSAVX2 || CROSSENTROPY_KERNELSAVX512
        let numbers = unsafeBitCast(halves, to: SIMD16<Float16>.self)  // vcvtph2ps
        var wide = SIMD16<Float>()
        for lane in 0..<laneCount { wide[lane] = Float(numbers[lane]) }
        return wide
    #else
        return fromF16ByBits(halves)
    #endif
}

@inline(__always)
private func fromF16ByBits(_ halves: Halves) -> SIMD16<Float> {
    let bits = widen(halves)
    // The exponent field is 112 too small; subnormals come out right because the product is exact.
    let shifted = (bits & word(0x7FFF)) &<< 13
    let finite = words(floats(shifted) * SIMD16(repeating: 0x1p112))
    let magnitude = finite.replacing(with: shifted | word(0x7F80_0000), where: shifted .>= word(0x7C00 << 13))
    return floats(magnitude | (bits & word(0x8000)) &<< 16)
}

@inline(__always)
private func toF16(_ x: SIMD16<Float>) -> Halves {
    #if CROSSENTROPY_KERNELSAVX2 || CROSSENTROPY_KERNELSAVX512
        var half = SIMD16<Float16>()
        for lane in 0..<laneCount { half[lane] = Float16(x[lane]) }  // vcvtps2ph
        let isNaN = unsafeBitCast(half, to: Halves.self) & Halves(repeating: 0x7FFF) .> Halves(repeating: 0x7C00)
        return unsafeBitCast(half, to: Halves.self).replacing(with: Halves(repeating: 0x7E00), where: isNaN)
    #else
        return toF16ByBits(x)
    #endif
}

@inline(__always)
private func toF16ByBits(_ x: SIMD16<Float>) -> Halves {
    let bits = words(x)
    let magnitude = bits & word(0x7FFF_FFFF)
    // From 2^-14 up, the exponent is rebased and the last 13 bits are rounded off.
    let normal = (magnitude &- word(112 << 23) &+ word(0xFFF) &+ ((magnitude &>> 13) & word(1))) &>> 13
    // Below 2^-14, adding 1/2 leaves the rounded result in the low bits.
    let subnormal = words(floats(magnitude) + SIMD16(repeating: 0.5)) &- word(Float(0.5).bitPattern)
    let finite = normal.replacing(with: subnormal, where: magnitude .< word(0x3880_0000))
    let overflowed = finite.replacing(with: word(0x7C00), where: magnitude .>= word(0x477F_F000))  // from 65520 up
    let signed = overflowed | ((bits &>> 16) & word(0x8000))
    return narrow(signed.replacing(with: word(0x7E00), where: magnitude .> word(0x7F80_0000)))
}
