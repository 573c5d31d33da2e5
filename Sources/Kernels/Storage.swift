import Shims

/// How the numbers of an input or a gradient lie in memory: as the kernel's own type, or as one of the 16-bit formats, which
/// the kernels for f32 read and write. These are widened exactly and rounded to nearest, ties to even.
struct Storage<T: Element> {
    let format: Int32

    /// Always so where the kernel's own type is f64.
    @inline(__always) var isNative: Bool { T.self == Double.self || format == CROSSENTROPY_NATIVE }
    /// Bytes of a number.
    @inline(__always) var size: Int { isNative ? MemoryLayout<T>.size : 2 }

    @inline(__always)
    func load(_ base: UnsafeRawPointer, _ index: Int) -> T {
        if isNative { return T.load(base, index) }
        let bits = base.loadUnaligned(fromByteOffset: 2 &* index, as: UInt16.self)
        return T(format == CROSSENTROPY_BF16 ? fromBF16(bits) : fromF16(bits))
    }

    @inline(__always)
    func store(_ value: T, _ base: UnsafeMutableRawPointer, _ index: Int) {
        if isNative { return T.store(value, base, index) }
        let bits = format == CROSSENTROPY_BF16 ? toBF16(Float(value)) : toF16(Float(value))
        base.storeBytes(of: bits, toByteOffset: 2 &* index, as: UInt16.self)
    }

    /// Numbers from `start` on, `stride` apart, to `copy` side by side.
    @inline(never)
    func gather(_ base: UnsafeRawPointer, _ start: Int, _ stride: Int, _ count: Int, _ copy: UnsafeMutableRawPointer) {
        func each(_ load: (Int) -> T) {
            if stride == 1 {
                for i in 0..<count { T.store(load(start &+ i), copy, i) }
            } else {
                for i in 0..<count { T.store(load(start &+ i &* stride), copy, i) }
            }
        }
        switch isNative ? CROSSENTROPY_NATIVE : format {
        case CROSSENTROPY_BF16: each { T(fromBF16(base.loadUnaligned(fromByteOffset: 2 &* $0, as: UInt16.self))) }
        case CROSSENTROPY_F16: each { T(fromF16(base.loadUnaligned(fromByteOffset: 2 &* $0, as: UInt16.self))) }
        default: each { T.load(base, $0) }
        }
    }

    /// The other way.
    @inline(never)
    func scatter(
        _ copy: UnsafeRawPointer, _ count: Int, _ base: UnsafeMutableRawPointer, _ start: Int, _ stride: Int
    ) {
        func each(_ store: (T, Int) -> Void) {
            if stride == 1 {
                for i in 0..<count { store(T.load(copy, i), start &+ i) }
            } else {
                for i in 0..<count { store(T.load(copy, i), start &+ i &* stride) }
            }
        }
        switch isNative ? CROSSENTROPY_NATIVE : format {
        case CROSSENTROPY_BF16:
            each { base.storeBytes(of: toBF16(Float($0)), toByteOffset: 2 &* $1, as: UInt16.self) }
        case CROSSENTROPY_F16:
            each { base.storeBytes(of: toF16(Float($0)), toByteOffset: 2 &* $1, as: UInt16.self) }
        default: each { T.store($0, base, $1) }
        }
    }

    /// Writes `value` `count` times.
    @inline(never)
    func fill(_ base: UnsafeMutableRawPointer, _ stride: Int, _ count: Int, with value: T) {
        for i in 0..<count { store(value, base, i &* stride) }
    }
}

@inline(__always)
private func fromBF16(_ bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) &<< 16) }

@inline(__always)
private func toBF16(_ x: Float) -> UInt16 {
    let bits = x.bitPattern
    let rounded = (bits &+ 0x7FFF &+ ((bits &>> 16) & 1)) &>> 16
    return x != x ? 0x7FC0 : UInt16(truncatingIfNeeded: rounded)
}

@inline(__always)
private func fromF16(_ bits: UInt16) -> Float {
    // The exponent field is 112 too small; subnormals come out right because the product is exact.
    let shifted = UInt32(bits & 0x7FFF) &<< 13
    let finite = (Float(bitPattern: shifted) * 0x1p112).bitPattern
    let magnitude = shifted >= 0x7C00 &<< 13 ? shifted | 0x7F80_0000 : finite
    return Float(bitPattern: magnitude | UInt32(bits & 0x8000) &<< 16)
}

@inline(__always)
private func toF16(_ x: Float) -> UInt16 {
    let magnitude = x.bitPattern & 0x7FFF_FFFF
    // From 2^-14 up the exponent is moved and the last 13 bits are rounded off.
    let normal = (magnitude &- 112 &<< 23 &+ 0xFFF &+ ((magnitude &>> 13) & 1)) &>> 13
    // Below, adding 1/2 leaves the result in the low bits, rounded.
    let subnormal = (Float(bitPattern: magnitude) + 0.5).bitPattern &- (Float(0.5)).bitPattern
    let finite = magnitude < 0x3880_0000 ? subnormal : normal
    let overflowed = magnitude >= 0x477F_F000 ? 0x7C00 : finite  // from 65520 up
    let result = x != x ? 0x7E00 : overflowed
    return UInt16(truncatingIfNeeded: result | (x != x ? 0 : (x.bitPattern &>> 16) & 0x8000))
}
