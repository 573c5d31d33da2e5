import Shims

/// An exact sum of doubles: the same result for any order and any split, rounded once.
///
/// A fixed-point number wide enough for every double (bit 0 is worth 2^-1074), in limbs of 32 bits kept in 64, so
/// that carries wait until `normalize`. It is large, so a copy is made by `init(copying:)` alone.
public struct ExactSum: ~Copyable {
    // 2098 bits for the doubles, and 3 limbs for the growth of 2^64 of them.
    private static var limbCount: Int { 70 }
    private static var mask: Int64 { 0xFFFF_FFFF }

    private var limbs = InlineArray<70, Int64>(repeating: 0)
    /// Additions since the last `normalize`: each adds less than 2^33 to a limb.
    private var pending = 0
    /// The sum of the NaNs and infinities that were added; it does not depend on their order either.
    private var special = 0.0

    // Ordinary numbers sixteen at a time: each is cut into a multiple of 2^-26 and one of 2^-68, which a double adds up exactly
    // for as long as 2^53 of these units are not reached.
    private var upper = SIMD16<Double>(repeating: 0)
    private var lower = SIMD16<Double>(repeating: 0)
    private var pendingVectors = 0
    /// Whether anything has been added to the limbs or to `special`.
    private var usesLimbs = false

    public init() {}

    /// Makes memory a sum of nothing. Of such a sum all bits are 0.
    static func clear(_ place: UnsafeMutablePointer<ExactSum>) {
        memset(place, 0, MemoryLayout<ExactSum>.size)
    }

    @inline(never)
    public init(copying other: borrowing ExactSum) {
        limbs = other.limbs
        pending = other.pending
        special = other.special
        upper = other.upper
        lower = other.lower
        pendingVectors = other.pendingVectors
        usesLimbs = other.usesLimbs
    }

    @inline(never)
    public mutating func add(_ x: SIMD16<Double>) {
        let toUpper = SIMD16<Double>(repeating: 0x1.8p26)  // adding it leaves multiples of 2^-26
        let toLower = SIMD16<Double>(repeating: 0x1.8p-16)  // and of 2^-68
        let high = (x + toUpper) - toUpper
        let rest = x - high
        let low = (rest + toLower) - toLower
        let limit = SIMD16<Double>(repeating: 0x1p15)
        guard all((x .< limit) .& (x .> -limit) .& (rest .== low)) else {
            for i in 0..<16 { add(x[i]) }
            return
        }
        upper += high
        lower += low
        pendingVectors += 1
        if pendingVectors == 1 << 11 { spreadVectors() }
    }

    @inline(never)
    private mutating func spreadVectors() {
        if pendingVectors == 0 { return }
        let (upper, lower) = (self.upper, self.lower)
        self.upper = SIMD16(repeating: 0)
        self.lower = SIMD16(repeating: 0)
        pendingVectors = 0
        for i in 0..<16 {
            add(upper[i])
            add(lower[i])
        }
    }

    @inline(never)
    public mutating func add(_ x: Double) {
        usesLimbs = true
        guard x.magnitude < .infinity else {
            special += x
            return
        }
        // x = significand 2^(position - 1074)
        let biased = Int(x.exponentBitPattern)
        let position = biased == 0 ? 0 : biased - 1
        let significand = x.significandBitPattern | (biased == 0 ? 0 : 1 << 52)
        let limb = position >> 5
        let shift = UInt64(position & 31)
        let low = (significand & 0xFFFF_FFFF) << shift
        let high = (significand >> 32) << shift
        let a = Int64(low & 0xFFFF_FFFF)
        let b = Int64((low >> 32) + (high & 0xFFFF_FFFF))
        let c = Int64(high >> 32)
        if x.sign == .plus {
            limbs[limb] += a
            limbs[limb + 1] += b
            limbs[limb + 2] += c
        } else {
            limbs[limb] -= a
            limbs[limb + 1] -= b
            limbs[limb + 2] -= c
        }
        pending += 1
        if pending == 1 << 29 { normalize() }
    }

    @export(interface) public mutating func add(_ other: borrowing ExactSum) {
        var other = ExactSum(copying: other)
        other.spreadVectors()
        other.normalize()
        normalize()
        for i in 0..<Self.limbCount { limbs[i] += other.limbs[i] }
        special += other.special
        usesLimbs = true
        normalize()
    }

    /// Brings every limb but the last into 0 ..< 2^32.
    private mutating func normalize() {
        var carry: Int64 = 0
        for i in 0..<Self.limbCount - 1 {
            let value = limbs[i] + carry
            limbs[i] = value & Self.mask
            carry = value >> 32
        }
        limbs[Self.limbCount - 1] += carry
        pending = 0
    }

    public init(_ x: Double) { add(x) }

    /// The sum, all its limbs at least 0, and whether it was negative; `nil` for NaN and infinities.
    private struct Normalized: ~Copyable {
        var isNegative = false
        var exact: ExactSum
    }

    private var normalized: Normalized? {
        var exact = ExactSum(copying: self)
        exact.spreadVectors()
        if exact.special != 0 { return nil }  // NaN != 0 holds
        exact.normalize()
        if exact.limbs[Self.limbCount - 1] >= 0 { return Normalized(exact: exact) }
        for i in 0..<Self.limbCount { exact.limbs[i] = -exact.limbs[i] }
        exact.normalize()
        return Normalized(isNegative: true, exact: exact)
    }

    /// The sum as an integer in units of 2^-1074 and whether it is negative; `nil` for NaN and infinities.
    var magnitude: (isNegative: Bool, LongInteger)? {
        guard let sum = normalized else { return nil }
        return (sum.isNegative, LongInteger(sum.exact.limbs))
    }

    /// The leading bits of a sum that is a number.
    struct LeadingBits {
        var isNegative: Bool
        /// 128 bits, of which the first is 1 unless the sum is 0.
        var high: UInt64 = 0
        var low: UInt64 = 0
        /// Whether all bits that follow are 0.
        var isExact = true
        /// The first bit is worth 2^exponent.
        var exponent = 0
    }

    /// Of up to 2048 ordinary numbers, which add up to an integer of 98 bits in units of 2^-68.
    private var leadingBitsOfVectors: LeadingBits? {
        if usesLimbs || pendingVectors > 1 << 7 { return nil }
        // Sums of the lanes are exact: at most 2^26 in units of 2^-26, and 2^-16 in units of 2^-68.
        let (a, b) = (Int64(sum(upper) * 0x1p26), Int64(sum(lower) * 0x1p68))
        var (high, low) = a.multipliedFullWidth(by: 1 << 42)
        let (added, carry) = low.addingReportingOverflow(UInt64(bitPattern: b))
        low = added
        high += (b >> 63) + (carry ? 1 : 0)
        var bits = LeadingBits(isNegative: high < 0)
        if high < 0 {
            low = 0 &- low
            high = ~high &+ (low == 0 ? 1 : 0)
        }
        let top = UInt64(bitPattern: high)
        if top | low == 0 { return LeadingBits(isNegative: false) }
        let shift = UInt64(top != 0 ? top.leadingZeroBitCount : 64 + low.leadingZeroBitCount)
        bits.high = shift >= 64 ? low << (shift - 64) : shift == 0 ? top : top << shift | low >> (64 - shift)
        bits.low = shift >= 64 ? 0 : low << shift
        bits.exponent = 127 - Int(shift) - 68
        return bits
    }

    private func sum(_ x: SIMD16<Double>) -> Double {
        let a = x.lowHalf + x.highHalf
        let b = a.lowHalf + a.highHalf
        let c = b.lowHalf + b.highHalf
        return c[0] + c[1]
    }

    var leadingBits: LeadingBits? {
        if let bits = leadingBitsOfVectors { return bits }
        guard let sum = normalized else { return nil }
        let isNegative = sum.isNegative
        return sum.exact.limbs.span.withUnsafeBufferPointer { limbs in  // or each would be read from a copy of them all
            var bits = LeadingBits(isNegative: isNegative)
            var top = Self.limbCount - 1
            while top >= 0 && limbs[top] == 0 { top -= 1 }
            if top < 0 { return bits }
            func limb(_ i: Int) -> UInt64 { i < 0 ? 0 : UInt64(limbs[i]) }
            let shift = UInt64(limb(top).leadingZeroBitCount) - 32
            let (first, second) = (limb(top) << 32 | limb(top - 1), limb(top - 2) << 32 | limb(top - 3))
            let third = limb(top - 4) << 32
            bits.high = first << shift | (second >> 32) >> (32 - shift)
            bits.low = second << shift | (third >> 32) >> (32 - shift)
            bits.isExact = third << shift == 0
            var i = top - 5
            while i >= 0 && bits.isExact {
                bits.isExact = limbs[i] == 0
                i -= 1
            }
            bits.exponent = 32 * top + 31 - Int(shift) - 1074
            return bits
        }
    }

    /// Whether the sum is a double that it was rounded to.
    func isExactly(_ rounded: Double) -> Bool {
        var difference = ExactSum(copying: self)
        difference.add(-rounded)
        return difference.leadingBits?.high == 0
    }

    /// The nearest double, infinite where the sum is beyond the range.
    @export(interface) public func rounded() -> Double {
        guard let bits = leadingBits else { return special }
        if bits.high == 0 { return 0 }
        let x = LongInteger.rounded(bits.high, bits.exponent - 63, isExact: bits.isExact && bits.low == 0)
        return bits.isNegative ? -x : x
    }

    // MARK: As plain words

    /// How many words a sum is, whatever was added.
    public static var wordCount: Int { limbCount }

    /// From what `store` wrote.
    @export(interface) public init(words: UnsafePointer<UInt32>, special: UInt32) {
        for i in 0..<Self.limbCount - 1 { limbs[i] = Int64(words[i]) }
        limbs[Self.limbCount - 1] = Int64(Int32(bitPattern: words[Self.limbCount - 1]))
        usesLimbs = true
        self.special = special == 0 ? 0 : special == 1 ? .infinity : special == 2 ? -.infinity : .nan
    }

    /// The sum as a number in two's complement, lowest word first; and which of +infinity (1) and -infinity (2) it is, 3
    /// for NaN. Equal sums are equal words.
    @export(interface) public func store(words: UnsafeMutablePointer<UInt32>) -> UInt32 {
        var exact = ExactSum(copying: self)
        exact.spreadVectors()
        exact.normalize()
        // What is beside an infinity or NaN does not matter any more.
        let isFinite = exact.special == 0
        for i in 0..<Self.limbCount { words[i] = isFinite ? UInt32(truncatingIfNeeded: exact.limbs[i]) : 0 }
        return isFinite ? 0 : exact.special == .infinity ? 1 : exact.special == -.infinity ? 2 : 3
    }
}
