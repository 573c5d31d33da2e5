import Shims

/// Vectors have sixteen lanes on every instruction set: lane l holds classes l, l + 16, l + 32, ... of a block, so
/// that sums have the same bits with registers of any width.
let laneCount = 16

typealias DoubleLanes = SIMD16<Double>

#if hasFeature(Embedded)
    typealias LaneScalar = BinaryFloatingPoint & BitwiseCopyable & SIMDScalar
#else
    // The scalar of a SIMD vector is Codable; the compiler warns if a protocol leaves that to be inferred.
    typealias LaneScalar = BinaryFloatingPoint & BitwiseCopyable & SIMDScalar & Codable
#endif

/// A type of input: how its lanes are loaded, compared, widened and exponentiated.
///
/// Conformances are concrete on purpose. Operators of a generic `SIMD` compile to loops over lanes; those of
/// `SIMD16<Float>` compile to instructions.
protocol Element: LaneScalar {
    associatedtype Lanes: BitwiseCopyable
    /// An integer per lane, as wide as the lane.
    associatedtype Bits: BitwiseCopyable

    static func splat(_ value: Self) -> Lanes
    static func get(_ lane: Int, of lanes: Lanes) -> Self
    static func maximum(_ a: Lanes, _ b: Lanes) -> Lanes
    static func minimum(_ a: Lanes, _ b: Lanes) -> Lanes
    static func largestLane(_ lanes: Lanes) -> Self
    /// `lanes`, with 0 in the first lane that holds `value`.
    static func zeroingFirst(_ lanes: Lanes, equalTo value: Self) -> Lanes
    static func product(_ a: Lanes, _ b: Lanes) -> Lanes
    /// `a` where `condition` is not 0, else `b`.
    static func select(_ condition: Lanes, _ a: Lanes, _ b: Lanes) -> Lanes
    /// `lanes`, with the largest finite numbers in place of infinities.
    static func clamped(_ lanes: Lanes) -> Lanes
    /// `values`, with 0 where the same lane of `lanes` equals that of `value`.
    static func zeroing(_ values: Lanes, where lanes: Lanes, equals value: Lanes) -> Lanes
    /// `lanes`, with NaN where the same lane of `other` equals that of `value`.
    static func removing(_ value: Lanes, where other: Lanes, equals lanes: Lanes) -> Lanes
    /// `lanes`, with `value` in lanes of a magnitude above `bar`, which is not negative.
    static func replacing(_ lanes: Lanes, beyond bar: Lanes, with value: Lanes) -> Lanes
    static func isAny(_ lanes: Lanes, equalTo value: Lanes) -> Bool
    /// The same of four vectors from `index` on.
    static func isAny(_ base: UnsafeRawPointer, _ index: Int, equalTo value: Lanes) -> Bool
    /// `guess` where `max` is at most `slack` above it, else `max`; 0 where the result would not be finite.
    static func reference(guess: Lanes, max: Lanes, slack: Self) -> Lanes
    static func areEqual(_ a: Lanes, _ b: Lanes) -> Bool
    static func sum(_ a: Lanes, _ b: Lanes) -> Lanes
    static func difference(_ a: Lanes, _ b: Lanes) -> Lanes

    static func widen(_ lanes: Lanes) -> DoubleLanes
    static func narrow(_ lanes: DoubleLanes) -> Lanes
    /// `values`, with 0 where x < bar.
    static func zeroing(_ values: Lanes, where x: Lanes, isBelow bar: Lanes) -> Lanes
    /// `count`, plus 1 in lanes with x >= bar.
    static func counting(_ count: Lanes, where x: Lanes, reaches bar: Lanes) -> Lanes
    /// The same for counts of integers, which begin at 0 and take one operation less.
    static func counting(_ count: Bits, where x: Lanes, reaches bar: Lanes) -> Bits
    static var noBits: Bits { get }
    static func sum(_ bits: Bits) -> Int
    /// Conversions from and to f32, rounded to nearest.
    static func lanes(of singles: SIMD16<Float>) -> Lanes
    static func singles(_ lanes: Lanes) -> SIMD16<Float>

    /// exp(x - m) in the units that `reference` describes, for t = x - reference.shift.
    static func exp(_ t: Lanes, _ reference: ExpReference<Self>) -> Lanes
    /// exp(s (x - m)) for the reference's scale s.
    static func scaledExp(_ t: Lanes, _ reference: ExpReference<Self>) -> Lanes
    /// The reference for exponentials relative to finite numbers `m`.
    static func expReference(_ m: Lanes, _ scale: ExponentScale) -> ExpReference<Self>
    /// exp(s m) in the units of `expReference(m)`.
    static func expUnit(_ m: Lanes, _ scale: ExponentScale) -> DoubleLanes
    /// The units of `expReference(m)` are exp(shift) 2^(expExponent(m) - expBias).
    static func expExponent(_ m: Self) -> Int64
}

// Written out, because the standard library's `any` may become a function that several modules share.

@inline(__always)
func isAnySet(_ mask: SIMDMask<SIMD16<Int32>>) -> Bool {
    let bits = SIMD16<Int32>(repeating: 0).replacing(with: SIMD16(repeating: 1), where: mask)
    let eight = bits.lowHalf | bits.highHalf
    let four = eight.lowHalf | eight.highHalf
    let two = four.lowHalf | four.highHalf
    return two[0] | two[1] != 0
}

@inline(__always)
func isAnySet(_ mask: SIMDMask<SIMD16<Int64>>) -> Bool {
    let bits = SIMD16<Int64>(repeating: 0).replacing(with: SIMD16(repeating: 1), where: mask)
    let eight = bits.lowHalf | bits.highHalf
    let four = eight.lowHalf | eight.highHalf
    let two = four.lowHalf | four.highHalf
    return two[0] | two[1] != 0
}

extension Element {
    @inline(__always) static func expReference(_ m: Lanes) -> ExpReference<Self> { expReference(m, .one) }
    @inline(__always) static func expUnit(_ m: Lanes) -> DoubleLanes { expUnit(m, .one) }
}

/// Memory access. Any alignment is accepted, so nothing here is typed.
extension Element {
    @inline(__always)
    static func load(_ base: UnsafeRawPointer, _ index: Int) -> Self {
        base.loadUnaligned(fromByteOffset: index &* MemoryLayout<Self>.size, as: Self.self)
    }

    @inline(__always)
    static func store(_ value: Self, _ base: UnsafeMutableRawPointer, _ index: Int) {
        base.storeBytes(of: value, toByteOffset: index &* MemoryLayout<Self>.size, as: Self.self)
    }

    @inline(__always)
    static func loadLanes(_ base: UnsafeRawPointer, _ index: Int) -> Lanes {
        base.loadUnaligned(fromByteOffset: index &* MemoryLayout<Self>.size, as: Lanes.self)
    }

    @inline(__always)
    static func storeLanes(_ lanes: Lanes, _ base: UnsafeMutableRawPointer, _ index: Int) {
        base.storeBytes(of: lanes, toByteOffset: index &* MemoryLayout<Self>.size, as: Lanes.self)
    }

    /// The last `count` < 16 classes of a block; the other lanes hold `filler`.
    @inline(__always)
    static func loadTail(_ base: UnsafeRawPointer, _ index: Int, _ count: Int, filler: Self) -> Lanes {
        #if CROSSENTROPY_KERNELSAVX512
            if Self.self == Float.self {
                let filler = unsafeBitCast(splat(filler), to: SIMD16<Float>.self)
                let x = base + index &* MemoryLayout<Self>.size
                return unsafeBitCast(shim_load_first(x, filler, Int32(truncatingIfNeeded: count)), to: Lanes.self)
            }
        #endif
        var lanes = splat(filler)
        withUnsafeMutableBytes(of: &lanes) {
            copyTail(base + index &* MemoryLayout<Self>.size, $0.baseAddress!, count)
        }
        return lanes
    }

    @inline(__always)
    static func storeTail(_ lanes: Lanes, _ base: UnsafeMutableRawPointer, _ index: Int, _ count: Int) {
        #if CROSSENTROPY_KERNELSAVX512
            if Self.self == Float.self {
                shim_store_first(
                    base + index &* MemoryLayout<Self>.size, unsafeBitCast(lanes, to: SIMD16<Float>.self),
                    Int32(truncatingIfNeeded: count))
                return
            }
        #endif
        withUnsafeBytes(of: lanes) {
            copyTail($0.baseAddress!, base + index &* MemoryLayout<Self>.size, count)
        }
    }

    /// Copies in powers of two, because a call of memcpy would cost more than the rest of a short row.
    @inline(__always)
    private static func copyTail(_ from: UnsafeRawPointer, _ to: UnsafeMutableRawPointer, _ count: Int) {
        var done = 0
        @inline(__always) func copy(_ size: Int) {
            if count & size == 0 { return }
            (to + done).copyMemory(from: from + done, byteCount: size &* MemoryLayout<Self>.size)
            done &+= size &* MemoryLayout<Self>.size
        }
        copy(8)
        copy(4)
        copy(2)
        copy(1)
    }
}

extension Float: Element {
    typealias Lanes = SIMD16<Float>
    typealias Bits = SIMD16<Int32>

    @inline(__always) static func splat(_ value: Float) -> Lanes { Lanes(repeating: value) }
    @inline(__always) static func get(_ lane: Int, of lanes: Lanes) -> Float { lanes[lane] }

    /// The larger; a NaN in `b` is skipped.
    @inline(__always) static func maximum(_ a: Lanes, _ b: Lanes) -> Lanes { a.replacing(with: b, where: b .> a) }

    /// The smaller; a NaN in `b` stays.
    @inline(__always) static func minimum(_ a: Lanes, _ b: Lanes) -> Lanes { b.replacing(with: a, where: a .< b) }

    @inline(__always)
    static func zeroingFirst(_ lanes: Lanes, equalTo value: Float) -> Lanes {
        #if CROSSENTROPY_KERNELSAVX512
            return shim_zeroing_first_16(lanes, Lanes(repeating: value))
        #else
            let numbers = Bits(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
            let holders = Bits(repeating: 16).replacing(with: numbers, where: lanes .== Lanes(repeating: value))
            let eight = holders.lowHalf.replacing(with: holders.highHalf, where: holders.highHalf .< holders.lowHalf)
            let four = eight.lowHalf.replacing(with: eight.highHalf, where: eight.highHalf .< eight.lowHalf)
            let two = four.lowHalf.replacing(with: four.highHalf, where: four.highHalf .< four.lowHalf)
            let first = two[0] < two[1] ? two[0] : two[1]
            return lanes.replacing(with: Lanes(repeating: 0), where: numbers .== Bits(repeating: first))
        #endif
    }

    @inline(__always)
    static func largestLane(_ lanes: Lanes) -> Float {
        #if CROSSENTROPY_KERNELSAVX512
            return shim_largest_16(lanes)
        #else
            let eight = lanes.lowHalf.replacing(with: lanes.highHalf, where: lanes.highHalf .> lanes.lowHalf)
            let four = eight.lowHalf.replacing(with: eight.highHalf, where: eight.highHalf .> eight.lowHalf)
            let two = four.lowHalf.replacing(with: four.highHalf, where: four.highHalf .> four.lowHalf)
            return two[0] > two[1] ? two[0] : two[1]
        #endif
    }

    @inline(__always) static func product(_ a: Lanes, _ b: Lanes) -> Lanes { a * b }

    @inline(__always)
    static func select(_ condition: Lanes, _ a: Lanes, _ b: Lanes) -> Lanes {
        a.replacing(with: b, where: condition .== Lanes(repeating: 0))
    }

    @inline(__always)
    static func clamped(_ lanes: Lanes) -> Lanes {
        let largest = Lanes(repeating: .greatestFiniteMagnitude)
        return lanes.replacing(with: largest, where: lanes .> largest).replacing(
            with: -largest, where: lanes .< -largest)
    }

    @inline(__always)
    static func reference(guess: Lanes, max: Lanes, slack: Self) -> Lanes {
        let infinity = Lanes(repeating: .infinity)
        let finite = Lanes(repeating: 0).replacing(with: max, where: (max .< infinity) .& (max .> -infinity))
        return finite.replacing(with: guess, where: max - guess .<= Lanes(repeating: slack))
    }

    @inline(__always)
    static func zeroing(_ values: Lanes, where lanes: Lanes, equals value: Lanes) -> Lanes {
        values.replacing(with: Lanes(repeating: 0), where: lanes .== value)
    }

    @inline(__always)
    static func removing(_ value: Lanes, where other: Lanes, equals lanes: Lanes) -> Lanes {
        value.replacing(with: Lanes(repeating: .nan), where: other .== lanes)
    }

    @inline(__always)
    static func replacing(_ lanes: Lanes, beyond bar: Lanes, with value: Lanes) -> Lanes {
        lanes.replacing(with: value, where: (lanes .> bar) .| (lanes .< -bar))
    }

    @inline(__always) static func isAny(_ lanes: Lanes, equalTo value: Lanes) -> Bool { isAnySet(lanes .== value) }
    @inline(__always)
    static func isAny(_ base: UnsafeRawPointer, _ index: Int, equalTo value: Lanes) -> Bool {
        let (a, b) = (loadLanes(base, index), loadLanes(base, index &+ laneCount))
        let (c, d) = (loadLanes(base, index &+ 2 &* laneCount), loadLanes(base, index &+ 3 &* laneCount))
        return isAnySet((a .== value) .| (b .== value) .| (c .== value) .| (d .== value))
    }
    @inline(__always) static func areEqual(_ a: Lanes, _ b: Lanes) -> Bool { !isAnySet(a .!= b) }
    @inline(__always) static func sum(_ a: Lanes, _ b: Lanes) -> Lanes { a + b }
    @inline(__always) static func difference(_ a: Lanes, _ b: Lanes) -> Lanes { a - b }

    @inline(__always)
    static func widen(_ lanes: Lanes) -> DoubleLanes {
        var wide = DoubleLanes()
        for lane in 0..<laneCount { wide[lane] = Double(lanes[lane]) }
        return wide
    }

    @inline(__always)
    static func narrow(_ lanes: DoubleLanes) -> Lanes {
        var narrow = Lanes()
        for lane in 0..<laneCount { narrow[lane] = Float(lanes[lane]) }
        return narrow
    }

    @inline(__always) static func lanes(of singles: SIMD16<Float>) -> Lanes { singles }
    @inline(__always) static func singles(_ lanes: Lanes) -> SIMD16<Float> { lanes }

    @inline(__always)
    static func zeroing(_ values: Lanes, where x: Lanes, isBelow bar: Lanes) -> Lanes {
        values.replacing(with: Lanes(repeating: 0), where: x .< bar)
    }

    @inline(__always)
    static func counting(_ count: Lanes, where x: Lanes, reaches bar: Lanes) -> Lanes {
        count.replacing(with: count + Lanes(repeating: 1), where: x .>= bar)
    }

    @inline(__always)
    static func counting(_ count: Bits, where x: Lanes, reaches bar: Lanes) -> Bits {
        count &- unsafeBitCast(x .>= bar, to: Bits.self)
    }

    @inline(__always) static var noBits: Bits { Bits(repeating: 0) }

    @inline(__always)
    static func sum(_ bits: Bits) -> Int {
        var total = 0
        for lane in 0..<laneCount { total &+= Int(bits[lane]) }
        return total
    }
}

extension Double: Element {
    typealias Lanes = DoubleLanes
    typealias Bits = SIMD16<Int64>

    @inline(__always) static func splat(_ value: Double) -> Lanes { Lanes(repeating: value) }
    @inline(__always) static func get(_ lane: Int, of lanes: Lanes) -> Double { lanes[lane] }

    /// The larger; a NaN in `b` is skipped.
    @inline(__always) static func maximum(_ a: Lanes, _ b: Lanes) -> Lanes { a.replacing(with: b, where: b .> a) }

    /// The smaller; a NaN in `b` stays.
    @inline(__always) static func minimum(_ a: Lanes, _ b: Lanes) -> Lanes { b.replacing(with: a, where: a .< b) }

    @inline(__always)
    static func zeroingFirst(_ lanes: Lanes, equalTo value: Double) -> Lanes {
        let numbers = Bits(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
        let holders = Bits(repeating: 16).replacing(with: numbers, where: lanes .== Lanes(repeating: value))
        let eight = holders.lowHalf.replacing(with: holders.highHalf, where: holders.highHalf .< holders.lowHalf)
        let four = eight.lowHalf.replacing(with: eight.highHalf, where: eight.highHalf .< eight.lowHalf)
        let two = four.lowHalf.replacing(with: four.highHalf, where: four.highHalf .< four.lowHalf)
        let first = two[0] < two[1] ? two[0] : two[1]
        return lanes.replacing(with: Lanes(repeating: 0), where: numbers .== Bits(repeating: first))
    }

    @inline(__always)
    static func largestLane(_ lanes: Lanes) -> Double {
        let eight = lanes.lowHalf.replacing(with: lanes.highHalf, where: lanes.highHalf .> lanes.lowHalf)
        let four = eight.lowHalf.replacing(with: eight.highHalf, where: eight.highHalf .> eight.lowHalf)
        let two = four.lowHalf.replacing(with: four.highHalf, where: four.highHalf .> four.lowHalf)
        return two[0] > two[1] ? two[0] : two[1]
    }

    @inline(__always) static func product(_ a: Lanes, _ b: Lanes) -> Lanes { a * b }

    @inline(__always)
    static func select(_ condition: Lanes, _ a: Lanes, _ b: Lanes) -> Lanes {
        a.replacing(with: b, where: condition .== Lanes(repeating: 0))
    }

    @inline(__always)
    static func clamped(_ lanes: Lanes) -> Lanes {
        let largest = Lanes(repeating: .greatestFiniteMagnitude)
        return lanes.replacing(with: largest, where: lanes .> largest).replacing(
            with: -largest, where: lanes .< -largest)
    }

    @inline(__always)
    static func reference(guess: Lanes, max: Lanes, slack: Self) -> Lanes {
        let infinity = Lanes(repeating: .infinity)
        let finite = Lanes(repeating: 0).replacing(with: max, where: (max .< infinity) .& (max .> -infinity))
        return finite.replacing(with: guess, where: max - guess .<= Lanes(repeating: slack))
    }

    @inline(__always)
    static func zeroing(_ values: Lanes, where lanes: Lanes, equals value: Lanes) -> Lanes {
        values.replacing(with: Lanes(repeating: 0), where: lanes .== value)
    }

    @inline(__always)
    static func removing(_ value: Lanes, where other: Lanes, equals lanes: Lanes) -> Lanes {
        value.replacing(with: Lanes(repeating: .nan), where: other .== lanes)
    }

    @inline(__always)
    static func replacing(_ lanes: Lanes, beyond bar: Lanes, with value: Lanes) -> Lanes {
        lanes.replacing(with: value, where: (lanes .> bar) .| (lanes .< -bar))
    }

    @inline(__always) static func isAny(_ lanes: Lanes, equalTo value: Lanes) -> Bool { isAnySet(lanes .== value) }
    @inline(__always)
    static func isAny(_ base: UnsafeRawPointer, _ index: Int, equalTo value: Lanes) -> Bool {
        let (a, b) = (loadLanes(base, index), loadLanes(base, index &+ laneCount))
        let (c, d) = (loadLanes(base, index &+ 2 &* laneCount), loadLanes(base, index &+ 3 &* laneCount))
        return isAnySet((a .== value) .| (b .== value) .| (c .== value) .| (d .== value))
    }
    @inline(__always) static func areEqual(_ a: Lanes, _ b: Lanes) -> Bool { !isAnySet(a .!= b) }
    @inline(__always) static func sum(_ a: Lanes, _ b: Lanes) -> Lanes { a + b }
    @inline(__always) static func difference(_ a: Lanes, _ b: Lanes) -> Lanes { a - b }

    @inline(__always) static func widen(_ lanes: Lanes) -> DoubleLanes { lanes }
    @inline(__always) static func narrow(_ lanes: DoubleLanes) -> Lanes { lanes }
    @inline(__always) static func lanes(of singles: SIMD16<Float>) -> Lanes { Float.widen(singles) }
    @inline(__always) static func singles(_ lanes: Lanes) -> SIMD16<Float> { Float.narrow(lanes) }

    @inline(__always)
    static func zeroing(_ values: Lanes, where x: Lanes, isBelow bar: Lanes) -> Lanes {
        values.replacing(with: Lanes(repeating: 0), where: x .< bar)
    }

    @inline(__always)
    static func counting(_ count: Lanes, where x: Lanes, reaches bar: Lanes) -> Lanes {
        count.replacing(with: count + Lanes(repeating: 1), where: x .>= bar)
    }

    @inline(__always)
    static func counting(_ count: Bits, where x: Lanes, reaches bar: Lanes) -> Bits {
        count &- unsafeBitCast(x .>= bar, to: Bits.self)
    }

    @inline(__always) static var noBits: Bits { Bits(repeating: 0) }

    @inline(__always)
    static func sum(_ bits: Bits) -> Int {
        var total = 0
        for lane in 0..<laneCount { total &+= Int(bits[lane]) }
        return total
    }
}

// self + a b, rounded once. The x86-64 baseline has no such instruction and calls libm 16 times, which is large code:
// there it is one function that is not inlined.

extension SIMD16<Float> {
    #if arch(x86_64) && CROSSENTROPY_KERNELS
        @inline(never)
    #else
        @inline(__always)
    #endif
    func fusedAdding(_ a: Self, _ b: Self) -> Self { addingProduct(a, b) }
}

extension SIMD16<Double> {
    #if arch(x86_64) && CROSSENTROPY_KERNELS
        @inline(never)
    #else
        @inline(__always)
    #endif
    func fusedAdding(_ a: Self, _ b: Self) -> Self { addingProduct(a, b) }
}

/// The sum of the lanes, always by the same tree.
@inline(__always)
func sum(_ lanes: DoubleLanes) -> Double {
    let eight = lanes.lowHalf + lanes.highHalf
    let four = eight.lowHalf + eight.highHalf
    let two = four.lowHalf + four.highHalf
    return two[0] + two[1]
}
